/** Expectations' conditions in Athena's SQL say what the row part's do in DuckDB's. */

import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { athenaMacros } from '../../offline/athena/duckdb.ts';
import { checkQuery } from '../../offline/athena/guard.ts';
import { expectationQuery, judgeExpectations } from '../../src/lib/compiler/expectations.ts';
import { repeats } from '../../src/lib/dialect/athena.ts';
import * as athena from '../../src/lib/dialect/athenaExpression.ts';
import * as duckdb from '../../src/lib/dialect/duckdbExpression.ts';
import { checkExpression } from '../../src/lib/expression/check.ts';
import { parseExpression } from '../../src/lib/expression/parse.ts';
import { contractWith } from '../support/embedded.ts';
import { runs } from '../support/thorough.ts';

const columns = new Map([
  ['n', 'bigint'],
  ['m', 'int'],
  ['x', 'double'],
  ['s', 'string'],
  ['ok', 'boolean'],
  ['at', 'timestamp'],
  ['d', 'date'],
]);

const { condition } = fc.letrec((tie) => ({
  number: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('n', 'm', 'x', '0', '3', '1.5', '9223372036854775807', 'null'),
    fc
      .tuple(tie('number'), fc.constantFrom('+', '-', '*', '/', '%'), tie('number'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('number').map((a) => `abs(-${a})`),
    tie('number').map((a) => `floor(${a})`),
    tie('text').map((a) => `length(${a})`),
    fc.constantFrom('year(at)', 'month(at)', 'day(at)', 'hour(at)'),
    fc.tuple(tie('number'), tie('number')).map(([a, b]) => `coalesce(${a}, ${b})`),
  ),
  text: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('s', "'it''s'", "''", "' x\t'", "'桜'", 'null'),
    fc.tuple(tie('text'), tie('text')).map(([a, b]) => `concat(${a}, ${b})`),
    tie('text').map((a) => `upper(trim(lower(${a})))`),
    fc
      .tuple(tie('text'), fc.constantFrom('0', '1', '-2', '3', 'm'), fc.constantFrom('0', '2', '-1'))
      .map(([a, from, count]) => `substring(${a}, ${from}, ${count})`),
    fc.tuple(tie('condition'), tie('text'), tie('text')).map(([c, a, b]) => `if(${c}, ${a}, ${b})`),
  ),
  condition: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('ok', 'true', 'to_date(at) = d', 'd is null'),
    fc
      .tuple(tie('number'), fc.constantFrom('=', '!=', '<', '<=', '>', '>='), tie('number'))
      .map(([a, op, b]) => `${a} ${op} ${b}`),
    fc.tuple(tie('text'), tie('text')).map(([a, b]) => `${a} in (${b}, 'a', null)`),
    fc.tuple(tie('text'), tie('text')).map(([a, b]) => `starts_with(${a}, ${b}) or contains(${a}, ${b})`),
    fc.tuple(tie('condition'), tie('condition')).map(([a, b]) => `(${a}) and not (${b})`),
    tie('number').map((a) => `${a} is not null`),
  ),
})) as unknown as { condition: fc.Arbitrary<string> };

test('property: a condition means the same in both dialects', async () => {
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  await db.run("SET TimeZone = 'UTC'; SET integer_division = true");
  for (const macro of athenaMacros) await db.run(`CREATE MACRO ${macro}`);
  await db.run(`CREATE TABLE t AS SELECT * FROM (VALUES
    (9007199254740993, 2, 0.5, 'it''s', true, TIMESTAMP '2025-10-06 05:40:00', DATE '2025-10-06'),
    (-7, -1, -2.5, ' xß ', false, TIMESTAMP '1969-12-31 23:59:59.999999', DATE '2000-02-29'),
    (0, 0, 0.0, '', NULL, NULL, NULL),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL)) v(n, m, x, s, ok, "at", d)`);
  const none = await db.runAndReadAll('SELECT count_if(ok), count(*) FROM t WHERE false');
  expect(none.getRowsJson()).toEqual([['0', '0']]);
  await fc.assert(
    fc.asyncProperty(condition, async (expression) => {
      // A contract's expression has 500 words at most.
      fc.pre(expression.length < 1000);
      const typed = checkExpression(parseExpression(expression), columns);
      const values = async (sql: string) =>
        (await db.runAndReadAll(`SELECT ${sql} AS v FROM t`)).getRows().map(([v]) => v);
      expect(checkQuery(`SELECT ${athena.conditionSql(typed)} FROM t`).tables).toHaveLength(1);
      expect(await values(athena.conditionSql(typed))).toEqual(await values(duckdb.conditionSql(typed)));
    }),
    { numRuns: runs(30, 1000), seed: 5, endOnFailure: true },
  );
});

