/** Objects that were in the raw bucket before: each becomes a file once, and new files go first. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, expect, jest, test } from '@jest/globals';
import { type BackfillOptions, backfill } from '../../../../src/lib/flow/operate/backfill.ts';
import { dataset, expectWhole, World } from '../../../support/flowWorld.ts';
import { faultAt } from '../../../support/memory/faults.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** A bucket with objects of which no event was ever sent. */
function history(files: number, options: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World(options);
  for (let i = 0; i < files; i++) world.put(`feed/${String(i).padStart(4, '0')}`, [`x${i}@06`]);
  world.events = [];
  return world;
}

const run = (world: World, options: Partial<BackfillOptions> = {}) =>
  world.operate((deps) => backfill(deps, dataset, { rate: 1000, pause: async () => {}, ...options }));

test('every object becomes a file, and the same command again changes nothing', async () => {
  const world = history(25);
  expect(await run(world)).toMatchObject({ seen: 25, noted: 25, failed: 0, total: 25 });
  expect(await run(world)).toMatchObject({ seen: 25, noted: 0, failed: 0 });
  await world.settle();
  await expectWhole(world);
});

test('new files go first, and those of a backfill fill the batch', async () => {
  const world = history(6, { batchFiles: 4 });
  await world.operate((deps) => deps.ledger.pause(dataset, 'a test'));
  await run(world);
  world.put('feed/new', ['n1@06']);
  await world.deliver();
  const { ledger } = world.deps('test');
  const first = await ledger.nextFiles(dataset, 4);
  expect(first.map(({ object }) => object)[0]).toBe('feed/new');
  expect(first).toHaveLength(4);
  expect(await ledger.waitsSince(dataset)).toBe(first[0]?.notedAt);
});

test('files of a backfill raise no alarm of files that wait', async () => {
  const world = history(3);
  await world.operate((deps) => deps.ledger.pause(dataset, 'a test'));
  await run(world);
  expect(await world.deps('test').ledger.waitsSince(dataset)).toBeUndefined();
});

test('interrupted at any call, and run again, it takes each object once', async () => {
  for (let nth = 1; ; nth++) {
    const world = history(25, { pages: { keys: 10 } });
    await world.operate((deps) => deps.ledger.pause(dataset, 'a test'));
    world.aws.plan = faultAt(
      { mode: 'fail', error: 'AccessDenied' },
      { operation: 'ListObjectVersions', nth },
    );
    const first = await run(world, { pageSize: 10 }).catch(() => undefined);
    world.aws.plan = undefined;
    const again = await run(world, { pageSize: 10 });
    expect(again.seen).toBe(25);
    if (first !== undefined) return expect(again.noted).toBe(0);
    expect(again.isContinued).toBe(nth > 1);
    expect(again.noted).toBe(25);
  }
});

test('no more objects per second than the rate', async () => {
  const world = history(30);
  let waited = 0;
  await run(world, {
    rate: 10,
    pause: async (milliseconds) => {
      waited += milliseconds;
    },
  });
  expect(waited).toBeGreaterThan(2000);
  expect(waited).toBeLessThanOrEqual(3000);
});

test('a prefix outside of the dataset is rejected', async () => {
  await expect(run(history(1), { prefix: 'other/' })).rejects.toMatchObject({ name: 'InvalidInput' });
});

test("a ledger that cannot be written ends it with the ledger's own error", async () => {
  const world = history(5);
  world.aws.plan = faultAt(
    { mode: 'fail', error: 'AccessDeniedException' },
    { operation: 'TransactWriteItems', times: 1000 },
  );
  await expect(run(world)).rejects.toMatchObject({ name: 'AccessDeniedException' });
});

