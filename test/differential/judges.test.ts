/**
 * Four engines judge the tables that Sluice writes, on the local AWS: Trino, Spark, pyiceberg and DuckDB's iceberg extension agree after
 * each kind of commit. The first three write to our tables, and we to theirs. The tests continue with one table.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as z from 'zod';
import { createPointers } from '../../src/lib/aws/pointer.ts';
import { createTable, requireTable, type TableDeps } from '../../src/lib/table/iceberg/commit.ts';
import type { WantedTable } from '../../src/lib/table/iceberg/evolve.ts';
import { filesOf, refOf } from '../../src/lib/table/iceberg/files.ts';
import { expireSnapshots, orphansOf } from '../../src/lib/table/iceberg/maintenance.ts';
import type { DataFile, Partition } from '../../src/lib/table/iceberg/manifest.ts';
import { schemaOf, specOf } from '../../src/lib/table/iceberg/metadata.ts';
import { evolveTable, publishChange, revertBatch } from '../../src/lib/table/iceberg/operations.ts';
import { type Change, liveEntries } from '../../src/lib/table/iceberg/snapshot.ts';
import { applyTransform } from '../../src/lib/table/iceberg/transforms.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { query } from '../../src/stage/query.ts';
import { writeRows } from '../support/iceberg.ts';
import { type Readers, type SparkJudge, startReaders, startSparkJudge } from '../support/judges.ts';
import { stage } from '../support/stage.ts';

const { database, workBucket } = stage.config;
const { store } = depsOf(stage);
const deps: TableDeps = {
  files: filesOf(store),
  pointers: createPointers(database, stage.glue, stage.glueOnce),
};
const run = Date.now();
const root = `judges/${run}`;
let readers: Readers;
let spark: SparkJudge;

beforeAll(async () => {
  const endpoint = stage.endpoint ?? '';
  [readers, spark] = await Promise.all([
    startReaders(endpoint),
    startSparkJudge(endpoint, `s3://${workBucket}/${root}/warehouse`),
  ]);
}, 120_000);
afterAll(async () => {
  readers.close();
  await spark.close();
});

const trino = async (sql: string) => (await query(stage, sql)).rows;
const read = z.object({ pyiceberg: z.array(z.array(z.unknown())), duckdb: z.array(z.array(z.unknown())) });
const text = (value: unknown) => (value === null ? null : String(value));

/** A question to all engines: columns, and what the rows must be like. */
interface Question {
  readonly select: string;
  /** A condition that Trino, Spark, DuckDB and pyiceberg understand. */
  readonly where?: string;
  readonly snapshot?: bigint;
}

/** The row with which all four engines answer. */
async function agreed(table: string, { select, where, snapshot }: Question): Promise<(string | null)[]> {
  const condition = where === undefined ? '' : ` WHERE ${where}`;
  const at = (clause: string) => (snapshot === undefined ? '' : ` ${clause} ${snapshot}`);
  const step = {
    kind: 'read',
    sql: `SELECT ${select} FROM t`,
    ...(where === undefined ? {} : { where }),
    ...(snapshot === undefined ? {} : { snapshot: String(snapshot) }),
  };
  const [ofTrino, ofSpark, { answers }] = await Promise.all([
    trino(`SELECT ${select} FROM ${table}${at('FOR VERSION AS OF')}${condition}`),
    spark.run(`SELECT ${select} FROM sluice.${database}.${table}${at('VERSION AS OF')}${condition}`),
    readers.ask(`${database}.${table}`, [step]),
  ]);
  const { pyiceberg, duckdb } = read.parse(answers[0]);
  const said = {
    trino: ofTrino[0],
    spark: ofSpark[0],
    pyiceberg: pyiceberg[0]?.map(text),
    duckdb: duckdb[0]?.map(text),
  };
  const { trino: first = [] } = said;
  expect(said).toEqual({ trino: first, spark: first, pyiceberg: first, duckdb: first });
  return [...first];
}

