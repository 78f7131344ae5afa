/** `sluice init`: creates a dataset from sample files. It drafts the contract and asks open questions. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { identifier, topFolder } from '../lib/contract/parts.ts';
import { counted } from '../lib/counted.ts';
import { draftContract } from '../lib/infer/infer.ts';
import { print, prompt } from '../stage/terminal.ts';
import { datasetOf, readSamples, textOf } from './samples.ts';
import { asWord, readOptions, UsageError } from './usage.ts';

const root = resolve(import.meta.dirname, '../..');

export const help = `Usage: npm run sluice -- init [--dataset NAME] [--yes] INPUT…

Drafts a contract from sample files as "infer" does, asks what the files cannot tell (name, prefix, key, the time for the
partitions), and writes datasets/NAME.yml. It never overwrites a file.

  --dataset NAME   sets the name; init does not ask for it
  --yes            asks nothing, and uses the most likely answers
  --records N      how many records to read; default 10000
  --out FILE       the file to write; default datasets/NAME.yml

Example:
  npm run sluice -- init orders.csv`;

type Ask = <T>(question: string, likely: string, read: (answer: string) => T) => Promise<T>;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    dataset: { type: 'string' },
    yes: { type: 'boolean', default: false },
    records: { type: 'string', default: '10000' },
    out: { type: 'string' },
  });
  const { ask, close } = values.yes ? takeLikely() : askOnTerminal();
  try {
    const samples = await readSamples(positionals, values.records, ({ text, options }) =>
      ask(text, options[0]?.name ?? '', oneOf(options.map(({ name }) => name))),
    );
    const count = samples.records.length;
    const format = samples.source.formats?.join(', ');
    print(
      `${counted(count, 'record')} (${format}${samples.source.records ? `, under ${samples.source.records}` : ''})`,
    );
    const dataset =
      values.dataset === undefined
        ? await ask('name of the dataset', samples.dataset, as(identifier))
        : datasetOf(values.dataset, samples);
    const path = values.out ?? join(root, 'datasets', `${dataset}.yml`);
    if (existsSync(path))
      throw new UsageError(`${path} exists already; choose another name with --dataset or --out`);
    const drafted = draftContract(dataset, samples);
    const order =
      drafted.unclear === null
        ? undefined
        : await ask(
            `what comes first in ${drafted.unclear.columns.join(', ')}, where the sample does not tell (day, month)`,
            drafted.unclear.likely,
            oneOf(['day', 'month'] as const),
          );
    const likely = order === undefined ? drafted : draftContract(dataset, samples, { order });
    const prefix = await ask('where its files land in the raw bucket', likely.chosen.prefix, as(topFolder));
    // A change feed has a key in any case.
    const key =
      samples.key === undefined
        ? await ask(
            'columns that identify a row, the first of equal ones is kept (- for none)',
            likely.chosen.key.join(', ') || '-',
            (answer) => columnsOf(answer, likely.required),
          )
        : likely.chosen.key;
    const time = await ask(
      `the time that partitions follow (${[...likely.times, '-'].join(', ')})`,
      likely.chosen.time ?? '-',
      (answer) => columnsOf(answer, likely.times)[0] ?? null,
    );
    const draft = draftContract(dataset, samples, {
      prefix,
      key,
      time,
      ...(order === undefined ? {} : { order }),
    });
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, textOf(draft, positionals, samples), { flag: 'wx' });
    const near = relative(process.cwd(), path);
    const shown = asWord(near.startsWith('..') ? path : near);
    const first = asWord(positionals[0] ?? '');
    print(`${shown}: ${likely.required.length} of its columns are in every record. Read it, then
  npm run sluice -- validate ${shown}
  npm run sluice -- transform --contract ${shown} --out /tmp/${dataset} ${first}
  npm start -- --dataset ${dataset} ${first}`);
    return 0;
  } finally {
    close();
  }
}

/** Reads an answer: one of some words, or the beginning of one. */
const oneOf =
  <const T extends string>(words: readonly T[]) =>
  (answer: string): T => {
    const found = words.find((word) => word.startsWith(answer.toLowerCase()));
    if (found === undefined) throw new UsageError(`"${answer}": must be one of ${words.join(', ')}`);
    return found;
  };

/** Reads an answer with a schema of the contract language. */
const as =
  (schema: typeof identifier) =>
  (answer: string): string => {
    const { success, data, error } = schema.safeParse(answer);
    if (!success) throw new UsageError(`"${answer}": ${error.issues[0]?.message}`);
    return data;
  };

/** Column names separated by commas; `-` for none. */
function columnsOf(answer: string, known: readonly string[]): string[] {
  if (answer === '-') return [];
  const columns = answer.split(',').map((name) => name.trim());
  const unknown = columns.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`"${unknown}": must be one of ${[...known, '-'].join(', ')}`);
  return columns;
}

const takeLikely = (): { ask: Ask; close: () => void } => ({
  ask: async (question, likely, read) => {
    print(`  ${question}: ${likely}`);
    return read(likely);
  },
  close: () => {},
});

/** Asks until an answer is valid. An empty answer or the end of the input selects the likely one. */
function askOnTerminal(): { ask: Ask; close: () => void } {
  const lines = createInterface({ input: process.stdin });
  const answers = lines[Symbol.asyncIterator]();
  return {
    ask: async (question, likely, read) => {
      for (;;) {
        prompt(`  ${question} [${likely}]: `);
        const { value, done } = await answers.next();
        if (done) print('');
        const answer = String(value ?? '').trim();
        try {
          return read(answer === '' ? likely : answer);
        } catch (error) {
          if (done || !(error instanceof UsageError)) throw error;
          print(`    ${error.message}`);
        }
      }
    },
    close: () => lines.close(),
  };
}
