/** A batch that is rolled back leaves the table as a whole: its rows are in quarantine, all other rows stay, and no reader sees a part. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { replay, retry } from '../../../../src/lib/flow/operate/again.ts';
import { snapshots, tag } from '../../../../src/lib/flow/operate/history.ts';
import { pause, resume } from '../../../../src/lib/flow/operate/pause.ts';
import { rollback, rollbackTo } from '../../../../src/lib/flow/operate/rollback.ts';
import { reconcile } from '../../../../src/lib/flow/repair/reconcile.ts';
import { expireSnapshots } from '../../../../src/lib/table/iceberg/maintenance.ts';
import { publishChange } from '../../../../src/lib/table/iceberg/operations.ts';
import { after } from '../../../support/everyCall.ts';
import {
  dataset,
  expectNoOrphans,
  expectWhole,
  World,
  type WorldOptions,
} from '../../../support/flowWorld.ts';
import { depsOf } from '../../../support/iceberg.ts';
import type { Fault } from '../../../support/memory/index.ts';
import { runs } from '../../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const by = { reason: 'a test', at: '2026-01-05T10:00:00.000Z' };
const rollBack = (world: World, batch: string, object?: string) =>
  world.operate((deps) => rollback(deps, dataset, batch, { ...by, object }));
const lastBatch = async (world: World) =>
  (await world.deps('test').ledger.batches(dataset)).at(-1)?.batch ?? '';
const linesOf = (world: World) => world.lines();
const refusedOf = (world: World) =>
  world
    .refused()
    .map(({ line }) => line)
    .sort();

/** A file that was published and corrected. */
async function corrected(): Promise<World> {
  const world = new World();
  for (const line of ['a1@06', 'a2@06']) {
    world.put('feed/a', [line]);
    await world.settle();
  }
  return world;
}

/** Two batches with rows in the same partitions; returns the first one. */
async function twoBatches(options: WorldOptions = {}): Promise<{ world: World; first: string }> {
  const world = new World(options);
  world.put('feed/a', ['a1@06', 'a2@07', 'bad']);
  world.put('feed/b', ['b1@06']);
  await world.settle();
  const first = await lastBatch(world);
  world.put('feed/c', ['c1@06']);
  await world.settle();
  return { world, first };
}

async function expectRolledBack(world: World): Promise<void> {
  expect(linesOf(world)).toEqual(['feed/c c1@06']);
  expect(refusedOf(world)).toEqual(['a1@06', 'a2@07', 'b1@06', 'bad']);
  expect(await world.counted()).toEqual(world.objects());
  await expectNoOrphans(world);
  expect(await world.statesOf('feed/a')).toEqual(['rejected']);
  expect(await world.deps('test').ledger.publishedFiles(dataset)).toBe(1);
}

test('the rows of a batch go to quarantine, and no others', async () => {
  const { world, first } = await twoBatches();
  expect(await rollBack(world, first)).toMatchObject({ others: 0, pending: [] });
  await world.settle();
  await world.cleanUp();
  await expectRolledBack(world);
  expect((await world.deps('test').ledger.batches(dataset)).at(-1)).toMatchObject({
    decision: { kind: 'rollback', reason: 'a test' },
    counts: { published: 0 },
  });
});

test('one file of a batch is rolled back, and the others stay', async () => {
  const { world, first } = await twoBatches();
  await rollBack(world, first, 'feed/a');
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/b b1@06', 'feed/c c1@06']);
  await expect(rollBack(world, first, 'feed/x')).rejects.toMatchObject({ name: 'InvalidInput' });
});

test('a batch is rolled back once; what was corrected since stays', async () => {
  const { world, first } = await twoBatches();
  world.put('feed/a', ['a9@06', 'a8@06']);
  await world.settle();
  expect(await rollBack(world, first)).toMatchObject({ others: 1, rejected: [{ object: 'feed/b' }] });
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a8@06', 'feed/a a9@06', 'feed/c c1@06']);
  await expect(rollBack(world, first)).rejects.toThrow(/was rolled back, corrected or replayed/);
});

