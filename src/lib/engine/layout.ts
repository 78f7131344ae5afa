/** How a raw file is to be read, told from its first bytes: one verdict for both engines. */

import { parse } from 'csv-parse/sync';
import { fieldsRead } from '../catalog/rawSchema.ts';
import type { ReasonCode } from '../compiler/plan.ts';
import type { Contract } from '../contract/schema.ts';
import { csvOf } from '../dialect/duckdbDocuments.ts';
import { isJsonObject, tryParseJson } from '../json.ts';
import { type Compression, compressionOf, documentLimits, unpackStart } from './unpack.ts';

/** lines: a record a line. document: the whole file is parsed at once. refused: quarantined whole, with the reason. */
export type Layout = 'lines' | 'document' | 'refused';

/** How much of a refused file is kept as raw text in quarantine, in bytes. */
export const refusedSampleBytes = 1024;

/** How many first bytes `lookAt` wants to see. */
export const headBytes = 256 * 1024;

/** What the first bytes of a file say. */
export interface Look {
  readonly layout: Layout;
  readonly fault: ReasonCode | null;
  readonly compression: Compression | null;
  /** For CSV: the names of the fields. */
  readonly header: readonly string[] | null;
  /** The first bytes of the content, unpacked. */
  readonly start: Uint8Array;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

/** `head` holds the first bytes of the file (all of them, or `headBytes`), `size` its full length in bytes. */
export async function lookAt(contract: Contract, head: Uint8Array, size: number): Promise<Look> {
  const { source } = contract;
  const compression = compressionOf(head);
  const unpacked = compression === null ? head : await unpackStart(head, compression, headBytes);
  const start = unpacked ?? head;
  const isWhole = size <= head.length && start.length < headBytes;
  const look = (
    layout: Layout,
    fault: ReasonCode | null = null,
    header: readonly string[] | null = null,
  ) => ({
    layout,
    fault,
    compression,
    header,
    start,
    isWhole,
  });
  if (unpacked === null) return look('refused', 'broken_archive');
  if (isForeign(start)) return look('refused', 'not_text');
  const first = firstCharacter(start);
  if (first === '' && start.length < headBytes) return look('lines');
  if (source.formats.includes('csv')) {
    const text = Buffer.from(start)
      .toString('utf8')
      .replace(/^\uFEFF/, '');
    const lineEnd = endOfFirstLine(text, isWhole);
    const names = headerOf(contract, text, lineEnd);
    if (names === null) return look('refused', 'invalid_header');
    const header = inWordsOf(contract, names);
    if (isForeignTo(contract, header)) return look('refused', 'unknown_header', names);
    // Lines end in LF, or CRLF: what ends them otherwise is read whole.
    if (source.csv?.quotedNewlines === false && lineEnd !== '\r') return look('lines', null, header);
    return size > documentLimits.csv ? look('refused', 'document_too_large') : look('document', null, header);
  }
  const isDocument =
    source.formats.includes('json_document') ||
    source.formats.includes('json_concatenated') ||
    (source.formats.includes('json_array') &&
      (!source.formats.includes('ndjson') || (first === '[' && !hasObjectOnLine(start, isWhole))));
  if (!isDocument) return look('lines');
  return size > documentLimits.json ? look('refused', 'document_too_large') : look('document');
}

/**
 * Whether an object stands on a line of its own as it cannot in an array, even one that is cut off: with a line behind it that
 * begins with neither a comma nor a closing bracket.
 * The file is lines then, and its first one, which begins like an array, costs nothing but itself.
 */
function hasObjectOnLine(start: Uint8Array, isWhole: boolean): boolean {
  const lines = Buffer.from(start).toString('utf8').split('\n');
  if (!isWhole) lines.pop();
  const texts = lines.map((line) => line.trim()).filter((line) => line !== '');
  return texts.some((text, i) => {
    const next = texts[i + 1];
    return (
      next !== undefined && !/^[,\]}]/.test(next) && text.startsWith('{') && isJsonObject(tryParseJson(text))
    );
  });
}

/** What ends the first line of a CSV, outside quotes: it stands for the whole file, as it does in `csvRecords`. */
function endOfFirstLine(text: string, isWhole: boolean): '\r' | '\n' {
  const [, next] = /^(?:"[^"]*"|[^"\r\n])*\r(.?)/s.exec(text) ?? [];
  const isCut = next === '' && !isWhole;
  return next === undefined || next === '\n' || isCut ? '\n' : '\r';
}

/** Names of a CSV's fields; null when its first record names none, one twice, or is no record. */
function headerOf(
  { source: { csv } }: Contract,
  text: string,
  lineEnd: '\r' | '\n',
): readonly string[] | null {
  if (csv && csv.header !== true) return csv.header;
  try {
    // The start may end within a record; a header is looked for in its own.
    const [header = []] = parse(text, {
      delimiter: csv?.delimiter ?? ',',
      record_delimiter: lineEnd === '\r' ? ['\r'] : ['\r\n', '\n'],
      to: 1,
      relax_column_count: true,
    });
    // An engine that reads by lines takes one line for the header.
    const isOneLine = csv?.quotedNewlines !== false || !header.some((name) => name.includes('\n'));
    return isHeader(header) && isOneLine ? header : null;
  } catch {
    return null;
  }
}

/**
 * A header in the contract's spelling: a name that differs from that of a field only in its case, or in white space around
 * it, is that field's, if no other name is.
 */
function inWordsOf(contract: Contract, names: readonly string[]): readonly string[] {
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
function isForeignTo(contract: Contract, header: readonly string[]): boolean {
  const names = new Set(header);
  const fields = fieldsRead(contract);
  const found = fields.filter((field) => names.has(field)).length;
  return found === 0 || found < fields.length * csvOf(contract.source.csv).headerShare;
}

/** Whether a CSV's record can name fields: none is empty, and none stands twice. */
export const isHeader = (names: readonly string[]): boolean =>
  names.length > 0 && names.every((name) => name !== '') && new Set(names).size === names.length;

/**
 * A NUL byte within the start: UTF-16, UTF-32, or no text at all (an image, an archive in an archive). JSON text has
 * none, neither as itself nor escaped in UTF-8 (RFC 8259, 7).
 */
const isForeign = (start: Uint8Array): boolean => start.includes(0) || compressionOf(start) !== null;

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, i) => bytes[i] === byte);

/** Of the byte order mark that a file starts with, in bytes. */
export const lengthOfMark = (start: Uint8Array): number => (startsWith(start, [0xef, 0xbb, 0xbf]) ? 3 : 0);

/** The first character that is neither a byte order mark nor white space; '' where there is none. */
function firstCharacter(head: Uint8Array): string {
  for (const byte of head.subarray(lengthOfMark(head)))
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return String.fromCharCode(byte);
  return '';
}
