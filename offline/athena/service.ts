/** Athena's API over an engine: query executions, their states, results in pages, and the result file in S3. */
import { randomUUID } from 'node:crypto';
import { HeadBucketCommand, S3ServiceException } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { ApiError, type Operation } from '../apiError.ts';
import { parseAddress, type Upstream } from '../aws.ts';
import { catalogName } from './catalogs.ts';
import { done } from './ddlTold.ts';
import type { Engine, QueryResult, ResultColumn } from './engine.ts';
import { changePrepared, type Prepared, preparedSql, readPrepared } from './prepared.ts';
import { notSupported, QueryError } from './queryError.ts';
import { hasHeader, manifestOf, outputLocation, writeResultFiles } from './resultFiles.ts';
import { tokenize } from './sqlReader.ts';
import { isRead, type Substatement, substatementOf } from './substatement.ts';
import { mustExist, workgroupOperations } from './workgroups.ts';

interface Execution {
  readonly id: string;
  /** The statement of the request. */
  readonly asked: string;
  /** The statement that runs: of EXECUTE, the prepared one. */
  readonly sql: string;
  readonly parameters: readonly string[];
  /** Replaces the engine for PREPARE and DEALLOCATE. */
  readonly change?: (() => Promise<void>) | undefined;
  /** The result of an equal query, which answers this one. */
  readonly reused?: QueryResult | undefined;
  /** The members of the request that GetQueryExecution repeats. */
  readonly repeated: Readonly<Record<string, unknown>>;
  readonly catalog: string | undefined;
  readonly database: string;
  readonly workgroup: string;
  readonly kind: ReturnType<Engine['kindOf']>;
  readonly substatement: Substatement | undefined;
  /** The address of the result file. */
  readonly location: string;
  /** The folder of results. */
  readonly folder: string;
  readonly submitted: number;
  readonly stop: AbortController;
  state: 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  started?: number;
  completed?: number;
  error?: QueryError;
  result?: QueryResult;
}

const startRequest = z.object({
  QueryString: z.string().min(1),
  ClientRequestToken: z.string().optional(),
  WorkGroup: z.string().default('primary'),
  QueryExecutionContext: z
    .object({ Catalog: z.string().optional(), Database: z.string().optional() })
    .default({}),
  ResultConfiguration: z.object({ OutputLocation: z.string().optional() }).default({}),
  ExecutionParameters: z.array(z.string()).optional(),
  ResultReuseConfiguration: z
    .object({
      ResultReuseByAgeConfiguration: z
        .object({ Enabled: z.boolean(), MaxAgeInMinutes: z.number().int().default(60) })
        .optional(),
    })
    .optional(),
});
type StartRequest = z.output<typeof startRequest>;
const listRequest = z.object({
  WorkGroup: z.string().default('primary'),
  MaxResults: z.number().int().min(1).max(50).default(50),
  NextToken: z.string().optional(),
});
const idRequest = z.object({ QueryExecutionId: z.string() });
const resultsRequest = idRequest.extend({
  MaxResults: z.number().int().min(1).max(1000).default(1000),
  NextToken: z.string().optional(),
  QueryResultType: z.string().default('DATA_ROWS'),
});

