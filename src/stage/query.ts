/** One Athena query from start to rows, for tools and tests. */
import {
  type AthenaClient,
  GetQueryExecutionCommand,
  InvalidRequestException,
  paginateGetQueryResults,
  StartQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { AthenaQueryFailed } from '../lib/errors.ts';
import { waitFor } from '../lib/waitFor.ts';
import type { Stage } from './connect.ts';

/** What a query needs of a stage. */
type Asked = Pick<Stage, 'athena'> & { readonly config: Pick<Stage['config'], 'database' | 'workgroup'> };

export interface QueryRows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Runs a statement in the stage's database. Throws AthenaQueryFailed with Athena's reason. */
export async function query(stage: Asked, sql: string): Promise<QueryRows> {
  const { athena } = stage;
  const id = await start(stage, sql);
  const execution = await waitFor(
    () => executionOf(athena, id),
    (e) => !['QUEUED', 'RUNNING'].includes(e?.Status?.State ?? ''),
    longestQuery,
  );
  const status = execution?.Status;
  if (status?.State !== 'SUCCEEDED')
    throw new AthenaQueryFailed(`${status?.State}: ${status?.StateChangeReason ?? `the query ${id}`}`);
  const all: (string | null)[][] = [];
  let columns: string[] = [];
  for await (const page of paginateGetQueryResults({ client: athena }, { QueryExecutionId: id })) {
    columns = (page.ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).map((c) => c.Name ?? '');
    for (const row of page.ResultSet?.Rows ?? [])
      all.push((row.Data ?? []).map((d) => d.VarCharValue ?? null));
  }
  // Queries have a header, and so do their plans: https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecution.html
  const hasHeader = execution?.StatementType === 'DML' || execution?.SubstatementType === 'EXPLAIN';
  return { columns, rows: hasHeader ? all.slice(1) : all };
}

/** Athena's own limit for a query is 30 minutes, unless the account has asked for more. */
const longestQuery = 31 * 60_000;

/** Throws AthenaQueryFailed if Athena rejects the statement. */
async function start({ athena, config }: Asked, sql: string): Promise<string> {
  try {
    const { QueryExecutionId } = await athena.send(
      new StartQueryExecutionCommand({
        QueryString: sql,
        WorkGroup: config.workgroup,
        QueryExecutionContext: { Database: config.database },
      }),
    );
    return QueryExecutionId ?? '';
  } catch (error) {
    if (!(error instanceof InvalidRequestException)) throw error;
    throw new AthenaQueryFailed(`Athena rejected the query: ${error.message}`, { cause: error });
  }
}

const executionOf = async (athena: AthenaClient, id: string) =>
  (await athena.send(new GetQueryExecutionCommand({ QueryExecutionId: id }))).QueryExecution;
