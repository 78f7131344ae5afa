/** One Athena query from start to rows, for tools and tests. */
import {
  type AthenaClient,
  GetQueryExecutionCommand,
  paginateGetQueryResults,
  StartQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { AthenaQueryFailed } from '../lib/errors.ts';
import { waitFor } from '../lib/waitFor.ts';
import type { Stage } from './connect.ts';

export interface QueryRows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

/** Runs a statement in the stage's database. Throws AthenaQueryFailed with Athena's reason. */
export async function query(stage: Pick<Stage, 'athena' | 'config'>, sql: string): Promise<QueryRows> {
  const { athena, config } = stage;
  const { QueryExecutionId: id } = await athena.send(
    new StartQueryExecutionCommand({
      QueryString: sql,
      WorkGroup: config.workgroup,
      QueryExecutionContext: { Database: config.database },
    }),
  );
  const status = await waitFor(
    () => statusOf(athena, id),
    (s) => !['QUEUED', 'RUNNING'].includes(s?.State ?? ''),
    60_000,
  );
  if (status?.State !== 'SUCCEEDED')
    throw new AthenaQueryFailed(`${status?.State}: ${status?.StateChangeReason}`);
  const all: (string | null)[][] = [];
  let columns: string[] = [];
  for await (const page of paginateGetQueryResults({ client: athena }, { QueryExecutionId: id })) {
    columns = (page.ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).map((c) => c.Name ?? '');
    for (const row of page.ResultSet?.Rows ?? [])
      all.push((row.Data ?? []).map((d) => d.VarCharValue ?? null));
  }
  const hasHeader = /^\s*(\(|select|with|values)/i.test(sql);
  return { columns, rows: hasHeader ? all.slice(1) : all };
}

const statusOf = async (athena: AthenaClient, id: string | undefined) =>
  (await athena.send(new GetQueryExecutionCommand({ QueryExecutionId: id }))).QueryExecution?.Status;
