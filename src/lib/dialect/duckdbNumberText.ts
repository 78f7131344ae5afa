/** DuckDB's SQL for human notations of numbers: from `(1.234,50 €)` to `-1234.50`. */
import type { NumberFormat } from '../contract/numberFormat.ts';
import { literal, whenWritten } from './duckdbNames.ts';

/** Converts a text to standard notation, with digits, a point and an optional minus; NULL if it does not match the format. */
export function numberText(text: string, format: NumberFormat): string {
  const { decimal, percent } = format;
  const bare =
    format.currency === undefined ? text : `regexp_replace(${text}, ${literal(currencyOf(format))}, '')`;
  const digits = `replace(regexp_replace(b, ${literal(`[^0-9${escaped(decimal)}]`)}, '', 'g'), ${literal(decimal)}, '.')`;
  const value =
    percent === 'ratio' ? `CASE WHEN contains(b, '%') THEN ${hundredth(digits)} ELSE ${digits} END` : digits;
  // A list with one element names a value, so that it is computed once.
  const signed = `list_transform([${bare}], lambda b : CASE WHEN regexp_matches(b, ${literal('[(\u2212-]')}) THEN '-' ELSE '' END || ${value})[1]`;
  return whenWritten(text, patternOf(format), signed);
}

/** Moves the decimal point two places to the left, exactly. */
const hundredth = (digits: string): string =>
  `list_transform([${digits}], lambda d : list_transform([lpad(split_part(d, '.', 1), greatest(length(split_part(d, '.', 1)), 3)::INTEGER, '0')],
      lambda w : left(w, -2) || '.' || right(w, 2) || split_part(d, '.', 2))[1])[1]`;

/** Escapes characters for a pattern (RE2). */
const escaped = (text: string): string =>
  [...text].map((c) => (/[A-Za-z0-9]/.test(c) ? c : `\\x{${c.codePointAt(0)?.toString(16)}}`)).join('');

/** Longest first: `US$` is not `$` after two letters. */
function currencyOf({ currency = [] }: NumberFormat): string {
  const names = [currency].flat().toSorted((a, b) => b.length - a.length);
  return `(?:${names.map(escaped).join('|')})`;
}

const spaces: Readonly<Record<string, string>> = {
  ' ': ' \\x{a0}\\x{2009}\\x{202f}',
  "'": "'\\x{2019}",
};

function patternOf(format: NumberFormat): string {
  const { decimal, group, percent, currency, accounting } = format;
  const point = escaped(decimal);
  const mark = group === undefined ? '' : `[${spaces[group] ?? escaped(group)}]`;
  // In India, groups of two digits come before the last group of three: 12,34,567.
  const indian = group === ',' ? `|\\d{1,2}(?:${mark}\\d{2})+${mark}\\d{3}` : '';
  const grouped = group === undefined ? '' : `|\\d{1,3}(?:${mark}\\d{3})+${indian}`;
  const number = `(?:(?:\\d+${grouped})(?:${point}\\d*)?|${point}\\d+)`;
  const gap = '[ \\t\\x{a0}\\x{202f}]*';
  const sign = '[+\\x{2212}-]?';
  const c = currency === undefined ? null : currencyOf(format);
  const sized = [
    `${number}${percent === undefined ? '' : `(?:${gap}%)?`}`,
    ...(c === null ? [] : [`${c}${gap}${number}`, `${number}${gap}${c}`]),
  ].join('|');
  const negative = accounting
    ? [
        `\\(${gap}(?:${sized})${gap}\\)`,
        `(?:${sized})${gap}[\\x{2212}-]`,
        ...(c === null
          ? []
          : [`${c}${gap}\\(${gap}${number}${gap}\\)`, `\\(${gap}${number}${gap}\\)${gap}${c}`]),
      ]
    : [];
  const signed = c === null ? [] : [`${c}${gap}${sign}${number}`];
  return [`(?:[+\\x{2212}-]${gap})?(?:${sized})`, ...signed, ...negative].join('|');
}
