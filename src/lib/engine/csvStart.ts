/** Reads the start of a CSV file: its encoding, the lines before its records, and its field names. Both engines use the result. */
import { fieldsRead } from '../catalog/rawSchema.ts';
import type { Contract } from '../contract/schema.ts';
import { csvOf, csvOptionsOf, firstRecord } from '../dialect/csv.ts';
import type { CsvBody } from '../model/layout.ts';

export interface CsvStart {
  /** Null if the header is not a valid record, or if the start names another delimiter. */
  readonly header: readonly string[] | null;
  readonly body: CsvBody;
}

/** The encoding of a file from its byte order mark, else from the contract; null for UTF-8. */
export function encodingOf(contract: Contract, start: Uint8Array): CsvBody['encoding'] {
  if (start[0] === 0xff && start[1] === 0xfe) return { name: 'utf-16le' };
  if (start[0] === 0xfe && start[1] === 0xff) return { name: 'utf-16be' };
  const { encoding } = csvOf(csvOptionsOf(contract.source));
  if (encoding === 'utf-8' || (start[0] === 0xef && start[1] === 0xbb && start[2] === 0xbf)) return null;
  return encoding === 'utf-16' ? { name: 'utf-16le' } : { name: encoding, table: tableOf(encoding) };
}

/** The characters of a single-byte encoding, in the order of the bytes. */
export function tableOf(encoding: string): string {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  // The web's standard treats ISO 8859-1 as windows-1252: https://encoding.spec.whatwg.org/#names-and-labels
  return encoding === 'iso-8859-1'
    ? Buffer.from(bytes).toString('latin1')
    : new TextDecoder(encoding).decode(bytes);
}

/** Converts a text to UTF-8 without a byte order mark; null if the bytes are not valid in the encoding. `isCut`: the text may end in half a character. */
export function toUtf8(
  bytes: Uint8Array,
  encoding: NonNullable<CsvBody['encoding']>,
  isCut = false,
): Buffer | null {
  const { name, table } = encoding;
  if (table !== undefined) {
    const characters = [...table];
    return Buffer.from(
      Buffer.from(bytes)
        .toString('latin1')
        .replaceAll(/[\x80-\xff]/g, (byte) => characters[byte.charCodeAt(0)] ?? ''),
    );
  }
  try {
    return Buffer.from(new TextDecoder(name, { fatal: true }).decode(bytes, { stream: isCut }));
  } catch {
    return null;
  }
}

/** Describes the start of a file, given as UTF-8 text. `isWhole`: it is the whole file. Null if the header is longer than the start. */
export function csvStartOf(
  contract: Contract,
  start: Uint8Array,
  encoding: CsvBody['encoding'],
  isWhole: boolean,
): CsvStart | null {
  const csv = csvOptionsOf(contract.source);
  const { delimiter, comment, skipLines, header: named } = csvOf(csv);
  const text = Buffer.from(start)
    .toString('utf8')
    .replace(/^\uFEFF/, '');
  const lineEnd = endOfFirstLine(text, isWhole);
  let at = 0;
  /** The position after the line that begins at a position. */
  const behindLine = (from: number) => {
    const end = text.indexOf(lineEnd, from);
    return end < 0 ? text.length : end + 1;
  };
  for (let n = 0; n < skipLines; n++) at = behindLine(at);
  if (at >= text.length && !isWhole) return null;
  let isRefused = false;
  // Excel's `sep=` line comes first.
  const isCsv = contract.source.text === undefined;
  const [separator, told] = (isCsv ? /^sep=(.)\r?(?:\n|\r|$)/u : null)?.exec(text.slice(at, at + 10)) ?? [];
  if (separator !== undefined) {
    isRefused = told !== delimiter;
    at = behindLine(at);
  }
  const isAside = (line: string) => line.trim() === '' || (comment !== null && line.startsWith(comment));
  let header: readonly string[] | null = Array.isArray(csv?.header) ? csv.header : null;
  let hasUnnamed = false;
  const records: (readonly string[])[] = [];
  while (records.length < (named?.rows ?? 0)) {
    while (at < text.length && isAside(text.slice(at, behindLine(at)))) at = behindLine(at);
    if (records.length > 0 && at >= text.length && isWhole) break;
    const record = firstRecord(text.slice(at), csv);
    // The line may continue after the end of the start.
    if (!isWhole && (record === null ? !text.slice(at).includes(lineEnd) : at + record.end >= text.length))
      return null;
    const isOneLine = csv?.quotedNewlines !== false || record?.fields.every((name) => !name.includes('\n'));
    // A CR that does not end a line here may be followed by records, which would be skipped with the header.
    const rest = record === null ? '' : text.slice(at + record.end, behindLine(at + record.end));
    if (record === null || !isOneLine || !/^[\r\n]*$/.test(rest)) break;
    records.push(record.fields);
    at = behindLine(at + record.end);
  }
  if (named !== null && records.length === named.rows) {
    const names = joinedNames(records, named);
    hasUnnamed = names.some((name) => name.trim() === '');
    header = namesOf(names);
  }
  const lines = countOf(text.slice(0, at), lineEnd);
  const isAtEnd = at >= text.length && !text.endsWith(lineEnd);
  return {
    header: isRefused ? null : header,
    body: {
      skipBytes: isAtEnd ? start.length : offsetBehind(start, lineEnd, lines),
      skipLines: lines,
      encoding,
      endsInCr: lineEnd === '\r',
      hasUnnamed,
    },
  };
}