/** Writes an inventory report in CSV of what is in the raw bucket. */
function report(world: World, options: { bucket?: string; schema?: string; format?: string } = {}) {
  const versions = world.aws.s3
    .keys('raw')
    .flatMap((key) =>
      world.aws.s3.versions('raw', key).map((v, i) => ({ key, id: v.id, isLatest: i === 0 })),
    );
  const lines = versions.map(
    ({ key, id, isLatest }) =>
      `"raw","${encodeURIComponent(key)}","${id}","${isLatest}","false","10","etag-${id}"`,
  );
  world.aws.s3.seed('work', 'inventory/data.csv.gz', gzipSync(`${lines.join('\n')}\n`));
  const manifest = {
    sourceBucket: options.bucket ?? 'raw',
    destinationBucket: 'arn:aws:s3:::work',
    fileFormat: options.format ?? 'CSV',
    fileSchema: options.schema ?? 'Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag',
    files: [{ key: 'inventory/data.csv.gz', size: 1 }],
  };
  world.aws.s3.seed('work', 'inventory/manifest.json', JSON.stringify(manifest));
  return { bucket: 'work', key: 'inventory/manifest.json' };
}

test('an inventory report gives the current versions of the prefix', async () => {
  const world = history(12);
  world.put('feed/0003', ['y1@07']);
  world.put('feed/ü + 1', ['z1@07']);
  world.events = [];
  world.aws.s3.seed('raw', 'other/x', '1');
  expect(await run(world, { inventory: report(world) })).toMatchObject({ seen: 13, noted: 13 });
  await world.settle();
  await expectWhole(world);
});

test('an inventory report in Parquet is read, too', async () => {
  const world = history(2);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-inventory-'));
  try {
    const rows = world.aws.s3
      .keys('raw')
      .map(
        (key) =>
          `('raw', '${key}', '${world.aws.s3.versions('raw', key)[0]?.id}', true, false, 10::BIGINT, 'e')`,
      );
    const file = join(folder, 'data.parquet');
    const connection = await (await DuckDBInstance.create()).connect();
    await connection.run(
      `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) AS t(bucket, key, version_id, is_latest, is_delete_marker, size, e_tag)) TO '${file}' (FORMAT parquet)`,
    );
    connection.closeSync();
    const bytes = await readFile(file);
    world.aws.s3.seed('work', 'inventory/data.parquet', bytes);
    const manifest = {
      sourceBucket: 'raw',
      destinationBucket: 'arn:aws:s3:::work',
      fileFormat: 'Parquet',
      fileSchema:
        'message s3.inventory { required binary bucket (STRING); required binary version_id (STRING); }',
      files: [{ key: 'inventory/data.parquet', size: bytes.length }],
    };
    world.aws.s3.seed('work', 'inventory/manifest.json', JSON.stringify(manifest));
    const inventory = { bucket: 'work', key: 'inventory/manifest.json' };
    expect(await run(world, { inventory })).toMatchObject({ seen: 2, noted: 2 });
    await world.settle();
    await expectWhole(world);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.each([
  [{ bucket: 'another' }, 'another'],
  [{ schema: 'Bucket, Key, Size' }, 'has no versions'],
  [{ format: 'ORC' }, 'ORC'],
])('an inventory report that cannot be used is named: %p', async (options, message) => {
  const world = history(1);
  await expect(run(world, { inventory: report(world, options) })).rejects.toThrow(message);
});

test.each([
  ['cut', (bytes: Buffer) => bytes.subarray(0, -9)],
  ['not packed', () => Buffer.from('"raw","feed/0","v"')],
])('a report that is damaged is named, and the run ends: %s', async (_name, damaged) => {
  const world = history(1);
  const inventory = report(world);
  const data = { bucket: 'work', key: 'inventory/data.csv.gz' };
  const { store } = world.deps('test');
  world.aws.s3.seed('work', data.key, damaged(Buffer.from(await store.readBytes(data))));
  await expect(run(world, { inventory })).rejects.toThrow(/^s3:.*inventory.data.csv.gz/);
});

test('an object that is older than the versioning of its bucket has the version null', async () => {
  const line = '"raw","feed/0","","true","false","10","e"\n';
  const world = history(1);
  const inventory = report(world);
  world.aws.s3.seed('work', 'inventory/data.csv.gz', gzipSync(line));
  await run(world, { inventory });
  const { ledger } = world.deps('test');
  expect((await ledger.versionsOf(dataset, 'feed/0')).map(({ version }) => version)).toEqual(['null']);
});