test('the same bytes put again are published again', async () => {
  const { world, first } = await twoBatches();
  await rollBack(world, first);
  await world.settle();
  world.put('feed/a', ['a1@06', 'a2@07', 'bad']);
  world.put('feed/b', ['b1@06']);
  await world.settle();
  await expectWhole(world);
});

test('a wrong correction that is rolled back gives its place to the version before, and does not come back', async () => {
  const world = new World();
  world.put('feed/a', ['a1@06', 'a2@07']);
  const right = world.put('feed/b', ['b1@06']);
  await world.settle();
  const wrong = world.put('feed/b', ['x1@06', 'x2@07']);
  await world.settle();
  const whole = ['feed/a a1@06', 'feed/a a2@07', 'feed/b b1@06'];
  expect(await rollBack(world, await lastBatch(world))).toMatchObject({
    rejected: [{ object: 'feed/b', version: wrong }],
    pending: [{ object: 'feed/b', version: right }],
  });
  await world.settle();
  expect(linesOf(world)).toEqual(whole);
  expect(await world.deps('test').ledger.publishedFiles(dataset)).toBe(2);
  await world.sweep(true);
  await world.settle();
  expect(linesOf(world)).toEqual(whole);

  // The version before is itself rolled back: neither comes back, whichever is in the bucket.
  await rollBack(world, await lastBatch(world));
  for (const version of [undefined, wrong]) {
    if (version !== undefined) world.aws.s3.expire('raw', 'feed/b', version);
    await world.settle();
    await world.sweep(true);
    await world.settle();
    expect(linesOf(world)).toEqual(whole.slice(0, 2));
  }
  expect(await world.deps('test').ledger.publishedFiles(dataset)).toBe(1);
  world.put('feed/b', ['b1@06']);
  await world.settle();
  expect(linesOf(world)).toEqual(whole);
});

