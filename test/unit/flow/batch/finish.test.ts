/** When a batch succeeds, also if the execution that committed it does not complete it. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { batchPublishedSchema } from '../../../../src/lib/flow/batch/batchPublished.ts';
import { replay } from '../../../../src/lib/flow/operate/again.ts';
import { driftText, recentDrift } from '../../../../src/stage/drift.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('the partitions of a batch whose execution ends behind its commit are registered all the same', async () => {
  // The partitions of an Iceberg table are in its metadata.
  const world = new World({ format: 'hive' });
  world.aws.plan = (call) =>
    call.actor.startsWith('repairPartitions') ? { mode: 'fail', error: 'AccessDenied' } : undefined;
  world.put('feed/a', ['1@06', '2@07', 'bad']);
  await world.settle();
  expect(world.aws.glue.partitions('db', 'feed')).toHaveLength(2);
  expect(world.aws.glue.partitions('db', 'quarantine')).toHaveLength(1);
});

test('a batch is told of with its counts, and a correction with what it has replaced', async () => {
  const world = new World({ format: 'hive' });
  world.put('feed/a', ['1@06', '2@07', 'bad']);
  await world.settle();
  const told = () =>
    world.aws.bus.entries.map(({ Source, DetailType, Detail }) => ({
      Source,
      DetailType,
      // As other systems read it.
      ...batchPublishedSchema.parse(JSON.parse(Detail ?? '')),
    }));
  const { ledger } = world.deps('test');
  const [record] = await ledger.batches(dataset);
  const batch = record?.batch ?? '';
  const attempt = `manifests/${dataset}/${batch}/f${record?.committed}`;
  const bytes = world.stored().reduce((sum, key) => sum + world.text('processed', key).length, 0);
  expect(told()).toEqual([
    {
      Source: 'sluice',
      DetailType: 'BatchPublished',
      version: 1,
      stage: 'test',
      dataset,
      table: 'db.feed',
      batch,
      fence: record?.committed,
      contract: record?.contract,
      files: 1,
      rowsRead: 3,
      published: 2,
      quarantined: 1,
      duplicates: 0,
      replacedRows: 0,
      // A batch that takes nothing out of a Hive table costs no query.
      tableRows: { counted: 'partitions', before: null, inserted: 2, deleted: 0, replaced: 0, after: null },
      partitions: {
        count: 2,
        values: [
          ['feed', '06'],
          ['feed', '07'],
        ],
      },
      objects: { count: 2, bytes },
      snapshot: null,
      replaced: 0,
      manifest: { bucket: 'work', key: `${attempt}/published.json` },
      lineage: { bucket: 'work', key: `lineage/${dataset}/${batch}.json` },
      report: { bucket: 'work', key: `reports/${dataset}/${batch}.html` },
    },
  ]);
  const measured = Object.fromEntries(world.metrics);
  expect(measured).toMatchObject({
    BatchesPublished: 1,
    FilesPublished: 1,
    RowsRead: 3,
    RowsPublished: 2,
    RowsQuarantined: 1,
    RowsDuplicate: 0,
    QuarantineShare: 100 / 3,
  });
  expect(record).toMatchObject({
    counts: { rowsRead: 3, published: 2, quarantined: 1, duplicates: 0 },
    partitions: 2,
    objects: 2,
  });
  expect(await ledger.publishedFiles(dataset)).toBe(1);
  expect(await ledger.lastBatches(dataset)).toEqual([{ batch, rows: 2 }]);
  expect(world.aws.glue.partitions('db', 'staging_feed')).toEqual([]);
  expect(JSON.parse(world.text('work', `${attempt}/committed.json`))).toEqual({ by: record?.committed });
  // The objects of both days and the refused line leave with the first version.
  world.put('feed/a', ['3@06']);
  await world.settle();
  const tableRows = { counted: 'partitions', before: 2, inserted: 1, deleted: 0, replaced: 2, after: 1 };
  expect(told()[1]).toMatchObject({ published: 1, quarantined: 0, replaced: 3, tableRows });
  const corrected = (await ledger.batches(dataset)).at(-1);
  expect(corrected?.tableRows).toEqual(tableRows);
  expect(JSON.parse(world.text('work', `reports/${dataset}/${corrected?.batch}.json`))).toMatchObject({
    tableRows,
  });
  expect(world.text('work', `reports/${dataset}/${corrected?.batch}.html`)).toContain(
    '2 before + 1 inserted − 0 deleted − 2 replaced = 1 after',
  );
  expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
  expect(await ledger.publishedFiles(dataset)).toBe(1);
  expect(world.stored()).toHaveLength(1);
  expect(world.refused()).toEqual([]);
});

test('a replay has no lag, and a batch without a row no share of refused ones', async () => {
  const world = new World({ format: 'hive' });
  world.put('feed/a', ['1@06']);
  await world.settle();
  world.metrics.clear();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  expect(world.metrics.get('BatchesPublished')).toBe(1);
  expect(world.metrics.has('Lag')).toBe(false);
  world.metrics.clear();
  world.put('feed/empty', []);
  await world.settle();
  expect([world.metrics.get('RowsRead'), world.metrics.has('QuarantineShare')]).toEqual([0, false]);
  expect(world.metrics.has('Lag')).toBe(true);
});

test('a batch of a hundred partitions is told with all of them, one of more with their number', async () => {
  const world = new World({ format: 'hive' });
  for (const count of [100, 101]) {
    world.put(
      `feed/${count}`,
      Array.from({ length: count }, (_, i) => `${i}@${i}`),
    );
    await world.settle();
    const { partitions } = JSON.parse(world.aws.bus.entries.at(-1)?.Detail ?? '') as {
      partitions: { count: number; values: string[][] | null };
    };
    expect([partitions.count, partitions.values?.length]).toEqual([count, count === 100 ? 100 : undefined]);
  }
});

const correct = async (world: World) => {
  world.put('feed/a', ['1@06', '2@07']);
  await world.settle();
  world.put('feed/a', ['3@06']);
  await world.settle();
  const { ledger } = world.deps('test');
  const batch = (await ledger.batches(dataset)).at(-1);
  return { batch, drift: await recentDrift(ledger, dataset) };
};

test.each([
  ['is reported, and the batch is published all the same', '7', 'the changed partitions of feed had 7 rows'],
  ['that adds up is not reported', '1', null],
])('the count of a table around a commit %s', async (_, after, told) => {
  const world = new World({ format: 'hive' });
  const { answerOf } = world.aws.athena;
  world.aws.athena.answerOf = (sql) =>
    sql.includes('AS rows_before')
      ? { columns: ['rows_before', 'rows_after'], rows: [['2', after]] }
      : answerOf(sql);
  const { batch, drift } = await correct(world);
  expect(batch).toMatchObject({ state: 'published', tableRows: { after: Number(after) } });
  expect(world.metrics.get('CatalogDrift')).toBe(told === null ? undefined : 1);
  if (told === null) expect(drift).toBeNull();
  else
    expect(drift && driftText(drift)).toMatch(
      new RegExp(
        `${told} after the commit of batch .*, and not 1 \\(2 before \\+ 1 inserted - 0 deleted - 2 replaced\\)`,
      ),
    );
});

test('a snapshot with other rows than the batch has counted is reported', async () => {
  const world = new World({ format: 'iceberg' });
  const { batch, drift } = await correct(world);
  const adds = { counted: 'table', before: 2, inserted: 1, deleted: 0, replaced: 2, after: 1 };
  expect([batch?.tableRows, drift]).toEqual([adds, null]);
  const wrong = new World({ format: 'iceberg', miscounts: 5n });
  expect((await correct(wrong)).drift).toMatchObject({ account: { inserted: 1 } });
});

test.each([
  ['Athena fails the query', { state: 'FAILED' as const, reason: 'broken' }],
  ['Athena gives no row', {}],
])('a batch is complete without a count of its table if %s', async (_, given) => {
  const world = new World({ format: 'hive' });
  const { answerOf } = world.aws.athena;
  world.aws.athena.answerOf = (sql) => (sql.includes('AS rows_before') ? given : answerOf(sql));
  const { batch, drift } = await correct(world);
  expect(batch).toMatchObject({ state: 'published', tableRows: { before: null, replaced: 2, after: null } });
  expect(drift).toBeNull();
});

test('a file that was gone before it was read is told as one refused row, and the others of its batch are published', async () => {
  const world = new World({ format: 'hive' });
  const version = world.put('feed/a', ['1@06']);
  world.put('feed/b', ['2@06']);
  await world.deliver();
  world.aws.s3.expire('raw', 'feed/a', version);
  await world.settle();
  expect(world.lines()).toEqual(['feed/b 2@06']);
  // The same bytes again are new only of the file that nobody has read.
  world.put('feed/a', ['1@06']);
  world.put('feed/b', ['2@06']);
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@06', 'feed/b 2@06']);
  expect(await world.statesOf('feed/b')).toEqual(['published', 'same']);
});
