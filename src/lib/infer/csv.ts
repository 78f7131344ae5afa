/** Infers the notation of a CSV sample: the options that read most of it, whether its first record is a header, and notes on oddities. */
import { isDeepStrictEqual } from 'node:util';
import { type Contract, whitespace } from '../contract/schema.ts';
import { counted } from '../counted.ts';
import { csvOf, firstRecord } from '../dialect/csv.ts';
import { joinedNames, namesOf } from '../engine/csvStart.ts';
import { nullMarkers, valueOfField } from './column.ts';
import { changedSample, type Question, type Sample } from './source.ts';
import { timeOfTexts } from './time.ts';

type Csv = NonNullable<Contract['source']['csv']>;
/** The options for a contract, without defaults. */
type Options = { -readonly [K in keyof Csv]?: Csv[K] };

/** The number of characters that are read with each set of options. The best set then reads the whole sample. */
const triedLength = 256 * 1024;
/** The maximum number of records that are read. */
const mostRecords = 100_000;

/** The fields of a record. */
type Row = readonly string[];

/** Which fields of a row are in quotes: there an empty text is a value, and `nullText` does not count. */
const quotedIn = new WeakMap<Row, ReadonlySet<number>>();

/** A record of a CSV: its fields, or null if it is invalid, and the number of lines before it. */
interface Piece {
  readonly fields: Row | null;
  readonly line: number;
}

/** Reads a text as a CSV; null if it does not have two fields. `encoding`: that of the file, if it is not UTF-8. */
export function sampleOfCsv(text: string, encoding?: Csv['encoding']): Sample | null {
  const lineEnd = /\r(?!\n)/.test(text) && !text.includes('\n') ? '\r' : '\n';
  const start = text.length > triedLength ? text.slice(0, text.lastIndexOf(lineEnd, triedLength) + 1) : text;
  const best = bestOf(waysOf(start), start, lineEnd) ?? bestOf(strayWaysOf(start), start, lineEnd);
  if (best === null) return null;
  const base: Options = { ...(encoding === undefined ? {} : { encoding }), ...best.options };
  const notes =
    encoding === undefined ? [] : [`The file is not UTF-8: ${encoding} reads it, and may be another.`];
  const isStray = base.strayQuotes === 'keep';
  const pieces = piecesOf(text, base, lineEnd, isStray ? best.width : null);
  const width = widthOf(pieces, best.width);
  if (!isStray && isSpaced(pieces, width)) {
    const trimming: Options = { ...base, trimFields: true };
    const note = 'Each field is beside a space: trimFields removes white space around fields.';
    return tabled(piecesOf(text, trimming, lineEnd), width, trimming, [...notes, note]);
  }
  if (isStray)
    notes.push('Many records have a quote in the wrong place: strayQuotes: keep reads it as text.');
  const broken = brokenIn(pieces);
  if (broken > 0 && !isStray) {
    const keeping: Options = { ...base, strayQuotes: 'keep' };
    const kept = piecesOf(text, keeping, lineEnd, width);
    const mended = broken - brokenIn(kept);
    const note = `${counted(mended, 'record')} ${mended === 1 ? 'has' : 'have'} a quote in the wrong place: strayQuotes: keep reads it as text.`;
    if (mended > 0) return tabled(kept, width, keeping, [...notes, note]);
  }
  return tabled(pieces, width, base, notes);
}

/** Whether each field has a space before it, as in `1, Ann, 5`, apart from the first ones and empty ones. */
function isSpaced(pieces: readonly Piece[], width: number): boolean {
  const rows = pieces.flatMap(({ fields }) => (fields?.length === width ? [fields.slice(1)] : []));
  return (
    rows.length > 1 &&
    rows.some((row) => row.some((field) => field.trim() !== '')) &&
    rows.every((row) => row.every((field) => field === '' || /^[ \t]/.test(field)))
  );
}

const brokenIn = (pieces: readonly Piece[]): number => pieces.filter(({ fields }) => fields === null).length;

