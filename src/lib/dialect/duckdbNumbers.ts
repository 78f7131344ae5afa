/**
 * Numbers of a JSON document as they stand in it. DuckDB's parser makes doubles of them, and writes 1.50 as 1.5, 1e5 as
 * 100000.0 and 936299847.92375604 as 936299847.923756. Few documents hold such a number: only these take the long way, on
 * which each number is a string.
 */
import { literal } from './duckdbNames.ts';

/**
 * Whether a document may hold a number that a parser does not give back as written: with an exponent, with a zero at its end,
 * minus zero, with more than 15 digits, or a small one. Numbers of digits only are kept as they are.
 */
export const hasOddNumber = (document: string): string =>
  `regexp_matches(${document}, ${literal(oddNumber)})`;

const oddNumber = '(?:\\d[eE][+-]?\\d+|\\.\\d+0|-0)\\s*(?:[,\\]}]|$)|\\d{9}\\.\\d|\\.\\d{8}|\\.0{6}';

/** What stands before a number (strings as a whole, so that no digits in them are found), and the number, or the end. */
const beforeAndNumber = literal('((?:[^"0-9-]|"(?:\\\\.|[^"\\\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)');

/** A document with its numbers as strings. The match of its end leaves an empty string there. */
const withStrings = (document: string, mark: string): string =>
  `regexp_replace(regexp_replace(${document}, ${beforeAndNumber}, ${literal(`\\1"${mark}\\2"`)}, 'gs'), ${literal(`"(?:\\\\u0001)?"$`)}, '')`;

/** A document whose numbers are strings with the number's text. */
export const quoted = (document: string): string => withStrings(document, '');

/** A document whose numbers are strings that only `unmarked` takes for numbers: what it gives is the JSON that was there. */
export const marked = (document: string): string =>
  withStrings(
    `regexp_replace(${document}, ${literal('([:,\\[{]\\s*"\\\\u0001)')}, ${literal('\\1\\\\u0001')}, 'g')`,
    '\\\\u0001',
  );

/**
 * JSON that was taken out of a marked document, with its numbers. DuckDB's JSON has no white space between its parts, and
 * within a string each quote stands behind a backslash.
 */
export const unmarked = (json: string): string =>
  `regexp_replace(regexp_replace(${json}, ${literal('(^|[:,\\[])"\\\\u0001(-?[0-9][^"]*)"')}, ${literal('\\1\\2')}, 'g'), ${literal('((?:^|[:,\\[{])"\\\\u0001)\\\\u0001')}, ${literal('\\1')}, 'g')`;
