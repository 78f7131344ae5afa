/** A ledger that was restored to an earlier time, while the buckets kept their state. */
import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import * as z from 'zod';
import { replay } from '../../../../src/lib/flow/operate/again.ts';
import { reconcile } from '../../../../src/lib/flow/repair/reconcile.ts';
import { dataset, expectCounted, World } from '../../../support/flowWorld.ts';
import { runs } from '../../../support/thorough.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const itemSchema = z.looseObject({ pk: z.string(), sk: z.string() });
const itemsNow = () =>
  structuredClone(world.aws.dynamo.items('ledger')).map((item) => itemSchema.parse(item));

async function restore(items: ReturnType<typeof itemsNow>): Promise<void> {
  const { documents } = world.aws.actor('restore');
  for (const { pk, sk } of itemsNow())
    await documents.send(new DeleteCommand({ TableName: 'ledger', Key: { pk, sk } }));
  for (const Item of items) await documents.send(new PutCommand({ TableName: 'ledger', Item }));
}

test('restored to the middle of a correction that was completed, the ledger takes it to its end again, and no row is lost', async () => {
  world.put('feed/a', ['a1@06']);
  world.put('feed/c', ['c1@06']);
  await world.settle();
  let saved: ReturnType<typeof itemsNow> = [];
  world.watch('publish', async () => {
    saved = itemsNow();
  });
  world.put('feed/a', ['a2@06']);
  await world.settle();
  await restore(saved);
  await world.sweep(true);
  await world.settle();
  await world.cleanUp();
  expect({ a: world.linesOf('feed/a'), c: world.linesOf('feed/c') }).toEqual({ a: ['a2@06'], c: ['c1@06'] });
});

test.each([
  [
    'a file that was put with its former bytes again has these, though the restored ledger did not know the others',
    ['a1@06', 'a2@07'],
    true,
  ],
  ['a copy of the former bytes from before the lost version does not come back', ['a3@06', 'a4@07'], false],
])('%s', async (_, expected, isLater) => {
  const [former, lost] = [
    ['a1@06', 'a2@07'],
    ['a3@06', 'a4@07'],
  ];
  world.put('feed/a', former);
  await world.settle();
  const saved = itemsNow();
  if (!isLater) world.put('feed/a', former);
  const late = world.events.splice(0);
  world.put('feed/a', lost);
  await world.settle();
  if (isLater) world.put('feed/a', former);
  await restore(saved);
  world.events.push(...late);
  await world.deliver();
  await world.settle();
  await world.sweep(true);
  await world.settle();
  await world.cleanUp();
  expect(world.linesOf('feed/a')).toEqual(expected);
  await expectCounted(world);
});

/** Files put before a moment, files put after it, and files that arrive when the ledger is back at that moment. */
const rowsOf = (keys: readonly string[]) =>
  Object.fromEntries(keys.map((key) => [key, world.linesOf(`feed/${key}`)]));
const refusedOf = () =>
  world
    .refused()
    .map((row) => `${row.object} ${row.line}`)
    .sort();

/** Everything that a ledger without a loss would show about the files. */
async function factsOf() {
  const { ledger } = world.deps('test');
  const files = await Array.fromAsync(ledger.files(dataset));
  return {
    files: files.map((f) => `${f.object} ${f.version} ${f.state} ${f.batch} ${f.counts?.published}`).sort(),
    rows: (await ledger.read(dataset, files)).map(({ object }) => object?.rows),
    latest: (await ledger.read(dataset, files)).map(({ object }) => [object?.version, object?.etag]),
    published: await ledger.publishedFiles(dataset),
    recent: await ledger.lastBatches(dataset),
    counted: await world.counted(),
  };
}

/** A history of two corrections, a replay and new files; the ledger loses all but the first `kept` acts. */
const acts: readonly (() => unknown)[] = [
  () => {
    world.put('feed/a', ['a1@06', 'a2@07', 'bad']);
    world.put('feed/b', ['b1@06']);
  },
  () => {
    world.put('feed/c', ['c1@06', 'worse']);
  },
  () => {
    world.put('feed/a', ['a3@06', 'a4@08']);
  },
  () => world.operate((deps) => replay(deps, dataset, { prefix: 'feed/b' })),
  () => {
    world.put('feed/c', ['c2@06']);
    world.put('feed/d', ['d1@07']);
  },
  () => {
    world.put('feed/a', ['a5@06']);
  },
];

test.each(acts.map((_, kept) => [kept]))(
  'restored to the time after %i of six batches, the ledger takes up the others as they were, and no row is lost or doubled',
  async (kept) => {
    let saved: ReturnType<typeof itemsNow> = [];
    for (const [i, act] of acts.entries()) {
      if (i === kept) saved = itemsNow();
      await act();
      await world.settle();
    }
    const facts = await factsOf();
    const [rows, refused] = [rowsOf(['a', 'b', 'c', 'd']), refusedOf()];
    await restore(saved);
    // A new file and a correction arrive before anything else notices the loss.
    world.put('feed/e', ['e1@06']);
    await world.deliver();
    await world.executeAll();
    expect(rowsOf(['a', 'b', 'c', 'd'])).toEqual(rows);
    await world.settle();
    await world.sweep(true);
    await world.settle();
    await world.cleanUp();
    expect(rowsOf(['a', 'b', 'c', 'd', 'e'])).toEqual({ ...rows, e: ['e1@06'] });
    expect(refusedOf()).toEqual(refused);
    const now = await factsOf();
    expect(now.files.filter((f) => !f.startsWith('feed/e'))).toEqual(facts.files);
    expect(now.published).toBe(facts.published + 1);
    await expectCounted(world);
  },
);

