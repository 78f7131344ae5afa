/**
 * Takes records out of the bytes of a raw file. All other bytes stay as they are. What a record is, the row part has decided: see
 * searchRaw.ts, which also checks the result with it.
 */
import type { PathStep } from '../contract/path.ts';
import { parseRecordsPath, valuesAt } from '../contract/recordsPath.ts';
import type { Contract } from '../contract/schema.ts';
import { csvOptionsOf, marksIn, marksOut } from '../dialect/csv.ts';
import { csvRecordPatterns } from '../dialect/duckdbDocuments.ts';
import { objectSeparators, tryParseJson } from '../json.ts';
import type { CsvBody } from '../model/layout.ts';

/** Whether the record with this number is removed. */
export type IsRemoved = (line: number) => boolean;

interface Span {
  readonly start: number;
  readonly end: number;
}

/** The bytes without some spans, which are in order. */
function without(bytes: Buffer, spans: readonly Span[]): Buffer {
  const kept: Buffer[] = [];
  let at = 0;
  for (const { start, end } of spans) {
    kept.push(bytes.subarray(at, start));
    at = end;
  }
  return Buffer.concat([...kept, bytes.subarray(at)]);
}

const [newline, quote, backslash, comma] = [0x0a, 0x22, 0x5c, 0x2c];

/** Lines from `start` on, counted from 1. */
export function withoutLines(bytes: Buffer, start: number, isRemoved: IsRemoved): Buffer {
  const spans: Span[] = [];
  let line = 1;
  for (let at = start; at < bytes.length; line++) {
    const found = bytes.indexOf(newline, at);
    const end = found < 0 ? bytes.length : found + 1;
    if (isRemoved(line)) spans.push({ start: at, end });
    at = end;
  }
  return without(bytes, spans);
}

/** Records of a CSV that is read as a whole. A record has the number of the line of the body in which it begins. Null if the encoding cannot be cut. */
export function withoutCsvRecords(
  contract: Contract,
  bytes: Buffer,
  body: CsvBody,
  isRemoved: IsRemoved,
): Buffer | null {
  const csv = csvOptionsOf(contract.source);
  const text = textOf(bytes, body.encoding);
  if (text === null) return null;
  const { whole, lengthOf } = text;
  const lineEnd = body.endsInCr ? '\r' : '\n';
  let start = whole.startsWith('\ufeff') ? 1 : 0;
  for (let n = 0; n < body.skipLines; n++) start = whole.indexOf(lineEnd, start) + 1;
  const { lf, cr } = csvRecordPatterns(csv);
  const spans: Span[] = [];
  let line = 1;
  let at = lengthOf(whole.slice(0, start));
  for (const [marked] of marksIn(whole.slice(start), csv).matchAll(
    new RegExp(body.endsInCr ? cr : lf, 'gsu'),
  )) {
    const record = marksOut(marked, csv);
    const end = at + lengthOf(record);
    if (record !== '' && isRemoved(line)) spans.push({ start: at, end });
    line += record.split(lineEnd).length - 1;
    at = end;
  }
  return at === bytes.length ? without(bytes, spans) : null;
}

/** A text, and how many bytes a part of it takes; null if its bytes are not valid. */
function textOf(
  bytes: Buffer,
  encoding: CsvBody['encoding'],
): { whole: string; lengthOf: (part: string) => number } | null {
  if (encoding === null) {
    const whole = bytes.toString('utf8');
    return Buffer.byteLength(whole) === bytes.length
      ? { whole, lengthOf: (part) => Buffer.byteLength(part) }
      : null;
  }
  if (encoding.table !== undefined)
    return { whole: singleBytes(bytes, encoding.table), lengthOf: (part) => part.length };
  if (bytes.length % 2 > 0) return null;
  const little = encoding.name === 'utf-16le' ? bytes : Buffer.from(bytes).swap16();
  return { whole: little.toString('utf16le'), lengthOf: (part) => 2 * part.length };
}

const singleBytes = (bytes: Buffer, table: string): string => {
  const characters = [...table];
  return bytes.toString('latin1').replaceAll(/[\x80-\xff]/g, (byte) => characters[byte.charCodeAt(0)] ?? '');
};

const separators: ReadonlySet<number> = new Set(Buffer.from(objectSeparators));