/** Reads the rows of an Excel sheet, given as a CSV whose rows end with their last cell. `place`: of the sheet, from 1. */
export function sampleOfSheet(text: string, place: number): Sample | null {
  const pieces = piecesOf(text, {}, '\n');
  const width = Math.max(0, ...pieces.map(({ fields }) => fields?.length ?? 0));
  const isHeader = ({ fields }: Piece) =>
    (fields ?? []).filter((field) => field !== '').length > width / 2 || width === 1;
  const first = pieces.findIndex(isHeader);
  const padded = pieces.map(({ fields, line }, i) => ({
    line,
    fields: i < first ? fields : Array.from({ length: width }, (_, n) => fields?.[n] ?? ''),
  }));
  const sample = first < 0 ? null : tabled(padded, width, {}, []);
  const { line = 0, fields: header } = pieces[first] ?? {};
  const names = namesOf(padded[first]?.fields ?? []);
  // Cells beside the last name belong to no field, so all names are listed.
  const listed = (header?.length ?? 0) < width ? { header: names, skipLines: line + 1 } : {};
  return sample && changedSample(sample, (each) => ofSheet(each, place, listed));
}

function ofSheet(
  { source, ...sample }: Sample,
  place: number,
  listed: Pick<Options, 'header' | 'skipLines'>,
): Sample {
  const csv: Options = source.csv ?? {};
  const { header, skipLines, skipFooter } = csv.header === undefined ? { ...csv, ...listed } : csv;
  const sheet = place === 1 ? undefined : place;
  const options = Object.entries({ sheet, header, skipLines, skipFooter }).filter(
    ([, value]) => value !== undefined,
  );
  const xlsx = options.length === 0 ? {} : { xlsx: Object.fromEntries(options) };
  return {
    ...sample,
    notes: [`Sheet ${place} is read; source.xlsx.sheet names another.`, ...sample.notes],
    source: { formats: ['xlsx'], ...xlsx } as Partial<Contract['source']>,
  };
}

/** Finds header and rows in the pieces of a file, the lines before and after them, and the lines that do not fit. */
function tabled(
  pieces: readonly Piece[],
  width: number,
  base: Options,
  found: readonly string[],
): Sample | null {
  const options: Options = { ...base };
  const notes = [...found];
  const isRow = ({ fields }: Piece) => fields?.length === width;
  const first = firstRow(pieces, width);
  const last = pieces.findLastIndex(isRow);
  if (first < 0) return null;
  const top = pieces[first]?.line ?? 0;
  if (first > 0) {
    options.skipLines = top;
    notes.push(
      `The first ${counted(top, 'line')} ${top === 1 ? 'has' : 'have'} other fields than the rest, or almost none: skipLines leaves ${top === 1 ? 'it' : 'them'} out.`,
    );
  }
  const footer = footerOf(pieces, first, last, isRow);
  if (footer > 0) {
    options.skipFooter = footer;
    const looks = footer === 1 ? 'record looks' : `${footer} records look`;
    notes.push(`The last ${looks} like a footer: skipFooter leaves ${footer === 1 ? 'it' : 'them'} out.`);
  }
  const all = pieces.slice(first, pieces.length - footer);
  const further = furtherTable(all, width);
  if (further !== null) notes.push(further.note);
  const table = further === null ? all : all.toSpliced(further.start, further.end - further.start);
  const isTrailing = (fields: Row) => fields.length > width && fields.slice(width).every((f) => f === '');
  const rows = table.flatMap(({ fields }) => {
    if (fields === null || fields.length < width) return [];
    return fields.length === width ? [fields] : isTrailing(fields) ? [cutTo(fields, width)] : [];
  });
  const count = (is: (fields: readonly string[]) => boolean) =>
    table.filter(({ fields }) => fields !== null && is(fields)).length;
  const short = count((fields) => fields.length < width);
  const trailing = count(isTrailing);
  const long = count((fields) => fields.length > width) - trailing;
  const broken = table.filter(({ fields }) => fields === null).length;
  if (short > 0)
    notes.push(
      `${short} records have fewer than ${width} fields: they go to quarantine, or with shortRows: pad lack the last.`,
    );
  if (trailing > 0) {
    options.longRows = 'trim';
    notes.push(
      `${counted(trailing, 'record')} ${trailing === 1 ? 'has' : 'have'} more than ${width} fields, of which the further ones are empty: longRows: trim leaves them out.`,
    );
  }
  if (long > 0) notes.push(`${long} records have more than ${width} fields: they go to quarantine.`);
  if (broken > 0) notes.push(`${broken} records have a quote in the wrong place: they go to quarantine.`);
  return withHeader(rows, options, notes);
}

