/** PREPARE, EXECUTE and DEALLOCATE PREPARE. https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements-querying.html */
import {
  CreatePreparedStatementCommand,
  DeletePreparedStatementCommand,
  GetPreparedStatementCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-athena';
import { ApiError } from '../apiError.ts';
import type { Upstream } from '../aws.ts';
import { QueryError } from './queryError.ts';
import { SqlReader } from './sqlReader.ts';

export type Prepared =
  | { readonly kind: 'prepare'; readonly name: string; readonly sql: string }
  | { readonly kind: 'execute'; readonly name: string; readonly parameters: readonly string[] }
  | { readonly kind: 'deallocate'; readonly name: string };

/** Gives null for any other statement. Throws QueryError for a syntax error. */
export function readPrepared(sql: string): Prepared | null {
  const reader = new SqlReader(sql);
  if (reader.take('PREPARE')) {
    const name = reader.identifier();
    reader.must('FROM');
    return { kind: 'prepare', name, sql: reader.rest() };
  }
  if (reader.take('EXECUTE') && reader.peek().toUpperCase() !== 'IMMEDIATE') {
    const name = reader.identifier();
    const parameters = reader.take('USING') ? reader.expressions() : [];
    return reader.end({ kind: 'execute', name, parameters });
  }
  if (reader.takeAll('DEALLOCATE', 'PREPARE'))
    return reader.end({ kind: 'deallocate', name: reader.identifier() });
  return null;
}

/** The SQL of a prepared statement in a workgroup. Throws ApiError if it does not exist. */
export async function preparedSql({ athena }: Upstream, name: string, WorkGroup: string): Promise<string> {
  try {
    const { PreparedStatement } = await athena.send(
      new GetPreparedStatementCommand({ StatementName: name, WorkGroup }),
    );
    return PreparedStatement?.QueryStatement ?? '';
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    throw new ApiError('InvalidRequestException', notFound(name, WorkGroup));
  }
}

const notFound = (name: string, workgroup: string): string =>
  `PreparedStatement ${name} was not found in workGroup ${workgroup}`;

/** Stores or removes a prepared statement. PREPARE replaces a statement of the same name. */
export async function changePrepared(
  { athena }: Upstream,
  change: Exclude<Prepared, { kind: 'execute' }>,
  WorkGroup: string,
): Promise<void> {
  try {
    await athena.send(new DeletePreparedStatementCommand({ StatementName: change.name, WorkGroup }));
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    if (change.kind === 'deallocate') throw new QueryError(`FAILED: ${notFound(change.name, WorkGroup)}`);
  }
  if (change.kind === 'prepare')
    await athena.send(
      new CreatePreparedStatementCommand({
        StatementName: change.name,
        WorkGroup,
        QueryStatement: change.sql,
      }),
    );
}
