/**
 * Reads a sheet of an Excel file (.xlsx) as a CSV. The directory, the workbook and its formats are read here alone; glue/sluice/xlsx.py reads the
 * same parts to the same CSV. https://ecma-international.org/publications-and-standards/standards/ecma-376/ (18.3, 18.4, 18.8)
 */
import type { SaxesTagPlain } from 'saxes';
import type { Member, XlsxConversion } from '../model/layout.ts';
import type { ReasonCode } from '../model/plan.ts';
import { ArchiveBroken, ConversionFailed } from './packedBytes.ts';
import { textOf } from './textOf.ts';
import { localName, openXmlParser } from './xml.ts';
import { entriesOf, type RangedFile, TooManyMembers } from './zip.ts';

/** The limits of a sheet that Excel itself has. */
const mostRows = 1_048_576;
const mostColumns = 16_384;
/** The largest parts that are read whole, in bytes of XML: the workbook and its formats; the shared texts. */
const mostOfPart = 16 * 1024 * 1024;
const mostOfStrings = 128 * 1024 * 1024;
/** The largest sheet, in bytes of XML. */
const mostOfSheet = 2 * 1024 * 1024 * 1024;
/** The longest text of a cell in characters, with room beyond Excel's 32,767. */
const longestText = 1024 * 1024;

/** Unpacks a member of the archive. */
export type ReadMember = (member: Member) => AsyncIterable<Uint8Array>;

/** Old Excel files, and those with a password, are compound files of OLE. */
export const isCompoundFile = (head: Uint8Array): boolean =>
  Buffer.from(head.subarray(0, 8)).equals(Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]));