/** A table below the first one: its first record, the record behind its last, and a note. A contract reads one table of a file. */
interface FurtherTable {
  readonly start: number;
  readonly end: number;
  readonly note: string;
}

function furtherTable(table: readonly Piece[], width: number): FurtherTable | null {
  const isNamed = (names: Row, from: number, to: number) => {
    const rows = table
      .slice(from, Math.min(to, from + mostCompared))
      .flatMap(({ fields }) => (fields === null ? [] : [fields]));
    return hasHeader(names, rows) === 'yes';
  };
  for (const [start, { fields, line }] of table.entries()) {
    // The first lines may be a header of several lines.
    if (start < mostHeaderRows || fields === null || fields.length < 2) continue;
    if (fields.length === width) {
      if (isDeepStrictEqual(fields, table[0]?.fields) && isNamed(fields, 1, start))
        return {
          start,
          end: start,
          note: `Line ${line + 1} has the names of the first line again: it is read as a record.`,
        };
      continue;
    }
    if (table[start - 1]?.fields?.length === fields.length) continue;
    const behind = table.findIndex(
      (other, i) => i > start && other.fields !== null && other.fields.length !== fields.length,
    );
    const end = behind < 0 ? table.length : behind;
    if (end > start + 2 && isNamed(fields, start + 1, end))
      return {
        start,
        end,
        note: `In line ${line + 1} another table begins, with ${fields.length} fields: a contract reads one table, so ${end - start} records go to quarantine.`,
      };
  }
  return null;
}

/** The place of the first row of the table. Above a header may be rows with a text in the first field at most, as a spreadsheet writes a title. */
function firstRow(pieces: readonly Piece[], width: number): number {
  const first = pieces.findIndex(({ fields }) => fields?.length === width);
  const isTitle = ({ fields }: Piece) => fields?.slice(1).every((field) => field.trim() === '');
  const rows = pieces.flatMap((piece, i) => (piece.fields?.length === width ? [{ ...piece, i }] : []));
  const place = rows.findIndex((row) => !isTitle(row));
  if (width < 3 || place < 1 || place > mostTitles) return first;
  const [header, ...others] = rows.slice(place);
  // Without a header, they may be the first rows of the table.
  const isHeader = hasHeader(
    header?.fields ?? [],
    others.flatMap(({ fields }) => (fields === null ? [] : [fields])),
  );
  return isHeader === 'yes' ? (header?.i ?? first) : first;
}

const mostTitles = 10;

/** The first fields of a row. */
function cutTo(row: Row, width: number): Row {
  const cut = row.slice(0, width);
  const quoted = quotedIn.get(row);
  if (quoted !== undefined) quotedIn.set(cut, quoted);
  return cut;
}

/** The width of the table: that of its header, if the rows have only empty fields behind it, as from a delimiter at the end of a line. */
function widthOf(pieces: readonly Piece[], width: number): number {
  const first = pieces.findIndex(({ fields }) => fields?.length === width);
  const header = pieces[first - 1]?.fields?.length ?? 0;
  const rows = pieces.filter(({ fields }) => fields?.length === width);
  const isNarrow = header > 1 && rows.every(({ fields }) => fields?.slice(header).every((f) => f === ''));
  return isNarrow && header < width ? header : width;
}

/** The number of records at the end that form a footer: a total, or lines with one field below rows with more fields. */
function footerOf(
  pieces: readonly Piece[],
  first: number,
  last: number,
  isRow: (piece: Piece) => boolean,
): number {
  const rows = pieces.slice(first, last + 1);
  const below = pieces.slice(last + 1);
  const isClear = rows.length > 3 && rows.every(isRow) && below.length <= 10;
  if (!isClear || below.some(({ fields }) => fields?.slice(1).some((field) => field !== ''))) return 0;
  const total = /^((grand|sub)[ -]?)?(total|sum|summe|gesamt|insgesamt|totale)\b/i;
  return below.length + (total.test((pieces[last]?.fields?.[0] ?? '').trim()) ? 1 : 0);
}

