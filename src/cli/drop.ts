/** `sluice drop`: puts files into the raw bucket, and follows what becomes of them. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { contractOf } from '../lib/flow/deps.ts';
import type { FileRecord } from '../lib/ledger/records.ts';
import { followFiles } from '../stage/follow.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { progressOn } from './progress.ts';
import { accountingCells, printTable } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- drop --dataset NAME FILE… [options]

Uploads files below the dataset's prefix of the raw bucket, and follows the executions state by state until each file is
published, held or failed. Exit status 0 only when all are published.

  --dataset NAME
${stageHelp}

Example:
  npm run sluice -- drop --dataset tweets datasets/samples/twitter.json`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, { ...stageOptions, dataset: { type: 'string' } });
  const { dataset } = values;
  if (dataset === undefined) throw new UsageError('--dataset is needed');
  if (positionals.length === 0) throw new UsageError('a FILE is needed');
  for (const path of positionals)
    if (!(await stat(path)).isFile()) throw new UsageError(`${path}: it is not a file`);
  const { stage, deps } = await connect(values);
  const { prefix } = contractOf(deps, dataset).source;
  const drops = positionals.map((path) => ({ dataset, path, key: `${prefix}${basename(path)}` }));
  // With --json the answer stands alone on standard output.
  const { files, startedAt } = await followFiles(
    stage,
    drops,
    progressOn(values.json ? process.stderr : process.stdout),
  );
  const records = files.map(({ record }) => record);
  if (values.json) console.log(JSON.stringify(records, null, 2));
  else {
    console.log('');
    printTable(
      console.log,
      ['object', 'state', 'rows read', '= published', '+ quarantined', '+ duplicates', 'reason'],
      records.map(({ object, state, counts, reason }) => [
        object,
        state,
        ...accountingCells(counts),
        reason?.slice(0, 100) ?? '',
      ]),
    );
    console.log(`\n  ${((Date.now() - startedAt) / 1000).toFixed(1)} s from the first upload`);
    const next = nextSteps(dataset, records);
    if (next.length > 0) console.log(`  next: ${next.join('\n        ')}`);
  }
  return records.every((r) => r.state === 'published') ? 0 : 1;
}

/** What a person would ask now, of files that did not come through whole. */
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
