/** CSV by RFC 4180, as the contract reference reads it. */
import { isUtf8 } from 'node:buffer';
import { firstKey } from '../../src/lib/contract/path.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { Json } from './json.ts';
import { isBlank, linesOf, type RawRecord } from './records.ts';

/** A record of the file: its fields, or null if it is broken. */
interface Piece {
  readonly line: number;
  readonly raw: string;
  readonly fields: readonly { readonly text: string; readonly isQuoted: boolean }[] | null;
  readonly isUtf8: boolean;
}

export function csvRecords(contract: Contract, bytes: Buffer): readonly RawRecord[] {
  const { csv } = contract.source;
  const delimiter = csv?.delimiter ?? ',';
  const pieces = piecesOf(bytes, delimiter, csv?.quotedNewlines ?? true);
  // "`true`: a file's first record names its fields, in any order; or a list of names, where files have no such record"
  const given = Array.isArray(csv?.header) ? csv.header : true;
  const isAnyCase = typeof csv?.header === 'object' && !Array.isArray(csv.header) && csv.header.anyCase;
  // "Before the header come, in this order, …, and blank lines"
  const place = given === true ? pieces.findIndex(({ raw }) => !isBlank(raw)) : -1;
  const written = given === true ? (pieces[place]?.fields?.map(({ text }) => text) ?? null) : given;
  // "`invalid_header`: a CSV whose header is missing or no record"
  if (written === null) return [{ line: 1, raw: '', reason: 'invalid_header' }];
  const names = namesOf(written);
  // "`path: $key` reads the key of the record's object", which is no field.
  const fields = contract.columns.filter(({ path }) => path !== '$key');
  const read = [...new Set(fields.map(({ path }) => firstKey(path)))];
  const header = inSpelling(names, read, isAnyCase);
  // "A file whose header has less than `headerShare` of the fields that the contract reads" is "quarantined whole as `unknown_header`"; "at
  // least one in any case"
  const share = read.filter((field) => header.includes(field)).length;
  if (share === 0 || share < read.length * (csv?.headerShare ?? 0.5))
    return [{ line: 1, raw: '', reason: 'unknown_header' }];
  return pieces.slice(place + 1).flatMap((piece): RawRecord[] => {
    const { line, raw, fields } = piece;
    if (!piece.isUtf8) return [{ line, raw, reason: 'invalid_utf8' }];
    if (isBlank(raw)) return [];
    // "A record with a quote elsewhere, or with another number of fields than the header, is quarantined alone"
    if (fields === null || fields.length !== header.length) return [{ line, raw, reason: 'invalid_csv' }];
    const json: Json = {
      kind: 'object',
      fields: fields.flatMap(({ text, isQuoted }, i) => {
        // "a field that is written so, without quotes, has no value; a field in quotes is always a text"
        const isNull = !isQuoted && text === (csv?.nullText ?? '');
        // "without a value it is no field of its record"
        if (isNull && written[i]?.trim() === '') return [];
        return [[header[i] ?? '', isNull ? { kind: 'null' } : { kind: 'string', value: text }]];
      }),
    };
    return [{ line, raw, json }];
  });
}

// "A field without a name is called by its place, `column_3`" and "of several fields with one name the later ones are numbered: `name`,
// `name_2`"; "NULs in a name, and the name `*`, become underscores"
function namesOf(fields: readonly string[]): string[] {
  const written = fields.map((name) => (name === '*' ? '_' : name.replaceAll('\0', '_')));
  const names: string[] = [];
  for (const [i, name] of written.entries()) {
    const own = name.trim() === '' ? `column_${i + 1}` : name;
    let number = 1;
    const numbered = () => (number === 1 ? own : `${own}_${number}`);
    while (names.includes(numbered()) || (numbered() !== name && written.includes(numbered()))) number++;
    names.push(numbered());
  }
  return names;
}

// "If a name in the header differs from a field of the contract only in white space around it, it stands for that field, unless another name
// fits exactly or equally well. `header: { anyCase: true }` does the same for names that differ in case."
function inSpelling(names: readonly string[], read: readonly string[], isAnyCase: boolean): string[] {
  const folded = (name: string) => (isAnyCase ? name.trim().toLowerCase() : name.trim());
  return names.map((name) => {
    const candidates = read.filter((field) => !names.includes(field) && folded(field) === folded(name));
    const rivals = names.filter((other) => folded(other) === folded(name));
    return candidates.length === 1 && rivals.length === 1 ? (candidates[0] ?? name) : name;
  });
}

function piecesOf(bytes: Buffer, delimiter: string, hasQuotedNewlines: boolean): Piece[] {
  // "A file that is not UTF-8 as a whole is read line by line, and loses its bad lines only."
  if (!isUtf8(bytes) || !hasQuotedNewlines)
    return linesOf(bytes).map((line, i) => {
      // A header can still name fields.
      const raw = line.toString('utf8').replace(/\r+$/, '');
      return { line: i + 1, raw, fields: fieldsOf(raw, delimiter), isUtf8: isUtf8(line) };
    });
  const text = bytes.toString('utf8');
  // "If the first line of a file ends in CR alone, as old Macintosh programs write it, so do all its lines"
  const isMac = /^(?:"[^"]*"|[^"\r\n])*\r(?!\r*\n)/.test(text);
  const end = isMac ? '\r' : '\n';
  const pieces: Piece[] = [];
  for (let start = 0; start < text.length; ) {
    const size = recordLength(text.slice(start), delimiter, end);
    const raw = text.slice(start, start + size).replace(/[\r\n]+$/, '');
    const line = text.slice(0, start).split(end).length;
    pieces.push({ line, raw, fields: fieldsOf(raw, delimiter), isUtf8: true });
    start += size;
  }
  return pieces;
}

/**
 * How long the record is that a text begins with, and its line end: "with the line ends that stand in its quoted fields". A field that is not
 * closed as RFC 4180 has it holds no line end, so that it costs no more than its line.
 */
function recordLength(text: string, delimiter: string, end: string): number {
  for (let i = 0; ; ) {
    const closed = /^"[^"]*(?:""[^"]*)*"/.exec(text.slice(i))?.[0].length ?? 0;
    if (['', delimiter, '\n', '\r'].includes(text[i + closed] ?? '')) i += closed;
    while (i < text.length && text[i] !== delimiter && text[i] !== end) i++;
    if (i >= text.length) return i;
    i++;
    if (text[i - 1] === end) return i;
  }
}

/** The fields of a record; null where a quote stands elsewhere than RFC 4180 has it. */
function fieldsOf(raw: string, delimiter: string): Piece['fields'] {
  const fields: { text: string; isQuoted: boolean }[] = [];
  for (let at = 0; ; at++) {
    const rest = raw.slice(at);
    const quoted = /^"([^"]*(?:""[^"]*)*)"/.exec(rest);
    if (quoted) {
      fields.push({ text: (quoted[1] ?? '').replaceAll('""', '"'), isQuoted: true });
      at += quoted[0].length;
    } else {
      const next = rest.indexOf(delimiter);
      const text = next < 0 ? rest : rest.slice(0, next);
      if (/["\r\n]/.test(text)) return null;
      fields.push({ text, isQuoted: false });
      at += text.length;
    }
    if (at >= raw.length) return fields;
    if (raw[at] !== delimiter) return null;
  }
}