/** How the sheet of a workbook is read, or why it cannot be. `wanted`: its name, its place from 1, or undefined for the first. */
export async function sheetOf(
  file: RangedFile,
  wanted: string | number | undefined,
  read: ReadMember,
): Promise<XlsxConversion | ReasonCode> {
  try {
    const entries = await entriesOf(file);
    const members = new Map<string, Member>();
    for (const { member, fault } of entries) {
      if (fault !== null) return fault;
      members.set(member.name.replace(/^\//, '').toLowerCase(), member);
    }
    const part = (path: string) => members.get(path.toLowerCase());
    const tagsIn = async (path: string): Promise<Tag[] | null> => {
      const member = part(path);
      if (member === undefined) return null;
      if (member.unpacked > mostOfPart) throw new ConversionFailed('archive_too_large');
      return tagsOf(read(member));
    };
    const links = await tagsIn('_rels/.rels');
    const workbook = targetOf(links ?? [], '', 'officeDocument') ?? 'xl/workbook.xml';
    const [folder, name] = [
      workbook.slice(0, workbook.lastIndexOf('/') + 1),
      workbook.slice(workbook.lastIndexOf('/') + 1),
    ];
    const book = await tagsIn(workbook);
    const related = await tagsIn(`${folder}_rels/${name}.rels`);
    if (book === null || related === null) return 'invalid_document';
    const sheets = book.flatMap(({ name: tag, attributes }) => {
      if (tag !== 'sheet') return [];
      const id = attributes.get('id') ?? '';
      const link = related.find((r) => r.name === 'Relationship' && r.attributes.get('Id') === id);
      // A chart has a sheet of its own, without cells.
      return link !== undefined && !/\/worksheet$/.test(link.attributes.get('Type') ?? '')
        ? []
        : [
            {
              name: attributes.get('name') ?? '',
              target: pathOf(folder, link?.attributes.get('Target') ?? ''),
            },
          ];
    });
    const chosen =
      typeof wanted === 'string' ? sheets.find((sheet) => sheet.name === wanted) : sheets[(wanted ?? 1) - 1];
    if (chosen === undefined) return 'records_missing';
    const sheet = part(chosen.target);
    if (sheet === undefined) return 'invalid_document';
    const strings = part(targetOf(related, folder, 'sharedStrings') ?? '') ?? null;
    if (sheet.unpacked > mostOfSheet || (strings?.unpacked ?? 0) > mostOfStrings) return 'archive_too_large';
    const styles = await tagsIn(targetOf(related, folder, 'styles') ?? '');
    const is1904 = book.some(
      ({ name: tag, attributes }) => tag === 'workbookPr' && isTrue(attributes.get('date1904')),
    );
    return { kind: 'xlsx', sheet, strings, ...dateFormats(styles ?? []), is1904 };
  } catch (error) {
    if (error instanceof TooManyMembers) return 'archive_too_large';
    if (error instanceof ArchiveBroken) return 'broken_archive';
    if (error instanceof ConversionFailed) return error.fault;
    throw error;
  }
}

interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** How deep it is. */
  readonly depth: number;
}

const isTrue = (text: string | undefined): boolean => text === '1' || text === 'true';

/** No part of an Excel file has a document type. */
const openParser = () => openXmlParser(() => false);

/** The elements of a small part, without prefixes. */
async function tagsOf(source: AsyncIterable<Uint8Array>): Promise<Tag[]> {
  const tags: Tag[] = [];
  let depth = 0;
  const parser = openParser();
  parser.on('opentag', (tag: SaxesTagPlain) => {
    const attributes = Object.entries(tag.attributes).map(([key, value]) => [localName(key), value] as const);
    tags.push({ name: localName(tag.name), attributes: new Map(attributes), depth: depth++ });
  });
  parser.on('closetag', () => {
    depth--;
  });
  for await (const text of textOf(source, null)) if (text !== '') parser.write(text);
  parser.close();
  return tags;
}

/** The path of a part by the type of its relationship, such as `styles`. */
function targetOf(links: readonly Tag[], folder: string, type: string): string | undefined {
  const link = links.find(
    ({ name, attributes }) => name === 'Relationship' && (attributes.get('Type') ?? '').endsWith(`/${type}`),
  );
  const target = link?.attributes.get('Target');
  return target === undefined ? undefined : pathOf(folder, target);
}

/** A path of a relationship, which is absolute or below the folder. */
function pathOf(folder: string, target: string): string {
  const parts: string[] = [];
  for (const part of (target.startsWith('/') ? target : folder + target).split('/'))
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  return parts.join('/');
}

/** The numbers of the cell formats whose number format is a date or a time, and of those with a time. */
function dateFormats(styles: readonly Tag[]): Pick<XlsxConversion, 'dates' | 'times'> {
  const codes = new Map(
    styles.flatMap(({ name, attributes }) =>
      name === 'numFmt' ? [[Number(attributes.get('numFmtId')), attributes.get('formatCode') ?? '']] : [],
    ),
  );
  const start = styles.findIndex(({ name }) => name === 'cellXfs');
  if (start < 0) return { dates: [], times: [] };
  const within = (styles[start]?.depth ?? 0) + 1;
  const end = styles.findIndex(({ depth }, i) => i > start && depth < within);
  const formats = styles
    .slice(start + 1, end < 0 ? undefined : end)
    .filter(({ name, depth }) => name === 'xf' && depth === within)
    .map(({ attributes }) => partsOf(Number(attributes.get('numFmtId') ?? 0), codes));
  const those = (is: (parts: string) => boolean) => formats.flatMap((parts, i) => (is(parts) ? [i] : []));
  return { dates: those((parts) => parts !== ''), times: those((parts) => /[hs]/.test(parts)) };
}

/**
 * The letters of a number format that are parts of a time, of built-in formats, also those of East Asia (ECMA-376, 18.8.30), and of codes outside
 * quotes; '' for other formats.
 */
function partsOf(id: number, codes: ReadonlyMap<number, string>): string {
  const code = codes.get(id);
  if (code === undefined) {
    if ((id >= 18 && id <= 22) || (id >= 45 && id <= 47)) return 'hms';
    return (id >= 14 && id <= 17) || (id >= 27 && id <= 36) || (id >= 50 && id <= 58) ? 'dmy' : '';
  }
  const [first = ''] = code
    .toLowerCase()
    .replaceAll(/"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]|general/g, '')
    .split(';');
  return first.replaceAll(/[^dmyhs]/g, '');
}

/** The sheet as a CSV (RFC 4180): texts in quotes, everything else without. Throws ConversionFailed. */
export async function* sheetLines(
  read: ReadMember,
  { sheet, strings, dates, times, is1904 }: XlsxConversion,
): AsyncGenerator<Buffer> {
  const shared = strings === null ? [] : await textsOf(read(strings));
  const lines: string[] = [];
  const formats = { dates: new Set(dates), times: new Set(times), is1904 };
  const parser = rowParser(shared, formats, (line) => lines.push(line));
  for await (const text of textOf(read(sheet), null)) {
    if (text !== '') parser.write(text);
    if (lines.length > 0) yield Buffer.from(`${lines.splice(0).join('\n')}\n`);
  }
  parser.close();
  if (lines.length > 0) yield Buffer.from(`${lines.join('\n')}\n`);
}

/** The shared texts. Of rich text, the parts together; how it is pronounced is left out. */
async function textsOf(source: AsyncIterable<Uint8Array>): Promise<string[]> {
  const texts: string[] = [];
  const parser = openParser();
  let text: string | null = null;
  let isText = false;
  let isSpoken = false;
  parser.on('opentag', ({ name }) => {
    const tag = localName(name);
    if (tag === 'si') text = '';
    if (tag === 'rPh') isSpoken = true;
    isText = tag === 't' && !isSpoken;
  });
  const add = (part: string) => {
    if (text === null || !isText) return;
    text += part;
    if (text.length > longestText) throw new ConversionFailed('record_too_large');
  };
  parser.on('text', add);
  parser.on('cdata', add);
  parser.on('closetag', ({ name }) => {
    const tag = localName(name);
    if (tag === 'si' && text !== null) {
      texts.push(unescaped(text));
      text = null;
    }
    if (tag === 'rPh') isSpoken = false;
    isText = false;
  });
  for await (const part of textOf(source, null)) if (part !== '') parser.write(part);
  parser.close();
  return texts;
}

/** Excel writes characters that XML does not have as `_x000D_`. */
const unescaped = (text: string): string =>
  text.includes('_x')
    ? text.replaceAll(/_x([0-9A-Fa-f]{4})_/g, (written, hex: string) => {
        const code = Number.parseInt(hex, 16);
        return code === 0 || (code >= 0xd800 && code <= 0xdfff) ? written : String.fromCharCode(code);
      })
    : text;

/** The formats of a workbook's cells. */
interface Formats {
  readonly dates: ReadonlySet<number>;
  readonly times: ReadonlySet<number>;
  readonly is1904: boolean;
}

function rowParser(shared: readonly string[], formats: Formats, give: (line: string) => void) {
  const parser = openParser();
  let isWithin = false;
  let row = 0;
  let cells: string[] | null = null;
  let column = 0;
  let type = '';
  let style = 0;
  let value: string | null = null;
  let isValue = false;
  let isSpoken = false;
  const fail = () => {
    throw new ConversionFailed('invalid_document');
  };
  parser.on('opentag', ({ name, attributes }) => {
    const tag = localName(name);
    if (tag === 'sheetData') isWithin = true;
    if (!isWithin) return;
    if (tag === 'row') {
      const next = attributes.r === undefined ? row + 1 : numberOf(attributes.r);
      if (next <= row || next > mostRows) fail();
      // A row that is not there is a blank line.
      while (++row < next) give('');
      cells = [];
      column = -1;
    } else if (tag === 'c') {
      const at = attributes.r === undefined ? column + 1 : columnOf(attributes.r);
      if (cells === null || at <= column || at >= mostColumns) fail();
      column = at;
      type = attributes.t ?? 'n';
      style = numberOf(attributes.s ?? '0');
      value = null;
    } else if (tag === 'rPh') isSpoken = true;
    isValue = (tag === 'v' && type !== 'inlineStr') || (tag === 't' && type === 'inlineStr' && !isSpoken);
    if (isValue) value ??= '';
  });
  const add = (part: string) => {
    if (!isValue) return;
    value = (value ?? '') + part;
    if (value.length > longestText) throw new ConversionFailed('record_too_large');
  };
  parser.on('text', add);
  parser.on('cdata', add);
  parser.on('closetag', ({ name }) => {
    const tag = localName(name);
    isValue = false;
    if (tag === 'rPh') isSpoken = false;
    else if (tag === 'sheetData') isWithin = false;
    else if (tag === 'c' && cells !== null && value !== null) {
      const written = cellText({ type, style, value }, shared, formats);
      if (written === null) fail();
      else if (written !== '') {
        while (cells.length < column) cells.push('');
        cells.push(written);
      }
    } else if (tag === 'row' && cells !== null) {
      give(cells.join(','));
      cells = null;
    }
  });
  return parser;
}

/** A whole number of a few digits; -1 for any other text. */
const numberOf = (text: string): number => (/^\d{1,9}$/.test(text) ? Number(text) : -1);

/** The column of a reference such as AB12, from 0; -1 if it is none. */
function columnOf(reference: string): number {
  const [, letters = ''] = /^\$?([A-Z]{1,3})\$?\d{1,7}$/.exec(reference) ?? [];
  let column = 0;
  for (const letter of letters) column = column * 26 + letter.charCodeAt(0) - 64;
  return column - 1;
}

/** A cell in the CSV; null if it is not valid. An error such as #N/A is a text. */
function cellText(
  { type, style, value }: { readonly type: string; readonly style: number; readonly value: string },
  shared: readonly string[],
  { dates, times, is1904 }: Formats,
): string | null {
  switch (type) {
    case 's': {
      const text = shared[numberOf(value)];
      return text === undefined ? null : quoted(text);
    }
    case 'str':
    case 'inlineStr':
      return quoted(unescaped(value));
    case 'e':
      return quoted(value);
    case 'b':
      return value === '' ? '' : isTrue(value) ? 'true' : 'false';
    case 'd':
      return /^[0-9TZ:.+-]*$/.test(value) ? value : null;
    case 'n': {
      if (value === '') return '';
      if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)) return null;
      const number = Number(value);
      const time = dates.has(style) ? timeText(number, is1904, times.has(style)) : null;
      return time ?? numberText(number);
    }
    default:
      return null;
  }
}

