/** Reads sample files as records of one feed, for the commands that draft a contract. */
import { isAscii, isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Document, isMap, isSeq, visit } from 'yaml';
import { parseContract } from '../lib/contract/load.ts';
import { identifier } from '../lib/contract/parts.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { counted } from '../lib/counted.ts';
import { avroHead, declaredInAvro, isAvro } from '../lib/engine/avro.ts';
import { localFile, readStart } from '../lib/engine/inputFile.ts';
import { ArchiveBroken } from '../lib/engine/packedBytes.ts';
import { isParquet } from '../lib/engine/parquet.ts';
import {
  compressionOf,
  rangedMemberReader,
  startOfConverted,
  unpackMemberStart,
  unpackStart,
} from '../lib/engine/unpack.ts';
import { sheetLines, sheetOf } from '../lib/engine/xlsx.ts';
import { entriesOf, isZip, type RangedFile, TooManyMembers } from '../lib/engine/zip.ts';
import { ContractError } from '../lib/errors.ts';
import { questionOfChanges } from '../lib/infer/changes.ts';
import { sampleOfCsv, sampleOfSheet } from '../lib/infer/csv.ts';
import type { Drafted } from '../lib/infer/infer.ts';
import { datasetName } from '../lib/infer/names.ts';
import {
  atOnePlace,
  changedSample,
  parseExactly,
  type Question,
  type Sample,
  sampleOfJson,
} from '../lib/infer/source.ts';
import { isPadded, sampleOfLog, sampleOfPositions } from '../lib/infer/text.ts';
import { isXml, sampleOfXml } from '../lib/infer/xml.ts';
import { isJsonObject, tryParseJson } from '../lib/json.ts';
import { visible, visibleLine } from '../lib/visible.ts';
import { requireFiles } from './paths.ts';
import { UsageError } from './usage.ts';

/** The maximum part of a file that is read, in bytes. */
const sampleBytes = 64 * 1024 * 1024;

export interface Samples {
  /** A name derived from the first file. */
  readonly dataset: string;
  readonly source: Partial<Contract['source']>;
  readonly records: readonly unknown[];
  /** Texts for missing values that are in quotes somewhere in a CSV. */
  readonly quotedMarkers: ReadonlySet<string>;
  /** Types that the files' own schemas declare, by path. */
  readonly declared: ReadonlyMap<string, string>;
  /** Of the rows of a change feed: the fields of their key. */
  readonly key?: readonly string[];
  /** Notes on guesses about the files. */
  readonly notes: readonly string[];
}

/** A file without records says nothing about its feed. */
class FileEmpty extends UsageError {
  readonly path: string;
  readonly why: string;
  constructor(path: string, why: string) {
    super(`${path}: ${why}; a draft needs records`);
    this.path = path;
    this.why = why;
  }
}

/** Answers an open question of a sample with the name of an option. */
export type Decide = (question: Question) => Promise<string>;

/** Takes the likely option and notes that in the draft. */
export const likely: Decide = async ({ options }) => options[0]?.name ?? '';

