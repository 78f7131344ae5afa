/** A compaction changes where rows are, and nothing else: corrections, replays and undoing find them. */
import { DeleteTableCommand } from '@aws-sdk/client-glue';
import { afterEach, expect, jest, test } from '@jest/globals';
import { maintenanceOf } from '../../../../src/lib/contract/contract.ts';
import { EngineOutOfMemory, OutOfTime } from '../../../../src/lib/errors.ts';
import type { Merge } from '../../../../src/lib/flow/maintain/compact.ts';
import { maintain } from '../../../../src/lib/flow/maintain/maintain.ts';
import { replay } from '../../../../src/lib/flow/operate/again.ts';
import { rollback } from '../../../../src/lib/flow/operate/rollback.ts';
import { rebuild } from '../../../../src/lib/flow/repair/rebuild.ts';
import { reconcile } from '../../../../src/lib/flow/repair/reconcile.ts';
import { tableFormats } from '../../../../src/lib/model/plan.ts';
import { requireTable } from '../../../../src/lib/table/iceberg/commit.ts';
import { publishChange } from '../../../../src/lib/table/iceberg/operations.ts';
import { after, expectWholeOnceThawed } from '../../../support/everyCall.ts';
import {
  dataset,
  expectNoOrphans,
  expectWhole,
  mergeRows,
  World,
  type WorldOptions,
} from '../../../support/flowWorld.ts';
import { depsOf } from '../../../support/iceberg.ts';
import type { Fault } from '../../../support/memory/index.ts';
import { isThorough } from '../../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const run = (world: World, merge: Merge = mergeRows, isDryRun = false) =>
  world.call('maintain', (deps) => maintain({ ...deps, turnPause: 0 }, merge, dataset, { isDryRun }));
const operations = async (world: World) =>
  (await requireTable(depsOf(world.aws.actor('test'), world.aws), dataset)).metadata.snapshots.map(
    (s) => s.summary.operation,
  );

/** Three files in two days, each a batch of its own: five objects. */
async function filled(minObjects = 2, options: WorldOptions = {}): Promise<World> {
  const world = new World({ format: 'iceberg', ...options });
  const { format } = world;
  for (const [key, lines] of [
    ['feed/a', ['a1@06', 'a2@07', 'bad']],
    ['feed/b', ['b1@06', 'b2@06']],
    ['feed/c', ['c1@06', 'c2@07']],
  ] as const) {
    world.put(key, lines);
    await world.settle();
  }
  world.changeContract(
    (contract) => ({
      ...contract,
      table: { format, maintenance: { ...maintenanceOf({ table: undefined }), minObjects } },
    }),
    'maintain',
  );
  return world;
}

test.each(tableFormats)('a %s table without partitions is compacted as one partition', async (format) => {
  const world = await filled(2, { format, contract: { partitionBy: [] } });
  expect(await run(world)).toMatchObject({ compacted: 3, into: 1 });
  await expectWhole(world);
  await expectNoOrphans(world);
});

/** The end of a test: what the files say is in the table, and what stands below the table is named. */
async function expectSound(world: World): Promise<void> {
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  await expectNoOrphans(world);
}

test.each(tableFormats)(
  'a newer row replaces a published one that a compaction has moved (%s)',
  async (format) => {
    const world = await filled(2, { isDeduped: true, format });
    await run(world);
    world.put('feed/0', ['a1@06', 'b2@06', 'c2@07']);
    world.put('feed/d', ['b1@06']);
    await expectSound(world);
    await run(world);
    world.put('feed/-', ['a1@06', 'c1@06']);
    await expectSound(world);
  },
);