test('a version before that is no longer in the raw bucket is held, for a person to decide', async () => {
  const world = new World();
  const right = world.put('feed/a', ['a1@06']);
  await world.settle();
  world.put('feed/a', ['x1@06', 'x2@07']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', right);
  await rollBack(world, await lastBatch(world));
  await world.settle();
  expect(linesOf(world)).toEqual([]);
  expect(await world.statesOf('feed/a')).toEqual(['held', 'rejected']);
});

/** Four batches: a and b; c; a correction of a beside d; a replay of b. Gives the snapshot after each. */
async function fourBatches(): Promise<{ world: World; states: string[] }> {
  const world = new World({ format: 'iceberg' });
  const states: string[] = [];
  const settled = async () => {
    await world.settle();
    states.push((await snapshots(world.deps('test'), dataset)).at(-1)?.id ?? '');
  };
  world.put('feed/a', ['a1@06', 'a2@07']);
  world.put('feed/b', ['b1@06']);
  await settled();
  world.put('feed/c', ['c1@06', 'bad']);
  await settled();
  world.put('feed/a', ['a9@06', 'a8@07']);
  world.put('feed/d', ['d1@08']);
  await settled();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/b' }));
  await settled();
  return { world, states };
}
const rollBackTo = (world: World, which: string) =>
  world.operate((deps) => rollbackTo(deps, dataset, which, by));

test('every batch after a snapshot is rolled back, and the table has its rows again', async () => {
  const { world, states } = await fourBatches();
  const [first = '', second = ''] = states;
  await tag(world.deps('test'), dataset, 'model', second);
  const toSecond = await rollBackTo(world, 'model');
  expect(toSecond).toMatchObject({
    rejected: expect.arrayContaining(
      ['feed/a', 'feed/d'].map((object) => expect.objectContaining({ object })),
    ),
    pending: [{ object: 'feed/a' }],
    replayed: 1,
    others: 0,
    running: [],
  });
  expect(toSecond.rejected).toHaveLength(2);
  expect(toSecond.batches).toHaveLength(2);
  await expect(rollBackTo(world, 'model')).rejects.toThrow('all of them were rolled back already');
  await world.settle();
  const atSecond = ['feed/a a1@06', 'feed/a a2@07', 'feed/b b1@06', 'feed/c c1@06'];
  expect(linesOf(world)).toEqual(atSecond);
  await expect(rollBackTo(world, 'model')).rejects.toThrow('all of them were rolled back already');

  const toFirst = await rollBackTo(world, first);
  expect(toFirst).toMatchObject({ rejected: [{ object: 'feed/c' }], pending: [] });
  await world.settle();
  expect(linesOf(world)).toEqual(atSecond.slice(0, 3));
  await world.sweep(true);
  await world.settle();
  await world.cleanUp();
  expect(linesOf(world)).toEqual(atSecond.slice(0, 3));
  expect(await world.counted()).toEqual(world.objects());
  await expectNoOrphans(world);
  expect(await world.deps('test').ledger.publishedFiles(dataset)).toBe(2);
  expect(await world.call('reconcile', (deps) => reconcile(deps, dataset))).toMatchObject({
    missing: [],
    removed: 0,
    unknown: 0,
  });
});

test('a rollback to a state tells what it cannot do', async () => {
  const { world, states } = await fourBatches();
  await expect(rollBackTo(world, states.at(-1) ?? '')).rejects.toThrow(
    'no file was published after the snapshot',
  );
  await expect(rollBackTo(world, '7')).rejects.toThrow('has no snapshot or tag 7');
  await expect(rollBackTo(world, '2000-01-01')).rejects.toThrow('has no state of 2000-01-01');
  jest.restoreAllMocks();
  const { world: hive } = await twoBatches({ format: 'hive' });
  await expect(rollBackTo(hive, '2025-01-01')).rejects.toThrow('is a Hive table, which keeps no snapshots');
});

test('what comes while batches are rolled back is published, and a snapshot that expired in between does no harm', async () => {
  const { world, states } = await fourBatches();
  await tag(world.deps('test'), dataset, 'model', states[0]);
  const upkeep = depsOf(world.aws.actor('upkeep'), world.aws);
  await expireSnapshots(upkeep, dataset, { olderThan: world.aws.clock.now(), keepLast: 1 });
  expect(await snapshots(world.deps('test'), dataset)).toHaveLength(2);
  await rollBackTo(world, 'model');
  world.put('feed/a', ['a7@06']);
  world.put('feed/e', ['e1@06']);
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a7@06', 'feed/b b1@06', 'feed/e e1@06']);
  await world.cleanUp();
  expect(await world.counted()).toEqual(world.objects());
});

/** A correction of a, rolled back after `state`: it was the last one then. `isFirst`: it is the only version of a. */
async function rolledBackSince({ isFirst = false } = {}): Promise<{ world: World; state: string }> {
  const world = new World({ format: 'iceberg' });
  if (!isFirst) world.put('feed/a', ['a1@06']);
  world.put('feed/b', ['b1@06']);
  await world.settle();
  world.put('feed/a', ['a2@06']);
  await world.settle();
  const state = (await snapshots(world.deps('test'), dataset)).at(-1)?.id ?? '';
  await rollBack(world, await lastBatch(world));
  await world.settle();
  expect(linesOf(world)).toEqual(isFirst ? ['feed/b b1@06'] : ['feed/a a1@06', 'feed/b b1@06']);
  return { world, state };
}
const whole = ['feed/a a2@06', 'feed/b b1@06'];

const since: Record<string, (world: World) => unknown> = {
  'a version was restored since': () => {},
  'nothing came in its place': () => {},
  'a newer version came in its place': (world) => world.put('feed/a', ['a3@06']),
  'the restored version was rolled back': async (world) => rollBack(world, await lastBatch(world)),
};

test.each(Object.keys(since))(
  'invariant 6: a state from before a rollback has the rows again that were rolled back, when %s',
  async (name) => {
    const { world, state } = await rolledBackSince({ isFirst: name.startsWith('nothing') });
    await since[name]?.(world);
    await world.settle();
    expect(await rollBackTo(world, state)).toMatchObject({ pending: [{ object: 'feed/a' }], replayed: 0 });
    await world.settle();
    expect(linesOf(world)).toEqual(whole);
    await expect(rollBackTo(world, state)).rejects.toThrow('all of them were rolled back already');
    await world.sweep(true);
    await world.settle();
    expect(linesOf(world)).toEqual(whole);
    expect(await world.deps('test').ledger.publishedFiles(dataset)).toBe(2);
    await world.cleanUp();
    expect(await world.counted()).toEqual(world.objects());
    // Put again, the version that came back is one like any other.
    world.put('feed/a', ['a4@06']);
    await world.settle();
    expect(linesOf(world)).toEqual(['feed/a a4@06', 'feed/b b1@06']);
  },
);

test('a version whose rollback waits while its correction is published does not come back with the rollback of that', async () => {
  const world = await corrected();
  await world.operate((deps) => pause(deps, dataset, 'a test'));
  await rollBack(world, await lastBatch(world));
  world.put('feed/a', ['a3@06']);
  await world.deliver();
  await world.operate((deps) => resume(deps, dataset));
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a3@06']);
  await rollBack(world, await lastBatch(world));
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a1@06']);
});

test('a rollback that fails and is retried with others restores the version before', async () => {
  const world = await corrected();
  world.aws.plan = ({ actor, operation }) =>
    actor.startsWith('publish') && operation === 'TransactWriteItems'
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  await rollBack(world, await lastBatch(world));
  await world.settle();
  expect(await world.statesOf('feed/a')).toEqual(['failed', 'replaced']);
  world.aws.plan = undefined;
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a1@06']);
  const groups = (await world.deps('test').ledger.batches(dataset)).map(({ replay: of }) => of);
  expect(groups.at(-1)).toMatch(/^replay-.*-restored$/);
});

test('a compaction has no files to roll back', async () => {
  const world = new World();
  const { ledger, store, config } = world.deps('test');
  world.put('feed/a', ['a1@06']);
  await world.settle();
  const batch = 'c'.repeat(20);
  const [published] = await ledger.batches(dataset);
  const [own] = world.aws.dynamo.items('ledger').filter(({ sk }) => sk === `BATCH#${published?.batch}`);
  world.aws.dynamo.seed('ledger', { ...own, sk: `BATCH#${batch}`, batch, files: 0 });
  const manifest = { dataset, batch, files: [], published: [], decision: null, isCompaction: true };
  await store.writeText(
    places(config).attempt(dataset, { batch, fence: published?.committed ?? 0 }).manifest,
    JSON.stringify(manifest),
  );
  await expect(rollBack(world, batch)).rejects.toThrow('has no files of its own');
});

test('a batch that ended late, after another writer of the table had committed, belongs to the state of that writer', async () => {
  const world = new World({ format: 'iceberg' });
  world.put('feed/a', ['a1@06']);
  world.aws.plan = ({ actor }) => (/^(complete|fail|recover)/i.test(actor) ? { mode: 'hang' } : undefined);
  await world.deliver();
  await world.executeAll();
  world.aws.plan = undefined;
  expect(await world.deps('test').ledger.openBatches(dataset)).toHaveLength(1);
  world.aws.clock.advance(1000);
  const upkeep = depsOf(world.aws.actor('upkeep'), world.aws);
  const other = { dataset: 'other', batch: 'ab'.repeat(10), fence: 1 };
  await publishChange(upkeep, dataset, other, { add: [], drop: [], dropped: 'gone', summary: {} });
  await tag(world.deps('test'), dataset, 'model', undefined);
  world.aws.clock.advance(3_600_000);
  await world.sweep(true);
  await world.settle();
  world.put('feed/c', ['c1@06']);
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a1@06', 'feed/c c1@06']);
  await expireSnapshots(upkeep, dataset, { olderThan: world.aws.clock.now(), keepLast: 1 });
  expect(await rollBackTo(world, 'model')).toMatchObject({ rejected: [{ object: 'feed/c' }] });
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a1@06']);
});

test('a newer version that comes while the batch is rolled back is published, whoever is first', async () => {
  for (const isFirst of [true, false]) {
    const { world, first } = await twoBatches();
    if (isFirst) world.put('feed/a', ['a5@06', 'a6@07']);
    await rollBack(world, first, 'feed/a');
    if (!isFirst) world.put('feed/a', ['a5@06', 'a6@07']);
    await world.settle();
    await expectWhole(world);
    jest.restoreAllMocks();
  }
});

test('a raw version that is gone can be rolled back, too', async () => {
  const world = new World();
  const version = world.put('feed/a', ['a1@06']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', version);
  await rollBack(world, await lastBatch(world));
  await world.settle();
  expect(linesOf(world)).toEqual([]);
  expect(await world.statesOf('feed/a')).toEqual(['rejected']);
});

test('a replay that has read a copy of its version is rolled back like any replay: nothing comes back, and nothing waits', async () => {
  const world = new World();
  const version = world.put('feed/a', ['a1@06']);
  await world.settle();
  world.put('feed/a', ['a1@06']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', version);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/a' }));
  await world.settle();
  expect(linesOf(world)).toEqual(['feed/a a1@06']);
  expect(await rollBack(world, await lastBatch(world))).toMatchObject({ pending: [] });
  await world.settle();
  expect(linesOf(world)).toEqual([]);
  expect(await world.statesOf('feed/a')).toEqual(['rejected', 'replaced']);
});

