/** `sluice reconcile`: partitions of the Data Catalog as the objects in S3 say. */
import { reconcile } from '../lib/flow/repair/reconcile.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions } from './usage.ts';

export const help = `Usage: npm run sluice -- reconcile [--dataset NAME] [options]

Compares the objects of a table with the ledger, and the partitions of the Data Catalog with the objects. It removes objects that
the ledger does not count, registers missing partitions and drops empty ones. It also runs automatically once a day. The exit
status is 1 if objects are missing: their rows are lost until you replay their files.

  --dataset NAME
  --remove-unknown  also removes objects of batches that the ledger does not know
${stageHelp}

Example:
  npm run sluice -- reconcile --dataset tweets`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    'remove-unknown': { type: 'boolean', default: false },
  });
  const { deps } = await connect(values);
  const results = [];
  for (const dataset of datasetsOf(deps, values.dataset)) {
    const result = await reconcile(deps, dataset, { removesUnknown: values['remove-unknown'] });
    if (result) results.push({ dataset, ...result });
  }
  if (values.json) printJson(results, 2);
  else
    printTable(
      print,
      ['dataset', 'table', 'partitions', 'added', 'dropped', 'removed', 'unknown', 'missing'],
      results.map((r) => [
        r.dataset,
        r.table,
        r.partitions,
        r.added,
        r.dropped,
        r.removed,
        r.unknown,
        r.missing.length,
      ]),
    );
  return results.some((r) => r.missing.length > 0) ? 1 : 0;
}