const posts = `posts_${run}`;
const columns = [
  { name: 'id', type: 'bigint' },
  { name: 'body', type: 'string' },
  { name: 'created_at', type: 'timestamp' },
  { name: 'price', type: 'decimal(10,2)' },
  { name: 'tags', type: 'array<string>' },
  { name: 'source', type: 'string' },
];
const wanted: WantedTable = {
  name: posts,
  location: `s3://${workBucket}/${root}/posts/`,
  columns,
  partitionBy: [{ column: 'source', transform: 'identity' }],
  sortBy: ['id'],
};
const rows = (from: number, to: number) => `
  SELECT i AS id, 'text ' || i AS body, TIMESTAMPTZ '2025-10-06 00:00:00.000001Z' + i * INTERVAL 1 HOUR AS created_at,
    (i / 4)::DECIMAL(10,2) AS price, ['a', 'b' || i] AS tags FROM range(${from}, ${to}) r(i)`;
const all = 'count(*), count(DISTINCT id), sum(id), sum(price), max(body), max(CAST(created_at AS date))';
const counts = 'count(*), count(DISTINCT id), sum(id)';

const author = { dataset: posts, fence: 9 };
const inSource = (source: string): Partition => new Map([[1000, source]]);
async function object(
  table: string,
  name: string,
  sql: string,
  partition: Partition,
  copy = '',
): Promise<DataFile> {
  const { metadata } = await requireTable(deps, table);
  const Key = `${metadata.location.slice(`s3://${workBucket}/`.length).replace(/\/$/, '')}/${name}.parquet`;
  return writeRows(schemaOf(metadata), { key: Key, rows: sql, partition, copy }, workBucket, async (Body) => {
    await stage.s3.send(new PutObjectCommand({ Bucket: workBucket, Key, Body }));
  });
}
async function publish(
  table: string,
  batch: string,
  add: readonly DataFile[],
  more: Partial<Omit<Change, 'add'>> = {},
) {
  const { metadata } = await requireTable(deps, table);
  const specId = metadata['default-spec-id'];
  const change = {
    drop: [],
    dropped: 'replaced' as const,
    summary: {},
    ...more,
    add: add.map((file) => ({ file, specId })),
  };
  return publishChange(deps, table, { ...author, batch }, change);
}
const path = (name: string) => `s3://${workBucket}/${root}/posts/${name}.parquet`;

test('a batch, a correction, its replay and a rollback are the same to all four', async () => {
  await createTable(deps, wanted);
  await publish(posts, 'one', [
    await object(posts, 'source=a/1', rows(0, 1000), inSource('a')),
    await object(posts, 'source=b/1', rows(1000, 1100), inSource('b')),
  ]);
  const whole = ['1100', '1100', '604450', '151112.50', 'text 999', '2025-11-20'];
  expect(await agreed(posts, { select: all })).toEqual(whole);
  expect(await agreed(posts, { select: counts, where: "source = 'b'" })).toEqual(['100', '100', '104950']);
  const corrected = await object(posts, 'source=a/2', rows(500, 1000), inSource('a'));
  const { metadata } = await publish(posts, 'two', [corrected], { drop: [{ path: path('source=a/1') }] });
  expect(await agreed(posts, { select: counts })).toEqual(['600', '600', '479700']);
  const before = metadata.snapshots[0]?.['snapshot-id'] ?? 0n;
  expect(await agreed(posts, { select: all, snapshot: before })).toEqual(whole);
  const replayed = await object(posts, 'source=a/3', rows(500, 1000), inSource('a'));
  await publish(posts, 'three', [replayed], { drop: [{ path: path('source=a/2') }] });
  expect(await agreed(posts, { select: counts })).toEqual(['600', '600', '479700']);
  await revertBatch(deps, posts, author, { batch: 'three', fence: author.fence });
  await revertBatch(deps, posts, author, { batch: 'two', fence: author.fence });
  expect(await agreed(posts, { select: all })).toEqual(whole);
}, 120_000);

