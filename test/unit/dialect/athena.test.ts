import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { checkQuery } from '../../../offline/athena/guard.ts';
import { repeats } from '../../../src/lib/dialect/athena.ts';

test('a key of which a part has no value repeats nothing', async () => {
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  await db.run(
    `CREATE TABLE t AS SELECT *, 's3://b/' || n || '/' || s || '.parquet' AS "$path"
      FROM (VALUES ('x', 1), ('x', 1), ('x', 2), ('x', NULL), ('x', NULL), (NULL, 1), (NULL, NULL)) v(s, n)`,
  );
  const one = async (columns: readonly string[], isOfPartition = false) => {
    const sql = repeats(columns, isOfPartition);
    expect(checkQuery(`SELECT ${sql} AS v FROM t`).tables).toHaveLength(1);
    return (await db.runAndReadAll(`SELECT ${sql} FROM t`)).getRows()[0]?.[0];
  };
  expect(await one(['s'])).toBe(4n);
  expect(await one(['n'])).toBe(2n);
  expect(Number(await one(['s', 'n']))).toBe(1);
  // The folders 1 and 2, and that of the rows without a path.
  expect(Number(await one(['s'], true))).toBe(2);
  expect(Number(await one(['s', 'n'], true))).toBe(1);
  db.closeSync();
});
