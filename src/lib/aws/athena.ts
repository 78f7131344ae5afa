/** Athena queries: started under a token, so that a repeated start is the same query; polled; read. */
import {
  AthenaClient,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  StartQueryExecutionCommand,
  TooManyRequestsException,
} from '@aws-sdk/client-athena';
import { AthenaQueryFailed, EngineBusy } from '../errors.ts';

export type Athena = ReturnType<typeof createAthena>;

export interface QueryState {
  /** QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED. */
  readonly state: string;
  readonly reason: string | undefined;
  /** For a failed query: whether Athena says that the same query may succeed. */
  readonly isRetryable: boolean;
  readonly scannedBytes: number;
}

export function createAthena(
  options: { database: string; workgroup: string },
  client: AthenaClient = new AthenaClient({ maxAttempts: 6 }),
) {
  const queryState = async (id: string): Promise<QueryState> => {
    const { QueryExecution } = await client.send(new GetQueryExecutionCommand({ QueryExecutionId: id }));
    return {
      state: QueryExecution?.Status?.State ?? 'UNKNOWN',
      reason: QueryExecution?.Status?.StateChangeReason,
      isRetryable: QueryExecution?.Status?.AthenaError?.Retryable ?? false,
      scannedBytes: QueryExecution?.Statistics?.DataScannedInBytes ?? 0,
    };
  };

  return {
    /** `token`: 32 to 128 characters; the same token gives the same query. Throws EngineBusy at Athena's quota. */
    async start(sql: string, token: string): Promise<string> {
      try {
        const { QueryExecutionId } = await client.send(
          new StartQueryExecutionCommand({
            QueryString: sql,
            ClientRequestToken: token,
            WorkGroup: options.workgroup,
            QueryExecutionContext: { Database: options.database },
          }),
        );
        return QueryExecutionId ?? '';
      } catch (error) {
        if (error instanceof TooManyRequestsException)
          throw new EngineBusy(`Athena is at its quota of queries: ${error.message}`, { cause: error });
        throw error;
      }
    },

    queryState,

    /** The one row of a finished query, by column name; null for NULL. */
    async singleRow(id: string): Promise<Record<string, string | null>> {
      const { ResultSet } = await client.send(
        new GetQueryResultsCommand({ QueryExecutionId: id, MaxResults: 2 }),
      );
      const [header, row] = ResultSet?.Rows ?? [];
      if (!row) throw new AthenaQueryFailed(`the query ${id} returned no row`);
      return Object.fromEntries(
        (header?.Data ?? []).map((cell, i) => [cell.VarCharValue ?? '', row.Data?.[i]?.VarCharValue ?? null]),
      );
    },
  };
}
