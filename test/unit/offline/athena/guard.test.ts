import { expect, test } from '@jest/globals';
import { checkQuery } from '../../../../offline/athena/guard.ts';

test('what DuckDB would answer otherwise than Athena is refused by name', () => {
  const refused = (sql: string) => {
    try {
      checkQuery(sql);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refused('SELECT a / b FROM t')).toContain(
    'NOT_SUPPORTED: the local Athena does not answer a division',
  );
  expect(refused('SELECT a / 2, b % NULLIF(c, 0) FROM t')).toBeNull();
  expect(refused("SELECT date_format(a, '%i') FROM t")).toContain('date_format with the format %i');
  expect(refused('SELECT stddev(a) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused('SELECT CAST(a AS varchar) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused('SELECT concat(a, b) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused('SELECT read_text(a) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused("SELECT * FROM read_csv('/etc/passwd')")).toContain('NOT_SUPPORTED');
  expect(refused("SELECT * FROM '/etc/passwd'")).toContain('is not the name of a table');
  expect(refused('SELEC 1')).toMatch(/^(SYNTAX_ERROR|NOT_SUPPORTED)/);
  expect(
    checkQuery('WITH a AS (SELECT * FROM db.t) SELECT count(*) FROM a JOIN u ON a.id = u.id').tables,
  ).toEqual(
    expect.arrayContaining([
      { database: 'db', table: 't' },
      { database: null, table: 'u' },
    ]),
  );
});

test('columns have the names that Athena gives them', () => {
  const names = (sql: string, ...columns: string[]) => {
    try {
      return checkQuery(sql).namesOf(columns);
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(
    names('SELECT 1, count(*), a, t.B, (a), a AS c FROM t', '1', 'count_star()', 'a', 'b', 'a', 'c'),
  ).toEqual(['_col0', '_col1', 'a', 'B', 'a', 'c']);
  expect(names('SELECT *, 1 FROM t', 'x y', 'z', '1')).toEqual(['x y', 'z', '_col2']);
  expect(names('SELECT t.*, u.*, a FROM t, u', 'a', 'a', 'a')).toEqual(['a', 'a', 'a']);
  expect(names('SELECT 1 x, 2 UNION SELECT 3, 4', 'x', '2')).toEqual(['x', '_col1']);
  expect(names('SELECT n FROM (SELECT count(*) FROM t) s(n)', 'n')).toEqual(['n']);
  const refused = [
    'SELECT t.*, u.*, 1 FROM t, u',
    'SELECT * FROM (SELECT count(*) FROM t) s',
    'WITH x AS (SELECT 1 AS a, 2 AS A) SELECT a FROM x',
    'WITH x(a, a) AS (SELECT 1, 2) SELECT a FROM x',
    'SELECT a FROM (SELECT 1 a, 2 a) s',
    'SELECT a FROM (VALUES (1, 2)) t(a, a)',
  ];
  for (const sql of refused) expect(names(sql, 'a')).toContain('NOT_SUPPORTED');
});