/** Reads files of one feed. Throws UsageError for files without records, of different formats, or none. */
export async function readSamples(
  paths: readonly string[],
  limit: string,
  decide: Decide = likely,
): Promise<Samples> {
  const [first] = paths;
  if (first === undefined) throw new UsageError('at least one INPUT is needed');
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw new UsageError(`--records ${limit}: must be a number`);
  await requireFiles(paths, 'pipe');
  const found: Sample[] = [];
  const open: string[] = [];
  const empty: FileEmpty[] = [];
  let decided: string | undefined;
  for (const path of paths)
    for (const sample of await samplesIn(path)) {
      if (sample instanceof FileEmpty) {
        empty.push(sample);
        continue;
      }
      const { question } = sample;
      if (question !== undefined) decided ??= await decide(question);
      found.push(question?.options.find(({ name }) => name === decided)?.sample ?? sample);
      if (question !== undefined) open.push(`The sample leaves open: ${question.text}? Taken: ${decided}.`);
    }
  const [nothing] = empty;
  if (found.length === 0 && nothing !== undefined) throw nothing;
  const samples = atOnePlace(found);
  const whole: Samples = {
    dataset: datasetName(basename(first)),
    source: sourceOf(samples, paths),
    records: samples.flatMap((s) => s.records).slice(0, Number(limit)),
    declared: declaredIn(samples),
    quotedMarkers: new Set(samples.flatMap((s) => [...(s.quotedMarkers ?? [])])),
    notes: [
      ...new Set([
        ...open,
        ...samples.flatMap((s) => s.notes),
        ...empty.map(({ path, why }) => `The draft leaves ${basename(path)} aside: ${why}.`),
      ]),
    ],
  };
  const question = questionOfChanges(whole);
  if (question === null) return whole;
  const answer = await decide(question);
  const taken = question.options.find(({ name }) => name === answer)?.sample ?? whole;
  const note = `The sample leaves open: ${question.text}? Taken: ${answer}.`;
  return { ...whole, ...taken, notes: [note, ...taken.notes] };
}

/** The given name, or one derived from the first file. Throws UsageError if it is not valid for a dataset. */
export function datasetOf(given: string | undefined, samples: Samples): string {
  const { success, data, error } = identifier.safeParse(given ?? samples.dataset);
  if (!success) throw new UsageError(`--dataset ${given}: ${error.issues[0]?.message}`);
  return data;
}

/** The types on which all files with a field agree. */
function declaredIn(samples: readonly Sample[]): ReadonlyMap<string, string> {
  const types = Map.groupBy(
    samples.flatMap(({ declared }) => [...(declared ?? [])]),
    ([path]) => path,
  );
  const agreed = [...types].filter(([, all]) => new Set(all.map(([, type]) => type)).size === 1);
  return new Map(agreed.map(([path, [first]]) => [path, first?.[1] ?? 'string']));
}

/** One source that reads all samples. */
function sourceOf(samples: readonly Sample[], paths: readonly string[]): Partial<Contract['source']> {
  const formats = new Set(samples.flatMap(({ source }) => source.formats ?? []));
  const isAnyOf = (...names: string[]) => [...formats].every((format) => names.includes(format));
  const json = samples.find(({ source }) => source.json !== undefined)?.source.json;
  const rule = json === undefined ? {} : { json };
  if (isAnyOf('ndjson', 'json_array')) return { formats: [...formats], ...rule };
  // Lines are consecutive objects, too.
  if (isAnyOf('ndjson', 'json_concatenated')) return { formats: ['json_concatenated'], ...rule };
  const [first] = samples;
  const strict = (source: Partial<Contract['source']> | undefined) =>
    JSON.stringify({ ...source, csv: optionsWith(source?.csv, (key) => !lenient.includes(key)) });
  const other = samples.findIndex(({ source }) => strict(source) !== strict(first?.source));
  const options = Object.assign(
    {},
    ...samples.map(({ source }) => optionsWith(source.csv, (key) => lenient.includes(key))),
  );
  if (first === undefined || other > 0)
    throw new UsageError(
      `${paths[0]} and ${paths[other]} have different formats (${written(samples[0])}; ${written(samples[other])}); name files of one feed`,
    );
  if (Object.keys(options).length === 0) return first.source;
  return { ...first.source, csv: { ...first.source.csv, ...options } };
}

/** Options of a CSV with which files that do not need them are read in the same way. */
const lenient: readonly string[] = ['longRows', 'strayQuotes', 'escape'];

const optionsWith = (csv: object | undefined, isTaken: (key: string) => boolean): object =>
  Object.fromEntries(Object.entries(csv ?? {}).filter(([key]) => isTaken(key)));

const written = (sample: Sample | undefined): string => {
  const { formats = [], records, csv, text } = sample?.source ?? {};
  const options = csv ?? text;
  return [formats.join(', '), records && `under ${records}`, options && JSON.stringify(options)]
    .filter(Boolean)
    .join(' ');
};

