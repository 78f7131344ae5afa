/** The result of a run, for people and as data: accounting, partitions, expectations, and rows of the golden table. */
import { accountingColumns, printAnswer, printTable } from '../src/cli/table.ts';
import { tableFormatOf, tableOf } from '../src/lib/contract/contract.ts';
import type { Contract } from '../src/lib/contract/schema.ts';
import { identifier } from '../src/lib/dialect/athenaNames.ts';
import type { BatchRecord } from '../src/lib/model/records.ts';
import { visibleLine } from '../src/lib/visible.ts';
import type { Stage } from '../src/stage/connect.ts';
import { failureOf } from '../src/stage/executions.ts';
import type { FollowedExecution, FollowedRun } from '../src/stage/follow.ts';
import { type QueryRows, query } from '../src/stage/query.ts';
import { findTable, listPartitions } from '../src/stage/tables.ts';
import { type Print, styled } from '../src/stage/terminal.ts';
import { tableDetail } from '../src/watch/collect.ts';

export interface RunReport {
  /** From the first upload to the last query's answer. */
  readonly seconds: number;
  readonly batches: readonly (BatchRecord & { dataset: string; error?: string; cause?: string })[];
  readonly executions: readonly FollowedExecution[];
  readonly partitions: readonly { table: string; partition: string }[];
  readonly samples: readonly ({ table: string; sql: string } & QueryRows)[];
}

/** The four most informative columns of a row: its key, its times, then its first columns. */
function sampleColumns(contract: Contract): string[] {
  const times = contract.partitionBy.flatMap((p) => ('of' in p ? [p.of] : []));
  const scalars = contract.columns.filter((c) => c.type !== 'json' && !c.type.startsWith('array<'));
  const names = [...times, ...(contract.dedupe?.key ?? []), ...scalars.map((c) => c.name)];
  return [...new Set(names)].slice(0, 4);
}

/** Queries the first rows of a contract's table. Its names may be SQL keywords. */
export function sampleStatement(contract: Contract): string {
  const columns = sampleColumns(contract).map(identifier).join(', ');
  return `SELECT ${columns} FROM ${identifier(tableOf(contract))} ORDER BY ${columns} LIMIT 3`;
}

/** Reads ledger, Catalog and Athena, and prints the result. */
export async function describeRun(stage: Stage, run: FollowedRun, print: Print): Promise<RunReport> {
  const batches: RunReport['batches'][number][] = [];
  const ids = new Set(run.files.map((f) => JSON.stringify([f.dataset, f.record.batch])));
  for (const id of ids) {
    const [dataset, batch] = JSON.parse(id) as [string, string];
    const record = await stage.ledger.batch(dataset, batch);
    if (!record) continue;
    const failure = record.state === 'published' ? {} : await failureOf(stage, record.execution);
    batches.push({ dataset, ...record, ...failure });
  }
  const contracts = new Map(
    run.files.flatMap(({ dataset }) => {
      const contract = stage.contracts.get(dataset);
      return contract ? [[tableOf(contract), contract] as const] : [];
    }),
  );
  const partitions = (
    await Promise.all([...contracts.values()].map((contract) => partitionsOf(stage, contract)))
  ).flat();
  const samples: RunReport['samples'][number][] = [];
  for (const [table, contract] of contracts) {
    if (!partitions.some((p) => p.table === table)) continue;
    const sql = sampleStatement(contract);
    samples.push({ table, sql, ...(await query(stage, sql)) });
  }
  const seconds = (Date.now() - run.startedAt) / 1000;

  const accounting = accountingColumns(
    batches.map(({ counts }) => counts),
    true,
  );
  print('\n', styled('bold', 'Accounting'));
  printTable(
    print,
    ['dataset', 'batch', 'engine', 'files', ...accounting.heads, 'state'],
    batches.map((b) => [
      b.dataset,
      b.batch.slice(0, 8),
      b.engine,
      b.files,
      ...accounting.cells(b.counts),
      b.state,
    ]),
  );
  for (const b of batches) {
    if (b.error) print(styled('red', `${b.dataset} ${b.batch.slice(0, 8)}: ${b.error}: ${b.cause}`));
    const reasons = Object.entries(b.counts?.reasons ?? {});
    if (reasons.length > 0)
      print(`  ${b.dataset}: quarantined for ${reasons.map(([reason, n]) => `${reason} ${n}`).join(', ')}`);
    const nulled = Object.entries(b.counts?.nulled ?? {});
    if (nulled.length > 0)
      print(`  ${b.dataset}: made null ${nulled.map(([column, n]) => `${column} ${n}`).join(', ')}`);
  }
  print('\n', styled('bold', 'Expectations'));
  printTable(
    print,
    ['dataset', 'expectation', 'outcome', 'found', 'expected'],
    batches.flatMap((b) =>
      b.expectations.map((e) => [
        b.dataset,
        e.name,
        e.passed ? 'passed' : e.severity === 'hold' ? 'failed' : 'warning',
        e.found,
        e.expected,
      ]),
    ),
  );
  print('\n', styled('bold', 'Data-quality reports'));
  for (const { report } of batches) if (report) print(`  ${visibleLine(report)}`);
  print('\n', styled('bold', 'Partitions'));
  if (partitions.length === 0) print('  none');
  const shown = 20;
  for (const { table, partition } of partitions.slice(0, shown))
    print(`  ${table}/${visibleLine(partition)}`);
  if (partitions.length > shown) print(`  … and ${partitions.length - shown} more`);
  for (const { sql, columns, rows } of samples) {
    print('\n', styled('bold', `Athena: ${sql}`));
    printAnswer(print, columns, rows);
  }
  return { seconds, batches, executions: run.executions, partitions, samples };
}

async function partitionsOf(
  stage: Stage,
  contract: Contract,
): Promise<{ table: string; partition: string }[]> {
  const { database } = stage.config;
  const table = tableOf(contract);
  // The partitions of an Iceberg table are in its metadata, and not in the Data Catalog.
  if (tableFormatOf(contract) === 'iceberg') {
    const { partitions } = await tableDetail(stage, contract.dataset);
    return partitions.map(({ name }) => ({ table, partition: name }));
  }
  if (!(await findTable(stage, database, table))) return [];
  const found = await listPartitions(stage, database, table);
  return found
    .map(({ values, location }) => ({
      table,
      partition: location.split(`/${table}/`)[1] ?? values.join('/'),
    }))
    .sort((a, b) => (a.partition < b.partition ? -1 : 1));
}
