/** Athena's API over an engine: query executions, their states, results in pages, and the result file in S3. */
import { randomUUID } from 'node:crypto';
import { GetWorkGroupCommand } from '@aws-sdk/client-athena';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { ApiError, type Operation } from '../apiError.ts';
import { parseAddress, type Upstream } from '../aws.ts';

export interface ResultColumn {
  readonly name: string;
  /** Athena's name of the type, such as varchar or bigint. */
  readonly type: string;
}

export interface QueryResult {
  readonly kind: 'DML' | 'DDL' | 'UTILITY';
  readonly columns: readonly ResultColumn[];
  /** Values as Athena writes them; null for NULL. */
  readonly rows: readonly (readonly (string | null)[])[];
  readonly scannedBytes: number;
}

/** Runs one statement. Throws QueryError. */
export type Engine = (sql: string, database: string) => Promise<QueryResult>;

/** A statement fails, with Athena's category (1 system, 2 user, 3 other) and a message that begins with its error code. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly category: number;
  constructor(message: string, category = 2) {
    super(message);
    this.category = category;
  }
}

/** What the local engine refuses, by name, rather than answer otherwise than Athena. */
export const notSupported = (what: string): QueryError =>
  new QueryError(`NOT_SUPPORTED: the local Athena does not answer ${what}`);

interface Execution {
  readonly id: string;
  readonly sql: string;
  readonly database: string;
  readonly workgroup: string;
  readonly location: string;
  readonly submitted: number;
  state: 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  completed?: number;
  error?: { message: string; category: number };
  result?: QueryResult;
}

const startRequest = z.object({
  QueryString: z.string().min(1),
  ClientRequestToken: z.string().optional(),
  WorkGroup: z.string().default('primary'),
  QueryExecutionContext: z.object({ Database: z.string().optional() }).default({}),
  ResultConfiguration: z.object({ OutputLocation: z.string().optional() }).default({}),
  ExecutionParameters: z.array(z.string()).optional(),
});
const idRequest = z.object({ QueryExecutionId: z.string() });
const resultsRequest = idRequest.extend({
  MaxResults: z.number().int().min(1).max(1000).default(1000),
  NextToken: z.string().optional(),
});

export function athenaOperations(upstream: Upstream, engine: Engine): Record<string, Operation> {
  const executions = new Map<string, Execution>();
  const byToken = new Map<string, string>();

  const find = (id: string): Execution => {
    const found = executions.get(id);
    if (!found) throw new ApiError('InvalidRequestException', `QueryExecution ${id} was not found`);
    return found;
  };

  const run = async (execution: Execution, cutoff: number | undefined) => {
    execution.state = 'RUNNING';
    try {
      const result = await engine(execution.sql, execution.database);
      if (cutoff !== undefined && result.scannedBytes > cutoff)
        throw new QueryError('Query cancelled! : Bytes scanned limit was exceeded');
      await writeResult(upstream, execution.location, result);
      execution.result = result;
      if (isOpen(execution)) execution.state = 'SUCCEEDED';
    } catch (error) {
      const category = error instanceof QueryError ? error.category : 1;
      execution.error = {
        message: error instanceof QueryError ? error.message : `GENERIC_INTERNAL_ERROR: ${error}`,
        category,
      };
      if (isOpen(execution)) execution.state = 'FAILED';
    }
    execution.completed = Date.now();
  };

  const start: Operation = async (request) => {
    const parsed = startRequest.safeParse(request);
    if (!parsed.success) throw new ApiError('InvalidRequestException', z.prettifyError(parsed.error));
    const query = parsed.data;
    if (query.ExecutionParameters)
      throw new ApiError('InvalidRequestException', 'the local Athena does not take ExecutionParameters');
    const known = query.ClientRequestToken && byToken.get(query.ClientRequestToken);
    if (known) {
      if (find(known).sql !== query.QueryString)
        throw new ApiError('InvalidRequestException', 'Idempotent parameters do not match');
      return { QueryExecutionId: known };
    }
    const { WorkGroup } = await upstream.athena.send(new GetWorkGroupCommand({ WorkGroup: query.WorkGroup }));
    const configuration = WorkGroup?.Configuration;
    const own = configuration?.ResultConfiguration?.OutputLocation;
    const isEnforced = configuration?.EnforceWorkGroupConfiguration ?? true;
    const location = isEnforced ? own : (query.ResultConfiguration.OutputLocation ?? own);
    if (!location)
      throw new ApiError(
        'InvalidRequestException',
        'No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.',
      );
    const id = randomUUID();
    const execution: Execution = {
      id,
      sql: query.QueryString,
      database: query.QueryExecutionContext.Database ?? 'default',
      workgroup: query.WorkGroup,
      location: `${location.replace(/\/?$/, '/')}${id}.csv`,
      submitted: Date.now(),
      state: 'QUEUED',
    };
    executions.set(id, execution);
    if (query.ClientRequestToken) byToken.set(query.ClientRequestToken, id);
    void run(execution, configuration?.BytesScannedCutoffPerQuery);
    return { QueryExecutionId: id };
  };

  return {
    'AmazonAthena.StartQueryExecution': start,
    'AmazonAthena.GetQueryExecution': async (request) => ({
      QueryExecution: describe(find(idRequest.parse(request).QueryExecutionId)),
    }),
    'AmazonAthena.BatchGetQueryExecution': async (request) => {
      const { QueryExecutionIds } = z.object({ QueryExecutionIds: z.array(z.string()) }).parse(request);
      return {
        QueryExecutions: QueryExecutionIds.filter((id) => executions.has(id)).map((id) => describe(find(id))),
        UnprocessedQueryExecutionIds: QueryExecutionIds.filter((id) => !executions.has(id)).map((id) => ({
          QueryExecutionId: id,
          ErrorCode: 'INVALID_INPUT',
          ErrorMessage: `QueryExecution ${id} was not found`,
        })),
      };
    },
    'AmazonAthena.StopQueryExecution': async (request) => {
      const execution = find(idRequest.parse(request).QueryExecutionId);
      if (isOpen(execution)) execution.state = 'CANCELLED';
      return {};
    },
    'AmazonAthena.ListQueryExecutions': async (request) => {
      const { WorkGroup } = z.object({ WorkGroup: z.string().default('primary') }).parse(request);
      const ids = [...executions.values()].filter((e) => e.workgroup === WorkGroup).map((e) => e.id);
      return { QueryExecutionIds: ids.reverse() };
    },
    'AmazonAthena.GetQueryResults': async (request) => {
      const parsed = resultsRequest.parse(request);
      const execution = find(parsed.QueryExecutionId);
      if (execution.state !== 'SUCCEEDED' || !execution.result)
        throw new ApiError(
          'InvalidRequestException',
          `Query did not finish successfully. Final query state: ${execution.state}`,
        );
      return page(execution.result, Number(parsed.NextToken ?? 0), parsed.MaxResults);
    },
  };
}

