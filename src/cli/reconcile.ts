/** `sluice reconcile`: partitions of the Data Catalog as the objects in S3 say. */
import { reconcile } from '../lib/flow/reconcile.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions } from './usage.ts';

export const help = `Usage: npm run sluice -- reconcile [--dataset NAME] [options]

Compares the partitions of the Data Catalog with the objects in S3, registers those that are missing and drops those
whose objects are gone. It also runs by itself, once a day.

  --dataset NAME
${stageHelp}

Example:
  npm run sluice -- reconcile --dataset tweets`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, { ...stageOptions, dataset: { type: 'string' } });
  const { deps } = await connect(values);
  const results = [];
  for (const dataset of datasetsOf(deps, values.dataset)) {
    const result = await reconcile(deps, dataset);
    if (result) results.push({ dataset, ...result });
  }
  if (values.json) printJson(results, 2);
  else
    printTable(
      print,
      ['dataset', 'table', 'partitions', 'added', 'dropped'],
      results.map((r) => [r.dataset, r.table, r.partitions, r.added, r.dropped]),
    );
  return 0;
}