export function athenaOperations(upstream: Upstream, engine: Engine): Record<string, Operation> {
  const executions = new Map<string, Execution>();
  const byToken = new Map<string, { readonly request: string; readonly id: Promise<string> }>();

  const find = (id: string): Execution => {
    const found = executions.get(id);
    if (!found) throw new ApiError('InvalidRequestException', `QueryExecution ${id} was not found`);
    return found;
  };

  const answer = async (execution: Execution): Promise<QueryResult> => {
    if ((execution.catalog ?? catalogName).toLowerCase() !== catalogName)
      throw notSupported(`queries in the catalog ${execution.catalog}: it has AwsDataCatalog only`);
    if (execution.reused) return { ...execution.reused, scannedBytes: 0 };
    if (execution.change) {
      await execution.change();
      return done();
    }
    const result = await engine.run({
      sql: execution.sql,
      database: execution.database,
      parameters: execution.parameters,
      tables: `${execution.folder}tables/${execution.id}/`,
      signal: execution.stop.signal,
    });
    return execution.substatement === 'EXPLAIN' ? { ...result, rows: inLines(result.rows) } : result;
  };

  const run = async (execution: Execution, cutoff: number | undefined) => {
    execution.state = 'RUNNING';
    execution.started = Date.now();
    try {
      const result = await answer(execution);
      if (cutoff !== undefined && result.scannedBytes > cutoff)
        throw new QueryError('Query cancelled! : Bytes scanned limit was exceeded');
      await writeResultFiles(upstream, execution, result);
      execution.result = result;
      if (isOpen(execution)) execution.state = 'SUCCEEDED';
    } catch (error) {
      execution.error =
        error instanceof QueryError
          ? error
          : new QueryError(`GENERIC_INTERNAL_ERROR: ${error instanceof Error ? error.message : error}`, 1);
      if (isOpen(execution)) execution.state = 'FAILED';
    }
    execution.completed = Date.now();
  };

  /** Starts an execution and gives its id. */
  const begin = async (query: StartRequest): Promise<string> => {
    const group = await mustExist(upstream.call, query.WorkGroup);
    if (group.State !== 'ENABLED')
      throw new ApiError('InvalidRequestException', `WorkGroup ${query.WorkGroup} is disabled.`);
    mustBeOne(query.QueryString);
    const configuration = group.Configuration;
    const own = configuration.ResultConfiguration.OutputLocation;
    // A new account's primary workgroup leaves the location to the client, as PyAthena and awswrangler expect.
    const isEnforced = configuration.EnforceWorkGroupConfiguration ?? query.WorkGroup !== 'primary';
    const location = isEnforced ? own : (query.ResultConfiguration.OutputLocation ?? own);
    if (!location)
      throw new ApiError(
        'InvalidRequestException',
        'No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.',
      );
    await mustBePlace(upstream, location);
    // Clients quote the database, such as awswrangler for MSCK REPAIR TABLE.
    const database = (query.QueryExecutionContext.Database ?? 'default').replace(/^[`"](.*)[`"]$/, '$1');
    const prepared = preparedOf(query.QueryString);
    const sql =
      prepared?.kind === 'execute'
        ? await preparedSql(upstream, prepared.name, query.WorkGroup)
        : prepared?.kind === 'prepare'
          ? prepared.sql
          : query.QueryString;
    const parameters =
      (prepared?.kind === 'execute' && prepared.parameters.length > 0
        ? prepared.parameters
        : query.ExecutionParameters) ?? [];
    if (prepared?.kind !== 'deallocate') await mustBeStatement(engine, sql, database);
    const id = randomUUID();
    const kind = prepared && prepared.kind !== 'execute' ? 'DDL' : engine.kindOf(sql);
    const substatement = prepared && prepared.kind !== 'execute' ? undefined : substatementOf(sql);
    const { ResultReuseByAgeConfiguration: reuse } = query.ResultReuseConfiguration ?? {};
    const isEqual = (e: Execution) =>
      e.state === 'SUCCEEDED' &&
      isRead(substatement) &&
      e.sql === sql &&
      e.database === database &&
      e.workgroup === query.WorkGroup &&
      JSON.stringify(e.parameters) === JSON.stringify(parameters) &&
      (e.completed ?? 0) > Date.now() - (reuse?.MaxAgeInMinutes ?? 0) * 60_000;
    const execution: Execution = {
      id,
      asked: query.QueryString,
      sql,
      parameters,
      change:
        prepared === null || prepared.kind === 'execute'
          ? undefined
          : () => changePrepared(upstream, prepared, query.WorkGroup),
      reused: reuse?.Enabled ? [...executions.values()].reverse().find(isEqual)?.result : undefined,
      repeated: {
        ExecutionParameters: query.ExecutionParameters,
        ResultReuseConfiguration: query.ResultReuseConfiguration,
      },
      catalog: query.QueryExecutionContext.Catalog,
      database,
      kind,
      stop: new AbortController(),
      workgroup: query.WorkGroup,
      folder: location.replace(/\/?$/, '/'),
      location: outputLocation(location.replace(/\/?$/, '/'), { id, kind, substatement }),
      substatement,
      submitted: Date.now(),
      state: 'QUEUED',
    };
    executions.set(id, execution);
    void run(execution, configuration.BytesScannedCutoffPerQuery);
    return id;
  };

  /** A repeated request gives the execution that it started before, also while that one is still being started. */
  const start: Operation = async (request) => {
    const parsed = startRequest.safeParse(request);
    if (!parsed.success) throw new ApiError('InvalidRequestException', z.prettifyError(parsed.error));
    const { ClientRequestToken: token, ...query } = parsed.data;
    if (token === undefined) return { QueryExecutionId: await begin(query) };
    const asked = JSON.stringify(query);
    const known = byToken.get(token);
    if (known !== undefined && known.request !== asked)
      throw new ApiError('InvalidRequestException', 'Idempotent parameters do not match');
    const id = known?.id ?? begin(query);
    if (known === undefined) byToken.set(token, { request: asked, id });
    try {
      return { QueryExecutionId: await id };
    } catch (error) {
      // Nothing was started, so the token stays free.
      if (byToken.get(token)?.id === id) byToken.delete(token);
      throw error;
    }
  };

  const queries = {
    has: (workgroup: string) => [...executions.values()].some((e) => e.workgroup === workgroup),
    forget: (workgroup: string) => {
      for (const { id, workgroup: own } of [...executions.values()])
        if (own === workgroup) executions.delete(id);
    },
  };

  return {
    ...workgroupOperations(upstream, queries),
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
    'AmazonAthena.GetQueryRuntimeStatistics': async (request) => ({
      QueryRuntimeStatistics: runtime(find(idRequest.parse(request).QueryExecutionId)),
    }),
    'AmazonAthena.StopQueryExecution': async (request) => {
      const execution = find(idRequest.parse(request).QueryExecutionId);
      if (isOpen(execution)) {
        execution.state = 'CANCELLED';
        execution.stop.abort(new Error('the query was stopped'));
      }
      return {};
    },
    'AmazonAthena.ListQueryExecutions': async (request) => {
      const { WorkGroup, MaxResults, NextToken } = listRequest.parse(request);
      await mustExist(upstream.call, WorkGroup);
      const ids = [...executions.values()].filter((e) => e.workgroup === WorkGroup).map((e) => e.id);
      // The newest first. The token is the last id that was told, so a page stays right while queries start.
      if (NextToken !== undefined && !ids.includes(NextToken)) throw invalidToken(NextToken);
      const rest = ids.reverse().slice(NextToken === undefined ? 0 : ids.indexOf(NextToken) + 1);
      const page = rest.slice(0, MaxResults);
      return {
        QueryExecutionIds: page,
        ...(page.length < rest.length ? { NextToken: page.at(-1) } : {}),
      };
    },
    'AmazonAthena.GetQueryResults': async (request) => {
      const { QueryExecutionId, MaxResults, NextToken, QueryResultType } = resultsRequest.parse(request);
      const execution = find(QueryExecutionId);
      if (QueryResultType !== 'DATA_ROWS')
        throw new ApiError(
          'InvalidRequestException',
          `NOT_SUPPORTED: the local Athena does not give results as ${QueryResultType}`,
        );
      if (isOpen(execution))
        throw new ApiError(
          'InvalidRequestException',
          `Query has not yet finished. Current state: ${execution.state}`,
        );
      if (execution.state !== 'SUCCEEDED' || !execution.result)
        throw new ApiError(
          'InvalidRequestException',
          `Query did not finish successfully. Final query state: ${execution.state}`,
        );
      return page(execution, execution.result, NextToken, MaxResults);
    },
  };
}

const isOpen = (execution: Execution): boolean =>
  execution.state === 'QUEUED' || execution.state === 'RUNNING';

const invalidToken = (token: string): ApiError =>
  new ApiError('InvalidRequestException', `NextToken ${token} is not a token of this list`);

/** A plan is one text. The result file, and so the result, has a row for each of its lines. */
const inLines = (rows: QueryResult['rows']): QueryResult['rows'] =>
  rows.flatMap(([plan]) => (plan ?? '').trimEnd().split('\n')).map((line) => [line]);

/** Athena writes to a bucket that exists. Throws ApiError. */
async function mustBePlace({ s3 }: Upstream, location: string): Promise<void> {
  const { bucket: Bucket } = parseAddress(location);
  if (Bucket === '') throw new ApiError('InvalidRequestException', 'outputLocation is not a valid S3 path.');
  try {
    await s3.send(new HeadBucketCommand({ Bucket }));
  } catch (error) {
    if (!(error instanceof S3ServiceException) || error.name !== 'NotFound') throw error;
    throw new ApiError('InvalidRequestException', `Unable to verify/create output bucket ${Bucket}`);
  }
}

/** Athena runs one statement a query. */
function mustBeOne(sql: string): void {
  if (tokenize(sql).some(({ text }) => text === ';'))
    throw new ApiError('InvalidRequestException', `Only one sql statement is allowed. Got: ${sql}`);
}

/** A page of results. The first page of a query (not of DDL) begins with the header row, as Athena's does. Throws ApiError. */
function page(
  { id, kind, substatement }: Execution,
  result: QueryResult,
  token: string | undefined,
  size: number,
): Record<string, unknown> {
  const all = hasHeader(kind, substatement, result)
    ? [result.columns.map((c) => c.name), ...result.rows]
    : result.rows;
  const offset = token === undefined ? 0 : Number(token.replace(`${id}:`, ''));
  if (!Number.isInteger(offset) || (token !== undefined && (offset <= 0 || offset >= all.length)))
    throw invalidToken(String(token));
  const next = offset + size;
  return {
    UpdateCount: result.updateCount,
    ResultSet: {
      Rows: all.slice(offset, next).map((row) => ({
        Data: row.map((value) => (value === null ? {} : { VarCharValue: value })),
      })),
      ResultSetMetadata: {
        ColumnInfo: result.columns.map(({ name, type, precision, scale }: ResultColumn) => ({
          CatalogName: 'hive',
          SchemaName: '',
          TableName: '',
          Name: name,
          Label: name,
          Type: type,
          Precision: precision,
          Scale: scale,
          Nullable: 'UNKNOWN',
          CaseSensitive: type === 'varchar',
        })),
      },
    },
    ...(next < all.length ? { NextToken: `${id}:${next}` } : {}),
  };
}

function describe(execution: Execution): Record<string, unknown> {
  return {
    QueryExecutionId: execution.id,
    Query: execution.asked,
    StatementType: execution.kind,
    SubstatementType: execution.substatement,
    ResultConfiguration: { OutputLocation: execution.location },
    QueryExecutionContext: { Catalog: execution.catalog?.toLowerCase(), Database: execution.database },
    ...execution.repeated,
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
              ErrorType: errorTypeOf(execution.error, execution.kind),
              ErrorMessage: execution.error.message,
              Retryable: false,
            },
          }
        : {}),
    },
    Statistics: {
      ...timesOf(execution),
      DataScannedInBytes: execution.result?.scannedBytes ?? 0,
      ResultReuseInformation: { ReusedPreviousResult: execution.reused !== undefined },
      ...(execution.result?.written ? { DataManifestLocation: manifestOf(execution.location) } : {}),
    },
  };
}