test('small objects of a partition become one, in a commit that changes no row', async () => {
  const world = await filled();
  const before = world.objects();
  expect(before).toHaveLength(5);
  expect(await run(world, mergeRows, true)).toMatchObject({ compacted: 5, into: 0, left: 0 });
  expect(world.objects()).toEqual(before);
  expect(await run(world)).toMatchObject({ compacted: 5, into: 2, left: 0 });
  expect(world.objects()).toHaveLength(2);
  expect(await operations(world)).toEqual(['append', 'append', 'append', 'replace']);
  // Readers of earlier states still find the old ones.
  expect(world.aws.s3.keys('processed')).toEqual(expect.arrayContaining(before));
  await expectSound(world);
  expect(await run(world)).toMatchObject({ compacted: 0, into: 0, left: 0 });
  const { ledger } = world.deps('test');
  const [record] = (await ledger.batches(dataset)).slice(-1);
  expect(record).toMatchObject({ state: 'published', engine: 'compaction', files: 0, objects: 2 });
  // A later batch is compared with batches, not with it.
  expect(await ledger.lastBatches(dataset)).toHaveLength(3);
});

test('the objects of a Hive table become one for each partition, one after the other', async () => {
  const world = await filled(2, { format: 'hive' });
  const before = world.objects();
  expect(await run(world, mergeRows, true)).toMatchObject({ compacted: 5, into: 0 });
  expect(world.objects()).toEqual(before);
  expect(await run(world)).toMatchObject({ compacted: 5, into: 2, left: 0 });
  const after = world.objects();
  expect(after.map((key) => key.replace(/[^/]*$/, ''))).toEqual([
    'feed/source=feed/day=06/',
    'feed/source=feed/day=07/',
  ]);
  const { ledger } = world.deps('test');
  const records = (await ledger.batches(dataset)).slice(-2);
  expect(records).toMatchObject([
    { state: 'published', engine: 'compaction', files: 0, objects: 1 },
    { state: 'published', engine: 'compaction', files: 0, objects: 1 },
  ]);
  expect((await ledger.lease(dataset))?.execution).toBeUndefined();
  await expectSound(world);
  expect(await run(world)).toMatchObject({ compacted: 0, into: 0, left: 0 });
  // A dropped table gets the partitions of the new objects.
  await world.aws.actor('person').glue.send(new DeleteTableCommand({ DatabaseName: 'db', Name: dataset }));
  await world.call('sweep', (deps) => rebuild(deps, dataset));
  expect(await world.call('reconcile', (deps) => reconcile(deps, dataset))).toMatchObject({
    partitions: 2,
    missing: [],
    unknown: 0,
    removed: 0,
  });
});

test('an object that is deleted before it is merged leaves its group to the next run', async () => {
  const world = await filled(2, { format: 'hive' });
  world.aws.plan = ({ actor, operation, input }) =>
    actor.startsWith('maintain') && operation === 'GetObject' && JSON.stringify(input).includes('.parquet')
      ? { mode: 'fail', error: 'NoSuchKey' }
      : undefined;
  expect(await run(world)).toMatchObject({ compacted: 0, left: 2 });
  world.aws.plan = undefined;
  expect(await run(world)).toMatchObject({ compacted: 5, left: 0 });
  await expectSound(world);
});

test('a partition with fewer objects than minObjects stays as it is', async () => {
  const world = await filled(3);
  expect(await run(world)).toMatchObject({ compacted: 3, into: 1 });
  expect(world.objects()).toHaveLength(3);
  await expectSound(world);
});

