/** `npm run pollock`: loads the files of the benchmark Pollock with the embedded engine, and prints its scores. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readSamples, textOf } from '../../src/cli/samples.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import { firstKey, formatPath } from '../../src/lib/contract/path.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { draftContract } from '../../src/lib/infer/infer.ts';
import { transform } from '../../test/support/embedded.ts';
import { type PollutedFile, pollutedFiles } from './files.ts';
import { measuresOf, sumOf } from './score.ts';

const help = `Usage: npm run pollock [-- options]

Makes the 2,290 polluted files of the benchmark Pollock from a table of our own, loads each with a contract of the benchmark's
parameters, and prints the simple and the weighted score (of 10), by kind of fault.

  --infer       without parameters: each contract is what "sluice infer" drafts from the file
  --every N     only each Nth of the files with a fault in one row (1)
  --only TEXT   only files whose name has this text
  --verbose     prints each file that is not loaded completely`;

type Rows = readonly (readonly string[])[];

/** A contract by the benchmark's parameters. The options are the same for all files. */
function contractOf({ parameters }: PollutedFile): Contract | null {
  const { delimiter, quote, escapeBy, preambleLines, headerLines, names, width } = parameters;
  if (width === 0) return null;
  const header = Array.from({ length: width }, (_, i) => names[i] ?? `column_${i + 1}`);
  return parseContract(
    'pollock.yml',
    JSON.stringify({
      dataset: 'pollock',
      source: {
        prefix: 'pollock/',
        formats: ['csv'],
        csv: {
          header,
          delimiter,
          quote,
          skipLines: preambleLines + headerLines,
          shortRows: 'pad',
          longRows: 'trim',
          strayQuotes: 'keep',
          ...(escapeBy === '' || escapeBy === quote ? {} : { escape: escapeBy }),
        },
      },
      columns: header.map((name, i) => ({
        name: `c${i}`,
        path: formatPath([{ kind: 'key', key: name }]),
        type: 'string',
      })),
      partitionBy: [],
    }),
  );
}

async function draftOf({ text }: PollutedFile, folder: string): Promise<Contract | null> {
  if (text === '') return null;
  const path = join(folder, 'pollock.csv');
  await writeFile(path, text);
  const samples = await readSamples([path], '10000');
  const draft = parseContract('pollock.yml', textOf(draftContract('pollock', samples), [path], samples));
  // The benchmark compares texts, so each column is read as one.
  return parseContract(
    'pollock.yml',
    JSON.stringify({
      dataset: 'pollock',
      source: draft.source,
      columns: draft.columns.map(({ name, path: from }) => ({ name, path: from, type: 'string' })),
      partitionBy: [],
    }),
  );
}

/** The rows that a contract loads, as texts, with the names of the fields first if the file has them. */
async function loaded(contract: Contract, file: PollutedFile, hasHeader: boolean): Promise<Rows> {
  const { rows } = await transform(contract, { 'pollock/file.csv': file.text });
  const columns = contract.columns.filter(({ publish }) => publish !== false);
  const header = columns.map(({ path }) => firstKey(path));
  const cells = rows.map((row) => columns.map(({ name }) => textIn(row[name])));
  return hasHeader ? [header, ...cells] : cells;
}

const textIn = (value: unknown): string => (typeof value === 'string' ? value : '');

async function load(file: PollutedFile, isInferred: boolean): Promise<Rows> {
  if (!isInferred) {
    const contract = contractOf(file);
    return contract === null ? [] : loaded(contract, file, file.parameters.headerLines > 0);
  }
  const folder = await mkdtemp(join(tmpdir(), 'sluice-pollock-'));
  try {
    const contract = await draftOf(file, folder);
    return contract === null ? [] : await loaded(contract, file, !Array.isArray(contract.source.csv?.header));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Faults in one row differ by place only. */
const kindOf = (name: string): string =>
  name.replace(/(_?row)?\d+_col\d+|(?<=row_field_delimiter)_\d+_0x20|\.csv/g, '');

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      infer: { type: 'boolean', default: false },
      every: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const every = Number(values.every);
  const all = pollutedFiles();
  const byKind = Map.groupBy(all, ({ name }) => kindOf(name));
  let [simple, weighted, weights, count] = [0, 0, 0, 0];
  for (const [kind, files] of byKind) {
    const some = files.filter(
      ({ name }, i) => (files.length === 1 || i % every === every >> 1) && name.includes(values.only),
    );
    if (some.length === 0) continue;
    let sum = 0;
    for (const file of some) {
      const rows = await load(file, values.infer).catch((error: unknown) => {
        if (values.verbose) console.log(`${file.name}: ${error}`);
        return null;
      });
      const measures = measuresOf(file.clean, rows);
      sum += sumOf(measures);
      if (values.verbose && sumOf(measures) < 9.9999)
        console.log(`${file.name} ${sumOf(measures).toFixed(4)} ${JSON.stringify(measures)}`);
    }
    const score = sum / some.length;
    const weight = files.reduce((total, file) => total + file.weight, 0);
    console.log(`${score.toFixed(4)}  ${String(files.length).padStart(4)} files  ${kind}`);
    simple += score * files.length;
    count += files.length;
    weighted += score * weight;
    weights += weight;
  }
  console.log(`simple ${(simple / count).toFixed(4)}, weighted ${(weighted / weights).toFixed(4)}`);
  return 0;
}

process.exitCode = await main();
