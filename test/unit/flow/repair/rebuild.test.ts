/** Tables and partitions that somebody drops from the Data Catalog come back as in the ledger, and nothing else changes. */

import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BatchDeletePartitionCommand,
  CreateTableCommand,
  DeleteTableCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, expect, jest, test } from '@jest/globals';
import { statusOf } from '../../../../src/cli/status.ts';
import { findLost, rebuild, rebuildNext } from '../../../../src/lib/flow/repair/rebuild.ts';
import { reconcile } from '../../../../src/lib/flow/repair/reconcile.ts';
import { sweep } from '../../../../src/lib/flow/repair/sweep.ts';
import { driftText, recentDrift } from '../../../../src/stage/drift.ts';
import { published as publishedIn } from '../../../support/everyCall.ts';
import { dataset, expectWhole, World, type WorldOptions } from '../../../support/flowWorld.ts';
import { runs } from '../../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** Tables whose partitions are in the Data Catalog. */
const published = () => publishedIn({ format: 'hive' });
const drop = (world: World) =>
  world.aws.actor('somebody').glue.send(new DeleteTableCommand({ DatabaseName: 'db', Name: dataset }));
const dropDay = (world: World, day: string) =>
  world.aws.actor('somebody').glue.send(
    new BatchDeletePartitionCommand({
      DatabaseName: 'db',
      TableName: dataset,
      PartitionsToDelete: [{ Values: ['feed', day] }],
    }),
  );
const partitionsOf = (world: World) =>
  world.aws.glue
    .partitions('db', dataset)
    .map(({ values }) => values.at(-1))
    .sort();
const lostIn = (world: World) => findLost(world.deps('test'), dataset);
const rebuildIt = (world: World) => world.operate((deps) => rebuild(deps, dataset));

/** Many batches of one file, each in a day of its own. */
async function manyBatches(count: number, options: WorldOptions = {}): Promise<World> {
  const world = new World({ format: 'hive', batchFiles: 1, ...options });
  for (let i = 1; i <= count; i++) world.put(`feed/${i}`, [`${i}@${String(i).padStart(2, '0')}`]);
  await world.settle();
  return world;
}

const nextSweep = async (world: World) => {
  world.aws.clock.advance(900_001);
  return world.call('sweep', (deps) => sweep(deps, dataset));
};

test('a dropped table is made again with its partitions, by whoever comes first', async () => {
  for (const by of ['sweep', 'reconcile', 'rebuild'] as const) {
    const world = await published();
    const before = [
      partitionsOf(world),
      world.aws.glue.tableInput('db', dataset)?.StorageDescriptor?.Columns,
    ];
    await drop(world);
    if (by === 'sweep')
      expect(await nextSweep(world)).toMatchObject({
        isTableMissing: true,
        partitionsMissing: before[0]?.length,
      });
    if (by === 'reconcile')
      expect(await world.call('reconcile', (deps) => reconcile(deps, dataset))).toMatchObject({
        missing: [],
      });
    if (by === 'rebuild') expect(await rebuildIt(world)).toMatchObject({ isTableMissing: true });
    expect([
      partitionsOf(world),
      world.aws.glue.tableInput('db', dataset)?.StorageDescriptor?.Columns,
    ]).toEqual(before);
    expect(world.metrics.get('CatalogDrift')).toBeGreaterThan(0);
    expect(await statusOf(world.deps('test').ledger, dataset)).toMatchObject({
      drift: { table: dataset, isTableMissing: true },
    });
    await expectWhole(world);
    jest.restoreAllMocks();
  }
});

test('a column that only an earlier contract had is a column of the table that is made again', async () => {
  const world = await published();
  world.changeContract(
    (contract) => ({ ...contract, derive: [{ name: 'n', type: 'int', expression: '1' }] }),
    'claimBatch',
  );
  world.put('feed/c', ['c1@06']);
  await world.settle();
  world.changeContract((contract) => contract, 'claimBatch');
  world.put('feed/d', ['d1@07']);
  await world.settle();
  const names = () =>
    (world.aws.glue.tableInput('db', dataset)?.StorageDescriptor?.Columns ?? []).map((c) => c.Name).sort();
  const before = names();
  expect(before).toContain('n');
  await drop(world);
  await rebuildIt(world);
  expect(names()).toEqual(before);
});

test('each deleted partition comes back within a pass of the sweep, whatever page its batch is on', async () => {
  const days = 25;
  const world = await manyBatches(days);
  // The pass that started while they were published ends.
  for (let i = 0; i < 3; i++) await nextSweep(world);
  const before = partitionsOf(world);
  expect(before).toHaveLength(days);
  await dropDay(world, '01');
  await dropDay(world, '25');
  const found = [];
  for (let i = 0; i < 3; i++) found.push((await nextSweep(world)).partitionsMissing);
  expect(found.reduce((sum, n) => sum + n, 0)).toBe(2);
  expect(partitionsOf(world)).toEqual(before);
  expect(await statusOf(world.deps('test').ledger, dataset)).toMatchObject({
    drift: { isTableMissing: false, partitions: 2 },
  });
});

