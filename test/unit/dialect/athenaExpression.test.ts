/** Conditions of expectations mean the same in Athena's SQL as in the row part's DuckDB SQL. */
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { athenaMacros } from '../../../offline/athena/duckdb.ts';
import { checkQuery } from '../../../offline/athena/guard.ts';
import * as athena from '../../../src/lib/dialect/athenaExpression.ts';
import * as duckdb from '../../../src/lib/dialect/duckdbExpression.ts';
import { checkExpression } from '../../../src/lib/expression/check.ts';
import { parseExpression } from '../../../src/lib/expression/parse.ts';
import { runs } from '../../support/thorough.ts';

const columns = new Map([
  ['n', 'bigint'],
  ['m', 'int'],
  ['x', 'double'],
  ['s', 'string'],
  ['ok', 'boolean'],
  ['at', 'timestamp'],
  ['d', 'date'],
]);

const { condition } = fc.letrec<Record<'number' | 'text' | 'condition', string>>((tie) => ({
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
}));

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
      // A contract's expression has at most 500 words.
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
