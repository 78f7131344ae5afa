/** pyiceberg and DuckDB's iceberg extension read tables that Sluice writes, and Sluice reads theirs. The tests share one table. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as z from 'zod';
import { createStore } from '../../src/lib/aws/store.ts';
import { valuesOfPath } from '../../src/lib/catalog/partitionPath.ts';
import { hideRows } from '../../src/lib/engine/deletes.ts';
import { fieldIdsOption } from '../../src/lib/engine/fieldIds.ts';
import { inDuckdb } from '../../src/lib/engine/instance.ts';
import { TableConflict } from '../../src/lib/errors.ts';
import { tableOfContract } from '../../src/lib/flow/batch/tables.ts';
import { createTable, requireTable } from '../../src/lib/table/iceberg/commit.ts';
import type { DeletesFile } from '../../src/lib/table/iceberg/deletes.ts';
import type { WantedTable } from '../../src/lib/table/iceberg/evolve.ts';
import { icebergOn } from '../../src/lib/table/iceberg/format.ts';
import { expireSnapshots, orphansOf } from '../../src/lib/table/iceberg/maintenance.ts';
import type { DataFile, Partition } from '../../src/lib/table/iceberg/manifest.ts';
import { schemaOf, specOf } from '../../src/lib/table/iceberg/metadata.ts';
import { evolveTable, publishChange, revertBatch } from '../../src/lib/table/iceberg/operations.ts';
import { keysOf, partitionOf } from '../../src/lib/table/iceberg/partitions.ts';
import { type Change, liveEntries } from '../../src/lib/table/iceberg/snapshot.ts';
import { applyTransform } from '../../src/lib/table/iceberg/transforms.ts';
import { transform } from '../support/embedded.ts';
import { evolvedTables } from '../support/evolvedTables.ts';
import { depsOf, icebergAws, Judge, putRows } from '../support/iceberg.ts';
import { type SparkJudge, startSparkJudge } from '../support/judges.ts';
import { byTransforms, rowsOfTransforms } from '../support/transforms.ts';

const aws = icebergAws();
const deps = depsOf(aws.actor('writer'), aws);
let judge: Judge;
let spark: SparkJudge;
beforeAll(async () => {
  judge = await Judge.on(aws);
  spark = await startSparkJudge(judge.folder);
});
afterAll(async () => {
  await spark.close();
  await judge.close();
});

const posts: WantedTable = {
  name: 'posts',
  location: 's3://processed/posts/',
  columns: [
    { name: 'id', type: 'bigint', doc: 'as the API has it' },
    { name: 'body', type: 'string' },
    { name: 'created_at', type: 'timestamp' },
    { name: 'price', type: 'decimal(10,2)' },
    { name: 'tags', type: 'array<string>' },
    { name: 'score', type: 'double' },
    { name: 'likes', type: 'int' },
    { name: 'source', type: 'string' },
  ],
  partitionBy: [{ column: 'source', transform: 'identity' }],
  sortBy: ['id'],
};

const rows = (from: number, to: number) => `
  SELECT i AS id, 'text ' || i || ' ' || repeat('é', 20) AS body, TIMESTAMPTZ '2025-10-06 00:00:00.000001Z' + i * INTERVAL 1 HOUR AS created_at,
    (i / 4)::DECIMAL(10,2) AS price, ['a', 'b' || i] AS tags, CASE WHEN i % 2 = 0 THEN i / 8 END AS score, (i % 7)::INTEGER AS likes
  FROM range(${from}, ${to}) r(i)`;

const inSource = (source: string | null): Partition => new Map([[1000, source]]);

async function change(
  batch: string,
  fence: number,
  what: Partial<Omit<Change, 'add'>> & { add?: DataFile[] },
) {
  const { metadata } = await requireTable(deps, 'posts');
  const specId = metadata['default-spec-id'];
  return publishChange(
    deps,
    'posts',
    { dataset: 'posts', batch, fence },
    {
      drop: [],
      dropped: 'replaced',
      summary: {},
      ...what,
      add: (what.add ?? []).map((file) => ({ file, specId })),
    },
  );
}

const answer = z.object({
  pyiceberg: z.array(z.array(z.unknown())),
  duckdb: z.array(z.array(z.unknown())),
  files: z.array(z.string()),
});

test('a table that Sluice writes is the same to pyiceberg, DuckDB and Spark', async () => {
  const { metadata } = await createTable(deps, posts);
  const schema = schemaOf(metadata);
  expect(specOf(metadata).fields).toMatchObject([{ 'field-id': 1000, name: 'source' }]);
  const feed = await putRows(aws, schema, {
    key: 'posts/source=feed/a.parquet',
    rows: rows(0, 1000),
    partition: inSource('feed'),
  });
  const nowhere = await putRows(aws, schema, {
    key: 'posts/source=__HIVE_DEFAULT_PARTITION__/a.parquet',
    rows: rows(1000, 1100),
    partition: inSource(null),
  });
  await change('a', 1, { add: [feed, nowhere] });
  const { pointer } = await requireTable(deps, 'posts');
  const sql =
    'SELECT count(*), count(DISTINCT id), sum(price), min(epoch_us(created_at)), max(epoch_us(created_at)), max(body), count(score), sum(len(tags)) FROM t';
  const { answers } = await judge.ask(pointer.file, [
    { kind: 'read', sql },
    { kind: 'read', sql: 'SELECT source, count(*) FROM t GROUP BY 1 ORDER BY 1', where: "source = 'feed'" },
    { kind: 'read', sql, where: 'id >= 1050' },
    { kind: 'inspect' },
  ]);
  const [all, feeds] = answers.slice(0, 2).map((a) => answer.parse(a));
  expect(all?.pyiceberg).toEqual([
    [1100, 1100, '151112.50', 1759708800000001, 1763665200000001, `text 999 ${'é'.repeat(20)}`, 550, 2200],
  ]);
  expect(all?.duckdb).toEqual(all?.pyiceberg);
  expect(feeds?.files).toEqual(['s3://processed/posts/source=feed/a.parquet']);
  const [counted] = await read(counts);
  expect(counted?.rows).toEqual([[1100, 1100, 604450]]);
});

/** The answers of all readers, who agree, and the objects that they have to read. */
async function read(...steps: { sql: string; where?: string; snapshot?: string }[]) {
  const { pointer } = await requireTable(deps, 'posts');
  const { answers } = await judge.ask(
    pointer.file,
    steps.map((step) => ({ kind: 'read', ...step })),
  );
  const read: { rows: unknown[][]; files: string[] }[] = [];
  for (const [i, { sql, where, snapshot }] of steps.entries()) {
    const { pyiceberg, duckdb, files } = answer.parse(answers[i]);
    const statement = where === undefined ? sql : `${sql} WHERE ${where}`;
    const ofSpark = await spark.run({
      table: pointer.file,
      sql: statement,
      ...(snapshot === undefined ? {} : { snapshot }),
    });
    expect(duckdb).toEqual(pyiceberg);
    expect(ofSpark).toEqual(pyiceberg.map((row) => row.map(String)));
    read.push({ rows: pyiceberg, files });
  }
  return read;
}
const counts = { sql: 'SELECT count(*), count(DISTINCT id), CAST(sum(id) AS BIGINT) FROM t' };
const author = { dataset: 'posts', fence: 9 };

