/** `sluice drop`: puts files into the raw bucket and follows their processing. */
import { contractOf } from '../lib/flow/batch/deps.ts';
import type { FileRecord } from '../lib/model/records.ts';
import { oneLine } from '../lib/visible.ts';
import { followFiles } from '../stage/follow.ts';
import { complain, print, printJson, progressOn } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { dropsOf, requireFiles } from './paths.ts';
import { accountingColumns, printTable } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- drop --dataset NAME FILE… [options]

Uploads files below the dataset's prefix in the raw bucket, and follows the executions state by state until each file is
published, held or failed. The exit status is 0 if all files are published and each has at least one row outside quarantine.

  --dataset NAME
  --folders         keeps the folders of the files in their keys: jan/feed.json becomes PREFIX/jan/feed.json
${stageHelp}

Example:
  npm run sluice -- drop --dataset tweets datasets/samples/twitter.json`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    folders: { type: 'boolean', default: false },
  });
  const { dataset } = values;
  if (dataset === undefined) throw new UsageError('--dataset is needed');
  if (positionals.length === 0) throw new UsageError('a FILE is needed');
  await requireFiles(positionals);
  const { stage, deps } = await connect(values);
  const drops = dropsOf(contractOf(deps, dataset), positionals, values.folders);
  const { gather } = contractOf(deps, dataset);
  if (gather !== undefined)
    complain(
      `${dataset} gathers files: the batch starts when ${gather.files} files wait, or after ${gather.minutes} minutes`,
    );
  // With --json, standard output has the answer only.
  const { files, startedAt } = await followFiles(
    stage,
    drops,
    progressOn(values.json ? process.stderr : process.stdout),
  );
  const records = files.map(({ record }) => record);
  if (values.json) printJson(records, 2);
  else {
    const accounting = accountingColumns(
      records.map(({ counts }) => counts),
      true,
    );
    print('');
    printTable(
      print,
      ['object', 'state', ...accounting.heads, 'reason'],
      records.map(({ object, state, counts, reason }) => [
        object,
        state,
        ...accounting.cells(counts),
        oneLine(reason ?? '', 40),
      ]),
    );
    for (const { object, reason } of records)
      if (reason !== undefined && reason.length > 40) print(`\n  ${oneLine(object, 200)}: ${reason}`);
    for (const record of records.filter(isAllRefused))
      print(`\n  ${oneLine(record.object, 200)}: every row is in quarantine`);
    print(`\n  ${((Date.now() - startedAt) / 1000).toFixed(1)} s from the first upload`);
    const next = nextSteps(dataset, records);
    if (next.length > 0) print(`  next: ${next.join('\n        ')}`);
  }
  return records.every((r) => r.state === 'published' && !isAllRefused(r)) ? 0 : 1;
}

/** A file without published rows. It is probably a wrong file, or a file for another contract. */
const isAllRefused = ({ state, counts }: FileRecord): boolean =>
  state === 'published' &&
  counts !== undefined &&
  counts.rowsRead > 0 &&
  counts.quarantined === counts.rowsRead;

/** The next command for files with refused rows or without publication. */
function nextSteps(dataset: string, records: readonly FileRecord[]): string[] {
  const steps: string[] = [];
  if (records.some((r) => (r.counts?.quarantined ?? 0) > 0))
    steps.push(`npm run sluice -- quarantine --dataset ${dataset}`);
  for (const batch of new Set(records.filter((r) => r.state === 'held').map((r) => r.batch)))
    steps.push(
      `npm run sluice -- release --dataset ${dataset} --reason WHY ${batch?.slice(0, 8)}  (or reject)`,
    );
  if (records.some((r) => r.state === 'failed')) steps.push(`npm run sluice -- retry --dataset ${dataset}`);
  return steps;
}
