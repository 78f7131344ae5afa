/** `sluice maintain`: the maintenance of tables, which also runs on a schedule. */
import { counted } from '../lib/counted.ts';
import { mergeFiles } from '../lib/engine/merge.ts';
import { type Maintained, maintain } from '../lib/flow/maintain/maintain.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions } from './usage.ts';

export const help = `Usage: npm run sluice -- maintain [--dataset NAME] [--dry-run] [options]

Expires old snapshots of Iceberg tables, removes objects that no snapshot names, and gathers small objects of all tables in
larger, sorted ones. Tags and branches keep their snapshots. Readers of Iceberg tables notice nothing; readers of a Hive table
may find rows of a partition twice for a moment (docs/operations.md). It also runs on a schedule. The contract's
table.maintenance has the limits.

  --dataset NAME
  --dry-run         only says what it would do
${stageHelp}

Example:
  npm run sluice -- maintain --dataset tweets --dry-run`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
  });
  const { deps } = await connect(values);
  const isDryRun = values['dry-run'];
  const results: ({ dataset: string } & Maintained)[] = [];
  for (const dataset of datasetsOf(deps, values.dataset)) {
    const result = await maintain(deps, mergeFiles, dataset, { isDryRun });
    if (result) results.push({ dataset, ...result });
  }
  if (values.json) printJson(results, 2);
  else {
    printTable(
      print,
      isDryRun
        ? [
            'dataset',
            'table',
            'snapshots to expire',
            'orphans to remove',
            'objects to compact',
            'metadata then',
          ]
        : ['dataset', 'table', 'snapshots expired', 'orphans removed', 'objects compacted', 'metadata'],
      results.map((r) => [
        r.dataset,
        r.table,
        r.snapshots,
        r.orphans,
        r.compacted,
        kibibytes(r.metadataBytes),
      ]),
    );
    for (const { dataset, left } of results)
      if (left > 0 && !isDryRun)
        print(`${dataset}: ${counted(left, 'group')} of small objects left for the next run`);
    for (const { dataset, waitsFor } of results)
      if (waitsFor !== undefined) print(`${dataset}: nothing expires yet; this waits for ${waitsFor}`);
  }
  return 0;
}

const kibibytes = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`;