test.each(tableFormats)(
  'a correction, a replay and a rollback find the rows of a compacted object, also after another compaction (%s)',
  async (format) => {
    const world = await filled(2, { format });
    await run(world);
    // Two files of one object, corrected by one batch.
    world.put('feed/a', ['a1@08', 'a3@06']);
    world.put('feed/b', ['b9@06']);
    await world.settle();
    await expectSound(world);
    expect(await run(world)).toMatchObject({ compacted: 2 });
    await expectSound(world);
    await world.operate((deps) => replay(deps, dataset, {}));
    await expectSound(world);
    await run(world);
    world.put('feed/d', ['d1@06']);
    await world.settle();
    await run(world);
    await run(world);
    const { ledger } = world.deps('test');
    const published = (await ledger.batches(dataset)).filter((b) => b.files > 0 && b.state === 'published');
    const last = published.at(-1)?.batch ?? '';
    await world.operate((deps) =>
      rollback(deps, dataset, last, { reason: 'x', at: new Date().toISOString() }),
    );
    await world.settle();
    expect(world.linesOf('feed/d')).toEqual([]);
    expect(world.linesOf('feed/a')).toEqual(['a1@08', 'a3@06']);
    world.put('feed/d', ['d2@06']);
    world.put('feed/c', ['c9@06']);
    await world.settle();
    expect(world.linesOf('feed/c')).toEqual(['c9@06']);
    expect(world.linesOf('feed/d')).toEqual(['d2@06']);
    expect(await world.counted()).toEqual(world.objects());
  },
);

test.each(tableFormats)(
  'objects that a batch has replaced in the meantime stay replaced; the others are compacted (%s)',
  async (format) => {
    const world = await filled(2, { format });
    let merges = 0;
    const result = await run(world, async (paths, folder) => {
      // While the first group is merged, which is that of the sixth.
      if (++merges === 1) {
        world.put('feed/b', ['b7@06']);
        await world.settle();
      }
      return mergeRows(paths, folder);
    });
    expect(result).toMatchObject({ compacted: 2, into: 1 });
    await expectSound(world);
  },
);

test('objects that another writer has rewritten meanwhile are a conflict: nothing changes, and the dataset goes on', async () => {
  const world = await filled();
  let merges = 0;
  const result = await run(world, async (paths, folder) => {
    if (++merges === 1) {
      const [lost = ''] = world.objects().filter((key) => key.includes('day=06'));
      await publishChange(
        depsOf(world.aws.actor('person'), world.aws),
        dataset,
        { dataset: 'other', batch: 'theirs', fence: 1 },
        { add: [], drop: [{ path: `s3://processed/${lost}` }], dropped: 'gone', summary: {} },
      );
    }
    return mergeRows(paths, folder);
  });
  expect(result).toMatchObject({ compacted: 0, into: 0 });
  expect(await operations(world)).toEqual(['append', 'append', 'append', 'delete']);
  const { ledger } = world.deps('test');
  expect(await ledger.openBatches(dataset)).toEqual([]);
  expect((await ledger.lease(dataset))?.execution).toBeUndefined();
  expect(await ledger.failuresInARow(dataset)).toEqual({ failures: 0, outages: 0 });
  world.put('feed/d', ['d1@09']);
  await world.settle();
  expect(world.linesOf('feed/d')).toEqual(['d1@09']);
});

test('while a batch runs, maintenance waits for its turn, and gives up if it does not come', async () => {
  const world = await filled();
  const { ledger } = world.deps('test');
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  expect(await run(world)).toMatchObject({ compacted: 0, left: 2 });
  expect(await ledger.pauseOf(dataset)).toBeUndefined();
  await ledger.askTurn(dataset, 1000);
  expect(await ledger.pauseOf(dataset)).toMatchObject({ reason: 'maintenance takes its turn' });
  world.aws.clock.advance(1001);
  expect(await ledger.pauseOf(dataset)).toBeUndefined();
  await ledger.releaseLease(dataset, fence);
  expect(await run(world)).toMatchObject({ compacted: 5, left: 0 });
  await expectSound(world);
});

test.each(tableFormats)(
  'files that come while maintenance has its turn are processed after it (%s)',
  async (format) => {
    const world = await filled(2, { format });
    let isPut = false;
    world.aws.plan = ({ actor, operation }) => {
      if (!isPut && actor.startsWith('maintain') && operation === 'CopyObject') {
        isPut = true;
        world.put('feed/d', ['d1@06']);
        void world.deliver();
      }
      return undefined;
    };
    expect(await run(world)).toMatchObject({ compacted: 5, into: 2 });
    world.aws.plan = undefined;
    expect(isPut).toBe(true);
    await world.deliver();
    await world.executeAll();
    expect(world.linesOf('feed/d')).toEqual(['d1@06']);
    await expectSound(world);
  },
);

