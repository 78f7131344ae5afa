import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { goldenTable, stagingPartition, stagingTable } from '../../../../src/lib/flow/batch/tables.ts';
import { reconcile } from '../../../../src/lib/flow/repair/reconcile.ts';
import { dataset, plan, World } from '../../../support/flowWorld.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const compare = () => world.call('reconcile', (deps) => reconcile(deps, dataset));

test('many partitions are compared in pages, and changed in as few calls as Glue has', async () => {
  const partitions = 5000;
  world = new World({ format: 'hive' });
  const { ledger, store, catalog, config } = world.deps('test');
  const attempt = { batch: 'ab'.repeat(10), fence: (await ledger.acquireLease(dataset)) ?? 0 };
  await ledger.claim(dataset, attempt.fence, {
    id: attempt.batch,
    files: [],
    bytes: 0,
    engine: 'embedded',
    execution: 'e',
  });
  const day = (i: number) => `d${String(i).padStart(6, '0')}`;
  const table = goldenTable(plan, config);
  const pathOf = (i: number) => `source=feed/day=${day(i)}/`;
  const objects = Array.from({ length: partitions }, (_, i) => ({
    key: `${table.name}/${pathOf(i)}${attempt.batch}-f${attempt.fence}-0.parquet`,
    bytes: 1,
  }));
  for (const { key } of objects) world.aws.s3.seed('processed', key, '[]');
  const at = places(config).attempt(dataset, attempt);
  await store.writeText(at.plan, JSON.stringify(plan));
  const published = { run: 'r', objects, quarantine: [], partitions: [], rewritten: [] };
  await store.writeText(at.published, JSON.stringify(published));
  await ledger.commit(dataset, attempt);
  await ledger.closePublished(dataset, attempt.fence, attempt.batch, { rows: 0, files: 0, found: {} });
  await catalog.ensureTable(table);
  // Every hundredth is missing in the Catalog, and the same number is registered without objects.
  const registered = Array.from({ length: partitions }, (_, i) => i).filter((i) => i % 100 !== 0);
  await catalog.addPartitions(
    table,
    registered
      .map((i) => (i % 100 === 1 ? i + partitions : i))
      .map((i) => ({
        values: ['feed', day(i)],
        location: `${table.location}${pathOf(i)}`,
      })),
  );
  const before = world.aws.calls('glue.GetPartitions');
  // A partition registered under another name is missing under its own.
  expect(await compare()).toEqual({
    table: 'feed',
    partitions,
    added: partitions / 50,
    dropped: partitions / 100,
    unused: 0,
    removed: 0,
    unknown: 0,
    missing: [],
    isWhole: true,
  });
  // One more for the staging table, and one for the quarantine.
  expect(world.aws.calls('glue.GetPartitions') - before).toBeLessThanOrEqual(partitions / 1000 + 3);
  expect(await compare()).toMatchObject({ added: 0, dropped: 0 });
});

test('an object that no commit counts is removed after an hour; what is not of Sluice, or of an unknown batch, stays', async () => {
  world.put('feed/a', ['1@06']);
  await world.settle();
  const [own = ''] = world.objects();
  const { s3 } = world.aws.actor('stranger');
  const strays = [
    own.replace(/[0-9a-f]{20}-f\d+-/, 'ffffffffffffffffffff-f17-'),
    own.replace(/-f\d+-/, '-f99-'),
    own.replace('0.parquet', '7.parquet'),
  ];
  const byHand = 'feed/source=feed/day=06/by-hand.parquet';
  // A partition of another dataset in the same table.
  const ofOther = own.replace('source=feed', 'source=other').replace(/-f\d+-/, '-f99-');
  for (const Key of [...strays, byHand, ofOther])
    await s3.send(new PutObjectCommand({ Bucket: 'processed', Key, Body: '[]' }));
  expect(await compare()).toMatchObject({ removed: 0, unknown: 0 });
  expect(world.metrics.has('ObjectsRemoved')).toBe(false);
  world.aws.clock.advance(2 * 3_600_000);
  expect(await compare()).toMatchObject({ removed: 2, unknown: 1, missing: [] });
  const measured = ['ObjectsRemoved', 'ObjectsUnknown', 'ObjectsMissing'].map((name) =>
    world.metrics.get(name),
  );
  expect(measured).toEqual([2, 1, 0]);
  expect(world.stored()).toEqual([own, strays[0], byHand, ofOther].sort());
  const asked = await world.call('reconcile', (deps) => reconcile(deps, dataset, { removesUnknown: true }));
  expect(asked).toMatchObject({ removed: 1, unknown: 1 });
  expect(world.stored()).toEqual([own, byHand, ofOther].sort());
});

test('objects that somebody has deleted are told of, also when nothing of their batch is left', async () => {
  world.put('feed/a', ['1@06', '2@07']);
  await world.settle();
  world.put('feed/b', ['3@06']);
  await world.settle();
  const keys = world.objects();
  for (const key of keys)
    world.aws.s3.expire('processed', key, world.aws.s3.versions('processed', key)[0]?.id ?? '');
  expect([...((await compare())?.missing ?? [])].sort()).toEqual(keys);
  expect(world.metrics.get('ObjectsMissing')).toBe(keys.length);
});

