/** The notation of a CSV as patterns that mean the same in RE2 (in DuckDB's SQL) and JavaScript. */
import { type Contract, whitespace } from '../contract/schema.ts';
import { textLayout, textNames } from '../contract/textFormat.ts';
import { literal } from './duckdbNames.ts';

type Csv = Contract['source']['csv'];

/** The options of a CSV. A sheet of Excel becomes one whose rows end with their last cell. Those of lines of text are a CSV of one field without quotes, whose fields are found later. */
export function csvOptionsOf({ csv, text, xlsx, formats }: Contract['source']): Csv {
  if (formats.includes('xlsx')) {
    const { header = true, headerShare = 0.5, skipLines = 0, skipFooter = 0 } = xlsx ?? {};
    const notation = {
      delimiter: ',',
      quote: '"',
      trimFields: false,
      encoding: 'utf-8',
      nullText: '',
    } as const;
    return {
      ...notation,
      shortRows: 'pad',
      longRows: 'reject',
      strayQuotes: 'reject',
      quotedNewlines: true,
      header,
      headerShare,
      skipLines,
      skipFooter,
    };
  }
  if (text === undefined) return csv;
  const { encoding, skipLines, skipFooter } = text;
  const { comment } = textLayout(text);
  return {
    delimiter: '\u0001',
    quote: 'none',
    trimFields: false,
    encoding,
    skipLines,
    skipFooter,
    ...(comment === null ? {} : { comment }),
    shortRows: 'reject',
    longRows: 'reject',
    strayQuotes: 'reject',
    header: textNames(text),
    headerShare: 0,
    nullText: '',
    quotedNewlines: skipFooter > 0,
  };
}

const plainHeader = { rows: 1, join: ' ', spans: false, anyCase: false };

/** The options, with the defaults of those that are not given. `quote`: null if the CSV has none. `isSpaced`: whether white space separates its fields. */
export const csvOf = (csv: Csv) => ({
  delimiter: csv?.delimiter ?? ',',
  isSpaced: csv?.delimiter === whitespace,
  quote: csv?.quote === 'none' ? null : (csv?.quote ?? '"'),
  escapeBy: csv?.escape ?? null,
  trimFields: csv?.trimFields ?? false,
  comment: csv?.comment ?? null,
  encoding: csv?.encoding ?? 'utf-8',
  skipLines: csv?.skipLines ?? 0,
  skipFooter: csv?.skipFooter ?? 0,
  isPadded: csv?.shortRows === 'pad',
  isTrimmed: csv?.longRows === 'trim',
  keepsQuotes: csv?.strayQuotes === 'keep',
  nullText: csv?.nullText ?? '',
  headerShare: csv?.headerShare ?? 0.5,
  /** How the first records name the fields; null if the contract names them. */
  header: Array.isArray(csv?.header)
    ? null
    : { ...plainHeader, ...(csv && csv.header !== true ? csv.header : {}) },
});

/**
 * Replaces a delimiter of several characters while a text is split: a character that texts should not contain (Unicode 23.7). If a text
 * contains it, it is escaped with two other characters.
 */
const standIn = '\ufdd0';
const spellings = (csv: Csv): readonly (readonly [text: string, marked: string])[] => [
  ['\ufdd1', '\ufdd1\ufdd3'],
  [standIn, '\ufdd1\ufdd2'],
  [csvOf(csv).delimiter, standIn],
];

/** The delimiter as one character. */
const markOf = (csv: Csv): string => {
  const { delimiter, isSpaced } = csvOf(csv);
  if (isSpaced) return ' ';
  return [...delimiter].length > 1 ? standIn : delimiter;
};

/** SQL: a text with the delimiter replaced by one character. */
export const withMarks = (text: string, csv: Csv): string =>
  markOf(csv) === standIn
    ? spellings(csv).reduce((sql, [from, to]) => `replace(${sql}, ${literal(from)}, ${literal(to)})`, text)
    : text;

/** SQL: the reverse. */
export const withoutMarks = (text: string, csv: Csv): string =>
  markOf(csv) === standIn
    ? spellings(csv).reduceRight(
        (sql, [to, from]) => `replace(${sql}, ${literal(from)}, ${literal(to)})`,
        text,
      )
    : text;

