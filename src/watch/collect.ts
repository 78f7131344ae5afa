/** Reads the data of the watch page from a deployed stage: Step Functions, ledger, Catalog, logs. It changes nothing. */
import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { DescribeStateMachineForExecutionCommand } from '@aws-sdk/client-sfn';
import type { z } from 'zod';
import { createPointers } from '../lib/aws/pointer.ts';
import { createStore } from '../lib/aws/store.ts';
import { defaultPartition, pathOfValues } from '../lib/catalog/partitionPath.ts';
import { partitionKeysOf, tableFormatOf, tableOf } from '../lib/contract/contract.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { identifier, literal } from '../lib/dialect/athenaNames.ts';
import { places } from '../lib/flow/batch/addresses.ts';
import { contractOf } from '../lib/flow/batch/deps.ts';
import { claimOutput, jobOutput, transformOutput } from '../lib/flow/batch/schemas.ts';
import { tableOfContract } from '../lib/flow/batch/tables.ts';
import { icebergOn } from '../lib/table/iceberg/format.ts';
import type { Stage } from '../stage/connect.ts';
import { driftText, recentDrift } from '../stage/drift.ts';
import { failureOf, functionOf, visitsWithData } from '../stage/executions.ts';
import type { ExecutionSummary, Visit, VisitData } from '../stage/history.ts';
import { readLogs } from '../stage/logs.ts';
import { refusedRows } from '../stage/quarantine.ts';
import { query } from '../stage/query.ts';
import { findTable } from '../stage/tables.ts';
import { graphOf } from './graph.ts';
import type { BatchDetail, ExecutionDetail, Graph, LogLine, QuarantineSample, TableDetail } from './model.ts';

export async function executionGraph({ sfn }: Stage, executionArn: string): Promise<Graph> {
  const { definition } = await sfn.send(new DescribeStateMachineForExecutionCommand({ executionArn }));
  return graphOf(definition ?? '');
}

/** One execution with its visits and batches. Executions of this stage only. */
export async function executionDetail(stage: Stage, summary: ExecutionSummary): Promise<ExecutionDetail> {
  const [visits, { error, cause }] = await Promise.all([
    visitsWithData(stage, summary.arn),
    failureOf(stage, summary.arn),
  ]);
  return {
    ...summary,
    error: error ?? null,
    cause: cause ?? null,
    visits: visits.map(({ input: _, output: __, ...visit }) => visit),
    batches: await batchesOf(stage, summary.dataset, visits),
  };
}

/** Input and output of one visit, by its index. */
export async function visitData(stage: Stage, arn: string, index: number): Promise<VisitData> {
  const visit = (await visitsWithData(stage, arn))[index];
  return { input: visit?.input ?? null, output: visit?.output ?? null };
}

/** The data-quality report of a batch, as a page. Throws ObjectMissing if there is none. */
export const qualityPage = (stage: Stage, dataset: string, batch: string): Promise<string> =>
  createStore(stage.s3).readText(places(stage.config).report(dataset, batch).page);

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
    const record = await ledger.findBatch(dataset, claim.batch);
    if (!record) continue;
    const { batch, state: batchState, engine, files, bytes, counts, expectations } = record;
    batches.push({
      dataset,
      batch,
      state: batchState,
      engine,
      files,
      bytes,
      expectations,
      reason: record.reason ?? null,
      report: record.report ?? null,
      accounting: counts ?? accountingAfter(visits.slice(index + 1)),
      tableRows: record.tableRows ?? null,
      reasons: counts?.reasons ?? {},
    });
  }
  return batches;
}

/** The engine's counts, until the ledger has them. */
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
export async function visitLogs(stage: Stage, state: string, from: number, to: number): Promise<LogLine[]> {
  const events = await readLogs(stage, [functionOf(state)], { from: from - 1000, to: to + 2000 }, 500);
  return events.map(({ at, message }) => ({ at, message }));
}

/** Up to three rows per reason and column. */
export async function quarantineSamples(
  stage: Stage,
  dataset: string,
  batch: string,
): Promise<QuarantineSample[]> {
  const refused = await refusedRows(stage, { dataset, batch, rows: 3 });
  return refused.flatMap(({ reason, column, rows }) => rows.map((row) => ({ reason, column, ...row })));
}

/** The parts of a stage that are needed for a table. */
type TableStage = Pick<Stage, 'contracts' | 's3' | 'glue' | 'athena' | 'config' | 'ledger'>;

/** How many partitions of a table the page shows: the last ones, by name. */
const shownPartitions = 366;

/** How many of its snapshots. */
const shownSnapshots = 20;

/**
 * A dataset's table: its last `shown` partitions with their objects. Athena counts the rows. Only the folders and rows of these partitions
 * are read.
 */
export async function tableDetail(
  stage: TableStage,
  dataset: string,
  shown = shownPartitions,
): Promise<TableDetail> {
  const contract = contractOf(stage, dataset);
  const table = tableOf(contract);
  const { database } = stage.config;
  if (tableFormatOf(contract) === 'iceberg') return icebergDetail(stage, contract, shown);
  const found = await findTable(stage, database, table);
  const keys = (found?.PartitionKeys ?? []).map((k) => k.Name ?? '');
  const { last, registered } =
    found === undefined ? { last: [], registered: 0 } : await lastPartitions(stage, table, keys, shown);
  const isCut = last.length < registered;
  const sizes = await sizesByFolder(
    stage,
    `${table}/`,
    last.map(({ name }) => name),
  );
  const counts = new Map<string, number>();
  if (sizes.size > 0) {
    const columns = keys.map(identifier).join(', ');
    const { rows } = await query(
      stage,
      keys.length === 0
        ? `SELECT count(*) AS n FROM ${identifier(table)}`
        : `SELECT ${columns}, count(*) AS n FROM ${identifier(table)}${isCut ? ` WHERE ${oneOf(keys, last)}` : ''} GROUP BY ${columns}`,
    );
    for (const row of rows) counts.set(pathOfValues(keys, valuesIn(row)), Number(row.at(-1)));
  }
  const partitions = last.map(({ name }) => ({
    name,
    rows: counts.get(name) ?? 0,
    ...(sizes.get(name) ?? { bytes: 0, files: 0 }),
  }));
  const own = { registered, partitions, states: null, snapshots: [] };
  return { table, dataset, ...(await noted(stage, dataset)), ...own };
}

