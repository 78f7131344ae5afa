/** `sluice reconcile`: compares tables with the ledger and the Data Catalog, and repairs differences. */
import { tableFormatOf } from '../lib/contract/contract.ts';
import { contractOf } from '../lib/flow/batch/deps.ts';
import type { OperatorDeps } from '../lib/flow/operate/again.ts';
import { rebuild } from '../lib/flow/repair/rebuild.ts';
import { reconcile } from '../lib/flow/repair/reconcile.ts';
import { complain, print, printJson } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- reconcile [--dataset NAME] [options]

Compares the objects of a table with the ledger, and the partitions of the Data Catalog with the objects. It removes objects
that the ledger does not count, registers missing partitions and drops empty ones. It makes a table again that was dropped. It
also runs automatically once a day. The exit status is 1 if objects are missing: their rows are lost until you replay their
files.

  --dataset NAME
  --rebuild         only brings back what the Data Catalog has lost: the table and its partitions, as the ledger has them
  --remove-unknown  also removes objects of batches that the ledger does not know
${stageHelp}

Example:
  npm run sluice -- reconcile --dataset tweets`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    rebuild: { type: 'boolean', default: false },
    'remove-unknown': { type: 'boolean', default: false },
  });
  if (values.rebuild && values['remove-unknown'])
    throw new UsageError('--rebuild removes nothing; give one of --rebuild and --remove-unknown');
  const { deps } = await connect(values);
  if (values.rebuild) return rebuildAll(deps, datasetsOf(deps, values.dataset), values.json);
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

async function rebuildAll(deps: OperatorDeps, datasets: readonly string[], isJson: boolean): Promise<number> {
  const results = [];
  for (const dataset of datasets) {
    const rebuilt = await rebuild(deps, dataset);
    if (rebuilt) results.push({ dataset, ...rebuilt, isThere: await isThere(deps, dataset, rebuilt.table) });
  }
  if (isJson) printJson(results, 2);
  else
    printTable(
      print,
      ['dataset', 'table', 'was missing', 'partitions added', 'batches'],
      results.map((r) => [r.dataset, r.table, r.isTableMissing ? 'yes' : 'no', r.partitions, r.batches]),
    );
  for (const { dataset, table } of results.filter((r) => !r.isThere))
    complain(
      `${dataset}: the Iceberg table ${table} is not in the Data Catalog, and only its metadata files know its objects; see docs/operations.md, "A table that was dropped"`,
    );
  return results.every((r) => r.isThere) ? 0 : 1;
}

/** An Iceberg table is not created again, because new metadata would not contain its rows. */
const isThere = (deps: OperatorDeps, dataset: string, table: string): Promise<boolean> =>
  deps.formats[tableFormatOf(contractOf(deps, dataset))].isThere(table);