test('corrections, reverts and old snapshots are the same to all readers', async () => {
  const schema = schemaOf((await requireTable(deps, 'posts')).metadata);
  const partition = inSource('feed');
  const b = await putRows(aws, schema, {
    key: 'posts/source=feed/b.parquet',
    rows: rows(500, 1000),
    partition,
  });
  const dropped = { path: 's3://processed/posts/source=feed/a.parquet', partition };
  const { metadata } = await change('b', 2, { add: [b], drop: [dropped] });
  const [now, before] = await read(counts, {
    ...counts,
    snapshot: String(metadata.snapshots[0]?.['snapshot-id']),
  });
  expect(now?.rows).toEqual([[600, 600, 479700]]);
  expect(before?.rows).toEqual([[1100, 1100, 604450]]);
  await revertBatch(deps, 'posts', author, { batch: 'b', fence: 2 });
  const [reverted] = await read(counts);
  expect(reverted?.rows).toEqual([[1100, 1100, 604450]]);
});

test('rows that have left an object by its delete file are gone for all readers, then more of them, and back again', async () => {
  const path = 's3://processed/posts/source=feed/a.parquet';
  const folder = await mkdtemp(join(tmpdir(), 'sluice-deletes-'));
  const local = (name: string) => join(folder, name);
  /** The rows from a position on leave the object. */
  const hide = async (n: number, [from, to]: [number, number], before: DeletesFile | undefined) => {
    await writeParquet(
      `SELECT '${path}' AS _path, range AS _row FROM range(${from}, ${to})`,
      local('leaving.parquet'),
    );
    const earlier = before && { before: local(`${n - 1}`) };
    const [hidden] = await hideRows(
      [{ at: path, rows: 1000, most: 500, ...earlier, to: local(`${n}`) }],
      [local('leaving.parquet')],
    );
    const bytes = await readFile(local(`${n}`));
    const key = `posts/${'0'.repeat(19)}${n}-f9-of-${'a'.repeat(20)}-r/source=feed/x-deletes.parquet`;
    aws.s3.seed('processed', key, bytes);
    const by = { path: `s3://processed/${key}`, bytes: bytes.length, rows: hidden?.hidden ?? 0 };
    await change(`hides${n}`, author.fence, {
      deletes: [{ of: { path, partition: inSource('feed') }, by, replaces: before?.path }],
    });
    return by;
  };
  try {
    const first = await hide(1, [10, 30], undefined);
    const [once] = await read(counts);
    expect(once?.rows).toEqual([[1080, 1080, 604450 - 390]]);
    await hide(2, [900, 1000], first);
    const [twice, some] = await read(counts, { ...counts, where: 'id < 20' });
    expect(twice?.rows).toEqual([[980, 980, 604450 - 390 - 94950]]);
    expect(some?.rows).toEqual([[10, 10, 45]]);
    await revertBatch(deps, 'posts', author, { batch: 'hides2', fence: 9 });
    await revertBatch(deps, 'posts', author, { batch: 'hides1', fence: 9 });
    const [back] = await read(counts);
    expect(back?.rows).toEqual([[1100, 1100, 604450]]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

async function writeParquet(rows: string, path: string): Promise<void> {
  await inDuckdb('rows of a test', async ({ db }) => {
    await db.run(`COPY (${rows}) TO '${path}' (FORMAT parquet)`);
  });
}

test('columns that are added, widened and renamed, and other partitions, are the same to all readers', async () => {
  await evolveTable(
    deps,
    {
      ...posts,
      columns: [
        { name: 'id', type: 'bigint' },
        { name: 'words', type: 'string', was: ['body'] },
        { name: 'created_at', type: 'timestamp' },
        { name: 'price', type: 'decimal(18,2)' },
        { name: 'tags', type: 'array<string>' },
        { name: 'score', type: 'double' },
        { name: 'likes', type: 'bigint' },
        { name: 'lang', type: 'string' },
        { name: 'source', type: 'string' },
      ],
      partitionBy: [
        { column: 'source', transform: 'identity' },
        { column: 'created_at', transform: 'day' },
        { column: 'id', transform: 'bucket[4]' },
      ],
    },
    author,
  );
  const { metadata } = await requireTable(deps, 'posts');
  const schema = schemaOf(metadata);
  const [source, day, bucket] = specOf(metadata).fields.map((f) => f['field-id']);
  const id = 5000n;
  const at = Date.parse('2026-01-02T03:04:05Z');
  const c = await putRows(aws, schema, {
    key: 'posts/evolved/c.parquet',
    rows: `SELECT ${id}::BIGINT AS id, 7::BIGINT AS likes, 'new' AS words, TIMESTAMPTZ '2026-01-02 03:04:05Z' AS created_at, 1.5::DECIMAL(18,2) AS price,
      []::VARCHAR[] AS tags, 1.0::DOUBLE AS score, 'en' AS lang`,
    partition: new Map([
      [source ?? 0, 'feed'],
      [day ?? 0, applyTransform('day', 'timestamptz', BigInt(at) * 1000n)],
      [bucket ?? 0, applyTransform('bucket[4]', 'long', id)],
    ]),
  });
  await publishChange(
    deps,
    'posts',
    { ...author, batch: 'c' },
    {
      add: [{ file: c, specId: metadata['default-spec-id'] }],
      drop: [],
      dropped: 'gone',
      summary: {},
    },
  );
  const [all, one, byDay] = await read(
    { sql: 'SELECT count(*), count(words), count(lang), sum(price), CAST(sum(likes) AS BIGINT) FROM t' },
    { ...counts, where: `id = ${id}` },
    { ...counts, where: "created_at >= '2026-01-01T00:00:00+00:00'" },
  );
  expect(all?.rows).toEqual([[1101, 1101, 1, '151114.00', 3304]]);
  expect(one).toEqual({ rows: [[1, 1, 5000]], files: [c.path] });
  expect(byDay).toEqual({ rows: [[1, 1, 5000]], files: [c.path] });
});

test('what pyiceberg appends, deletes and changes is read, carried on and built on', async () => {
  const { pointer } = await requireTable(deps, 'posts');
  const { metadata: file } = await judge.ask(pointer.file, [
    {
      kind: 'write',
      append: [{ id: 7000, words: 'theirs', created_at: '2026-02-03T00:00:00+00:00', source: 'feed' }],
    },
    { kind: 'write', addColumn: 'theirs' },
    { kind: 'write', delete: 'id < 100' },
  ]);
  await judge.adopt(deps, 'posts', file);
  const { metadata } = await requireTable(deps, 'posts');
  const schema = schemaOf(metadata);
  expect(schema.fields.map((f) => f.name)).toContain('theirs');
  const entries = await liveEntries(deps.files, metadata);
  // The other engines have rewritten the object whose rows they deleted.
  expect(entries.map((entry) => entry.file.path)).not.toContain('s3://processed/posts/source=feed/a.parquet');
  const lost = change('d', 10, { drop: [{ path: 's3://processed/posts/source=feed/a.parquet' }] });
  await expect(lost).rejects.toThrow(TableConflict);
  const nowhere = entries.find((entry) => entry.file.path.includes('HIVE_DEFAULT'));
  await change('d', 10, { drop: [{ path: nowhere?.file.path ?? '' }], dropped: 'gone' });
  const [all, theirs] = await read(counts, { ...counts, where: 'id = 7000' });
  expect(all?.rows).toEqual([[902, 902, 506550]]);
  expect(theirs?.rows).toEqual([[1, 1, 7000]]);
});

test('after snapshots have expired and their objects are deleted, all readers find the rows', async () => {
  await expireSnapshots(deps, 'posts', { olderThan: Number.MAX_SAFE_INTEGER, keepLast: 1 });
  const store = createStore(aws.actor('maintain').s3);
  const orphans = await orphansOf(deps, 'posts', (...at) => store.list(...at), Number.POSITIVE_INFINITY);
  expect(orphans).toContain('posts/source=feed/a.parquet');
  await judge.forget(orphans.map((key) => `s3://processed/${key}`));
  const [all] = await read(counts);
  expect(all?.rows).toEqual([[902, 902, 506550]]);
});

test.each(evolvedTables)(
  'a table that changes with its contract is the same to all readers: $name',
  async ({ name, states }) => {
    const location = `s3://processed/${name}/`;
    for (const [state, { table, objects, questions }] of states.entries()) {
      const wanted = { ...table, name, location };
      if (state === 0) await createTable(deps, wanted);
      await evolveTable(deps, wanted, { dataset: name, fence: 1 });
      const { metadata } = await requireTable(deps, name);
      const schema = schemaOf(metadata);
      const keys = keysOf(metadata, specOf(metadata));
      const files = await Promise.all(
        objects.map((object) => {
          const ids = object.ids.map((column) => [
            column,
            { id: schema.fields.find((f) => f.name === column)?.id ?? 0 },
          ]);
          return putRows(aws, schema, {
            key: `${name}/${object.name}.parquet`,
            rows: object.rows,
            partition: partitionOf(keys, object.values),
            copy: fieldIdsOption(Object.fromEntries(ids)),
          });
        }),
      );
      await publishChange(
        deps,
        name,
        { dataset: name, batch: String(state), fence: 1 },
        {
          add: files.map((file) => ({ file, specId: metadata['default-spec-id'] })),
          drop: [],
          dropped: 'gone',
          summary: {},
        },
      );
      const { pointer } = await requireTable(deps, name);
      const { answers } = await judge.ask(
        pointer.file,
        questions.map(({ sql, where }) => ({ kind: 'read', sql, where })),
      );
      for (const [i, question] of questions.entries()) {
        const { pyiceberg, duckdb, files: read } = answer.parse(answers[i]);
        const asked = `${question.sql} ${question.where ?? ''}`;
        expect([asked, pyiceberg]).toEqual([asked, question.answer]);
        expect([asked, duckdb]).toEqual([asked, question.answer]);
        if (question.files)
          expect([asked, read]).toEqual([
            asked,
            question.files.map((file) => `${location}${file}.parquet`).sort(),
          ]);
      }
    }
  },
);

test('rows that an engine has put into partitions of transforms are found by their values', async () => {
  const contract = { ...byTransforms, table: 'transforms' };
  const shape = tableOfContract(contract, { processedBucket: 'processed' });
  const format = icebergOn(createStore(aws.actor('flow').s3, { pause: 0 }), deps.pointers);
  await format.ensure(shape, { dataset: 'test', fence: 1 });
  const folder = await mkdtemp(join(tmpdir(), 'sluice-by-transforms-'));
  try {
    await transform(contract, rowsOfTransforms, { keep: folder });
    const paths = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.parquet'));
    const add = await Promise.all(
      paths.map(async (path) => {
        const bytes = await readFile(join(folder, path));
        aws.s3.seed('processed', `transforms/${path}`, bytes);
        const values = valuesOfPath(path.slice(0, path.lastIndexOf('/')));
        return { address: `s3://processed/transforms/${path}`, bytes: bytes.length, values };
      }),
    );
    const attempt = { batch: 'a', fence: 1 };
    await format.commit(shape, { dataset: 'test', attempt, contract: 'v1', add, drop: [] });
  } finally {
    await rm(folder, { recursive: true });
  }
  const { pointer } = await requireTable(deps, 'transforms');
  const conditions = [
    ...[34, 35, 36, 38, 39, 40].map((id) => `id = ${id}`),
    ...["name = 'abd'", "name = ''", "name = '日本語'", "name = '~/='", 'name IS NULL'],
    "posted < '1970-01-01T00:00:00+00:00'",
  ];
  const { answers } = await judge.ask(
    pointer.file,
    conditions.map((where) => ({ kind: 'read', sql: 'SELECT count(*) FROM t', where })),
  );
  for (const [i, where] of conditions.entries()) {
    const { pyiceberg, duckdb, files } = answer.parse(answers[i]);
    expect([where, pyiceberg, duckdb, files.length]).toEqual([where, [[1]], [[1]], 1]);
  }
});