/** JavaScript: the same as `withMarks` and `withoutMarks`. */
export const marksIn = (text: string, csv: Csv): string =>
  markOf(csv) === standIn
    ? spellings(csv).reduce((whole, [from, to]) => whole.replaceAll(from, to), text)
    : text;
export const marksOut = (text: string, csv: Csv): string =>
  markOf(csv) === standIn
    ? spellings(csv).reduceRight((whole, [to, from]) => whole.replaceAll(from, to), text)
    : text;

/** Escapes a character for a pattern, inside or outside a class. */
export const escaped = (character: string): string => {
  if (/[A-Za-z0-9]/.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  // RE2 and JavaScript have no common escape for all characters. Only ASCII characters have a meaning in patterns.
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : character;
};

/** The pattern of what separates fields, and its characters in a class. */
const separatorOf = (csv: Csv): { readonly mark: string; readonly inClass: string } => {
  const mark = escaped(markOf(csv));
  return csvOf(csv).isSpaced ? { mark: '[ \\t]+', inClass: ' \\t' } : { mark, inClass: mark };
};

/** The pattern of an escape other than a doubled quote; null if there is none. */
function escapeOf(csv: Csv): string | null {
  const { quote, escapeBy } = csvOf(csv);
  return escapeBy === null || escapeBy === quote ? null : escaped(escapeBy);
}

/** The pattern of a field without quotes around it, in which quotes are text. */
function anyField(csv: Csv): string {
  const { inClass } = separatorOf(csv);
  const e = csvOf(csv).quote === null ? escapeOf(csv) : null;
  const text = `[^${inClass}${e ?? ''}\\r\\n]*`;
  return e === null ? text : `${text}(?:${e}[\\s\\S]${text})*`;
}

/** The patterns of a field: in quotes, between quotes, and without quotes. */
function fieldPatterns(csv: Csv) {
  const { quote, trimFields, delimiter, isSpaced } = csvOf(csv);
  const { inClass } = separatorOf(csv);
  if (quote === null) return { plain: anyField(csv), quoted: null, space: '' };
  const q = escaped(quote);
  const e = escapeOf(csv);
  const inner =
    e === null ? `[^${q}]*(?:${q}${q}[^${q}]*)*` : `[^${q}${e}]*(?:(?:${e}[\\s\\S]|${q}${q})[^${q}${e}]*)*`;
  const space =
    trimFields && !isSpaced ? `[${delimiter === ' ' ? '' : ' '}${delimiter === '\t' ? '' : '\\t'}]*` : '';
  return { plain: `[^${q}${inClass}\\r\\n]*`, quoted: `${space}${q}${inner}${q}${space}`, space };
}

/**
 * How the fields of a record are read. `strict`: by RFC 4180. The others read a record with stray quotes. `enclosed`: a field that begins with
 * a quote ends at the next quote before a delimiter or the end of the line. `bare`: it does so only if its quotes are right.
 */
export type Reading = 'strict' | 'enclosed' | 'bare';

/** The pattern of a field, and that of a field in quotes without white space around it; null if there are no quotes. */
function readingPatterns(
  csv: Csv,
  reading: Reading,
): { readonly field: string; readonly enclosed: string | null } {
  const { quote } = csvOf(csv);
  const { plain, quoted, space } = fieldPatterns(csv);
  if (quote === null || quoted === null) return { field: plain, enclosed: null };
  const q = escaped(quote);
  const strict = quoted.slice(space.length, quoted.length - space.length);
  if (reading === 'strict') return { field: `${quoted}|${plain}`, enclosed: strict };
  const any = anyField(csv);
  if (reading === 'bare') return { field: `${quoted}|${any}`, enclosed: strict };
  const e = escapeOf(csv);
  const loose = e === null ? '[^\\r\\n]' : `(?:${e}[^\\r\\n]|[^${e}\\r\\n])`;
  return {
    field: `${quoted}|${space}${q}${loose}*?${q}${space}|${any}`,
    enclosed: `${q}[\\s\\S]*${q}`,
  };
}

/** A record of marked text without its line end (RFC 4180, 2). */
function csvRecord(csv: Csv): string {
  const { plain, quoted } = fieldPatterns(csv);
  return fieldsOf(quoted === null ? plain : `(?:${quoted}|${plain})`, csv);
}

/** The pattern of fields with delimiters between them. White space that separates fields may also be at both ends. */
const fieldsOf = (field: string, csv: Csv): string =>
  `${csvOf(csv).isSpaced ? '[ \\t]*' : ''}${field}(?:${separatorOf(csv).mark}${field})*`;

/**
 * The same for text that may not be a valid record. A quote may be anywhere in a field, but only a quoted field may contain line ends. So an
 * invalid record ends where the whole record ends.
 */
export function csvAttempt(csv: Csv): string {
  const { quoted } = fieldPatterns(csv);
  const any = anyField(csv);
  return fieldsOf(quoted === null ? any : `(?:${quoted}|${any})`, csv);
}

/** SQL: whether a marked text is a record. */
export const isCsvRecord = (text: string, csv: Csv): string =>
  `regexp_full_match(${text}, ${literal(csvRecord(csv))})`;

/** SQL: whether a marked text has neither quotes, escapes nor line ends. Then it is a record, and the delimiter alone separates its fields. */
export function isPlainRecord(text: string, csv: Csv): string {
  const { quote, escapeBy } = csvOf(csv);
  // In a CSV with quotes, an escape outside quotes is text.
  const special = quote ?? escapeBy;
  const others = [...(special === null ? [] : [literal(special)]), 'chr(13)', 'chr(10)'];
  return `(${others.map((other) => `NOT contains(${text}, ${other})`).join(' AND ')})`;
}

/** SQL: the fields of such a text, as `csvFields` gives them. */
export function plainFields(text: string, csv: Csv): string {
  const { nullText, trimFields } = csvOf(csv);
  const field = withoutMarks(trimFields ? `trim(f, ${literal(' \t')})` : 'f', csv);
  const split = csvOf(csv).isSpaced
    ? `string_split_regex(${withoutSpaces(text)}, '[ \\t]+')`
    : `string_split(${text}, ${literal(markOf(csv))})`;
  return `list_transform(${split}, lambda f : nullif(${field}, ${literal(nullText)}))`;
}

const withoutSpaces = (text: string): string => `trim(${text}, ${literal(' \t')})`;

/** SQL: a marked text as the list of its fields, still in their quotes. */
function csvSplit(text: string, csv: Csv, reading: Reading): string {
  const { field } = readingPatterns(csv, reading);
  const record = csvOf(csv).isSpaced ? withoutSpaces(text) : text;
  return `regexp_extract_all(${record} || ${literal(markOf(csv))}, ${literal(`(${field})${separatorOf(csv).mark}`)}, 1)`;
}

/** SQL: whether a reading takes in the whole marked text, and finds a number of fields. */
export const readsWhole = (text: string, csv: Csv, reading: Reading, count: string): string =>
  `(len(${csvSplit(text, csv, reading)}) = ${count} AND array_to_string(${csvSplit(text, csv, reading)}, ${literal(markOf(csv))}) = ${text})`;

/** SQL: the fields of a marked record as a list of texts; NULL for a field with the null text. */
export function csvFields(text: string, csv: Csv, reading: Reading = 'strict'): string {
  const { quote, nullText, trimFields } = csvOf(csv);
  const e = escapeOf(csv);
  const whole = trimFields ? `trim(f, ${literal(' \t')})` : 'f';
  const value = `nullif(${withoutMarks('g', csv)}, ${literal(nullText)})`;
  const found = csvSplit(text, csv, reading);
  const fields = trimFields ? `list_transform(${found}, lambda f : ${whole})` : found;
  if (quote === null) {
    const text_ = e === null ? value : `regexp_replace(${value}, ${literal(`${e}([\\s\\S])`)}, '\\1', 'g')`;
    return `list_transform(${fields}, lambda g : ${text_})`;
  }
  const inner = withoutMarks('substring(g, 2, length(g) - 2)', csv);
  const doubled = `replace(${inner}, ${literal(quote + quote)}, ${literal(quote)})`;
  // One pass resolves escapes and doubled quotes, so that neither sees the result of the other.
  const text_ =
    e === null
      ? doubled
      : `regexp_replace(${inner}, ${literal(`${e}([\\s\\S])|${escaped(quote)}(${escaped(quote)})`)}, '\\1\\2', 'g')`;
  const { enclosed } = readingPatterns(csv, reading);
  // Of a strict reading, a field that begins with a quote is in quotes.
  const isEnclosed =
    reading === 'strict' || enclosed === null
      ? `g[1] = ${literal(quote)}`
      : `regexp_full_match(g, ${literal(enclosed)})`;
  return `list_transform(${fields}, lambda g : CASE WHEN ${isEnclosed} THEN ${text_} ELSE ${value} END)`;
}

/** A longer line with stray quotes is not read here: each quote may be compared with all that follow. */
const longestStray = 32_768;

interface FoundRecord {
  readonly fields: string[];
  /** The places of fields in quotes. */
  readonly quoted: number[];
  /** Its end, before the line end. */
  readonly end: number;
}

/**
 * The first record of a text; null if the text does not begin with one. `width`: the number of its fields, if it is known; else a header with
 * stray quotes has as many fields as possible.
 */
export function firstRecord(text: string, csv: Csv, width: number | null = null): FoundRecord | null {
  const strict = recordBy(text, csv, 'strict');
  if (strict !== null || !csvOf(csv).keepsQuotes) return strict;
  const [line = ''] = /^[^\r\n]*/.exec(text) ?? [];
  if (line.length > longestStray) return null;
  const [enclosed, bare] = (['enclosed', 'bare'] as const).map((reading) => recordBy(line, csv, reading));
  const count = width ?? bare?.fields.length;
  return [enclosed, bare].find((record) => record?.fields.length === count) ?? null;
}

function recordBy(text: string, csv: Csv, reading: Reading): FoundRecord | null {
  const { quote, trimFields, isSpaced, nullText } = csvOf(csv);
  const e = escapeOf(csv);
  const { field: pattern, enclosed } = readingPatterns(csv, reading);
  const isLong = markOf(csv) === standIn;
  const field =
    reading === 'strict'
      ? new RegExp(pattern, 'y')
      : new RegExp(`(?:${pattern})(?=${escaped(markOf(csv))}|$)`, 'y');
  const inQuotes = enclosed === null ? null : new RegExp(`^${enclosed}$`);
  const fields: string[] = [];
  const quoted: number[] = [];
  // Without the replacement, a field would end at the first character of a longer delimiter.
  const at = marksIn(text, csv);
  const mark = markOf(csv);
  const back = (part: string) => marksOut(part, csv);
  const isAtEnd = (place: number) => place === at.length || at[place] === '\n' || at[place] === '\r';
  const spaces = /[ \t]*/y;
  let end = isSpaced ? (spaces.exec(at)?.[0].length ?? 0) : 0;
  for (;;) {
    field.lastIndex = end;
    const [found = ''] = field.exec(at) ?? [];
    end += found.length;
    const whole = trimFields ? found.replaceAll(/^[ \t]+|[ \t]+$/g, '') : found;
    const isEnclosed =
      reading === 'strict'
        ? whole.length > 1 && whole.startsWith(quote ?? '\0')
        : inQuotes?.test(whole) === true;
    if (quote !== null && isEnclosed) {
      const inner = back(whole.slice(quote.length, -quote.length));
      const pairs = new RegExp(
        `${e === null ? '' : `${e}([\\s\\S])|`}${escaped(quote)}(${escaped(quote)})`,
        'g',
      );
      quoted.push(fields.length);
      fields.push(inner.replaceAll(pairs, (_, ...groups) => groups.find((g) => typeof g === 'string') ?? ''));
    } else if (quote === null && e !== null && back(whole) !== nullText)
      fields.push(back(whole).replaceAll(new RegExp(`${e}([\\s\\S])`, 'g'), '$1'));
    else fields.push(back(whole));
    spaces.lastIndex = end;
    const separator = isSpaced ? (spaces.exec(at)?.[0] ?? '') : at.startsWith(mark, end) ? mark : '';
    end += separator.length;
    if (separator !== '' && !(isSpaced && isAtEnd(end))) continue;
    return isAtEnd(end) ? { fields, quoted, end: isLong ? back(at.slice(0, end)).length : end } : null;
  }
}