test('each kind of expectation is asked in one scan and judged with its tolerance', () => {
  const contract = contractWith(
    '  - { name: lang, path: lang, type: string }\n  - { name: n, path: n, type: int }',
    `expectations:
  - { check: regex, column: lang, pattern: "^[a-z]{2}$", tolerance: 0.1 }
  - { check: predicate, expression: "n >= 0 or lang = 'xx'" }
  - { check: sum, column: n, min: 10, max: 20 }
  - { check: freshness, column: at, max: 24h }
  - { check: row_count, lastBatches: { count: 2, min: 0.5, max: 2 }, severity: warn }`,
  );
  const sql = expectationQuery(contract, { table: 'staging_x', column: 'run', value: 'r' });
  expect(sql.match(/FROM/g)).toHaveLength(1);
  expect(checkQuery(sql).tables).toHaveLength(1);
  const at = new Date('2025-10-07T00:00:00Z');
  const judge = (values: readonly (readonly (string | null)[])[], now: Date, lastBatches: number[]) => {
    const own = judgeExpectations(contract, { published: 0, now, lastBatches }, {}).length - values.length;
    const row = Object.fromEntries(
      values.flatMap((v, i) => v.map((value, j) => [`check_${own + i}_${j}`, value] as const)),
    );
    return judgeExpectations(contract, { published: 0, now, lastBatches }, row)
      .slice(own)
      .map((o) => [o.passed, o.found]);
  };
  const seconds = String(at.getTime() / 1000 - 3600);
  expect(judge([['1', '10'], ['0'], ['12'], ['10', seconds], ['10']], at, [1, 8, 12])).toEqual([
    [true, '1 rows'],
    [true, '0 rows'],
    [true, '12'],
    [true, 'one of 60 minutes'],
    [true, '10 rows, the mean is 10'],
  ]);
  const later = new Date(at.getTime() + 86_400_000);
  expect(judge([['2', '10'], ['1'], [null], ['10', seconds], ['4']], later, [8, 12])).toEqual([
    [false, '2 rows'],
    [false, '1 rows'],
    [false, '0'],
    [false, 'one of 1500 minutes'],
    [false, '4 rows, the mean is 10'],
  ]);
  expect(judge([['0', '0'], ['0'], ['10'], ['0', null], ['4']], at, []).slice(3)).toEqual([
    [true, 'no row with a time'],
    [true, '4 rows'],
  ]);
});

test('a key of which a part has no value repeats nothing', async () => {
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  await db.run(
    "CREATE TABLE t AS SELECT * FROM (VALUES ('x', 1), ('x', 1), ('x', 2), ('x', NULL), ('x', NULL), (NULL, 1), (NULL, NULL)) v(s, n)",
  );
  const one = async (columns: readonly string[]) => {
    expect(checkQuery(`SELECT ${repeats(columns)} AS v FROM t`).tables).toHaveLength(1);
    return (await db.runAndReadAll(`SELECT ${repeats(columns)} FROM t`)).getRows()[0]?.[0];
  };
  expect(await one(['s'])).toBe(4n);
  expect(await one(['n'])).toBe(2n);
  expect(Number(await one(['s', 'n']))).toBe(1);
  db.closeSync();
});
