/** Rows of published objects as a lookup: Parquet files as DuckDB writes them. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, expect, test } from '@jest/globals';
import type { TableLookup } from '../../../src/lib/contract/lookups.ts';
import { readTable } from '../../../src/lib/reference/table.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-lookup-'));
const instance = await DuckDBInstance.create();
const db = await instance.connect();
await db.run("SET TimeZone = 'UTC'");
afterAll(async () => {
  db.closeSync();
  instance.closeSync();
  await rm(folder, { recursive: true });
});

let files = 0;
async function object(sql: string, values: (string | null)[] = [], options = '') {
  const path = join(folder, `${files++}.parquet`);
  await db.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, COMPRESSION zstd${options})`);
  return { path, bytes: readFileSync(path).length, values };
}

const lookup: TableLookup = {
  table: 'users',
  keys: { id: 'bigint' },
  values: ['name'],
  order: [],
  types: new Map([
    ['id', 'bigint'],
    ['name', 'string'],
  ]),
  partitionKeys: [],
};
let fetched = 0;
const reading = {
  read: async (path: string, start: number, end: number) => {
    fetched += end - start;
    const { buffer, byteOffset } = readFileSync(path).subarray(start, end);
    return buffer.slice(byteOffset, byteOffset + end - start) as ArrayBuffer;
  },
  limit: 1_000_000,
};
const rowsOf = async (
  objects: Parameters<typeof readTable>[0],
  of: Partial<TableLookup> = {},
  more: Partial<Parameters<typeof readTable>[2]> = {},
) => {
  const { ndjson } = await readTable(objects, { ...lookup, ...of }, { ...reading, ...more });
  return ndjson === '' ? [] : ndjson.split('\n').map((line): unknown => JSON.parse(line));
};
const origin = "'o' AS _object, 'v' AS _version, 1::BIGINT AS _line";

test('values are texts, one for each type', async () => {
  const types = {
    i: '7::INTEGER',
    b: '9007199254740993::BIGINT',
    d: '0.1::DOUBLE',
    m: '12.3::DECIMAL(9,2)',
    small: '-0.05::DECIMAL(15,2)',
    yes: 'true',
    day: "DATE '1969-12-31'",
    at: "TIMESTAMPTZ '1969-12-31 23:59:59.000001+00'",
    whole: "TIMESTAMPTZ '2025-10-06 05:40:00+00'",
    none: 'NULL::VARCHAR',
    text: '\'ä "😀"\'',
  };
  const sql = Object.entries(types).map(([name, value]) => `${value} AS ${name}`);
  const found = await rowsOf([await object(`SELECT 1::BIGINT AS id, ${sql.join(', ')}, ${origin}`)], {
    values: Object.keys(types),
    types: new Map([
      ['id', 'bigint'],
      ['m', 'decimal(9,2)'],
      ['small', 'decimal(15,2)'],
      ['day', 'date'],
      ['at', 'timestamp'],
      ['whole', 'timestamp'],
    ]),
  });
  expect(found).toEqual([
    {
      id: '1',
      i: '7',
      b: '9007199254740993',
      d: '0.1',
      m: '12.30',
      small: '-0.05',
      yes: 'true',
      day: '1969-12-31',
      at: '1969-12-31T23:59:59.000001Z',
      whole: '2025-10-06T05:40:00Z',
      none: null,
      text: 'ä "😀"',
    },
  ]);
});

test('of rows with one key, the first of the order counts, in whatever order the objects come', async () => {
  const row = (id: string, at: string, name: string, version = 'v') =>
    `SELECT ${id}::BIGINT AS id, ${at}::TIMESTAMPTZ AS at, '${name}' AS name, 'o' AS _object, '${version}' AS _version, 1::BIGINT AS _line`;
  const objects = [
    await object(`${row('1', "'2025-01-01'", 'old')} UNION ALL ${row('2', 'NULL', 'never')}`),
    await object(`${row('1', "'2025-01-03'", 'new')} UNION ALL ${row('2', "'2025-01-01'", 'once')}`),
    await object(`${row('1', "'2025-01-02'", 'middle')} UNION ALL ${row('3', 'NULL', 'b', 'w')}`),
    await object(row('3', 'NULL', 'a', 'v')),
    await object(row('NULL', 'NULL', 'nobody')),
  ];
  const of = (direction: 'asc' | 'desc') => ({ order: [{ column: 'at', direction }] });
  const names = async (direction: 'asc' | 'desc', from: typeof objects) =>
    (await rowsOf(from, of(direction))).map((found) => JSON.stringify(found)).sort();
  const newest = ['{"id":"1","name":"new"}', '{"id":"2","name":"once"}', '{"id":"3","name":"a"}'];
  expect(await names('desc', objects)).toEqual(newest);
  expect(await names('desc', objects.toReversed())).toEqual(newest);
  expect(await names('asc', objects)).toEqual([
    '{"id":"1","name":"old"}',
    '{"id":"2","name":"once"}',
    '{"id":"3","name":"a"}',
  ]);
});

test('an object may be older than a column, or than its name, and have other columns and many groups', async () => {
  const older = await object(`SELECT 1::INTEGER AS id, 'x' AS gone, ${origin}`);
  const ids = { id: { id: 1 }, name: { id: 2, names: ['nick', 'name'] } };
  const renamed = await object(
    `SELECT 2::BIGINT AS id, 'b' AS nick, ${origin}`,
    [],
    ', FIELD_IDS {id: 1, nick: 2}',
  );
  const nameless = await object(`SELECT 3::BIGINT AS id, 'c' AS nick, ${origin}`);
  const many = await object(
    `SELECT range + 10 AS id, 'n' || range AS name, md5(range::VARCHAR) || md5((-range)::VARCHAR) || md5((range + 0.5)::VARCHAR) AS wide, ${origin} FROM range(5000)`,
    [],
    ', ROW_GROUP_SIZE 2048',
  );
  const found = await rowsOf([older, renamed, nameless], {}, { ids });
  expect(found).toEqual([
    { id: '1', name: null },
    { id: '2', name: 'b' },
    { id: '3', name: 'c' },
  ]);
  fetched = 0;
  const rows = await rowsOf([many]);
  expect([rows.length, rows[4999]]).toEqual([5000, { id: '5009', name: 'n4999' }]);
  // The wide column is not read.
  expect(fetched).toBeLessThan(many.bytes / 2);
});

test('a partition key has its value in the folder; a key beyond the type that asks is never found', async () => {
  const row = (id: string) => `SELECT ${id}::BIGINT AS id, ${origin}`;
  const objects = [
    await object(row('1'), ['de']),
    await object(row('2'), ['__HIVE_DEFAULT_PARTITION__']),
    await object(row('3000000000'), ['fr']),
    await object(`${row('4')}, 'inside' AS country`, [null]),
  ];
  const of = { values: ['country'], partitionKeys: ['country'], keys: { id: 'int' } };
  expect(await rowsOf(objects, of)).toEqual([
    { id: '1', country: 'de' },
    { id: '2', country: null },
    { id: '4', country: 'inside' },
  ]);
  expect(await rowsOf(objects, { ...of, values: [], keys: { country: 'string' } })).toEqual([
    { country: 'de' },
    { country: 'fr' },
    { country: 'inside' },
  ]);
});

test('a table that is too large for the memory is refused by name', async () => {
  const rows = await object(`SELECT range AS id, 'name' AS name, ${origin} FROM range(100)`);
  await expect(readTable([rows], lookup, { ...reading, limit: 1000 })).rejects.toMatchObject({
    name: 'LookupTooLarge',
    table: 'users',
  });
  expect(await rowsOf([])).toEqual([]);
});