const isOpen = (execution: Execution): boolean =>
  execution.state === 'QUEUED' || execution.state === 'RUNNING';

/** A page of results. The first page of a query (not of DDL) begins with the header row, as Athena's does. */
function page(result: QueryResult, offset: number, size: number): Record<string, unknown> {
  const header = result.kind === 'DML' ? [result.columns.map((c) => c.name)] : [];
  const all = [...header, ...result.rows];
  const next = offset + size;
  return {
    UpdateCount: 0,
    ResultSet: {
      Rows: all.slice(offset, next).map((row) => ({
        Data: row.map((value) => (value === null ? {} : { VarCharValue: value })),
      })),
      ResultSetMetadata: {
        ColumnInfo: result.columns.map(({ name, type }) => ({
          CatalogName: 'hive',
          SchemaName: '',
          TableName: '',
          Name: name,
          Label: name,
          Type: type,
          Precision:
            type === 'varchar'
              ? 2147483647
              : type === 'bigint'
                ? 19
                : type === 'integer'
                  ? 10
                  : type === 'double'
                    ? 17
                    : 0,
          Scale: 0,
          Nullable: 'UNKNOWN',
          CaseSensitive: type === 'varchar',
        })),
      },
    },
    ...(next < all.length ? { NextToken: String(next) } : {}),
  };
}

function describe(execution: Execution): Record<string, unknown> {
  const elapsed = (execution.completed ?? Date.now()) - execution.submitted;
  return {
    QueryExecutionId: execution.id,
    Query: execution.sql,
    StatementType: execution.result?.kind ?? 'DML',
    ResultConfiguration: { OutputLocation: execution.location },
    QueryExecutionContext: { Database: execution.database },
    WorkGroup: execution.workgroup,
    EngineVersion: {
      SelectedEngineVersion: 'Athena engine version 3',
      EffectiveEngineVersion: 'Athena engine version 3',
    },
    Status: {
      State: execution.state,
      SubmissionDateTime: execution.submitted / 1000,
      ...(execution.completed ? { CompletionDateTime: execution.completed / 1000 } : {}),
      ...(execution.error && execution.state === 'FAILED'
        ? {
            StateChangeReason: execution.error.message,
            AthenaError: {
              ErrorCategory: execution.error.category,
              ErrorMessage: execution.error.message,
              Retryable: false,
            },
          }
        : {}),
    },
    Statistics: {
      EngineExecutionTimeInMillis: elapsed,
      TotalExecutionTimeInMillis: elapsed,
      DataScannedInBytes: execution.result?.scannedBytes ?? 0,
    },
  };
}

/** Athena quotes every value, and leaves NULL empty. */
async function writeResult(upstream: Upstream, location: string, result: QueryResult): Promise<void> {
  const quote = (value: string | null) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`);
  const lines = [result.columns.map((c) => c.name), ...result.rows].map((row) => row.map(quote).join(','));
  const { bucket, key } = parseAddress(location);
  await upstream.s3.send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: `${lines.join('\n')}\n`,
      ContentType: 'text/csv',
    }),
  );
}