test('a batch that is held, and one that is being replayed, is not rolled back', async () => {
  const world = new World();
  const many = ['1@06', '2@06', '3@07', '4@07', '5@07', '6@06'];
  world.put('feed/a', many);
  await world.settle();
  const first = await lastBatch(world);
  world.put('feed/a', ['7@06']);
  await world.settle();
  await expect(rollBack(world, await lastBatch(world))).rejects.toThrow(/is held; only a published batch/);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await expect(rollBack(world, first)).rejects.toMatchObject({ name: 'InvalidInput' });
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
});

const faults: Record<string, Fault> = {
  'fails for good': { mode: 'fail', error: 'AccessDenied' },
  'loses its answer': { mode: 'lost' },
  'happens twice': { mode: 'twice' },
  'kills its function before': { mode: 'hang' },
  'kills its function after': { mode: 'hang', effect: true },
  'comes late': { mode: 'stall' },
};

test.each(Object.keys(faults))(
  'invariants 1, 2 and 6: a rollback one of whose calls %s ends as one, and a version before comes back once',
  async (name) => {
    const fault: Fault = faults[name] ?? { mode: 'fail' };
    // All calls take minutes; they were run once. The suite has no time for that.
    const step = runs(73, 11, 11);
    for (let nth = runs(5, 1); ; nth += step) {
      const { world } = await twoBatches();
      world.put('feed/a', ['x1@06', 'x2@07', 'x3@08']);
      world.put('feed/d', ['d1@08']);
      await world.settle();
      const batch = await lastBatch(world);
      let calls = 0;
      world.aws.plan = () => (++calls === nth ? fault : undefined);
      await rollBack(world, batch).catch(() => {});
      await world.executeAll();
      world.aws.plan = undefined;
      // A caller without an answer tries again.
      await rollBack(world, batch).catch(() => {});
      await after(`${name} at call ${nth}`, async () => {
        await world.settle();
        await world.thaw();
        await world.settle();
        await world.cleanUp();
        await world.settle();
        await world.call('reconcile', (deps) => reconcile(deps, dataset));
        expect(linesOf(world)).toEqual(['feed/a a1@06', 'feed/a a2@07', 'feed/b b1@06', 'feed/c c1@06']);
        expect(await world.counted()).toEqual(world.objects());
        await expectNoOrphans(world);
        expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
        expect(await world.statesOf('feed/d')).toEqual(['rejected']);
        expect(await world.deps('test').ledger.publishedFiles(dataset)).toBe(3);
      });
      jest.restoreAllMocks();
      if (calls < nth) break;
    }
  },
  600_000,
);