/** A sample with the first rows as header, the first row alone, or none, for a person to choose. */
function withHeader(
  rows: readonly (readonly string[])[],
  options: Options,
  notes: readonly string[],
): Sample {
  const lines = headerRows(rows);
  const one = withOneHeader(rows, options, notes);
  if (lines === 1) return one;
  const header = { rows: lines, join: ' ', spans: hasSpans(rows.slice(0, lines - 1)), anyCase: false };
  const several = sampleOf(
    { ...options, header: { rows: lines, ...(header.spans ? { spans: true } : {}) } as Csv['header'] },
    namesOf(joinedNames(rows.slice(0, lines), header)),
    rows.slice(lines),
    [...notes, `The first ${lines} lines are taken for names, whose parts are joined.`],
  );
  const first = (rows[0] ?? []).join(options.delimiter ?? ',').slice(0, 60);
  const choices = [
    { name: 'several', sample: several },
    { name: 'one', sample: one },
  ];
  const text = `do the first ${lines} lines (${first}, …) hold names, or does one (several, one)`;
  return { ...several, question: { text, options: choices } };
}

/** The most lines with names that are looked for. */
const mostHeaderRows = 3;
/** The number of rows that they are compared with. */
const mostCompared = 200;

/** The number of rows at the start with texts alone, above columns that have no texts. */
function headerRows(rows: readonly (readonly string[])[]): number {
  const width = rows[0]?.length ?? 0;
  const isTyped = (row: readonly string[], i: number) => {
    const kind = kindOfField(row[i] ?? '');
    return kind === 'number' || kind === 'time';
  };
  const columns = Array.from({ length: width }, (_, i) => i);
  for (let lines = mostHeaderRows; lines > 1; lines--) {
    const [above, below] = [rows.slice(0, lines), rows.slice(lines, lines + mostCompared)];
    const isText = (row: Row) => !columns.some((i) => isTyped(row, i));
    const isNames = above.every((row, n) => isText(row) || (n > 0 && isYears(row, above.slice(0, n), below)));
    if (below.length < 2 || !isNames) continue;
    const typed = columns.filter(
      (i) =>
        below.some((row) => isTyped(row, i)) &&
        below.every((row) => isTyped(row, i) || kindOfField(row[i] ?? '') === 'none'),
    );
    // Each line names a part of such columns, and each of them has a name.
    const isNamed = above.every((row) => typed.some((i) => (row[i] ?? '').trim() !== ''));
    const isWhole = typed.every((i) => above.some((row) => (row[i] ?? '').trim() !== ''));
    // In one column, a text above numbers may be a value.
    const isLikely = typed.length > 1 || hasSpans(above.slice(0, -1));
    if (typed.length > 0 && isNamed && isWhole && isLikely) return lines;
  }
  return 1;
}

const isYear = (text: string): boolean => /^(18|19|20|21)\d\d$/.test(text.trim());

/** Whether a row has years as names: below parts that stand above several fields, and above numbers that are not years. */
function isYears(row: Row, above: readonly Row[], below: readonly Row[]): boolean {
  const places = row.flatMap((field, i) => (kindOfField(field) === 'number' ? [i] : []));
  const values = below.flatMap((other) => places.map((i) => other[i] ?? ''));
  const others = values.filter((value) => value.trim() !== '' && !isYear(value));
  return (
    places.length > 1 &&
    places.every((i) => isYear(row[i] ?? '')) &&
    hasSpans(above) &&
    others.length > values.length / 2
  );
}

/** Whether a part stands above several fields: in the first of them, and the others are empty. */
const hasSpans = (above: readonly (readonly string[])[]): boolean =>
  above.some((row) => row.some((part, i) => i > 0 && part.trim() === '' && (row[i - 1] ?? '').trim() !== ''));

