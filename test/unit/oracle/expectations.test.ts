/**
 * Expectations pass and fail as the reference says: the Athena query, run on DuckDB with Athena's functions, against the
 * interpreter.
 */
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { athenaMacros } from '../../../offline/athena/duckdb.ts';
import { expectationQuery, judgeExpectations } from '../../../src/lib/compiler/expectations.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { Dice } from '../../oracle/dice.ts';
import { passes } from '../../oracle/expectations.ts';
import { Day, Moment, type Value } from '../../oracle/value.ts';

const conditions = [
  'n > 0',
  'd / n > 1',
  "s != 'a' or n is null",
  'n % 2 = 0 and d < 2',
  'length(s) < 3',
  'day(at) = 6',
];
const checks = [
  ...[0, 0.3, 1].flatMap((tolerance) => [
    ...['n', 's', 'd', 'at', 'day'].map((column) => ({ check: 'not_null', column, tolerance })),
    { check: 'in_set', column: 's', values: ['a', "it's", ''], tolerance },
    { check: 'range', column: 'n', min: 0, max: 5, tolerance },
    { check: 'range', column: 'd', max: 1.5, tolerance },
    { check: 'range', column: 'day', min: '2025-10-06', tolerance },
    { check: 'regex', column: 's', pattern: '^[a-z]+$', tolerance },
    ...conditions.map((expression) => ({ check: 'predicate', expression, tolerance })),
    { check: 'unique', columns: ['n', 's'], tolerance },
    { check: 'unique', columns: ['s'], tolerance },
  ]),
  ...[0, 0.5, 1].map((max) => ({ check: 'null_share', column: 's', max })),
  ...[0, 0.5, 1].map((min) => ({ check: 'matched_share', column: 's', of: 'n', min })),
  { check: 'sum', column: 'n', min: 0, max: 10 },
  { check: 'sum', column: 'd', max: 2.5 },
  ...['60m', '24h', '1d'].map((max) => ({ check: 'freshness', column: 'at', max })),
  { check: 'row_count', min: 2, max: 4 },
  { check: 'row_count', lastBatches: { count: 2, min: 0.5, max: 2 } },
];
const contract = parseContract(
  'oracle.yml',
  JSON.stringify({
    dataset: 'oracle',
    source: { prefix: 'x/', formats: ['ndjson'] },
    columns: [
      { name: 'n', path: 'n', type: 'bigint' },
      { name: 'd', path: 'd', type: 'double' },
      { name: 's', path: 's', type: 'string' },
      { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] },
      { name: 'day', path: 'day', type: 'date' },
    ],
    partitionBy: [{ name: 'source', constant: 'x' }],
    expectations: checks,
  }),
);
const now = new Date('2025-10-07T00:00:00Z');
const micros = (text: string) => BigInt(Date.parse(text)) * 1000n;
const values: Readonly<Record<string, readonly (readonly [string, Value])[]>> = {
  n: [
    ['NULL', null],
    ['0', 0n],
    ['1', 1n],
    ['5', 5n],
    ['6', 6n],
    ['-1', -1n],
  ],
  d: [
    ['NULL', null],
    ['0.5', 0.5],
    ['1.5', 1.5],
    ['1.5000000000000002', 1.5000000000000002],
    ['-2', -2],
  ],
  s: [
    ['NULL', null],
    ["''", ''],
    ["'a'", 'a'],
    ["'it''s'", "it's"],
    ["'A'", 'A'],
    ["'桜'", '桜'],
  ],
  at: ['2025-10-06T23:00:00Z', '2025-10-06T22:59:59Z', '2025-10-06T00:00:00Z', '2025-10-05T23:59:59Z']
    .map((text): readonly [string, Value] => [`TIMESTAMP '${text.slice(0, -1)}'`, new Moment(micros(text))])
    .concat([['NULL', null]]),
  day: [
    ['NULL', null],
    ["DATE '2025-10-06'", new Day(20_367n)],
    ["DATE '2025-10-05'", new Day(20_366n)],
  ],
};

test('each kind of expectation passes and fails as the reference says, with and without values, rows and tolerance', async () => {
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  await db.run("SET TimeZone = 'UTC'; SET integer_division = true");
  for (const macro of athenaMacros) await db.run(`CREATE MACRO ${macro}`);
  const dice = new Dice(3);
  const differences: unknown[] = [];
  for (let run = 0; run < 60; run++) {
    const rows = Array.from({ length: dice.from(0, 6) }, () =>
      Object.entries(values).map(([name, of]) => [name, dice.pick(of)] as const),
    );
    const selected = rows.map(
      (row) => `SELECT ${row.map(([name, [sql]]) => `${sql} AS ${name}`).join(', ')}`,
    );
    const empty =
      "SELECT 1::BIGINT AS n, 1::DOUBLE AS d, '' AS s, now()::TIMESTAMP AS at, today() AS day WHERE false";
    await db.run(`CREATE OR REPLACE TABLE staged AS SELECT n::BIGINT AS n, d::DOUBLE AS d, s::VARCHAR AS s, "at"::TIMESTAMP AS at,
      day::DATE AS day, 'r' AS run, '/source=x/' AS "$path" FROM (${[empty, ...selected].join(' UNION ALL ')})`);
    const lastBatches = Array.from({ length: dice.from(0, 3) }, () => dice.from(1, 8));
    const answer = await db.runAndReadAll(
      expectationQuery(contract, { table: 'staged', column: 'run', value: 'r' }),
    );
    const row = Object.fromEntries(
      Object.entries(answer.getRowObjectsJson()[0] ?? {}).map(([name, v]) => [
        name,
        v === null ? null : String(v),
      ]),
    );
    const judged = judgeExpectations(contract, { published: rows.length, now, lastBatches }, row).slice(
      -checks.length,
    );
    const told = rows.map((r) => new Map(r.map(([name, [, value]]) => [name, value])));
    contract.expectations.forEach((e, i) => {
      const expected = passes(e, contract, told, { now: BigInt(now.getTime()) * 1000n, lastBatches });
      if (judged[i]?.passed !== expected)
        differences.push({ check: checks[i], rows: selected, expected, engine: judged[i] });
    });
  }
  expect(differences.slice(0, 5)).toEqual([]);
});
