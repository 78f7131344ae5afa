/** How a CSV file begins: its encoding, what comes before its records, and the names of its fields. One verdict for both engines. */
import { fieldsRead } from '../catalog/rawSchema.ts';
import type { Contract } from '../contract/schema.ts';
import { csvOf, firstRecord } from '../dialect/csv.ts';
import type { CsvBody } from '../model/layout.ts';

export interface CsvStart {
  /** Null for a file whose header is no record, or whose start tells another delimiter. */
  readonly header: readonly string[] | null;
  readonly body: CsvBody;
}

/** The encoding of a file: its byte order mark's, else the contract's; null for UTF-8. */
export function encodingOf(contract: Contract, start: Uint8Array): CsvBody['encoding'] {
  if (start[0] === 0xff && start[1] === 0xfe) return { name: 'utf-16le' };
  if (start[0] === 0xfe && start[1] === 0xff) return { name: 'utf-16be' };
  const { encoding } = csvOf(contract.source.csv);
  if (encoding === 'utf-8' || (start[0] === 0xef && start[1] === 0xbb && start[2] === 0xbf)) return null;
  return encoding === 'utf-16' ? { name: 'utf-16le' } : { name: encoding, table: tableOf(encoding) };
}

/** The characters of an encoding of single bytes, in the order of the bytes. */
function tableOf(encoding: string): string {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  // To the web's standard, ISO 8859-1 is another name of windows-1252: https://encoding.spec.whatwg.org/#names-and-labels
  return encoding === 'iso-8859-1'
    ? Buffer.from(bytes).toString('latin1')
    : new TextDecoder(encoding).decode(bytes);
}

/** A text of an encoding as UTF-8, without a byte order mark; null where the bytes are no such text. `isCut`: the end may be half a character. */
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

/** The start of a file as UTF-8 text, told; `isWhole`: there is no more of it. Null where the header goes beyond the start. */
export function csvStartOf(
  contract: Contract,
  start: Uint8Array,
  encoding: CsvBody['encoding'],
  isWhole: boolean,
): CsvStart | null {
  const { csv } = contract.source;
  const { delimiter, comment, skipLines, hasHeader } = csvOf(csv);
  const text = Buffer.from(start)
    .toString('utf8')
    .replace(/^\uFEFF/, '');
  const lineEnd = endOfFirstLine(text, isWhole);
  let at = 0;
  /** Behind the line that begins at a place. */
  const behindLine = (from: number) => {
    const end = text.indexOf(lineEnd, from);
    return end < 0 ? text.length : end + 1;
  };
  for (let n = 0; n < skipLines; n++) at = behindLine(at);
  if (at >= text.length && !isWhole) return null;
  let isRefused = false;
  // Excel's own line, before all else.
  const [separator, told] = /^sep=(.)\r?(?:\n|\r|$)/u.exec(text.slice(at, at + 10)) ?? [];
  if (separator !== undefined) {
    isRefused = told !== delimiter;
    at = behindLine(at);
  }
  const isAside = (line: string) => line.trim() === '' || (comment !== null && line.startsWith(comment));
  while (hasHeader && at < text.length && isAside(text.slice(at, behindLine(at)))) at = behindLine(at);
  let header: readonly string[] | null = csv && csv.header !== true ? csv.header : null;
  let hasUnnamed = false;
  if (hasHeader) {
    const record = firstRecord(text.slice(at), csv);
    // Up to the end of what is seen, nobody knows whether it is one.
    if (!isWhole && (record === null ? !text.slice(at).includes(lineEnd) : at + record.end >= text.length))
      return null;
    const isOneLine = csv?.quotedNewlines !== false || record?.fields.every((name) => !name.includes('\n'));
    // Behind a CR that ends no line here, there may be records: they would be left out with the header.
    const rest = record === null ? '' : text.slice(at + record.end, behindLine(at + record.end));
    if (record !== null && isOneLine && /^[\r\n]*$/.test(rest)) {
      hasUnnamed = record.fields.some((name) => name.trim() === '');
      header = namesOf(record.fields);
      at = behindLine(at + record.end);
    }
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

const countOf = (text: string, character: string): number => text.split(character).length - 1;

/** Behind so many line ends. Text that is not UTF-8 has other lengths than its bytes. */
function offsetBehind(bytes: Uint8Array, lineEnd: string, lines: number): number {
  let at = 0;
  for (let n = 0; n < lines; n++) at = bytes.indexOf(lineEnd.charCodeAt(0), at) + 1;
  return at;
}

/** What ends the first line of a CSV, outside quotes: it stands for the whole file. */
function endOfFirstLine(text: string, isWhole: boolean): '\r' | '\n' {
  const [, next] = /^(?:"[^"]*"|[^"\r\n])*\r(.?)/s.exec(text) ?? [];
  const isCut = next === '' && !isWhole;
  return next === undefined || next === '\n' || isCut ? '\n' : '\r';
}

/**
 * Names of the fields: one without a name is called by its place, one that comes again by its number: `column_3`, `name_2`. What a
 * path cannot have is an underscore.
 */
export function namesOf(written: readonly string[]): string[] {
  const fields = written.map((field) => field.replaceAll(/^\*$|["\\\0]/g, '_'));
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
 * A header in the contract's spelling: a name that differs from that of a field only in its case, or in white space around
 * it, is that field's, if no other name is.
 */
export function inWordsOf(contract: Contract, names: readonly string[]): readonly string[] {
  const folded = (name: string) => name.trim().toLowerCase();
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

/** Whether a header has too few of the fields that the contract reads: its rows would be almost nothing but NULLs. */
export function isForeignTo(contract: Contract, header: readonly string[]): boolean {
  const names = new Set(header);
  const fields = fieldsRead(contract);
  const found = fields.filter((field) => names.has(field)).length;
  return found === 0 || found < fields.length * csvOf(contract.source.csv).headerShare;
}
