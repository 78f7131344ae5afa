/** Rows that leave an object of an Iceberg table by a delete file: whatever happens to the object later, they do not come back, and no other row goes. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { maintenanceOf } from '../../../src/lib/contract/contract.ts';
import { deadlineAfter } from '../../../src/lib/deadline.ts';
import { maintain } from '../../../src/lib/flow/maintain/maintain.ts';
import { replay } from '../../../src/lib/flow/operate/again.ts';
import { rollback } from '../../../src/lib/flow/operate/rollback.ts';
import { reconcile } from '../../../src/lib/flow/repair/reconcile.ts';
import { requireTable } from '../../../src/lib/table/iceberg/commit.ts';
import {
  dataset,
  expectCounted,
  expectWhole,
  mergeRows,
  World,
  type WorldOptions,
} from '../../support/flowWorld.ts';
import { depsOf } from '../../support/iceberg.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** An object of six rows, from which two batches have each taken one. A smaller name wins. */
async function hidden(options: WorldOptions = {}): Promise<World> {
  const world = new World({ format: 'iceberg', isDeduped: true, ...options });
  for (const [key, lines] of [
    ['feed/m', ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06']],
    ['feed/l', ['1@06', 'l@06']],
    ['feed/k', ['-2@06', 'k@06']],
  ] as const) {
    world.put(key, lines);
    await world.settle();
  }
  return world;
}

async function expectSound(world: World): Promise<void> {
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  await expectCounted(world);
}

const compact = (world: World) => {
  world.changeContract(
    (contract) => ({
      ...contract,
      table: { format: 'iceberg', maintenance: { ...maintenanceOf({ table: undefined }), minObjects: 2 } },
    }),
    'maintain',
  );
  return world.call('maintain', (deps) => maintain({ ...deps, turnPause: 0 }, mergeRows, dataset, {}));
};

test('an object loses rows twice, and has one delete file: nothing is rewritten', async () => {
  const world = new World({ format: 'iceberg', isDeduped: true });
  world.put('feed/m', ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06']);
  await world.settle();
  const [object = ''] = world.objects();
  const seen: string[] = [];
  for (const [key, line] of [
    ['feed/l', '1@06'],
    ['feed/k', '-2@06'],
  ] as const) {
    world.put(key, [line]);
    await world.settle();
    expect(world.objects()).toContain(object);
    expect([...world.deletes().keys()]).toEqual([object]);
    seen.push(world.deletes().get(object) ?? '');
  }
  expect(new Set(seen).size).toBe(2);
  await expectSound(world);
  const { metadata } = await requireTable(depsOf(world.aws.actor('test'), world.aws), dataset);
  expect(metadata.snapshots.at(-1)?.summary).toMatchObject({
    'total-position-deletes': '2',
    'total-delete-files': '1',
  });
  const { ledger } = world.deps('test');
  expect((await ledger.batches(dataset)).at(-1)?.tableRows).toMatchObject({
    before: 6,
    deleted: 1,
    after: 5,
  });
});

test('an object that has lost too many rows is rewritten without them, and one that loses all leaves', async () => {
  const world = await hidden();
  const [object = ''] = world.deletes().keys();
  // Four of six would be more than the limit.
  world.put('feed/j', ['3@06', '4@06', '5@06']);
  await world.settle();
  expect(world.deletes().size).toBe(0);
  expect(world.objects()).not.toContain(object);
  await expectSound(world);
  world.put('feed/i', ['6@06']);
  await expectSound(world);
});

test.each<[string, (world: World) => unknown]>([
  ['a correction of its file', (world) => world.put('feed/m', ['1@06', '3@06', '7@06', '8@07'])],
  ['a correction of a file that has won', (world) => world.put('feed/l', ['l@06', '3@06'])],
  ['a correction of a file that has deleted', (world) => world.put('feed/k', ['k@06'])],
  ['a replay of everything', (world) => world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }))],
  ['a compaction', compact],
  [
    'a compaction, and newer rows',
    async (world) => {
      expect(await compact(world)).toMatchObject({ compacted: 3, into: 1 });
      expect(world.deletes().size).toBe(0);
      world.put('feed/j', ['3@06']);
      await world.settle();
      expect(world.deletes().size).toBe(1);
      await compact(world);
    },
  ],
])('after rows have left it, an object goes through %s', async (_, act) => {
  const world = await hidden();
  expect(world.deletes().size).toBe(1);
  await act(world);
  await expectSound(world);
});