/** https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryRuntimeStatistics.html */
function runtime(execution: Execution): Record<string, unknown> {
  const { result } = execution;
  const { QueryQueueTimeInMillis, EngineExecutionTimeInMillis, TotalExecutionTimeInMillis } =
    timesOf(execution);
  if (execution.state !== 'SUCCEEDED' || !result)
    throw new ApiError('InvalidRequestException', `Query has not yet finished: ${execution.state}`);
  return {
    Timeline: { QueryQueueTimeInMillis, EngineExecutionTimeInMillis, TotalExecutionTimeInMillis },
    Rows: {
      InputRows: result.scannedRows,
      InputBytes: result.scannedBytes,
      OutputRows: result.isWrite ? result.updateCount : result.rows.length,
    },
  };
}

function timesOf(execution: Execution) {
  const ended = execution.completed ?? Date.now();
  return {
    QueryQueueTimeInMillis: (execution.started ?? Date.now()) - execution.submitted,
    EngineExecutionTimeInMillis: ended - (execution.started ?? ended),
    TotalExecutionTimeInMillis: ended - execution.submitted,
  };
}

/** Athena's numbers for kinds of errors; 233 is of Iceberg: https://docs.aws.amazon.com/athena/latest/ug/error-reference.html */
function errorTypeOf(error: QueryError, kind: Execution['kind']): number {
  if (error.category === 1) return 200;
  if (error.message.startsWith('ICEBERG_')) return 233;
  if (kind !== 'DML') return 1003;
  const isData = /^(INVALID_CAST_ARGUMENT|DIVISION_BY_ZERO|NUMERIC_VALUE_OUT_OF_RANGE|HIVE_BAD_DATA)/;
  return isData.test(error.message) ? 1001 : 1006;
}

/** Throws ApiError for a statement that begins as PREPARE, EXECUTE or DEALLOCATE and has a syntax error. */
function preparedOf(sql: string): Prepared | null {
  try {
    return readPrepared(sql);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    throw new ApiError('InvalidRequestException', error.message, { AthenaErrorCode: 'MALFORMED_QUERY' });
  }
}

/** A statement with a syntax error is rejected before an execution exists. */
async function mustBeStatement(engine: Engine, sql: string, database: string): Promise<void> {
  try {
    await engine.check({ sql, database });
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    const [, message] = /^SYNTAX_ERROR: (.*)$/s.exec(error.message) ?? [];
    if (message !== undefined)
      throw new ApiError('InvalidRequestException', message, { AthenaErrorCode: 'MALFORMED_QUERY' });
  }
}
