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
