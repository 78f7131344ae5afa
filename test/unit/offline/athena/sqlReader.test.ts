import { expect, test } from '@jest/globals';
import { SqlReader } from '../../../../offline/athena/sqlReader.ts';

test.each([
  ['SELECT 1.50, .5, 1., a.b, t.c1', 'SELECT 1.50e0, .5e0, 1.e0, a.b, t.c1'],
  ['SELECT 1.5e3, 1.5E-3, 1.e3, .5e1, 1e3', 'SELECT 1.5e3, 1.5E-3, 1.e3, .5e1, 1e3'],
  ["SELECT DECIMAL '1.5', '2.5', \"3.5\" -- 4.5", "SELECT DECIMAL '1.5', '2.5', \"3.5\""],
  ['SELECT CAST(x AS decimal(10, 2)), 5 / 2.0;', 'SELECT CAST(x AS decimal(10, 2)), 5 / 2.0e0'],
])('numbers with a point are doubles: %s', (sql, doubles) => {
  expect(new SqlReader(sql).withDoubles()).toBe(doubles);
});
