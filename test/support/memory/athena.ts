/** Athena in memory: the test answers the queries. */
import {
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  StartQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { Operations } from './clients.ts';
import { awsError } from './errors.ts';

export interface Query {
  readonly id: string;
  readonly sql: string;
  readonly token: string;
  state: 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  reason?: string;
  /** Whether the query may succeed if it is started again. */
  isRetryable?: boolean;
  /** Names of columns, then rows; null for NULL. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

/** How a query ends, by its SQL. */
export type AnswerOf = (sql: string) => {
  readonly state?: Query['state'];
  readonly reason?: string;
  readonly isRetryable?: boolean;
  readonly columns?: readonly string[];
  readonly rows?: readonly (readonly (string | null)[])[];
};

const ok = { $metadata: { httpStatusCode: 200 } };
const failure = (name: string, message: string): Error => awsError('athena', name, message);

export class MemoryAthena {
  /** In the order of their start. */
  readonly queries: Query[] = [];
  /** By default, every query succeeds without rows. */
  answerOf: AnswerOf = () => ({});

  static readonly operations = new Operations<MemoryAthena>('athena')
    .on(StartQueryExecutionCommand, 'StartQueryExecution', (athena, input, { token: made }) => {
      const sql = input.QueryString ?? '';
      if (sql.length > 262_144) throw failure('InvalidRequestException', 'The query string is too long');
      const token = input.ClientRequestToken ?? made ?? `made-${athena.queries.length}`;
      const known = athena.queries.find((q) => q.token === token);
      if (known && known.sql !== sql)
        throw failure('InvalidRequestException', 'Idempotent parameters do not match');
      if (known) return { ...ok, QueryExecutionId: known.id };
      const { state = 'SUCCEEDED', reason, isRetryable, columns = [], rows = [] } = athena.answerOf(sql);
      const id = `query-${athena.queries.length + 1}`;
      athena.queries.push({
        id,
        sql,
        token,
        state,
        columns,
        rows,
        ...(reason === undefined ? {} : { reason }),
        ...(isRetryable === undefined ? {} : { isRetryable }),
      });
      return { ...ok, QueryExecutionId: id };
    })
    .on(GetQueryExecutionCommand, 'GetQueryExecution', (athena, input) => {
      const { id, sql, state, reason, isRetryable } = athena.query(input.QueryExecutionId);
      return {
        ...ok,
        QueryExecution: {
          QueryExecutionId: id,
          Query: sql,
          StatementType: 'DML',
          Status: {
            State: state,
            ...(reason === undefined ? {} : { StateChangeReason: reason }),
            ...(isRetryable === undefined ? {} : { AthenaError: { Retryable: isRetryable } }),
          },
          Statistics: { DataScannedInBytes: 0 },
        },
      };
    })
    .on(GetQueryResultsCommand, 'GetQueryResults', (athena, input) => {
      const { state, columns, rows } = athena.query(input.QueryExecutionId);
      if (state !== 'SUCCEEDED')
        throw failure(
          'InvalidRequestException',
          `Query did not finish successfully. Final query state: ${state}`,
        );
      const cells = (row: readonly (string | null)[]) => ({
        Data: row.map((cell) => (cell === null ? {} : { VarCharValue: cell })),
      });
      return {
        ...ok,
        ResultSet: { Rows: [cells(columns), ...rows.map(cells)].slice(0, input.MaxResults ?? 1000) },
      };
    });

  private query(id: string | undefined): Query {
    const query = this.queries.find((q) => q.id === id);
    if (query === undefined) throw failure('InvalidRequestException', `QueryExecution ${id} was not found`);
    return query;
  }
}