/** A sample with the first row as header, as data, or both for a person to choose. */
function withOneHeader(
  rows: readonly (readonly string[])[],
  options: Options,
  notes: readonly string[],
): Sample {
  const [first = [], ...others] = rows;
  const header = namesOf(first);
  // A delimiter at the end of each line makes a field without name and values.
  const isNothing = (i: number) => first[i]?.trim() === '' && others.every((row) => row[i] === '');
  const renamed = header.filter((name, i) => name !== first[i] && !isNothing(i));
  const read = header.map((name, i) => (isNothing(i) ? null : name));
  const named = sampleOf(options, read, others, [
    ...notes,
    ...(renamed.length > 0 ? [`Fields without a name of their own are called ${renamed.join(', ')}.`] : []),
  ]);
  const names = first.map((_, i) => `column_${i + 1}`);
  const unnamed = sampleOf({ ...options, header: names }, names, rows, [
    ...notes,
    'The first line is taken for data: no line names the fields. Rename them in header and in the paths.',
  ]);
  const verdict = hasHeader(first, others);
  if (verdict === 'yes') return named;
  const choices = [
    { name: 'names', sample: named },
    { name: 'data', sample: unnamed },
  ];
  if (verdict === 'no') choices.reverse();
  const question: Question = {
    text: `does the first line (${first.join(options.delimiter ?? ',').slice(0, 60)}) hold names or data (names, data)`,
    options: choices,
  };
  return { ...(choices[0]?.sample ?? named), question };
}

/** The possible options for a text. The most common come first and win ties. */
function waysOf(text: string): Options[] {
  const [, separator] = /^sep=(.)\r?(?:\n|\r|$)/u.exec(text) ?? [];
  const lines = text.split(/\r\n|\n|\r/, 50).filter((line) => line.trim() !== '');
  const rules = lines.filter((line) => ruleLine.test(line));
  const isMark = (mark: string) =>
    lines.every((line) => rules.includes(line) || !line.startsWith(mark)) && mark.trim() === mark;
  const ruleMarks = [...new Set(rules.map((line) => line.slice(0, 2)))].filter(isMark);
  const asides = [
    ...new Set(['#', '//', '--', ...ruleMarks].filter((mark) => lines.some((line) => line.startsWith(mark)))),
  ];
  const long = ['||', '::', '|~|', '~|~', ';;', '^^', '~~'];
  const single = [',', ';', '\t', '|', ':', '^', '~', '\u0001', ' '];
  // If it is doubled everywhere in the first line, the delimiter has two characters.
  const doubled = long.filter((mark) => lines.some((line) => line.includes(mark)));
  const marks =
    separator === undefined
      ? [
          ...single.filter((mark) => lines.some((line) => line.includes(mark))),
          ...(lines.some((line) => /^[ \t]|[ \t]{2}/.test(line)) ? [whitespace] : []),
          ...doubled,
        ]
      : [separator];
  const comments: Options[] = [{}, ...asides.map((comment) => ({ comment }))];
  return comments.flatMap((comment) =>
    marks.flatMap((delimiter) => {
      const own: Options = { ...comment, ...(delimiter === ',' ? {} : { delimiter }) };
      const mark = RegExp.escape(delimiter);
      const has = (pattern: string) => new RegExp(pattern, 'm').test(text);
      const ways: Options[] = [own];
      if (has(`\\\\"`)) ways.push({ ...own, escape: '\\' });
      if (has(`${mark}[ \\t]+"`) && !/^[ \t]$/.test(delimiter)) ways.push({ ...own, trimFields: true });
      if (has(`(?:^|${mark})'[^']*'(?:${mark}|\\r?$)`)) ways.push({ ...own, quote: "'" });
      if (has('"')) ways.push({ ...own, quote: 'none' });
      if (has(`\\\\(?:${mark}|$)`)) {
        const marker = has(`(?:^|${mark})\\\\N(?:${mark}|\\r?$)`) ? { nullText: '\\N' } : {};
        ways.push({ ...own, quote: 'none', escape: '\\', ...marker });
      }
      return ways;
    }),
  );
}

/** A line that programs draw below a header, such as `----+-----`. */
const ruleLine = /^(?=.*--)[-+|=:,; \t]+$/;
const isRule = (fields: Row): boolean =>
  fields.some((field) => field.trim() !== '') &&
  fields.every((field) => /^\s*(?::?-{2,}:?)?\s*$/.test(field));