test('partitions that are deleted between two sweeps are back after the second, however old, and their rows are told', async () => {
  const world = await manyBatches(25);
  await nextSweep(world);
  const before = partitionsOf(world);
  await dropDay(world, '03');
  await dropDay(world, '25');
  await putRows(world, '03', 5);
  await putRows(world, '25', 2);
  // `status` and the watch page see it before the sweep, and change nothing.
  for (let i = 0; i < 2; i++)
    expect(await lostIn(world)).toEqual({ table: dataset, isTableMissing: false, partitions: 2, rows: 7 });
  world.aws.clock.advance(300_000);
  // No page of batches is due that has them all.
  expect(await world.call('sweep', (deps) => rebuildNext(deps, dataset))).toMatchObject({
    partitions: 2,
    rows: 7,
  });
  expect(partitionsOf(world)).toEqual(before);
  expect(await lostIn(world)).toBeNull();
  expect(world.metrics.get('CatalogDrift')).toBe(2);
  const drift = await recentDrift(world.deps('test').ledger, dataset);
  expect(drift && driftText(drift)).toMatch(/lacked 2 partitions of feed with 7 rows$/);
  world.aws.clock.advance(300_000);
  expect(await world.call('sweep', (deps) => rebuildNext(deps, dataset))).toMatchObject({ partitions: 0 });
});

/** Puts Parquet in the place of a day's object. */
async function putRows(world: World, day: string, rows: number): Promise<void> {
  const [key = ''] = world.aws.s3.keys('processed', `${dataset}/source=feed/day=${day}/`);
  const path = join(tmpdir(), `sluice-rows-${process.pid}-${day}.parquet`);
  try {
    const connection = await (await DuckDBInstance.create()).connect();
    await connection.run(`COPY (SELECT * FROM range(${rows})) TO '${path}' (FORMAT parquet)`);
    connection.closeSync();
    world.aws.s3.seed('processed', key, readFileSync(path));
  } finally {
    rmSync(path, { force: true });
  }
}

test('a partition that nobody can count the rows of comes back all the same', async () => {
  const world = await manyBatches(2);
  await nextSweep(world);
  await dropDay(world, '01');
  expect(await nextSweep(world)).toMatchObject({ partitionsMissing: 1 });
  expect(await recentDrift(world.deps('test').ledger, dataset)).not.toHaveProperty('rows');
});

test('a partition that a correction has emptied between two sweeps is not told of', async () => {
  const world = await published();
  await nextSweep(world);
  const before = partitionsOf(world);
  world.put('feed/a', ['a1@30']);
  await world.settle();
  expect(partitionsOf(world)).not.toEqual(before);
  expect(await lostIn(world)).toBeNull();
  await nextSweep(world);
  expect(world.metrics.get('CatalogDrift')).toBeUndefined();
});

test('a partition that is emptied, and that a batch under way fills again, is not told of', async () => {
  const world = await published();
  await nextSweep(world);
  world.put('feed/a', ['a1@30']);
  await world.settle();
  const emptied = ['05', '06', '07'].find((day) => !partitionsOf(world).includes(day)) ?? '';
  world.put('feed/z', [`z1@${emptied}`]);
  await world.until('repairPartitions');
  expect(await world.call('sweep', (deps) => rebuildNext(deps, dataset))).toMatchObject({ partitions: 0 });
  expect(world.metrics.get('CatalogDrift')).toBeUndefined();
});

test('a large table is looked at in parts, one in each sweep, and a person at all', async () => {
  const world = new World({ pages: { partitions: 2 }, format: 'hive' });
  world.put(
    'feed/a',
    ['01', '02', '03', '04', '05'].map((day) => `a@${day}`),
  );
  await world.settle();
  const partitions = () => world.aws.glue.partitions('db', dataset).map(({ values }) => values.at(-1));
  const seen = () => world.aws.s3.keys('work', 'seen/').sort();
  /** Sooner than the batches are compared again. */
  const sweepSoon = () => {
    world.aws.clock.advance(100_000);
    return world.call('sweep', (deps) => sweep(deps, dataset));
  };
  const before = world.aws.calls('glue.GetPartitions');
  for (let i = 0; i < 3; i++) await sweepSoon();
  expect(world.aws.calls('glue.GetPartitions') - before).toBe(3);
  expect(seen()).toEqual([`seen/${dataset}.json`, `seen/${dataset}/1.json`, `seen/${dataset}/2.json`]);
  const { catalog } = world.deps('person');
  // The rest of the table is one part now.
  await catalog.dropPartitions(
    dataset,
    ['01', '03', '04', '05'].map((day) => ['feed', day]),
  );
  expect(await lostIn(world)).toEqual({ table: dataset, isTableMissing: false, partitions: 4 });
  const found = [];
  for (let i = 0; i < 3; i++) found.push((await sweepSoon()).partitionsMissing);
  expect(found.sort()).toEqual([1, 1, 2]);
  expect(partitions().sort()).toEqual(['01', '02', '03', '04', '05']);
  expect(await lostIn(world)).toBeNull();
});