/** A draft as the text of a contract file, with guesses in comments. Throws UsageError if the draft is not a valid contract. */
export function textOf(drafted: Drafted, paths: readonly string[], samples: Samples): string {
  const { contract, left, notes, columnNotes } = drafted;
  const document = new Document(contract);
  visit(document, {
    Scalar(_, scalar) {
      // Escapes work in double quotes only.
      if (typeof scalar.value === 'string' && visible(scalar.value) !== scalar.value)
        scalar.type = 'QUOTE_DOUBLE';
    },
  });
  const columns = document.get('columns');
  for (const column of isSeq(columns) ? columns.items : []) {
    const note = isMap(column) ? columnNotes.get(String(column.get('name'))) : undefined;
    if (isMap(column) && note !== undefined) column.commentBefore = ` ${visibleLine(note)}`;
  }
  const text = visible(document.toString({ flowCollectionPadding: true, lineWidth: 0 }));
  try {
    parseContract(`${contract.dataset}.yml`, text);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    // There is no file yet, so a line number would be useless.
    const [{ path, message } = { path: '', message: error.message }] = error.problems;
    throw new UsageError(`no contract can be drafted: ${path === '' ? '' : `${path}: `}${message}`);
  }
  const all = [
    `Drafted from ${counted(samples.records.length, 'record')} of ${paths.map((p) => basename(p)).join(', ')}.`,
    ...samples.notes,
    ...notes,
    ...left.map((path) => `No column for ${JSON.stringify(path)}: a path cannot have such characters.`),
  ];
  return `${all.map((note) => `# ${visibleLine(note)}`).join('\n')}\n${text}`;
}

/** The maximum number of files of a zip archive that are read. */
const mostMembers = 20;

/** The sample of a file, or those of the files in a zip archive. */
async function samplesIn(path: string): Promise<(Sample | FileEmpty)[]> {
  const file = await stat(path);
  const bytes = file.isFIFO()
    ? await readFile(path)
    : await readStart(path, Math.min(file.size, sampleBytes));
  if (isZip(bytes)) return samplesInZip(path, file.isFIFO() ? fileOf(bytes) : localFile(path, file.size));
  if (isParquet(bytes)) {
    const { sampleOfParquet } = await import('./parquetSample.ts');
    const sample = file.isFIFO() ? null : await sampleOfParquet(path, file.size);
    if (sample === null) throw new UsageError(`${path}: the Parquet file is damaged`);
    return [sample];
  }
  if (isAvro(bytes)) {
    const lines =
      (await avroHead(bytes)) === 'readable' ? await unpackStart(bytes, 'avro', sampleBytes) : null;
    if (lines === null) throw notRead(path, 'a damaged Avro object container, or one of an unknown codec');
    const records = lines.toString('utf8').split('\n').map(parseExactly).filter(isJsonObject);
    if (records.length === 0) throw new UsageError(`${path}: the Avro file has no records`);
    return [{ source: { formats: ['avro'] }, records, declared: await declaredInAvro(bytes), notes: [] }];
  }
  const compression = compressionOf(bytes);
  const content = compression
    ? await unpackStart(bytes, compression, sampleBytes)
    : bytes.subarray(0, sampleBytes);
  if (content === null) throw new UsageError(`${path}: the ${compression} archive is broken`);
  return [(isXml(content) ? await sampleOfXml(content) : null) ?? sampleOf(path, content)];
}

const fileOf = (bytes: Uint8Array): RangedFile => ({
  size: bytes.length,
  read: async (start, end) => bytes.subarray(start, end),
});