test('the Glue job rewrites an object without the rows that had left it', async () => {
  const world = await hidden({ isRewrittenByGlue: true });
  expect(world.deletes().size).toBe(1);
  world.put('feed/m', ['1@06', '3@06', '7@06']);
  await world.settle();
  expect(world.deletes().size).toBe(0);
  await expectSound(world);
});

test('a rollback brings rows back that a delete file hides', async () => {
  const world = await hidden();
  const { ledger } = world.deps('test');
  const [, second] = await ledger.batches(dataset);
  await world.operate((deps) =>
    rollback(deps, dataset, second?.batch ?? '', { reason: 'a test', at: new Date().toISOString() }),
  );
  await world.settle();
  await world.cleanUp();
  expect(world.lines()).toEqual(['feed/k k@06', ...['1', '3', '4', '5', '6'].map((id) => `feed/m ${id}@06`)]);
  await expectCounted(world);
});

test('an object that has lost a row while it was merged stays as it is', async () => {
  const world = await hidden();
  world.changeContract(
    (contract) => ({
      ...contract,
      table: { format: 'iceberg', maintenance: { ...maintenanceOf({ table: undefined }), minObjects: 2 } },
    }),
    'maintain',
  );
  const result = await world.call('maintain', (deps) =>
    maintain(
      { ...deps, turnPause: 0 },
      async (files, folder) => {
        world.put('feed/j', ['3@06']);
        await world.settle();
        return mergeRows(files, folder);
      },
      dataset,
      {},
    ),
  );
  expect(result).toMatchObject({ compacted: 0 });
  await expectSound(world);
});

test('a batch that is taken back brings the earlier delete file back', async () => {
  const world = await hidden();
  const before = [...world.deletes().values()];
  world.dieBeforeCommit();
  world.put('feed/j', ['3@06']);
  await world.deliver();
  await world.executeAll();
  expect([...world.deletes().values()]).not.toEqual(before);
  world.aws.plan = undefined;
  world.breakEngine();
  await world.sweep();
  expect([...world.deletes().values()]).toEqual(before);
  world.aws.plan = undefined;
});

test('a delete file that waits for its commit while the table is compared stays', async () => {
  const world = await hidden();
  let comparison: Promise<unknown> | undefined;
  let goOn = () => {};
  world.watch('publish', async (deps) => {
    // The validation had to wait.
    world.aws.clock.advance(2 * 3_600_000);
    const { iceberg } = deps.formats;
    await new Promise<void>((look) => {
      const orphans: typeof iceberg.orphans = async (...of) => {
        const found = await iceberg.orphans(...of);
        await new Promise<void>((go) => {
          goOn = go;
          look();
        });
        return found;
      };
      comparison = reconcile(
        { ...deps, formats: { ...deps.formats, iceberg: { ...iceberg, orphans } } },
        dataset,
      );
    });
  });
  world.put('feed/j', ['3@06']);
  await world.settle();
  goOn();
  await comparison;
  await expectSound(world);
});

test('a late list of what a twin of ReplaceRows has done changes nothing for a Publish that is repeated', async () => {
  let calls = 0;
  let isLate = false;
  const world = await hidden({
    isRetriedWhenFrozen: true,
    deadlineOf: (name) =>
      name === 'replaceRows' && isLate && ++calls === 2 ? deadlineAfter(() => 0) : undefined,
  });
  isLate = true;
  const isOf = (input: object, name: string) => 'Key' in input && String(input.Key).endsWith(name);
  world.freeze(
    1,
    (actor, operation, input) =>
      actor.startsWith('replaceRows') && operation.endsWith('PutObject') && isOf(input, '/rewrites.json'),
  );
  const turn = world.aws.wire.turn;
  let isBroken = false;
  world.aws.wire.turn = async (actor, operation, input) => {
    if (
      !isBroken &&
      actor.name.startsWith('publish') &&
      isOf(input, '/published.json') &&
      operation.key.endsWith('PutObject')
    ) {
      isBroken = true;
      await world.thaw();
      world.aws.plan = () => {
        world.aws.plan = undefined;
        return { mode: 'fail' };
      };
    }
    return turn?.(actor, operation, input);
  };
  world.put('feed/j', ['3@06']);
  await world.settle();
  expect([calls > 1, isBroken]).toEqual([true, true]);
  await expectSound(world);
});
