import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { checkQuery } from '../../../offline/athena/guard.ts';
import { repeats } from '../../../src/lib/dialect/athena.ts';

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