/** For an Iceberg table, all of this comes from its metadata. */
async function icebergDetail(
  stage: Pick<TableStage, 'config' | 's3' | 'glue' | 'ledger'>,
  contract: Contract,
  shown: number,
): Promise<TableDetail> {
  const { config, s3, glue } = stage;
  const iceberg = icebergOn(createStore(s3), createPointers(config.database, glue));
  const keys = partitionKeysOf(contract).map(({ name }) => name);
  const table = tableOf(contract);
  // One more shows whether there are others.
  const partitions = (await iceberg.inspect(tableOfContract(contract, config), shown + 1))
    .map(({ names = keys, values, objects, rows = 0, bytes }) => ({
      name: pathOfValues(
        names,
        values.map((value) => value ?? defaultPartition),
      ),
      rows,
      bytes,
      files: objects,
    }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const snapshots = (await iceberg.isThere(table)) ? ((await iceberg.history?.snapshots(table)) ?? []) : [];
  return {
    table,
    dataset: contract.dataset,
    ...(await noted(stage, contract.dataset)),
    registered: partitions.length > shown ? null : partitions.length,
    partitions: partitions.slice(-shown),
    states: snapshots.length,
    snapshots: snapshots.slice(-shownSnapshots).reverse(),
  };
}

/** What the ledger says of the table. */
async function noted(
  { ledger }: Pick<TableStage, 'ledger'>,
  dataset: string,
): Promise<Pick<TableDetail, 'drift' | 'maintained'>> {
  const drift = await recentDrift(ledger, dataset);
  const maintained = (await ledger.lastMaintained(dataset)) ?? null;
  return { drift: drift && driftText(drift), maintained };
}

interface NamedPartition {
  readonly name: string;
  readonly values: readonly string[];
}

/**
 * The last registered partitions of a table in the order of their keys, and their total number. Athena sorts them, because the Data Catalog
 * lists them only in its own order, in pages: https://docs.aws.amazon.com/athena/latest/ug/show-partitions.html
 */
async function lastPartitions(
  stage: TableStage,
  table: string,
  keys: readonly string[],
  shown: number,
): Promise<{ last: NamedPartition[]; registered: number }> {
  // A table without partitions is one.
  if (keys.length === 0) return { last: [{ name: '', values: [] }], registered: 1 };
  const columns = keys.map(identifier);
  const { rows } = await query(
    stage,
    `SELECT ${columns.join(', ')}, count(*) OVER () AS n FROM ${identifier(`${table}$partitions`)} ORDER BY ${columns.map((column) => `${column} DESC`).join(', ')} LIMIT ${shown}`,
  );
  const last = rows.map((row) => {
    const values = valuesIn(row);
    return { name: pathOfValues(keys, values), values };
  });
  // In the order in which S3 lists the folders.
  last.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return { last, registered: Number(rows[0]?.at(-1) ?? 0) };
}

/** The partition of a row that ends with a count. */
const valuesIn = (row: readonly (string | null)[]): string[] =>
  row.slice(0, -1).map((value) => value ?? defaultPartition);

/** The condition that a row is in one of the partitions: all keys are texts. */
const oneOf = (keys: readonly string[], partitions: readonly NamedPartition[]): string => {
  const tuple = (items: readonly string[]) => (items.length === 1 ? items.join() : `(${items.join(', ')})`);
  const columns = tuple(keys.map(identifier));
  return `${columns} IN (${partitions.map(({ values }) => tuple(values.map(literal))).join(', ')})`;
};

/** Bytes and objects of folders, which are listed from the first to the last one, in the order of their names. */
async function sizesByFolder(
  { s3, config }: TableStage,
  prefix: string,
  folders: readonly string[],
): Promise<Map<string, { bytes: number; files: number }>> {
  const sizes = new Map<string, { bytes: number; files: number }>();
  const [first] = folders;
  const last = folders.at(-1);
  if (first === undefined || last === undefined) return sizes;
  const wanted = new Set(folders);
  const request = { Bucket: config.processedBucket, Prefix: prefix, StartAfter: `${prefix}${first}` };
  for await (const page of paginateListObjectsV2({ client: s3 }, request)) {
    for (const { Key = '', Size = 0 } of page.Contents ?? []) {
      const folder = Key.slice(prefix.length, Key.lastIndexOf('/'));
      if (!wanted.has(folder)) continue;
      const before = sizes.get(folder) ?? { bytes: 0, files: 0 };
      sizes.set(folder, { bytes: before.bytes + Size, files: before.files + 1 });
    }
    // The character after a slash.
    const end = Buffer.from(`${prefix}${last}0`);
    if (last !== '' && Buffer.compare(Buffer.from(page.Contents?.at(-1)?.Key ?? ''), end) > 0) return sizes;
  }
  return sizes;
}