test('objects that do not fit into memory, and a function without time, leave the rest to the next run', async () => {
  const world = await filled();
  const slow = {
    check: (work = 0) => {
      if (work > 0) throw new OutOfTime('no time');
    },
  };
  expect(
    await world.call('maintain', (deps) => maintain({ ...deps, deadline: slow }, mergeRows, dataset)),
  ).toMatchObject({ compacted: 0, left: 2 });
  expect(
    await run(world, async () => {
      throw new EngineOutOfMemory('large');
    }),
  ).toMatchObject({ compacted: 0, left: 2 });
  await expectSound(world);
});

const faults: Record<string, Fault | 'frozen'> = {
  'fails for good': { mode: 'fail', error: 'AccessDenied' },
  'fails for a moment': { mode: 'fail' },
  'loses its answer': { mode: 'lost' },
  'happens twice': { mode: 'twice' },
  'answers for a part': { mode: 'partial', mask: 1 },
  'kills its function before': { mode: 'hang' },
  'kills its function after': { mode: 'hang', effect: true },
  'comes late': { mode: 'stall' },
  'stands still': 'frozen',
};

/** On Iceberg readers see the same rows all the time; on Hive at least these, and twice at most in one partition. */
function asReadersMayFind(world: World, lines: readonly string[]): boolean {
  const found = world.lines();
  if (world.format === 'iceberg') return JSON.stringify(found) === JSON.stringify(lines);
  const [seen, twice] = [new Set<string>(), new Set<string | undefined>()];
  for (const line of found) {
    if (seen.has(line)) twice.add(line.split('@')[1]);
    seen.add(line);
  }
  return twice.size <= 1 && seen.size === lines.length && lines.every((line) => seen.has(line));
}

test.each(
  tableFormats.flatMap((format) =>
    Object.entries(faults).map(([how, fault]) => [format, how, fault] as const),
  ),
)(
  'invariants 1, 2 and 12: a compaction on %s in which a call %s changes no row, and nothing is left of it',
  async (format, _, fault) => {
    const stride = isThorough ? 23 : 197;
    const start = Number(process.env.SLUICE_SEED ?? 0) % stride;
    for (let n = 1 + start; ; n += stride) {
      const world = await filled(2, { format });
      const lines = world.lines();
      const wrong: string[] = [];
      let looked: string | undefined;
      const tick = world.aws.wire.onCall;
      world.aws.wire.onCall = () => {
        tick();
        const state =
          format === 'hive'
            ? world.objects().join()
            : world.aws.glue.tableInput('db', dataset)?.Parameters?.metadata_location;
        if (state === looked) return;
        looked = state;
        if (!asReadersMayFind(world, lines)) wrong.push(String(state));
      };
      let [calls, hit] = [0, ''];
      const isMeant = (actor: string) => actor.startsWith('maintain');
      const frozen = fault === 'frozen' ? world.freeze(n, isMeant) : undefined;
      if (fault !== 'frozen')
        world.aws.plan = ({ actor, operation, service }) => {
          if (!isMeant(actor) || ++calls !== n) return undefined;
          hit = `${service}.${operation}`;
          return fault;
        };
      await run(world).catch(() => {});
      world.aws.plan = undefined;
      hit ||= frozen?.hit ?? '';
      if (hit === '') break;
      await after(`call ${n}, ${hit}`, async () => {
        await world.settle();
        expect(wrong).toEqual([]);
        world.aws.wire.onCall = tick;
        await expectWhole(world);
        // Others go on meanwhile.
        world.put('feed/a', ['a9@06']);
        await world.settle();
        world.aws.runStalled();
        await expectWholeOnceThawed(world);
        await run(world);
        await expectSound(world);
      });
    }
  },
  300_000,
);
