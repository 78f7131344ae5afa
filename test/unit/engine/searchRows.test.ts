/** Rows of persons leave Parquet objects. All other rows, columns, types and field ids stay. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { compile } from '../../../src/lib/compiler/compile.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { personsOfCondition, personsOfFile } from '../../../src/lib/contract/persons.ts';
import { fetchRows, searchRows } from '../../../src/lib/engine/searchRows.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const contract = parseContract(
  'feed.yml',
  JSON.stringify({
    dataset: 'feed',
    source: { prefix: 'feed/', formats: ['ndjson'] },
    columns: [
      { name: 'user_id', path: 'user', type: 'bigint' },
      { name: 'email', path: 'email', type: 'string' },
    ],
    partitionBy: [{ name: 'source', constant: 'feed' }],
  }),
);
const plan = compile(contract, null, []);
const types = new Map(plan.columns.map(({ name, type }) => [name, type]));
const sought = {
  contract,
  plan: { ...plan, fieldIds: { user_id: { id: 7, names: ['user_id', 'uid'] } } },
  references: [],
  isAlone: true,
  persons: personsOfCondition('user_id in (42, 43)', types),
};
const place = (line: number) => `'feed/a' AS _object, 'v' AS _version, ${line} AS _line, 'b' AS _batch`;

test('objects of the table and of the quarantine', async () => {
  const db = await (await DuckDBInstance.create()).connect();
  const written = async (name: string, sql: string, options = '') => {
    await db.run(`COPY (${sql}) TO '${join(folder, name)}' (FORMAT parquet${options})`);
    return join(folder, name);
  };
  const now = await written(
    'now',
    `SELECT 42::BIGINT AS user_id, 1.5::DECIMAL(9,2) AS price, [1] AS l, ${place(1)} UNION ALL SELECT 7, 2.5, [2], ${place(2)} UNION ALL SELECT NULL, 3, NULL, ${place(3)}`,
  );
  const renamed = await written(
    'renamed',
    `SELECT 43::INTEGER AS other, ${place(1)} UNION ALL SELECT 420, ${place(2)}`,
    ', FIELD_IDS {other: 7, _object: 8, _version: 9, _line: 10, _batch: 11}',
  );
  const older = await written('older', `SELECT 'x' AS email, ${place(1)} UNION ALL SELECT 'y', ${place(2)}`);
  const refused = await written(
    'refused',
    `SELECT * FROM (VALUES ('{"user":42,"email":5}', NULL), ('{"user":7,"n":42}', '42'), ('{broken 42', NULL), ('{broken 420', NULL)) t(raw, value),
      (SELECT 'feed/gone' AS object, 'v' AS version, 1::BIGINT AS line, 'bad_type' AS reason, NULL::VARCHAR AS column_name)`,
  );
  // A tombstone has no more columns.
  const deleted = await written(
    'deleted',
    "SELECT 42::BIGINT AS user_id, 'feed/a' AS _object, 'v' AS _version, 1::BIGINT AS _line UNION ALL SELECT 8, 'feed/a', 'v', 2",
  );
  const numbered = await written(
    'numbered',
    `SELECT 42::BIGINT AS user_id, 9 AS file_row_number, ${place(1)} UNION ALL SELECT 7, 8, ${place(2)}`,
  );
  // Only the columns that decide are fetched.
  const bytes = readFileSync(now);
  const part = join(folder, 'part');
  await fetchRows(
    sought,
    async (start, end) => new Uint8Array(bytes.subarray(start, end)).buffer,
    bytes.length,
    part,
  );
  const to = (name: string) => join(folder, `${name}-rest`);
  const copies = [
    { path: part, isQuarantine: false },
    { path: now, isQuarantine: false, to: to('now') },
    { path: renamed, isQuarantine: false, to: to('renamed') },
    { path: older, isQuarantine: false, to: to('older') },
    { path: refused, isQuarantine: true, to: to('refused') },
    { path: deleted, isQuarantine: false, to: to('deleted') },
    { path: numbered, isQuarantine: false, to: to('numbered') },
  ];
  const matches = await searchRows(sought, copies, [{ object: 'feed/a', version: 'v', line: 2 }]);
  expect(matches.map(({ removed, kept }) => [removed, kept])).toEqual([
    [1, 2],
    [1, 2],
    [1, 1],
    [1, 1],
    [2, 2],
    [1, 1],
    [1, 1],
  ]);
  expect(matches[0]?.batches).toEqual(['b']);
  const rest = async (name: string, columns: string) =>
    (await db.runAndReadAll(`SELECT ${columns} FROM read_parquet('${to(name)}')`)).getRowsJson();
  expect(await rest('now', 'user_id, price, typeof(price), l')).toEqual([
    ['7', '2.50', 'DECIMAL(12,2)', [2]],
    [null, '3.00', 'DECIMAL(12,2)', null],
  ]);
  expect(await rest('renamed', 'other')).toEqual([[420]]);
  expect(
    (
      await db.runAndReadAll(`SELECT field_id FROM parquet_schema('${to('renamed')}') WHERE name = 'other'`)
    ).getRowsJson(),
  ).toEqual([['7']]);
  expect(await rest('deleted', 'user_id')).toEqual([['8']]);
  expect(await rest('numbered', 'user_id, "file_row_number"')).toEqual([['7', 8]]);
  expect(await rest('older', 'email')).toEqual([['x']]);
  expect(await rest('refused', 'raw')).toEqual([['{"user":7,"n":42}'], ['{broken 420']]);
});

test('a row whose line has shifted in its raw file is unclear, unless the object has the column', async () => {
  const db = await (await DuckDBInstance.create()).connect();
  const written = async (name: string, sql: string) => {
    await db.run(`COPY (${sql}) TO '${join(folder, name)}' (FORMAT parquet)`);
    return { path: join(folder, name), isQuarantine: false };
  };
  const copies = [
    await written('shifted', `SELECT 'x' AS email, ${place(1)} UNION ALL SELECT 'y', ${place(2)}`),
    await written('known', `SELECT 42::BIGINT AS user_id, ${place(1)}`),
  ];
  const unclear = async (records: Parameters<typeof searchRows>[2]) =>
    (await searchRows(sought, copies, records)).map((match) => [match.removed, match.unclear]);
  const shifted = { object: 'feed/a', version: 'w', line: 1, isShifted: true };
  expect(await unclear([shifted])).toEqual([
    [0, ['feed/a']],
    [1, []],
  ]);
  expect(await unclear([{ ...shifted, isShifted: false }])).toEqual([
    [0, []],
    [1, []],
  ]);
  // The version before is still there.
  expect(await unclear([shifted, { object: 'feed/a', version: 'v', line: 2 }])).toEqual([
    [1, []],
    [1, []],
  ]);
});

test.each([
  ['user_id = 42', [['42']]],
  [
    "email = 'x' and user_id in (1, -2)",
    [
      ['x', '1'],
      ['x', '-2'],
    ],
  ],
])('%s names persons', (where, texts) => {
  expect(personsOfCondition(where, types).texts).toEqual(texts);
});

test.each([
  ['user_id > 42', /which persons/],
  ['user_id = 42 or true', /which persons/],
  ['not user_id = 42', /which persons/],
  ["email = ' '", /empty key/],
  ["user_id = 'x'", /do not go together/],
  ['nobody = 1', /no column "nobody"/],
])('%s is no name of persons', (where, message) => {
  expect(() => personsOfCondition(where, types)).toThrow(message);
});

test('a file of keys has a person on each line', () => {
  expect(personsOfFile('\ufeffuser_id,email\n42,"a,b"\n-1,c\n', types).texts).toEqual([
    ['42', 'a,b'],
    ['-1', 'c'],
  ]);
  expect(() => personsOfFile('user_id\n', types)).toThrow(/a line for each person/);
  expect(() => personsOfFile('user_id\nx\n', types)).toThrow(/not a number/);
  expect(() => personsOfFile('user_id,email\n1\n', types)).toThrow(/as many fields/);
  expect(() => personsOfFile('nobody\n1\n', types)).toThrow(/does not have/);
});