/** The same with stray quotes as text, for a text in which most records have some. */
const strayWaysOf = (text: string): Options[] =>
  waysOf(text).flatMap((options): Options[] =>
    options.quote === 'none' ? [] : [{ ...options, strayQuotes: 'keep' }],
  );

/** The options that read most of a text; null if most lines do not fit any, because it is not a CSV then. */
function bestOf(ways: readonly Options[], text: string, lineEnd: string): Try | null {
  const tries = ways.flatMap((options) => tryOf(text, options, lineEnd) ?? []);
  const [best] = tries.sort((a, b) => b.share - a.share || b.cells - a.cells);
  return best === undefined || best.fit < 0.5 ? null : best;
}

interface Try {
  readonly options: Options;
  readonly width: number;
  /** The number of pieces with the most common number of fields. */
  readonly fit: number;
  /** The same, with a malus for unusual options. */
  readonly share: number;
  readonly cells: number;
}

/** How well options read a text. */
function tryOf(text: string, options: Options, lineEnd: string): Try | null {
  const isStray = options.strayQuotes === 'keep';
  const [first] = isStray ? piecesOf(text.slice(0, longestRecord), options, lineEnd) : [];
  const pieces = piecesOf(text, options, lineEnd, first?.fields?.length ?? null);
  const widths = new Map<number, number>();
  for (const { fields } of pieces)
    if (fields !== null && !isRule(fields)) widths.set(fields.length, (widths.get(fields.length) ?? 0) + 1);
  // Takes the largest of the common numbers, because a preamble may have more lines than the table.
  const [[width, count] = [0, 0]] = [...widths].sort(([a, m], [b, n]) => n * (b - 1) - m * (a - 1));
  if (width < 2) return null;
  const fit = count / pieces.length;
  const rows = pieces.filter(({ fields }) => fields?.length === width);
  const isEmptyBetween = rows.every(({ fields }) =>
    fields?.some((field, i) => field === '' && i > 0 && i < width - 1),
  );
  // Quotes are text only if they do not enclose fields. Prose in quotes would have a field more for each of its delimiters.
  if (options.quote === 'none' && rows.some(({ fields }) => fields?.some((field) => field.includes('"')))) {
    const { delimiter = ',' } = options;
    const enclosing = enclosingQuotes(delimiter);
    if (rows.every(({ fields }) => enclosing.test(fields?.join(delimiter) ?? ''))) return null;
  }
  // Spaces and colons occur in texts without separating fields.
  const isDoubtful =
    [' ', whitespace, ':', '^', '~'].includes(options.delimiter ?? ',') ||
    (isEmptyBetween && rows.length > 1);
  // Lines without a value would have a field less, and lines of one length have fields at fixed positions.
  if (options.delimiter === whitespace && (fit < 0.9 || hasOneLength(text))) return null;
  const isPaddedBySpaces = options.delimiter === ' ' && isEmptyBetween && rows.length > 1;
  return {
    options,
    width,
    fit,
    share: fit * (isPaddedBySpaces ? 0.25 : isDoubtful ? 0.5 : 1),
    cells: count * (width - 1),
  };
}

const hasOneLength = (text: string): boolean =>
  new Set(text.split(/\r?\n|\r/).flatMap((line) => (line === '' ? [] : [line.length]))).size === 1;

/** Matches a line whose quotes all enclose fields. */
function enclosingQuotes(delimiter: string): RegExp {
  const mark = RegExp.escape(delimiter);
  const blanks = /[ \t]/.test(delimiter) ? '' : '[ \\t]*';
  const field = String.raw`(?:${blanks}"(?:[^"\\]|\\.|"")*"${blanks}|(?:(?!${mark})[^"])*)`;
  return new RegExp(`^${field}(?:${mark}${field})*$`);
}