/** The consecutive objects of a text, and what is between them, without the separators around it. */
export function concatenatedPieces(bytes: Buffer): Span[] {
  const pieces: Span[] = [];
  const addText = (from: number, to: number) => {
    const isText = (byte: number) => !separators.has(byte);
    const between = bytes.subarray(from, to);
    const first = between.findIndex(isText);
    if (first >= 0) pieces.push({ start: from + first, end: from + between.findLastIndex(isText) + 1 });
  };
  let depth = 0;
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = endOfString(bytes, at) - 1;
    else if (byte === 0x7b) {
      if (depth++ > 0) continue;
      addText(start, at);
      start = at;
    } else if (byte === 0x7d && --depth <= 0) {
      depth = 0;
      pieces.push({ start, end: at + 1 });
      start = at + 1;
    }
  }
  addText(start, bytes.length);
  return pieces;
}

/** The same with one piece on each line, as lines of JSON: a line end within an object is white space. */
export const concatenatedAsLines = (bytes: Buffer): Buffer =>
  Buffer.concat(
    concatenatedPieces(bytes).flatMap(({ start, end }) => [
      Buffer.from(
        bytes.subarray(start, end).map((byte) => (byte === newline || byte === 0x0d ? 0x20 : byte)),
      ),
      Buffer.of(newline),
    ]),
  );

/** Pieces, counted from 1. */
export const withoutPieces = (bytes: Buffer, isRemoved: IsRemoved): Buffer =>
  without(
    bytes,
    concatenatedPieces(bytes).filter((_, i) => isRemoved(i + 1)),
  );

/**
 * Elements of an array or entries of a map in a document, by the number of their record from 1. Null if the document has no such place, or
 * if some records of an element stay and others go.
 */
export function withoutElements(
  bytes: Buffer,
  records: string | undefined,
  isRemoved: IsRemoved,
): Buffer | null {
  const { steps, below } = records === undefined ? { steps: [], below: [] } : parseRecordsPath(records);
  const start = placeOf(bytes, steps);
  if (start === null) return null;
  const parts = partsOf(bytes, start);
  if (parts === null) return null;
  const kept: Buffer[] = [];
  let n = 0;
  for (const part of parts.items) {
    const text = bytes.subarray(part.start, part.end);
    const own = below.length === 0 ? 1 : valuesAt(tryParseJson(text.toString()), below).length;
    const removed = Array.from({ length: own }, () => isRemoved(++n)).filter(Boolean).length;
    if (removed > 0 && removed < own) return null;
    if (removed === 0) kept.push(text);
  }
  const inner = kept.flatMap((part, i) => (i === 0 ? [part] : [Buffer.of(comma), part]));
  return Buffer.concat([bytes.subarray(0, parts.open), ...inner, bytes.subarray(parts.close)]);
}

/** Where the value at the end of a path begins. */
function placeOf(bytes: Buffer, steps: readonly PathStep[]): number | null {
  let at = behindSpace(bytes, bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  for (const step of steps) {
    const parts = partsOf(bytes, at);
    if (parts === null) return null;
    const { items, isMap } = parts;
    if (step.kind === 'each') return null;
    const found =
      step.kind === 'index'
        ? items[step.index]
        : items.find(({ start }) => isMap && keyAt(bytes, start) === step.key);
    if (found === undefined || isMap !== (step.kind === 'key')) return null;
    at = behindSpace(bytes, found.start);
    if (isMap) at = behindSpace(bytes, behindSpace(bytes, endOfString(bytes, at)) + 1);
  }
  return at;
}

const keyAt = (bytes: Buffer, at: number): unknown => {
  const start = behindSpace(bytes, at);
  return tryParseJson(bytes.subarray(start, endOfString(bytes, start)).toString());
};

function behindSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === newline || bytes[at] === 0x0d || bytes[at] === 0x09) at++;
  return at;
}

/** The position behind a string. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at + 1;
}

/** The elements of the array, or the entries of the map, that begins at a position, with the white space around them. */
function partsOf(
  bytes: Buffer,
  start: number,
): { items: Span[]; open: number; close: number; isMap: boolean } | null {
  const isMap = bytes[start] === 0x7b;
  if (!isMap && bytes[start] !== 0x5b) return null;
  const items: Span[] = [];
  const open = start + 1;
  let [from, depth] = [open, 0];
  for (let at = open; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = endOfString(bytes, at) - 1;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if ((byte === 0x7d || byte === 0x5d) && depth > 0) depth--;
    else if (byte === 0x7d || byte === 0x5d) {
      if (behindSpace(bytes, from) < at) items.push({ start: from, end: at });
      return { items, open, close: at, isMap };
    } else if (byte === comma && depth === 0) {
      items.push({ start: from, end: at });
      from = at + 1;
    }
  }
  return null;
}
