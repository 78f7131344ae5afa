/** Sample files as the records of one feed, for the commands that draft a contract. */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { Document, visit } from 'yaml';
import { type Drafted, findRecords } from '../lib/contract/infer.ts';
import { Fraction, valueOfField } from '../lib/contract/inferColumn.ts';
import { parseContract } from '../lib/contract/load.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { readStart } from '../lib/engine/inputFile.ts';
import { isHeader } from '../lib/engine/layout.ts';
import { compressionOf, unpackStart } from '../lib/engine/unpack.ts';
import { concatenatedObjects, isJsonObject, tryParseJson } from '../lib/json.ts';
import { visible, visibleLine } from '../lib/visible.ts';
import { requireFiles } from './paths.ts';
import { UsageError } from './usage.ts';

/** No more of a file than this is looked at, in bytes. */
const sampleBytes = 64 * 1024 * 1024;

export interface Samples {
  /** A name made of the first file's. */
  readonly dataset: string;
  readonly source: Partial<Contract['source']>;
  readonly records: readonly unknown[];
}

/** Reads files of one feed. Throws UsageError for files without records, of different formats, or none. */
export async function readSamples(paths: readonly string[], limit: string): Promise<Samples> {
  const [first] = paths;
  if (first === undefined) throw new UsageError('at least one INPUT is needed');
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw new UsageError(`--records ${limit}: it is a number`);
  await requireFiles(paths, 'pipe');
  const sources = await Promise.all(paths.map(readSample));
  const formats = new Set(sources.map(({ source }) => JSON.stringify(source)));
  const [source] = sources;
  if (!source || formats.size > 1)
    throw new UsageError('the inputs have different formats; name files of one feed');
  return {
    dataset: datasetName(first),
    source: source.source,
    records: sources.flatMap((s) => s.records).slice(0, Number(limit)),
  };
}

/** A draft as the text of a contract file, checked. */
export function textOf({ contract, left }: Drafted, paths: readonly string[], records: number): string {
  const document = new Document(contract);
  visit(document, {
    Scalar(_, scalar) {
      // Only in double quotes is an escape what it stands for.
      if (typeof scalar.value === 'string' && visible(scalar.value) !== scalar.value)
        scalar.type = 'QUOTE_DOUBLE';
    },
  });
  const text = visible(document.toString({ flowCollectionPadding: true, lineWidth: 0 }));
  parseContract(`${contract.dataset}.yml`, text);
  const notes = [
    `Drafted from ${records} records of ${paths.map((p) => basename(p)).join(', ')}.`,
    ...left.map((path) => `No column for ${JSON.stringify(path)}: a path cannot have such characters.`),
  ];
  return `${notes.map((note) => `# ${visibleLine(note)}`).join('\n')}\n${text}`;
}

async function readSample(
  path: string,
): Promise<{ source: Partial<Contract['source']>; records: unknown[] }> {
  const file = await stat(path);
  const bytes = file.isFIFO()
    ? await readFile(path)
    : await readStart(path, Math.min(file.size, sampleBytes));
  const compression = compressionOf(bytes);
  const content = compression
    ? await unpackStart(bytes, compression, sampleBytes)
    : bytes.subarray(0, sampleBytes);
  const text = (content ?? Buffer.alloc(0)).toString('utf8').replace(/^\uFEFF/, '');
  const whole = parse(text);
  const found = whole === undefined ? null : findRecords(whole);
  if (found) return found;
  const records = text.split('\n').map(parse).filter(isJsonObject);
  if (records.length > 0) return { source: { formats: ['ndjson'] }, records };
  const objects = concatenatedObjects(text, exact);
  if (objects.length > 0) return { source: { formats: ['json_concatenated'] }, records: objects };
  const csv = readCsv(text);
  if (csv) return csv;
  throw new UsageError(`${path}: no JSON record was found, and no CSV with a header`);
}

/** A CSV with a header of at least two fields, by the delimiter that gives the most. */
function readCsv(text: string): { source: Partial<Contract['source']>; records: unknown[] } | null {
  const tables = [',', ';', '\t', '|'].flatMap((delimiter) => {
    try {
      const options = { delimiter, relax_column_count: true, skip_empty_lines: true };
      const [header = [], ...rows]: string[][] = parseCsv(text, options);
      if (header.length < 2 || !isHeader(header)) return [];
      return [{ delimiter, header, rows: rows.filter((row) => row.length === header.length) }];
    } catch {
      return [];
    }
  });
  const best = tables.sort((a, b) => b.header.length - a.header.length)[0];
  if (!best) return null;
  const csv = best.delimiter === ',' ? {} : { csv: { delimiter: best.delimiter } };
  return {
    source: { formats: ['csv'], ...csv } as Partial<Contract['source']>,
    records: best.rows.map((row) =>
      Object.fromEntries(best.header.map((name, i) => [name, valueOfField(row[i] ?? '')])),
    ),
  };
}

/** JSON, with numbers as they are written: whole ones beyond 2^53 exact, others told from whole ones. */
const parse = (text: string): unknown => tryParseJson(text, exact);

const exact: Parameters<typeof JSON.parse>[1] = (
  _key: string,
  value: unknown,
  context?: { source: string },
) => {
  if (typeof value !== 'number' || context === undefined) return value;
  if (!/^-?\d+$/.test(context.source)) return new Fraction(context.source);
  return Number.isSafeInteger(value) ? value : BigInt(context.source);
};

function datasetName(path: string): string {
  const name = basename(path)
    .replace(/\..*$/, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^[^a-z]+|_?\d*_*$/g, '');
  return name === '' ? 'dataset' : name;
}