test('a restored ledger whose work is interrupted at whatever call goes on where it stopped', async () => {
  // `npm test` interrupts each call, `npm run check` every fifteenth.
  for (let n = 1; ; n += runs(67, 1, 6)) {
    jest.restoreAllMocks();
    world = new World();
    let saved: ReturnType<typeof itemsNow> = [];
    for (const [i, act] of acts.entries()) {
      if (i === 1) saved = itemsNow();
      await act();
      await world.settle();
    }
    const rows = rowsOf(['a', 'b', 'c', 'd']);
    await restore(saved);
    let calls = 0;
    let isHit = false;
    world.aws.plan = ({ actor }) => {
      if (!actor.startsWith('sweep') || ++calls !== n) return undefined;
      isHit = true;
      return { mode: 'hang', effect: n % 2 === 0 };
    };
    world.aws.clock.advance(300_000);
    await world.sweep();
    world.aws.plan = undefined;
    if (!isHit) break;
    await world.settle();
    await world.sweep(true);
    await world.settle();
    await world.cleanUp();
    try {
      expect(rowsOf(['a', 'b', 'c', 'd'])).toEqual(rows);
      await expectCounted(world);
    } catch (error) {
      throw new Error(`interrupted at call ${n}: ${error}`);
    }
  }
});

test('what an attempt of the lost time has written without a commit goes, and its file is published once', async () => {
  world.put('feed/0', ['0@06']);
  await world.settle();
  const saved = itemsNow();
  // Publish dies before its commit, and so does the cleanup; then the ledger is restored.
  world.put('feed/a', ['a@06']);
  world.dieBeforeCommit();
  await world.deliver();
  await world.executeAll();
  world.aws.plan = undefined;
  expect(world.linesOf('feed/a')).toEqual(['a@06']);
  await restore(saved);
  await world.settle();
  await world.sweep(true);
  await world.settle();
  await world.cleanUp();
  expect(rowsOf(['0', 'a'])).toEqual({ 0: ['0@06'], a: ['a@06'] });
  await expectCounted(world);
});

test('reconcile removes nothing while the ledger has lost attempts', async () => {
  world.put('feed/0', ['0@06']);
  await world.settle();
  const saved = itemsNow();
  world.put('feed/a', ['a@06']);
  await world.settle();
  await restore(saved);
  world.aws.clock.advance(5 * 3_600_000);
  await expect(
    world.call('reconcile', (deps) => reconcile(deps, dataset, { removesUnknown: true })),
  ).rejects.toMatchObject({ name: 'LedgerRestored' });
  expect(rowsOf(['0', 'a'])).toEqual({ 0: ['0@06'], a: ['a@06'] });
});

test('a batch whose record somebody has deleted is ended, and its file is published', async () => {
  world.put('feed/a', ['a@06']);
  world.watch('publish', async (deps) => {
    const [open] = await deps.ledger.openBatches(dataset);
    await world.aws
      .actor('vandal')
      .documents.send(
        new DeleteCommand({ TableName: 'ledger', Key: { pk: dataset, sk: `BATCH#${open?.batch}` } }),
      );
    world.watch('nothing', async () => {});
  });
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['a@06']);
  expect(await world.deps('test').ledger.openBatches(dataset)).toEqual([]);
  await expectCounted(world);
});

test('restored to a time at which a batch had failed, the ledger takes up its later try, which was published', async () => {
  world.put('feed/0', ['0@06']);
  await world.settle();
  world.breakEngine();
  world.put('feed/a', ['a@06', 'bad']);
  let saved: ReturnType<typeof itemsNow> = [];
  world.watch('claimBatch', async () => {
    const items = itemsNow();
    // The first attempt was taken back, and the second starts.
    if (saved.length > 0 || !items.some((item) => item.state === 'failed')) return;
    saved = items;
    world.aws.plan = undefined;
  });
  await world.settle();
  expect(saved).not.toEqual([]);
  expect(world.linesOf('feed/a')).toEqual(['a@06']);
  await restore(saved);
  world.put('feed/b', ['b@06']);
  await world.settle();
  expect(rowsOf(['0', 'a', 'b'])).toEqual({ 0: ['0@06'], a: ['a@06'], b: ['b@06'] });
  await world.sweep(true);
  await world.settle();
  await world.cleanUp();
  expect(rowsOf(['0', 'a', 'b'])).toEqual({ 0: ['0@06'], a: ['a@06'], b: ['b@06'] });
  expect(refusedOf()).toEqual(['feed/a bad']);
  await expectCounted(world);
});
