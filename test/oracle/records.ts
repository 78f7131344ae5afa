/** From the bytes of a file to its records, for JSON sources; csv.ts reads CSV. */
import { isUtf8 } from 'node:buffer';
import { parsePath } from '../../src/lib/contract/path.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { at } from './column.ts';
import { csvRecords } from './csv.ts';
import { type Json, readJson } from './json.ts';

/** A record, or why it is none. `raw` distinguishes records with different texts. */
export type RawRecord = { readonly line: number; readonly raw: string } & (
  | { readonly json: Json; readonly reason?: undefined }
  | { readonly reason: string; readonly json?: undefined }
);

// "Text is UTF-8, with or without a byte order mark"
const withoutMark = (bytes: Buffer): Buffer =>
  bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? bytes.subarray(3) : bytes;

export const isBlank = (text: string): boolean => /^[ \t\r\n]*$/.test(text);

export function recordsOf(contract: Contract, file: Buffer): readonly RawRecord[] {
  const { formats, records } = contract.source;
  // Of a CSV: "A byte order mark, of UTF-16 too, comes first"
  if (contract.source.formats.includes('csv') && file.subarray(0, 2).equals(Buffer.from([0xff, 0xfe])))
    return csvRecords(contract, Buffer.from(file.subarray(2).toString('utf16le')));
  // "`not_text`: is a whole file: binary, UTF-16, or an archive in an archive (a NUL byte within its first 256 KiB)"
  if (file.subarray(0, 256 * 1024).includes(0)) return [refusal(1, 'not_text')];
  const bytes = withoutMark(file);
  // "A file without records (empty, white space only, an empty array, a CSV's header alone) publishes nothing"
  if (isBlank(bytes.toString('latin1'))) return [];
  if (formats.includes('csv')) return csvRecords(contract, bytes);
  if (formats.includes('json_document')) return documentRecords(bytes, records ?? '');
  if (formats.includes('json_concatenated')) return concatenatedRecords(bytes);
  const isArray = formats.includes('json_array') && (!formats.includes('ndjson') || isArrayFile(bytes));
  return isArray ? documentRecords(bytes, null) : lineRecords(bytes);
}

const refusal = (line: number, reason: string, raw = ''): RawRecord => ({ line, raw, reason });

// "Where a source has both `ndjson` and `json_array`, a file that begins with `[` is an array, unless an object stands on a line of its
// own in its first 256 KiB and the next line begins with neither a comma nor a closing bracket"
function isArrayFile(bytes: Buffer): boolean {
  const lines = bytes
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (!lines[0]?.startsWith('[')) return false;
  return !lines.some((line, i) => {
    const next = lines[i + 1];
    return readJson(line)?.kind === 'object' && next !== undefined && !/^[,\]}]/.test(next);
  });
}

// "A record is an object by RFC 8259"
function record(line: number, raw: string): RawRecord {
  const json = readJson(raw);
  if (json === undefined) return refusal(line, 'invalid_json', raw);
  return json.kind === 'object' ? { line, raw, json } : refusal(line, 'not_an_object', raw);
}

// "a record a line"; "lines end in LF or CRLF. Blank lines are no records, but count as lines."
function lineRecords(bytes: Buffer): RawRecord[] {
  return linesOf(bytes).flatMap((bytesOfLine, i) => {
    if (!isUtf8(bytesOfLine)) return [refusal(i + 1, 'invalid_utf8', bytesOfLine.toString('latin1'))];
    const text = bytesOfLine.toString('utf8');
    return isBlank(text) ? [] : [record(i + 1, text)];
  });
}

export function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    lines.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    if (end < 0) break;
    start = end + 1;
  }
  return lines;
}

// "one JSON array"; "one JSON document with the array of records somewhere in it". `path` null: the document is the array.
function documentRecords(bytes: Buffer, path: string | null): RawRecord[] {
  // "`invalid_document`: is a whole file: a JSON document that does not parse, such as a truncated one"
  const json = isUtf8(bytes) ? readJson(bytes.toString('utf8')) : undefined;
  if (json === undefined) return [refusal(1, 'invalid_document')];
  const list = path === null ? json : at(json, parsePath(path));
  // "`records_missing`: is a whole file: no array stands at the records path"
  if (list?.kind !== 'array') return [refusal(1, 'records_missing')];
  // "`_line` … the line of the file in which its record begins, counted from 1, or the record's position in a JSON array or map"
  return list.items.map((item, i) =>
    item.kind === 'object'
      ? { line: i + 1, raw: JSON.stringify(item), json: item }
      : refusal(i + 1, 'not_an_object', JSON.stringify(item)),
  );
}

// "objects one after the other, over as many lines as they like"; "what stands between objects is a record of its own, which is then no
// JSON". An object ends with the brace that closes it; braces in strings are no braces.
function concatenatedRecords(bytes: Buffer): RawRecord[] {
  if (!isUtf8(bytes)) return [refusal(1, 'invalid_document')];
  const text = bytes.toString('utf8');
  const found: RawRecord[] = [];
  let start = 0;
  let depth = 0;
  const cut = (end: number) => {
    const piece = text.slice(start, end);
    const begins = start + piece.search(/[^ \t\r\n]/);
    // "Between objects may be white space, commas and record separators"
    if ([...piece].some((c) => !' \t\r\n,\u001e'.includes(c)))
      found.push(record(text.slice(0, begins).split('\n').length, piece));
    start = end;
  };
  for (const { 0: token, index } of text.matchAll(/"(?:\\.|[^"\\])*(?:"|\\?$)|[{}]/gs)) {
    if (token === '{') {
      if (depth === 0) cut(index);
      depth++;
    } else if (token === '}') {
      depth = Math.max(0, depth - 1);
      if (depth === 0) cut(index + 1);
    }
  }
  cut(text.length);
  // "A file of separators only is one record that is not JSON"
  return found.length > 0
    ? found
    : [record(text.slice(0, text.search(/[^ \t\r\n]/)).split('\n').length, text)];
}
