/** Reads what the page shows from a deployed stage: Step Functions, ledger, Catalog, logs. Nothing is changed. */
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import {
  DescribeExecutionCommand,
  DescribeStateMachineForExecutionCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  paginateGetExecutionHistory,
} from '@aws-sdk/client-sfn';
import { z } from 'zod';
import { createStore } from '../lib/aws/store.ts';
import { hiveSegment } from '../lib/catalog/partitionPath.ts';
import { outcomeSchema } from '../lib/compiler/expectations.ts';
import { tableOf } from '../lib/contract/schema.ts';
import { identifier, literal } from '../lib/dialect/athenaNames.ts';
import { InvalidInput } from '../lib/errors.ts';
import { places } from '../lib/flow/batch.ts';
import { accounting, claimOutput, jobOutput, transformOutput } from '../lib/flow/schemas.ts';
import type { Stage } from '../stage/connect.ts';
import { query } from '../stage/query.ts';
import { findTable, listPartitions } from '../stage/tables.ts';
import { graphOf } from './graph.ts';
import { visitsOf } from './history.ts';
import type {
  BatchDetail,
  ExecutionDetail,
  ExecutionSummary,
  Graph,
  LogLine,
  QuarantineSample,
  TableDetail,
  Visit,
  VisitData,
} from './model.ts';

/** The newest executions first. */
export async function listExecutions({ sfn, config }: Stage, maxResults = 50): Promise<ExecutionSummary[]> {
  const { executions = [] } = await sfn.send(
    new ListExecutionsCommand({ stateMachineArn: config.stateMachineArn, maxResults }),
  );
  return executions
    .map((e) => ({
      arn: e.executionArn ?? '',
      name: e.name ?? '',
      // Named by dataset and fence: see src/lib/flow/execution.ts.
      dataset: (e.name ?? '').replace(/-\d+$/, ''),
      status: e.status ?? '',
      startedAt: e.startDate?.getTime() ?? 0,
      endedAt: e.stopDate?.getTime() ?? null,
    }))
    .sort((a, b) => b.startedAt - a.startedAt);
}

export async function executionGraph({ sfn }: Stage, executionArn: string): Promise<Graph> {
  const { definition } = await sfn.send(new DescribeStateMachineForExecutionCommand({ executionArn }));
  return graphOf(definition ?? '');
}

/** One execution with its visits and batches. Executions of this stage only. */
export async function executionDetail(stage: Stage, summary: ExecutionSummary): Promise<ExecutionDetail> {
  const [visits, { error, cause }] = await Promise.all([
    visitsWithData(stage, summary.arn),
    stage.sfn.send(new DescribeExecutionCommand({ executionArn: summary.arn })),
  ]);
  return {
    ...summary,
    error: error ?? null,
    cause: cause ?? null,
    visits: visits.map(({ input: _, output: __, ...visit }) => visit),
    batches: await batchesOf(stage, summary.dataset, visits),
  };
}

/** Input and output of one visit, by its place in the order of visits. */
export async function visitData(stage: Stage, arn: string, index: number): Promise<VisitData> {
  const visit = (await visitsWithData(stage, arn))[index];
  return { input: visit?.input ?? null, output: visit?.output ?? null };
}

/** The data-quality report of a batch, a page. Throws ObjectMissing when it has none. */
export const qualityPage = (stage: Stage, dataset: string, batch: string): Promise<string> =>
  createStore(stage.s3).readText(places(stage.config).report(dataset, batch).page);

/** Every visit of an execution, in the order in which they began. */
export async function visitsWithData({ sfn }: Stage, executionArn: string): Promise<(Visit & VisitData)[]> {
  const events: HistoryEvent[] = [];
  const pages = paginateGetExecutionHistory({ client: sfn }, { executionArn, maxResults: 1000 });
  for await (const page of pages) events.push(...(page.events ?? []));
  return visitsOf(events);
}

const batchRecord = z.object({
  state: z.string(),
  engine: z.string().default('…'),
  files: z.number().default(0),
  bytes: z.number().default(0),
  reason: z.string().nullable().default(null),
  counts: accounting.extend({ reasons: z.record(z.string(), z.number()).default({}) }).optional(),
  expectations: z.array(outcomeSchema).default([]),
  report: z.string().nullable().default(null),
});

/** An execution runs one batch after the other. */
async function batchesOf(
  { ledger }: Stage,
  dataset: string,
  visits: readonly (Visit & VisitData)[],
): Promise<BatchDetail[]> {
  const batches: BatchDetail[] = [];
  for (const [index, { state, output }] of visits.entries()) {
    if (state !== 'ClaimBatch') continue;
    const claim = parsed(claimOutput, output);
    if (claim?.outcome !== 'claimed') continue;
    const record = batchRecord.parse((await ledger.batch(dataset, claim.batch)) ?? { state: 'running' });
    const { counts, ...rest } = record;
    batches.push({
      ...rest,
      dataset,
      batch: claim.batch,
      accounting: counts ?? accountingAfter(visits.slice(index + 1)),
      reasons: counts?.reasons ?? {},
    });
  }
  return batches;
}