test('columns that are added, widened and renamed, and other partitions, are the same to all four', async () => {
  const evolved = columns.map((column) =>
    column.name === 'body'
      ? { name: 'words', type: 'string', was: ['body'] }
      : column.name === 'price'
        ? { name: 'price', type: 'decimal(18,2)' }
        : column,
  );
  await evolveTable(
    deps,
    {
      ...wanted,
      columns: [...evolved, { name: 'lang', type: 'string' }],
      partitionBy: [
        { column: 'source', transform: 'identity' },
        { column: 'created_at', transform: 'day' },
        { column: 'id', transform: 'bucket[4]' },
      ],
    },
    author,
  );
  const { metadata } = await requireTable(deps, posts);
  const [source = 0, day = 0, bucket = 0] = specOf(metadata).fields.map((f) => f['field-id']);
  const at = BigInt(Date.parse('2026-01-02T03:04:05Z')) * 1000n;
  const added = await object(
    posts,
    'evolved/1',
    `SELECT 5000::BIGINT AS id, 'new' AS words, TIMESTAMPTZ '2026-01-02 03:04:05Z' AS created_at, 1.5::DECIMAL(18,2) AS price,
      []::VARCHAR[] AS tags, 'en' AS lang`,
    new Map([
      [source, 'a'],
      [day, applyTransform('day', 'timestamptz', at)],
      [bucket, applyTransform('bucket[4]', 'long', 5000n)],
    ]),
  );
  await publish(posts, 'four', [added]);
  expect(await agreed(posts, { select: 'count(*), count(words), count(lang), sum(price)' })).toEqual([
    '1101',
    '1101',
    '1',
    '151114.00',
  ]);
  expect(await agreed(posts, { select: counts, where: 'id = 5000' })).toEqual(['1', '1', '5000']);
}, 120_000);

test('Trino, Spark and pyiceberg write to our table, we go on, and all four agree each time', async () => {
  await trino(
    `MERGE INTO ${posts} t USING (VALUES (1, 'changed'), (6000, 'new')) AS s(id, words) ON t.id = s.id
     WHEN MATCHED THEN UPDATE SET words = s.words
     WHEN NOT MATCHED THEN INSERT (id, words, created_at, source) VALUES (s.id, s.words, TIMESTAMP '2026-02-01 00:00:00 UTC', 'a')`,
  );
  expect(await agreed(posts, { select: counts })).toEqual(['1102', '1102', '615450']);
  await spark.run(
    `MERGE INTO sluice.${database}.${posts} t USING (SELECT 2L AS id, 'by spark' AS words UNION ALL SELECT 6001L, 'by spark') s ON t.id = s.id
     WHEN MATCHED THEN UPDATE SET t.words = s.words
     WHEN NOT MATCHED THEN INSERT (id, words, created_at, source) VALUES (s.id, s.words, TIMESTAMP '2026-02-01 00:00:00', 'a')`,
  );
  expect(await agreed(posts, { select: counts })).toEqual(['1103', '1103', '621451']);
  await readers.ask(`${database}.${posts}`, [
    {
      kind: 'write',
      append: [{ id: 6002, words: 'by pyiceberg', created_at: '2026-02-03T00:00:00+00:00', source: 'a' }],
    },
    { kind: 'write', delete: 'id >= 1000 and id < 1010' },
  ]);
  expect(await agreed(posts, { select: counts })).toEqual(['1094', '1094', '617408']);
  const { metadata } = await requireTable(deps, posts);
  const [source = 0, day = 0, bucket = 0] = specOf(metadata).fields.map((f) => f['field-id']);
  const ours = await object(
    posts,
    'evolved/2',
    `SELECT 7000::BIGINT AS id, 'ours' AS words, TIMESTAMPTZ '2026-03-01 00:00:00Z' AS created_at`,
    new Map([
      [source, 'b'],
      [day, applyTransform('day', 'timestamptz', BigInt(Date.parse('2026-03-01T00:00:00Z')) * 1000n)],
      [bucket, applyTransform('bucket[4]', 'long', 7000n)],
    ]),
  );
  await publish(posts, 'five', [ours]);
  expect(await agreed(posts, { select: counts })).toEqual(['1095', '1095', '624408']);
  expect(await agreed(posts, { select: 'count(*)', where: "words = 'changed'" })).toEqual(['1']);
}, 120_000);