/** The pieces of a text, without blank lines and comments. `width`: the number of fields of the records after the first one that has as many. */
function piecesOf(text: string, options: Options, lineEnd: string, width: number | null = null): Piece[] {
  const csv = options as Csv;
  const { comment } = csvOf(csv);
  const pieces: Piece[] = [];
  let line = 0;
  let isBegun = false;
  let at = /^sep=.\r?(?:\n|\r)/u.exec(text)?.[0].length ?? 0;
  if (at > 0) line++;
  while (at < text.length && pieces.length < mostRecords) {
    const lineAt = text.indexOf(lineEnd, at);
    const whole = text.slice(at, lineAt < 0 ? text.length : lineAt);
    const isAside = whole.trim() === '' || (comment !== null && whole.startsWith(comment));
    // A record is searched in a limited number of lines, because an unclosed quote would search all lines each time.
    const found = isAside
      ? null
      : firstRecord(text.slice(at, at + Math.max(whole.length, longestRecord)), csv, isBegun ? width : null);
    // A header is read without its number of fields.
    if (found?.fields.length === width) isBegun = true;
    if (!isAside) pieces.push({ fields: found?.fields ?? null, line });
    if (found !== null && found.quoted.length > 0) quotedIn.set(found.fields, new Set(found.quoted));
    const end = found === null ? at + whole.length : at + found.end;
    const next = text.indexOf(lineEnd, end);
    const behind = next < 0 ? text.length : next + 1;
    line += text.slice(at, behind).split(lineEnd).length - 1;
    at = behind;
  }
  return pieces;
}

const longestRecord = 65_536;

function sampleOf(
  options: Options,
  header: readonly (string | null)[],
  rows: readonly (readonly string[])[],
  notes: readonly string[],
): Sample {
  const source = { formats: ['csv'], ...(Object.keys(options).length > 0 ? { csv: options } : {}) };
  const quotedMarkers = new Set<string>();
  const valueAt = (row: Row, i: number): unknown => {
    const text = row[i] ?? '';
    if (!quotedIn.get(row)?.has(i)) return valueOfField(text);
    if (nullMarkers.has(text)) quotedMarkers.add(text);
    return text === '' ? '' : valueOfField(text);
  };
  return {
    source: source as Partial<Contract['source']>,
    records: rows.map((row) =>
      Object.fromEntries(header.flatMap((name, i) => (name === null ? [] : [[name, valueAt(row, i)]]))),
    ),
    quotedMarkers,
    notes,
  };
}

/** Whether the first row is a header: yes if a name is above numbers or times, no if the first row has numbers or times itself. */
function hasHeader(
  first: readonly string[],
  others: readonly (readonly string[])[],
): 'yes' | 'no' | 'unclear' {
  if (others.length === 0) return 'unclear';
  const kinds = first.map((_, i) => {
    const found = new Set(others.map((row) => kindOfField(row[i] ?? '')).filter((kind) => kind !== 'none'));
    return found.size === 1 ? [...found][0] : 'text';
  });
  const typed = kinds.flatMap((kind, i) => (kind === 'text' ? [] : [{ kind, name: first[i] ?? '' }]));
  if (typed.some(({ kind, name }) => kindOfField(name) !== kind && kindOfField(name) === 'text'))
    return 'yes';
  // Names such as 2019, 2020, 2021 are numbers above numbers.
  const years = typed.map(({ name }) => Number(name));
  if (
    typed.length > 1 &&
    years.every((year, i) => year >= 1800 && year <= 2200 && year === (years[0] ?? 0) + i)
  )
    return 'unclear';
  if (typed.length > 0) return 'no';
  // A name is hardly ever a value of its own column.
  const isRepeated = others
    .slice(0, mostCompared)
    .some(
      (row) =>
        !isDeepStrictEqual(row, first) && row.some((text, i) => text.trim() !== '' && text === first[i]),
    );
  if (isRepeated || first.some((name) => /^[\d([{"'\\-]/.test(name.trim()))) return 'no';
  return first.every((name) => /^[\p{L}_][\p{L}\p{N}_ .()/%#-]{0,60}$/u.test(name.trim()))
    ? 'yes'
    : 'unclear';
}

function kindOfField(text: string): 'none' | 'number' | 'boolean' | 'time' | 'text' {
  const value = valueOfField(text.trim());
  if (value === null || nullMarkers.has(value)) return 'none';
  // A label may begin with zeros.
  if (/^\d+$/.test(String(value))) return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value !== 'string') return 'number';
  return timeOfTexts([value], undefined) === null ? 'text' : 'time';
}
