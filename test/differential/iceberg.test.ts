/** Tables that Sluice writes, as pyiceberg and DuckDB's iceberg extension read them, and theirs as Sluice does. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as z from 'zod';
import { createTable, requireTable } from '../../src/lib/table/iceberg/commit.ts';
import type { WantedTable } from '../../src/lib/table/iceberg/evolve.ts';
import type { DataFile, Partition } from '../../src/lib/table/iceberg/manifest.ts';
import { schemaOf, specOf } from '../../src/lib/table/iceberg/metadata.ts';
import { publishChange } from '../../src/lib/table/iceberg/operations.ts';
import type { Change } from '../../src/lib/table/iceberg/snapshot.ts';
import { depsOf, icebergAws, Judge, putRows } from '../support/iceberg.ts';

const aws = icebergAws();
const deps = depsOf(aws.actor('writer'), aws);
let judge: Judge;
beforeAll(async () => {
  judge = await Judge.on(aws);
});
afterAll(() => judge.close());

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
    { name: 'source', type: 'string' },
  ],
  partitionBy: [{ column: 'source', transform: 'identity' }],
  sortBy: ['id'],
};

const rows = (from: number, to: number) => `
  SELECT i AS id, 'text ' || i || ' ' || repeat('é', 20) AS body, TIMESTAMPTZ '2025-10-06 00:00:00.000001Z' + i * INTERVAL 1 HOUR AS created_at,
    (i / 4)::DECIMAL(10,2) AS price, ['a', 'b' || i] AS tags, CASE WHEN i % 2 = 0 THEN i / 8 END AS score
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

test('a table that Sluice writes is the same to pyiceberg and DuckDB', async () => {
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
});