async function samplesInZip(path: string, file: RangedFile): Promise<(Sample | FileEmpty)[]> {
  const entries = await entriesOf(file).catch((error: unknown) => {
    if (error instanceof ArchiveBroken || error instanceof TooManyMembers) return null;
    throw error;
  });
  if (entries === null) throw new UsageError(`${path}: the zip archive is broken, or has too many files`);
  if (entries.some(({ member }) => member.name.startsWith('xl/')))
    return [await sampleOfWorkbook(path, file)];
  const samples: (Sample | FileEmpty)[] = [];
  for (const { member, fault } of entries.slice(0, mostMembers)) {
    const name = `${path}/${member.name}`;
    // macOS packs the attributes of its files beside them.
    if (member.name.startsWith('__MACOSX/')) {
      samples.push(new FileEmpty(name, 'it has attributes of macOS'));
      continue;
    }
    if (fault !== null)
      throw new UsageError(
        `${name}: it is ${fault === 'encrypted_archive' ? 'encrypted' : 'not packed with deflate'}`,
      );
    const content = await unpackMemberStart(file, member, sampleBytes);
    if (content === null) throw new UsageError(`${name}: it is broken`);
    samples.push((isXml(content) ? await sampleOfXml(content) : null) ?? sampleOf(name, content));
  }
  return samples;
}

/** The sample of the first sheet of an Excel file that has rows. */
async function sampleOfWorkbook(path: string, file: RangedFile): Promise<Sample> {
  const read = rangedMemberReader(file);
  for (let place = 1; ; place++) {
    const sheet = await sheetOf(file, place, read);
    if (sheet === 'records_missing') break;
    if (typeof sheet === 'string') throw new UsageError(`${path}: the Excel file is not read: ${sheet}`);
    const { start, isWhole } = await startOfConverted(sheetLines(read, sheet), sampleBytes);
    const text = start.toString('utf8');
    const sample = sampleOfSheet(isWhole ? text : text.slice(0, text.lastIndexOf('\n') + 1), place);
    if (sample !== null) return sample;
  }
  throw new UsageError(`${path}: no sheet of the Excel file has rows`);
}

const notRead = (path: string, format: string): UsageError =>
  new UsageError(
    `${path}: it is ${format}; a contract reads JSON, CSV, lines of text, XML, Excel, Parquet and Avro, packed with gzip, zstd, bzip2, zip or Hadoop's snappy or not`,
  );

/** The sample in the content of a file. */
function sampleOf(path: string, content: Buffer): Sample | FileEmpty {
  const foreign = formatOfBytes(content);
  if (foreign !== null) throw notRead(path, foreign);
  const isCut = content.length >= sampleBytes;
  const { text, encoding, isUtf16, oddLines } = textOfBytes(content);
  // A text that begins like JSON is not a CSV either, but JSON with comments or invalid JSON.
  const lines = isCut ? text.slice(0, text.lastIndexOf('\n') + 1) : text;
  const flat = () =>
    likeJson(text)
      ? null
      : (sampleOfLog(lines, encoding) ??
        (isPadded(lines) ? sampleOfPositions(lines, encoding) : null) ??
        sampleOfCsv(lines, encoding) ??
        sampleOfPositions(lines, encoding));
  const json = sampleOfJson(text, isCut);
  const isByLine = json === null || json.source.formats?.includes('ndjson');
  if (json !== null && (isUtf16 || (!isByLine && oddLines > 0)))
    throw notRead(path, `JSON in ${isUtf16 ? 'UTF-16' : 'another encoding than UTF-8'}`);
  const sample = json ?? flat();
  if (text.trim() === '') return new FileEmpty(path, 'it is empty');
  if (sample?.records.length === 0 && sample.source.formats?.includes('csv'))
    return new FileEmpty(path, 'no record was found below a line that may hold the names of fields');
  if (sample === null || sample.records.length === 0)
    throw new UsageError(
      `${path}: no JSON record was found, and no CSV of two fields or more, no known log, and no fields at fixed positions`,
    );
  // A text in another encoding is read in it, but JSON is UTF-8.
  if (oddLines === 0 || (json === null && encoding !== undefined)) return sample;
  const note = `${counted(oddLines, 'line')} ${oddLines === 1 ? 'is not UTF-8: it goes' : 'are not UTF-8: they go'} to quarantine.`;
  return changedSample(sample, (each) => ({ ...each, notes: [...each.notes, note] }));
}

