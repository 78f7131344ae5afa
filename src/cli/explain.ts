/** `sluice explain`: shows the compiled plan of a contract. */
import { dirname } from 'node:path';
import { compile, rowSteps } from '../lib/compiler/compile.ts';
import { expectationQuery } from '../lib/compiler/expectations.ts';
import { readContract } from '../lib/contract/load.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { statementOf, upTo } from '../lib/dialect/steps.ts';
import type { Plan, SetSql } from '../lib/model/plan.ts';
import { loadReferences, noRows } from '../lib/reference/load.ts';
import { print, printJson } from '../stage/terminal.ts';
import { requireFiles } from './paths.ts';
import { readOptions, suggestion, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- explain [--engine ENGINE | --step STEP] [--json] CONTRACT

Shows the compiled plan: the row part as DuckDB SQL (the same on both engines), the set part as the engine's SQL, the
columns, and the expectations as Athena SQL. Columns that come from the Data Catalog (flatten, passthrough) are not shown.

  --engine ENGINE   the engine of the set part: duckdb (the default) or spark
  --step STEP       shows the row part up to and including this step: objects, leaves, converted, rows, …
  --json            shows the plan as JSON

Example:
  npm run sluice -- explain --engine spark datasets/tweets.yml
  npm run sluice -- explain --step converted datasets/tweets.yml`;

/** All names of steps in a row part. The contract decides which of them a plan has. */
export const stepNames: readonly string[] = [
  ...[
    'decoded',
    'repaired',
    'lines',
    'marks',
    'fields',
    'objects',
    'arrays',
    'elements',
    'strings',
    'inners',
    'keyed',
  ],
  ...['parsed', 'leaves', 'written', 'trimmed', 'cleaned', 'mapped', 'converted', 'judged', 'settled'],
  ...['derived', 'placed', 'rows'],
];

export const values = { '--engine': ['duckdb', 'spark'], '--step': stepNames };

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    engine: { type: 'string', default: 'duckdb' },
    step: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const [file] = positionals;
  const { engine, step } = values;
  if (file === undefined || positionals.length > 1) throw new UsageError('one CONTRACT is needed');
  if (engine !== 'duckdb' && engine !== 'spark')
    throw new UsageError(`--engine ${engine}: must be duckdb or spark`);
  if (step !== undefined && values.json) throw new UsageError('--step shows SQL, and goes without --json');
  await requireFiles([file], 'pipe');
  const contract = readContract(file);
  const references = await loadReferences(contract, dirname(file), noRows(contract));
  if (step !== undefined) {
    const steps = rowSteps(contract, references);
    const found = upTo(steps, step);
    const names = steps.map(([name]) => name);
    if (found === null)
      throw new UsageError(`--step ${step}: must be one of ${names.join(', ')}${suggestion(step, names)}`);
    print(statementOf(found));
    return 0;
  }
  const plan = compile(contract, null, references);
  if (values.json) printJson({ ...plan, expectations: expectationsOf(contract) }, 2);
  else print(describePlan(contract, plan, engine));
  return 0;
}

/** The set part's statements for a person to read. */
export function statements({ repeated, contested, ranked, lost }: SetSql): string {
  const named = Object.entries({ repeated, contested, ranked, lost }).filter(([, sql]) => sql !== null);
  return named.length === 1 ? ranked : named.map(([name, sql]) => `-- ${name}\n${sql}`).join('\n\n');
}

/** A plan as text for reading and comparing. */
export function describePlan(contract: Contract, plan: Plan, engine: 'duckdb' | 'spark'): string {
  const { joins, dedupe, sort } = plan.set;
  const keys = plan.partitionKeys.map((k) => k.name).join(', ');
  const columns = plan.columns.map((c) => `${c.name} ${c.type}`).join('\n');
  const sections: readonly [title: string, text: string][] = [
    ['whole files to records (DuckDB)', plan.row.documents],
    ['row part (DuckDB)', plan.row.records],
    ['set part', JSON.stringify({ joins, dedupe, sort }, null, 2)],
    [`set part (${engine === 'duckdb' ? 'DuckDB' : 'Spark'})`, statements(plan.set.sql[engine])],
    [`columns of ${plan.table}, ${keys === '' ? 'without partitions' : `partitioned by ${keys}`}`, columns],
    ['expectations (Athena)', expectationsOf(contract)],
  ];
  return sections.map(([title, text]) => `-- ${title}\n${text}\n`).join('\n');
}

const expectationsOf = (contract: Contract): string =>
  expectationQuery(contract, { table: `staging_${contract.dataset}`, column: 'run', value: '<run>' });