/** What the engine counted, before the ledger has it. */
function accountingAfter(visits: readonly (Visit & VisitData)[]): BatchDetail['accounting'] {
  for (const { state, output } of visits) {
    if (state === 'ClaimBatch') return null;
    if (state === 'TransformEmbedded') {
      const found = parsed(transformOutput, output);
      if (found) return found.accounting;
    }
    if (state === 'CheckGlueJob') {
      const found = parsed(jobOutput, output);
      if (found?.status === 'done') return found.accounting;
    }
  }
  return null;
}

const parsed = <T extends z.ZodType>(schema: T, text: string | null): z.output<T> | undefined => {
  if (text === null) return undefined;
  const { success, data } = schema.safeParse(JSON.parse(text));
  return success ? data : undefined;
};

/** Log lines of a state's function while it was visited. */
export async function visitLogs(
  { logs, functionPrefix }: Stage,
  state: string,
  from: number,
  to: number,
): Promise<LogLine[]> {
  const name = state.charAt(0).toLowerCase() + state.slice(1);
  try {
    const { events = [] } = await logs.send(
      new FilterLogEventsCommand({
        logGroupName: `/aws/lambda/${functionPrefix}${name}`,
        startTime: from - 1000,
        endTime: to + 2000,
        limit: 500,
      }),
    );
    return events.map((e) => ({ at: e.timestamp ?? 0, message: (e.message ?? '').trimEnd() }));
  } catch (error) {
    if (error instanceof Error && error.name === 'ResourceNotFoundException') return [];
    throw error;
  }
}

/** Up to three rows a reason. One Athena query over the batch's quarantine. */
export async function quarantineSamples(
  stage: Stage,
  dataset: string,
  batch: string,
): Promise<QuarantineSample[]> {
  const { rows } = await query(
    stage,
    `SELECT reason, object, line, column_name, value, raw FROM (
       SELECT reason, object, line, column_name, value, raw,
              row_number() OVER (PARTITION BY reason ORDER BY object, line) AS place
       FROM quarantine WHERE dataset = ${literal(dataset)} AND batch = ${literal(batch)}
     ) AS sampled WHERE place <= 3 ORDER BY reason, place`,
  );
  return rows.map(([reason, object, line, column, value, raw]) => ({
    reason: reason ?? '',
    object: object ?? '',
    line: line === null || line === undefined ? null : Number(line),
    column: column ?? null,
    value: value ?? null,
    raw: raw ?? null,
  }));
}

/** A dataset's table: its registered partitions, with what stands in their folders. Rows are counted by Athena. */
export async function tableDetail(stage: Stage, dataset: string): Promise<TableDetail> {
  const contract = stage.contracts.get(dataset);
  if (!contract) throw new InvalidInput(`there is no dataset "${dataset}"`);
  const table = tableOf(contract);
  const { database } = stage.config;
  const keys = ((await findTable(stage, database, table))?.PartitionKeys ?? []).map((k) => k.Name ?? '');
  const name = (values: readonly (string | null)[]) =>
    keys.map((key, i) => hiveSegment(key, values[i] ?? '')).join('/');
  const sizes = await sizesByFolder(stage, `${table}/`);
  const counts = new Map<string, number>();
  if (keys.length > 0 && sizes.size > 0) {
    const columns = keys.map(identifier).join(', ');
    const { rows } = await query(
      stage,
      `SELECT ${columns}, count(*) AS n FROM ${identifier(table)} GROUP BY ${columns}`,
    );
    for (const row of rows) counts.set(name(row), Number(row.at(-1)));
  }
  const registered = keys.length > 0 ? await listPartitions(stage, database, table) : [];
  const partitions = registered.map(({ values }) => {
    const path = name(values);
    return { name: path, rows: counts.get(path) ?? 0, ...(sizes.get(path) ?? { bytes: 0, files: 0 }) };
  });
  return { table, dataset, partitions: partitions.sort((a, b) => a.name.localeCompare(b.name)) };
}

async function sizesByFolder(
  { s3, config }: Stage,
  prefix: string,
): Promise<Map<string, { bytes: number; files: number }>> {
  const sizes = new Map<string, { bytes: number; files: number }>();
  const request = { Bucket: config.processedBucket, Prefix: prefix };
  for await (const page of paginateListObjectsV2({ client: s3 }, request))
    for (const { Key = '', Size = 0 } of page.Contents ?? []) {
      const folder = Key.slice(prefix.length, Key.lastIndexOf('/'));
      const before = sizes.get(folder) ?? { bytes: 0, files: 0 };
      sizes.set(folder, { bytes: before.bytes + Size, files: before.files + 1 });
    }
  return sizes;
}