/** The names of the fields from the records of a header, each with a part of every name. */
export function joinedNames(
  records: readonly (readonly string[])[],
  { join, spans }: { readonly join: string; readonly spans: boolean },
): readonly string[] {
  const [only = []] = records;
  if (records.length === 1) return only;
  const width = Math.max(...records.map((record) => record.length));
  const rows = records.map((record, row) => {
    let left = '';
    return Array.from({ length: width }, (_, i) => {
      const part = (record[i] ?? '').trim();
      if (part !== '' || !spans || row === records.length - 1) left = part;
      return left;
    });
  });
  return Array.from({ length: width }, (_, i) =>
    rows.flatMap((row) => (row[i] === undefined || row[i] === '' ? [] : [row[i]])).join(join),
  );
}

const countOf = (text: string, character: string): number => text.split(character).length - 1;

/** The position after a number of line ends, in bytes of the file. */
function offsetBehind(bytes: Uint8Array, lineEnd: string, lines: number): number {
  let at = 0;
  for (let n = 0; n < lines; n++) at = bytes.indexOf(lineEnd.charCodeAt(0), at) + 1;
  return at;
}

/** The line end of a CSV: the one that ends its first line, outside quotes. */
function endOfFirstLine(text: string, isWhole: boolean): '\r' | '\n' {
  // A file that was converted twice has lines that end in CR CR LF.
  const [, next] = /^(?:"[^"]*"|[^"\r\n])*\r(?:\r*(?=\n))?(.?)/s.exec(text) ?? [];
  const isCut = next === '' && !isWhole;
  return next === undefined || next === '\n' || isCut ? '\n' : '\r';
}

/**
 * Names of the fields. A field without a name gets its position, a repeated name gets a number: `column_3`, `name_2`. Characters that a
 * path cannot contain become underscores.
 */
export function namesOf(written: readonly string[]): string[] {
  const fields = written.map((field) => field.replaceAll(/^\*$|\0/g, '_'));
  const taken = new Set(fields);
  const seen = new Set<string>();
  return fields.map((field, i) => {
    const base = field.trim() === '' ? `column_${i + 1}` : field;
    let name = base;
    for (let n = 2; seen.has(name) || (name !== field && taken.has(name)); n++) name = `${base}_${n}`;
    seen.add(name);
    return name;
  });
}

/**
 * The header in the contract's spelling. A name that differs from a field of the contract only in surrounding white space (or also in
 * case, if the contract says so) is that field, unless another name matches exactly.
 */
export function inWordsOf(contract: Contract, names: readonly string[]): readonly string[] {
  const isAnyCase = csvOf(csvOptionsOf(contract.source)).header?.anyCase ?? false;
  const folded = (name: string) => (isAnyCase ? name.trim().toLowerCase() : name.trim());
  const exact = new Set(names);
  const missing = Map.groupBy(
    fieldsRead(contract).filter((field) => !exact.has(field)),
    folded,
  );
  const alike = Map.groupBy(names, folded);
  return names.map((name) => {
    const [field, ...others] = missing.get(folded(name)) ?? [];
    return field !== undefined && others.length === 0 && alike.get(folded(name))?.length === 1 ? field : name;
  });
}

/** Whether a header has too few of the contract's fields, so that rows would be almost only NULLs. */
export function isForeignTo(contract: Contract, header: readonly string[]): boolean {
  const names = new Set(header);
  const fields = fieldsRead(contract);
  const found = fields.filter((field) => names.has(field)).length;
  return found === 0 || found < fields.length * csvOf(csvOptionsOf(contract.source)).headerShare;
}
