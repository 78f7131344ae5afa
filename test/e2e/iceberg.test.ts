/** Iceberg tables in the local Athena: Trino runs Athena's statements; DuckDB reads tables without delete files. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createDuckDbEngine } from '../../offline/athena/duckdb.ts';
import type { Engine } from '../../offline/athena/engine.ts';
import { withDdl } from '../../offline/athena/withDdl.ts';
import { connectUpstream } from '../../offline/aws.ts';
import { athena, stage } from '../support/stage.ts';

const { database, workBucket } = stage.config;
const location = `s3://${workBucket}/iceberg/${Date.now()}`;
const table = `iceberg_${Date.now()}`;
let folder: string;
let duckDb: Engine;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-iceberg-'));
  const upstream = connectUpstream(stage.endpoint ?? '');
  duckDb = withDdl(upstream, await createDuckDbEngine(upstream, folder));
});
afterAll(async () => {
  await athena(`DROP TABLE IF EXISTS ${table}`);
  await rm(folder, { recursive: true });
});

/** The rows as the embedded DuckDB gives them. */
const onDuckDb = async (sql: string) => {
  const { columns, rows } = await duckDb.run({
    sql,
    database,
    parameters: [],
    tables: '',
    signal: new AbortController().signal,
  });
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i] ?? null])));
};

const all = `SELECT id, text, day, amount FROM ${table} ORDER BY id`;

test("Athena's statements for Iceberg tables do what they say, and every state stays to be read", async () => {
  await athena(
    `CREATE TABLE ${table} (id bigint, text string COMMENT 'what was said', day string, amount decimal(10,2))
     PARTITIONED BY (day, bucket(4, id)) LOCATION '${location}/' TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'vacuum_max_snapshot_age_seconds' = '1')`,
  );
  await athena(
    `INSERT INTO ${table} VALUES (1, 'a', '01', 1.50), (2, 'b', '01', 2.00), (3, 'c', '02', NULL)`,
  );
  const [first] = await athena(
    `SELECT snapshot_id FROM "${table}$snapshots" ORDER BY committed_at DESC LIMIT 1`,
  );
  await athena(`UPDATE ${table} SET text = 'B' WHERE id = 2`);
  await athena(`DELETE FROM ${table} WHERE id = 3`);
  await athena(
    `MERGE INTO ${table} t USING (VALUES (1, 'A'), (4, 'd')) AS s(id, text) ON t.id = s.id
     WHEN MATCHED THEN UPDATE SET text = s.text WHEN NOT MATCHED THEN INSERT (id, text, day) VALUES (s.id, s.text, '03')`,
  );
  const merged = [
    { id: '1', text: 'A', day: '01', amount: '1.50' },
    { id: '2', text: 'B', day: '01', amount: '2.00' },
    { id: '4', text: 'd', day: '03', amount: null },
  ];
  expect(await athena(all)).toEqual(merged);
  expect(
    await athena(`SELECT id, text FROM ${table} FOR VERSION AS OF ${first?.snapshot_id} ORDER BY id`),
  ).toEqual([
    { id: '1', text: 'a' },
    { id: '2', text: 'b' },
    { id: '3', text: 'c' },
  ]);

  // Rows that are deleted in place are still in their files.
  await expect(onDuckDb(all)).rejects.toThrow('deletes that are merged on reading');
  await athena(`OPTIMIZE ${table} REWRITE DATA USING BIN_PACK`);
  expect(await athena(all)).toEqual(merged);
  expect(await onDuckDb(all)).toEqual(merged);

  await athena(`ALTER TABLE ${table} ADD COLUMNS (mood string)`);
  await athena(`ALTER TABLE ${table} CHANGE COLUMN text words string`);
  await athena(`INSERT INTO ${table} (id, words, day, mood) VALUES (5, 'e', '04', 'fine')`);
  const evolved = `SELECT id, words, mood FROM ${table} WHERE day > '02' ORDER BY id`;
  const rows = [
    { id: '4', words: 'd', mood: null },
    { id: '5', words: 'e', mood: 'fine' },
  ];
  expect(await athena(evolved)).toEqual(rows);
  expect(await onDuckDb(evolved)).toEqual(rows);

  await athena(`VACUUM ${table}`);
  expect(await athena(evolved)).toEqual(rows);
}, 120_000);

test('what only one kind of table can do is refused by name on the other', async () => {
  await expect(athena(`DELETE FROM social_media WHERE id = 1`)).rejects.toThrow(
    'only supported for transactional',
  );
  await expect(athena(`ALTER TABLE social_media DROP COLUMN text`)).rejects.toThrow('of a Hive table');
  await expect(athena(`CREATE TABLE plain (id int) LOCATION '${location}/plain/'`)).rejects.toThrow(
    'table_type',
  );
  await expect(onDuckDb(`DELETE FROM ${table} WHERE id = 1`)).rejects.toThrow('NOT_SUPPORTED');
});
