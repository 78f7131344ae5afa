import { AthenaClient, GetQueryExecutionCommand, StartQueryExecutionCommand } from '@aws-sdk/client-athena';
import { expect, test } from '@jest/globals';
import { query } from '../../../src/stage/query.ts';
import { testConfig as config } from '../../support/config.ts';

const athenaWith = (StatementType: string, SubstatementType: string | undefined, rows: readonly string[]) =>
  Object.assign(new AthenaClient({ region: 'us-east-1' }), {
    send: async (command: object) => {
      if (command instanceof StartQueryExecutionCommand) return { QueryExecutionId: 'q' };
      if (command instanceof GetQueryExecutionCommand)
        return { QueryExecution: { StatementType, SubstatementType, Status: { State: 'SUCCEEDED' } } };
      const Rows = rows.map((text) => ({ Data: [{ VarCharValue: text }] }));
      return { ResultSet: { ResultSetMetadata: { ColumnInfo: [{ Name: 'n' }] }, Rows } };
    },
  });

test.each([
  ['DML', 'SELECT', '-- rows\nSELECT n FROM t'],
  ['UTILITY', 'EXPLAIN', 'EXPLAIN SELECT n FROM t'],
])('the header of a %s (%s) is no row', async (statement, substatement, sql) => {
  const athena = athenaWith(statement, substatement, ['n', 'first', 'second']);
  expect(await query({ athena, config }, sql)).toEqual({ columns: ['n'], rows: [['first'], ['second']] });
});

test('an answer without a header keeps its first row', async () => {
  const athena = athenaWith('UTILITY', undefined, ['a table', 'another']);
  expect((await query({ athena, config }, 'SHOW TABLES')).rows).toEqual([['a table'], ['another']]);
});