test('objects that a batch replaces after they were looked at are not missing', async () => {
  const world = new World();
  world.put('feed/a', ['a1@06', 'a2@07']);
  await world.settle();
  world.put('feed/a', ['a3@06', 'a4@07']);
  let isCorrected = false;
  const result = await world.call('reconcile', (deps) => {
    const store: typeof deps.store = {
      ...deps.store,
      async delete(...args) {
        if (!isCorrected) {
          isCorrected = true;
          await world.settle();
        }
        return deps.store.delete(...args);
      },
    };
    return reconcile({ ...deps, store }, dataset);
  });
  expect(world.linesOf('feed/a')).toEqual(['a3@06', 'a4@07']);
  expect(result).toMatchObject({ missing: [], unknown: 0 });
});

test('a batch whose document somebody has deleted is told of, keeps its objects, and stops nothing else', async () => {
  world.put('feed/a', ['1@06', '2@07']);
  await world.settle();
  world.put('feed/b', ['3@06']);
  await world.settle();
  const [lost = ''] = world.aws.s3.keys('work').filter((key) => key.endsWith('published.json'));
  world.aws.s3.expire('work', lost, world.aws.s3.versions('work', lost)[0]?.id ?? '');
  const keys = world.aws.s3.keys('processed');
  world.aws.clock.advance(2 * 3_600_000);
  expect(await compare()).toMatchObject({ removed: 0, unknown: 0, missing: [lost] });
  expect(world.aws.s3.keys('processed')).toEqual(keys);
});

test('reconcile removes nothing of an attempt that is open, however old', async () => {
  world.put('feed/z', ['9@09']);
  await world.settle();
  world.put('feed/a', ['1@06']);
  world.dieBeforeCommit();
  await world.deliver();
  await world.executeAll();
  world.aws.plan = undefined;
  expect(world.stored()).toHaveLength(2);
  world.aws.clock.advance(5 * 3_600_000);
  const { ledger } = world.deps('test');
  expect(await ledger.openBatches(dataset)).toHaveLength(1);
  expect(await compare()).toMatchObject({ partitions: 2, removed: 0 });
  expect(world.stored()).toHaveLength(2);
});

test('partitions of failed runs leave the staging table; those of an open batch stay', async () => {
  world.put('feed/a', ['1@06']);
  const partitions = () => world.aws.glue.partitions('db', 'staging_feed').map(({ values }) => values[0]);
  let open = '';
  world.watch('publish', async ({ catalog, config, ledger }) => {
    open = (await ledger.openBatches(dataset))[0]?.batch ?? '';
    const table = stagingTable(plan, config);
    await catalog.ensureTable(table);
    await catalog.addPartitions(
      table,
      [stagingPartition(open, 'r1'), stagingPartition('ab'.repeat(10), 'r2')].map((name) => ({
        values: [name],
        location: `${table.location}x/`,
      })),
    );
    await compare();
  });
  await world.deliver();
  await world.executeAll();
  expect(partitions()).toEqual([stagingPartition(open, 'r1')]);
  await compare();
  expect(partitions()).toEqual([]);
});

test('a partition of the quarantine leaves the Catalog when a correction has left no refused row in it', async () => {
  world.put('feed/a', ['1@06', 'bad']);
  await world.settle();
  world.put('feed/b', ['2@06', 'worse']);
  await world.settle();
  const partitions = () => world.aws.glue.partitions('db', 'quarantine').length;
  expect(partitions()).toBe(2);
  world.put('feed/a', ['1@06', '3@06']);
  await world.settle();
  expect(partitions()).toBe(2);
  await compare();
  expect(partitions()).toBe(1);
  expect(world.refused().map((row) => row.line)).toEqual(['worse']);
});

test('partitions of another dataset of the table, and those with something in them, stay registered', async () => {
  world = new World({ format: 'hive' });
  world.put('feed/a', ['1@06']);
  await world.settle();
  const { catalog, config } = world.deps('test');
  const table = goldenTable(plan, config);
  const [own = []] = world.aws.glue.partitions('db', table.name).map(({ values }) => values);
  const others = [
    ['other', '2025-01-01'],
    [own[0] ?? '', 'by hand'],
    [own[0] ?? '', 'empty'],
  ].map(([source = '', day = '']) => ({
    values: [source, day],
    location: `${table.location}source=${source}/day=${day}/`,
  }));
  await catalog.addPartitions(table, others);
  world.aws.s3.seed('processed', `${table.name}/source=${own[0]}/day=by hand/notes.txt`, 'x');
  const drops = world.aws.calls('glue.BatchDeletePartition');
  expect(await compare()).toMatchObject({ added: 0, dropped: 1 });
  expect(world.aws.calls('glue.BatchDeletePartition') - drops).toBe(1);
  const left = world.aws.glue.partitions('db', table.name).map(({ values }) => values.join('/'));
  expect(left.sort()).toEqual([own.join('/'), `${own[0]}/by hand`, 'other/2025-01-01'].sort());
});