test('after OPTIMIZE, and when old snapshots and their objects are gone, all four find the same', async () => {
  await trino(`OPTIMIZE ${posts} REWRITE DATA USING BIN_PACK`);
  const select = `${counts}, count(words), max(words)`;
  const optimized = await agreed(posts, { select });
  expect(optimized.slice(0, 3)).toEqual(['1095', '1095', '624408']);
  await expireSnapshots(deps, posts, { olderThan: Number.MAX_SAFE_INTEGER, keepLast: 1 });
  const orphans = await orphansOf(deps, posts, (...at) => store.list(...at), Number.MAX_SAFE_INTEGER);
  expect(orphans).toContain(refOf(path('source=a/1')).key);
  await store.delete(workBucket, orphans);
  expect(await agreed(posts, { select })).toEqual(optimized);
}, 120_000);

test('all four read the objects of the wanted partitions only: the others may be gone', async () => {
  const name = `pruned_${run}`;
  await createTable(deps, { ...wanted, name, location: `s3://${workBucket}/${root}/pruned/` });
  const add = [
    await object(name, 'source=a/1', rows(0, 10), inSource('a')),
    await object(name, 'source=b/1', rows(10, 20), inSource('b')),
  ];
  await publish(name, 'one', add);
  const { metadata } = await requireTable(deps, name);
  const entries = await liveEntries(deps.files, metadata);
  await store.delete(workBucket, [
    refOf(entries.find(({ file }) => file.path.includes('source=b'))?.file.path ?? '').key,
  ]);
  expect(await agreed(name, { select: counts, where: "source = 'a'" })).toEqual(['10', '10', '45']);
}, 120_000);

test('Sluice writes to tables of the others, and they go on', async () => {
  const [ofTrino, ofSpark, ofPyiceberg] = ['trino', 'spark', 'pyiceberg'].map((who) => `of_${who}_${run}`);
  const at = (table = '') => `s3://${workBucket}/${root}/${table}`;
  await Promise.all([
    trino(
      `CREATE TABLE ${ofTrino} (id bigint, body string) LOCATION '${at(ofTrino)}/' TBLPROPERTIES ('table_type' = 'ICEBERG')`,
    ).then(() => trino(`INSERT INTO ${ofTrino} VALUES (1, 'theirs')`)),
    spark
      .run(
        `CREATE TABLE sluice.${database}.${ofSpark} (id bigint, body string) USING iceberg LOCATION '${at(ofSpark)}'`,
      )
      .then(() => spark.run(`INSERT INTO sluice.${database}.${ofSpark} VALUES (1, 'theirs')`)),
    readers.ask(`${database}.${posts}`, [
      {
        kind: 'create',
        table: `${database}.${ofPyiceberg}`,
        location: at(ofPyiceberg),
        rows: [{ id: 1, body: 'theirs' }],
      },
    ]),
  ]);
  for (const table of [ofTrino, ofSpark, ofPyiceberg]) {
    const name = String(table);
    const { metadata } = await requireTable(deps, name);
    const ids = schemaOf(metadata).fields.map((field) => `${field.name}: ${field.id}`);
    const copy = `, FIELD_IDS {${ids.join(', ')}}`;
    await publish(name, 'ours', [
      await object(name, 'ours', "SELECT 2::BIGINT AS id, 'ours' AS body", new Map(), copy),
    ]);
    expect(await agreed(name, { select: counts })).toEqual(['2', '2', '3']);
  }
  await Promise.all([
    trino(`INSERT INTO ${ofTrino} VALUES (3, 'theirs')`),
    spark.run(`INSERT INTO sluice.${database}.${ofSpark} VALUES (3, 'theirs')`),
  ]);
  for (const table of [ofTrino, ofSpark])
    expect(await agreed(String(table), { select: counts })).toEqual(['3', '3', '6']);
}, 120_000);