const quoted = (text: string): string => (text === '' ? '' : `"${text.replaceAll('"', '""')}"`);

/** A number with the 15 digits that Excel shows, since it stores 1.1 as 1.1000000000000001. */
export function numberText(value: number): string | null {
  if (!Number.isFinite(value)) return null;
  const [mantissa = '', power = '0'] = value.toExponential(14).split('e');
  const digits = mantissa.replace(/[-.]/g, '').replace(/0+$/, '');
  if (digits === '') return '0';
  const sign = value < 0 ? '-' : '';
  const point = Number(power) + 1;
  if (point < -5 || point > 21)
    return `${sign}${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${Number(power)}`;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (digits.length <= point) return `${sign}${digits.padEnd(point, '0')}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

const dayMs = 86_400_000;
/** 9999-12-31, in days since 1970. */
const lastDay = 2_932_896;

/**
 * A day, a time of a day, or both; null if there is no such day. Days are counted from 1899-12-31, and Excel has a 29th of February in
 * 1900, which is no day.
 */
export function timeText(value: number, is1904: boolean, hasTime: boolean): string | null {
  const scaled = value * dayMs + 0.5;
  if (!(scaled >= 0 && scaled < 2_958_466 * dayMs)) return null;
  const ms = Math.floor(scaled);
  const time = ms % dayMs;
  const days = (ms - time) / dayMs;
  const two = (n: number) => String(n).padStart(2, '0');
  const rest = time % 1000;
  const clock = `${two(Math.floor(time / 3_600_000))}:${two(Math.floor(time / 60_000) % 60)}:${two(Math.floor(time / 1000) % 60)}${rest === 0 ? '' : `.${String(rest).padStart(3, '0')}`}`;
  if (days === 0 && !is1904) return clock;
  if (days === 60 && !is1904) return null;
  const first = is1904 ? -24_107 : days < 60 ? -25_568 : -25_569;
  // Days of 1904 may lead beyond the last year of a date.
  if (days + first > lastDay) return null;
  const day = new Date((days + first) * dayMs).toISOString().slice(0, 10);
  return time === 0 && !hasTime ? day : `${day}T${clock}`;
}
