/** `sluice explain`: what a contract is compiled to. */
import { dirname } from 'node:path';
import { compile } from '../lib/compiler/compile.ts';
import { expectationQuery } from '../lib/compiler/expectations.ts';
import { readContract } from '../lib/contract/load.ts';
import { loadReferences } from '../lib/reference/load.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- explain [--json] CONTRACT

Shows the compiled plan: the row part as DuckDB SQL (it is the same on both engines), the set part as data, the columns,
and the expectations as Athena SQL.

  --json   the plan as JSON, to be compared or kept`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, { json: { type: 'boolean', default: false } });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) throw new UsageError('one CONTRACT is needed');
  const contract = readContract(file);
  const plan = compile(contract, null, await loadReferences(contract, dirname(file)));
  const expectations = expectationQuery(contract, {
    table: `staging_${contract.dataset}`,
    column: 'run',
    value: '<run>',
  });
  if (values.json) {
    console.log(JSON.stringify({ ...plan, expectations }, null, 2));
    return 0;
  }
  const columns = plan.columns.map((c) => `${c.name} ${c.type}`).join('\n');
  const section = (title: string, text: string) => console.log(`-- ${title}\n${text}\n`);
  section('records of a document (DuckDB)', plan.row.documents);
  section('row part (DuckDB)', plan.row.records);
  section('set part', JSON.stringify(plan.set, null, 2));
  section(
    `columns of ${plan.table}, partitioned by ${plan.partitionKeys.map((k) => k.name).join(', ')}`,
    columns,
  );
  section('expectations (Athena)', expectations);
  return 0;
}
