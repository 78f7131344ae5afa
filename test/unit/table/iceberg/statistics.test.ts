/** What a manifest says of an object, read from its footer. DuckDB and hyparquet's own test decide what is in the object. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DataFile } from '../../../../src/lib/table/iceberg/manifest.ts';
import { describeObject } from '../../../../src/lib/table/iceberg/statistics.ts';
import type { Schema } from '../../../../src/lib/table/iceberg/types.ts';
import { fromBytes } from '../../../../src/lib/table/iceberg/values.ts';

const types: Readonly<Record<string, string>> = {
  id: 'long',
  n: 'int',
  ok: 'boolean',
  x: 'double',
  f: 'float',
  day: 'date',
  at: 'timestamptz',
  plain: 'timestamp',
  text: 'string',
  bytes: 'binary',
  price: 'decimal(12, 2)',
  huge: 'decimal(38, 2)',
  gone: 'string',
  some: 'int',
  unusual: 'time',
};
const names = Object.keys(types);
const idOf = (name: string) => names.indexOf(name) + 1;
const nested = [
  {
    id: 100,
    name: 's',
    required: false,
    type: { type: 'struct', fields: [{ id: 101, name: 'member', required: false, type: 'int' }] },
  },
  {
    id: 110,
    name: 'l',
    required: false,
    type: { type: 'list', 'element-id': 111, element: 'int', 'element-required': false },
  },
  {
    id: 120,
    name: 'm',
    required: false,
    type: {
      type: 'map',
      'key-id': 121,
      key: 'string',
      'value-id': 122,
      value: 'int',
      'value-required': false,
    },
  },
] as const;
const schema: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    ...names.map((name) => ({ id: idOf(name), name, required: false, type: types[name] ?? '' })),
    ...nested,
  ],
};

let folder: string;
let file: Buffer;
let found: DataFile;
let reads: [number, number][];

const describe = (of: Schema, bytes = file) =>
  describeObject(
    {
      path: 's3://b/k',
      size: bytes.length,
      partition: new Map(),
      read: async (start, end) => {
        reads.push([start, end]);
        return bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end) as ArrayBuffer;
      },
    },
    of,
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-statistics-'));
  const path = join(folder, 'a.parquet');
  const db = await (await DuckDBInstance.create()).connect();
  try {
    await db.run(`COPY (SELECT range AS id, range::INTEGER - 10 AS n, range >= 2048 AS ok, range / 2 AS x, range::FLOAT AS f,
      DATE '2020-01-01' + range::INTEGER AS day, TIMESTAMPTZ '2020-01-01 00:00:00.000001+00' + to_days(range::INTEGER) AS at,
      TIMESTAMP '1969-12-31 23:59:59' AS plain, 'a very long text number ' || range AS text, 'xy'::BLOB AS bytes,
      (range - 1)::DECIMAL(12,2) / 4 AS price, range::DECIMAL(38,2) * 1000000000000000 AS huge, NULL::VARCHAR AS gone,
      CASE WHEN range = 3000 THEN 7 END AS some, TIME '01:02:03' AS unusual, {member: range::INTEGER} AS s, [1, 2] AS l, MAP {'k': 1} AS m
      FROM range(4096)) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
  } finally {
    db.closeSync();
  }
  file = await readFile(path);
  reads = [];
  found = await describe(schema);
});
afterAll(() => rm(folder, { recursive: true }));

const bound = (side: 'lowerBounds' | 'upperBounds', name: string) => {
  const bytes = found[side]?.get(idOf(name));
  return bytes && fromBytes(types[name] ?? '', bytes);
};

test('an object has its rows, its bytes, and the places where it can be split; only its end is read', () => {
  expect(found).toMatchObject({
    content: 0,
    path: 's3://b/k',
    format: 'PARQUET',
    records: 4096n,
    bytes: BigInt(file.length),
  });
  expect(found.splitOffsets).toHaveLength(2);
  expect(found.splitOffsets?.[0]).toBe(4n);
  expect((found.splitOffsets?.[1] ?? 0n) > 4n).toBe(true);
  expect(reads).toEqual([[Math.max(0, file.length - 32 * 1024), file.length]]);
});

const micros = (text: string) => BigInt(Date.parse(text)) * 1000n;
test.each<[string, unknown, unknown]>([
  ['id', 0n, 4095n],
  ['n', -10, 4085],
  ['ok', false, true],
  ['x', -0, 2047.5],
  ['f', -0, 4095],
  ['day', 18_262, 18_262 + 4095],
  ['at', micros('2020-01-01T00:00:00Z') + 1n, micros('2020-01-01T00:00:00Z') + 1n + 4095n * 86_400_000_000n],
  ['plain', -1_000_000n, -1_000_000n],
  ['bytes', Buffer.from('xy'), Buffer.from('xy')],
  ['gone', undefined, undefined],
  ['some', 7, 7],
  ['unusual', undefined, undefined],
])('the bounds of %s over both row groups are %s and %s', (name, low, high) => {
  expect([bound('lowerBounds', name), bound('upperBounds', name)]).toEqual([low, high]);
});

test('bounds of texts and of long decimals lie around all values', () => {
  const [low, high] = [bound('lowerBounds', 'text'), bound('upperBounds', 'text')];
  expect(low).toBe('a very long text');
  expect(high).toBe('a very long texu');
  const [least, most] = [bound('lowerBounds', 'huge'), bound('upperBounds', 'huge')].map((value) =>
    BigInt(String(value)),
  );
  const greatest = 4095n * 10n ** 17n;
  expect([(least ?? 1n) <= 0n, (least ?? -9n) >= -2n]).toEqual([true, true]);
  expect([(most ?? 0n) >= greatest, (most ?? greatest * 2n) < greatest + 10n ** 9n]).toEqual([true, true]);
});

test('values and nulls are counted over all row groups, sizes also of nested fields', () => {
  const counts = (name: string) => [found.valueCounts?.get(idOf(name)), found.nullCounts?.get(idOf(name))];
  expect(counts('id')).toEqual([4096n, 0n]);
  expect(counts('gone')).toEqual([4096n, 4096n]);
  expect(counts('some')).toEqual([4096n, 4095n]);
  expect([found.valueCounts?.get(101), found.valueCounts?.get(111), found.valueCounts?.get(121)]).toEqual([
    4096n,
    undefined,
    undefined,
  ]);
  expect([...(found.columnSizes?.keys() ?? [])].sort((a, b) => a - b)).toEqual([
    ...names.map(idOf),
    101,
    111,
    121,
    122,
  ]);
  for (const size of found.columnSizes?.values() ?? []) expect(size > 0n).toBe(true);
  expect([...(found.lowerBounds?.keys() ?? [])]).not.toContain(111);
});

test('a column of another type, or that the schema does not have, is left out', async () => {
  const fields = [
    { id: 1, name: 'id', required: false, type: 'string' },
    { id: 2, name: 'text', required: false, type: 'int' },
    { id: 3, name: 'unusual', required: false, type: 'timestamptz' },
    { id: 4, name: 's', required: false, type: 'int' },
    { id: 5, name: 'ok', required: false, type: 'double' },
    { id: 6, name: 'x', required: false, type: 'boolean' },
    { id: 7, name: 'day', required: false, type: 'decimal(4, 1)' },
  ];
  const other = await describe({ ...schema, fields });
  const withBounds = [...(other.lowerBounds?.keys() ?? [])].sort();
  expect([withBounds, [...(other.valueCounts?.keys() ?? [])].sort()]).toEqual([[7], [1, 2, 3, 5, 6, 7]]);
  expect(fromBytes('decimal(4, 1)', other.lowerBounds?.get(7) ?? new Uint8Array())).toBe(182_620n);
});