test('a sweep that finds all partitions writes no drift', async () => {
  const world = await published();
  for (let i = 0; i < 3; i++)
    expect(await nextSweep(world)).toMatchObject({ isTableMissing: false, partitionsMissing: 0 });
  expect(world.metrics.get('CatalogDrift')).toBeUndefined();
  expect((await statusOf(world.deps('test').ledger, dataset)).drift).toBeNull();
});

test('a partition that a correction has emptied does not come back', async () => {
  const world = await published();
  world.put('feed/a', ['a1@06', 'a2@06']);
  await world.settle();
  await world.cleanUp();
  const before = partitionsOf(world);
  await drop(world);
  await rebuildIt(world);
  expect(partitionsOf(world)).toEqual(before);
});

test('the partitions of a batch that is not over are its own steps to register', async () => {
  const world = await published();
  world.put('feed/z', ['z1@09']);
  await world.until('repairPartitions');
  await drop(world);
  expect(await rebuildIt(world)).toMatchObject({ isTableMissing: true });
  expect(partitionsOf(world)).not.toContain('09');
  for (const execution of world.aws.sfn.executions.values())
    if (execution.status === 'RUNNING') execution.status = 'ABORTED';
  await world.settle();
  expect(partitionsOf(world)).toContain('09');
  await expectWhole(world);
});

test('a document that somebody has deleted keeps no other partition from coming back', async () => {
  const world = await manyBatches(3);
  const [lost = ''] = world.aws.s3.keys('work').filter((key) => key.endsWith('published.json'));
  world.aws.s3.expire('work', lost, world.aws.s3.versions('work', lost)[0]?.id ?? '');
  await drop(world);
  await rebuildIt(world);
  expect(partitionsOf(world)).toHaveLength(2);
  // Reconcile finds the objects of the third batch, and reports the missing document.
  const compared = await world.call('reconcile', (deps) => reconcile(deps, dataset));
  expect(compared).toMatchObject({ missing: [lost], added: 1 });
});

test.each(['fail', 'lost', 'twice', 'hang'] as const)(
  'invariants 1 and 6: with the fault "%s" at any call of a sweep a dropped table is whole after the next ones',
  async (mode) => {
    // `npm run check` tries a part of the calls.
    for (let nth = runs(3, 1); ; nth += runs(7, 1)) {
      const world = await published();
      const before = partitionsOf(world);
      await drop(world);
      world.aws.clock.advance(900_001);
      let calls = 0;
      world.aws.plan = ({ actor }) => (actor.startsWith('sweep') && ++calls === nth ? { mode } : undefined);
      await world.sweep();
      world.aws.plan = undefined;
      await nextSweep(world);
      await nextSweep(world);
      expect(partitionsOf(world)).toEqual(before);
      await expectWhole(world);
      if (calls < nth) break;
      jest.restoreAllMocks();
    }
  },
);

test('a table that somebody has made otherwise is named, and nothing is done to it', async () => {
  const world = await published();
  await drop(world);
  const TableInput = { Name: dataset, StorageDescriptor: { Location: 's3://elsewhere/', Columns: [] } };
  const { glue } = world.aws.actor('somebody');
  await glue.send(new CreateTableCommand({ DatabaseName: 'db', TableInput }));
  await expect(rebuildIt(world)).rejects.toMatchObject({ name: 'TableMismatch' });
  await glue.send(new UpdateTableCommand({ DatabaseName: 'db', TableInput }));
  expect(partitionsOf(world)).toEqual([]);
});

test('a dropped Iceberg table is reported, and not made anew without its rows', async () => {
  const world = await publishedIn({ format: 'iceberg' });
  expect(await lostIn(world)).toBeNull();
  await drop(world);
  expect(await lostIn(world)).toEqual({ table: dataset, isTableMissing: true, partitions: 0 });
  world.aws.clock.advance(900_001);
  expect(await world.call('sweep', (deps) => rebuildNext(deps, dataset))).toMatchObject({
    isTableMissing: true,
    partitions: 0,
  });
  expect(world.aws.glue.tableInput('db', dataset)).toBeUndefined();
  expect(world.metrics.get('CatalogDrift')).toBe(1);
});

test('a dataset that has published nothing has nothing to bring back', async () => {
  expect(await rebuildIt(new World())).toBeNull();
  expect(await lostIn(new World())).toBeNull();
});
