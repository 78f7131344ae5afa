/** `sluice infer`: drafts a contract from sample files. */
import { draftContract } from '../lib/infer/infer.ts';
import { print } from '../stage/terminal.ts';
import { datasetOf, readSamples, textOf } from './samples.ts';
import { readOptions } from './usage.ts';

export const help = `Usage: npm run sluice -- infer [--dataset NAME] INPUT…

Drafts a contract from sample files and prints it as YAML: types, time formats, a key if one is very likely, and
partitions by the first time field that every record has. The draft is valid. Comments mark guesses: read them before you
use it. "init" asks questions, and writes the file.

  --dataset NAME   default: the first file's name
  --records N      how many records to read; default 10000

Example:
  npm run -s sluice -- infer feed.json > datasets/feed.yml`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    dataset: { type: 'string' },
    records: { type: 'string', default: '10000' },
  });
  const samples = await readSamples(positionals, values.records);
  const draft = draftContract(datasetOf(values.dataset, samples), samples);
  print(textOf(draft, positionals, samples).trimEnd());
  return 0;
}