/** Whether a text begins like JSON. A line of a log may begin with a bracket, too. */
const likeJson = (text: string): boolean =>
  /^\s*(?:\{|\[\s*[{[])/.test(text) || Array.isArray(tryParseJson(text.trimStart().split('\n', 1)[0] ?? ''));

function* linesIn(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; ) {
    const end = content.indexOf(0x0a, at);
    yield content.subarray(at, end < 0 ? content.length : end);
    at = end < 0 ? content.length : end + 1;
  }
}

interface Decoded {
  readonly text: string;
  readonly encoding?: 'windows-1252';
  readonly isUtf16: boolean;
  /** Lines that are not UTF-8. */
  readonly oddLines: number;
}

/** The text of a file. If it is neither UTF-8 nor UTF-16 with a byte order mark, the most common other encoding is assumed. */
function textOfBytes(content: Buffer): Decoded {
  const mark = content.subarray(0, 2).toString('latin1');
  if (mark === '\xff\xfe' || mark === '\xfe\xff') {
    const text = new TextDecoder(mark === '\xff\xfe' ? 'utf-16le' : 'utf-16be').decode(content);
    return { text, isUtf16: true, oddLines: 0 };
  }
  const utf8 = { isUtf16: false, text: content.toString('utf8').replace(/^\uFEFF/, '') };
  // A truncated sample may end in half a character.
  if (isUtf8(content.subarray(0, content.lastIndexOf(0x0a) + 1))) return { ...utf8, oddLines: 0 };
  const special = [...linesIn(content)].filter((line) => !isAscii(line));
  const oddLines = special.filter((line) => !isUtf8(line)).length;
  // Text in another encoding is hardly ever UTF-8 by accident.
  if (oddLines <= special.length / 2) return { ...utf8, oddLines };
  const text = new TextDecoder('windows-1252').decode(content);
  return { text, encoding: 'windows-1252', isUtf16: false, oddLines };
}

/** First bytes of binary formats: https://en.wikipedia.org/wiki/List_of_file_signatures */
const signatures: readonly (readonly [name: string, at: number, bytes: string])[] = [
  ['Parquet in an archive', 0, 'PAR1'],
  ['Avro in an archive', 0, 'Obj\x01'],
  ['ORC', 0, 'ORC'],
  ['packed with zip once more', 0, 'PK\x03\x04'],
  ['packed with bzip2', 0, 'BZh'],
  ['packed with snappy in the frames of Google, not of Hadoop', 0, '\xff\x06\x00\x00sNaPpY'],
  ['packed with xz', 0, '\xfd7zXZ\x00'],
  ['packed with lz4', 0, '\x04\x22\x4d\x18'],
  ['an archive of 7-Zip', 0, '7z\xbc\xaf\x27\x1c'],
  ['an archive of tar', 257, 'ustar'],
  ['a workbook of Excel before 2007', 0, '\xd0\xcf\x11\xe0'],
  ['PDF', 0, '%PDF-'],
  ['SQLite', 0, 'SQLite format 3\x00'],
  ['UTF-32', 0, '\xff\xfe\x00\x00'],
  ['UTF-32', 0, '\x00\x00\xfe\xff'],
  ['packed with gzip once more', 0, '\x1f\x8b'],
  ['packed with zstd once more', 0, '\x28\xb5\x2f\xfd'],
];

/** The format of a binary file; null for text. */
function formatOfBytes(content: Buffer): string | null {
  const start = content.subarray(0, 1024).toString('latin1');
  const found = signatures.find(([, at, bytes]) => start.startsWith(bytes, at));
  if (found) return found[0];
  const isUtf16 = /^(\xff\xfe(?!\0\0)|\xfe\xff)/.test(start);
  return !isUtf16 && content.subarray(0, 256 * 1024).includes(0) ? 'no text: it has a NUL byte' : null;
}
