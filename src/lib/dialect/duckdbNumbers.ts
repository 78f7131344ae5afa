/**
 * Keeps the notation of numbers in a JSON document. DuckDB's parser converts them to doubles, and writes 1.50 as 1.5, 1e5 as 100000.0 and
 * 936299847.92375604 as 936299847.923756. Only the few documents with such numbers are converted so that each number is a string.
 */
import { literal } from './duckdbNames.ts';

/**
 * Whether a document may contain a number whose notation the parser changes: with an exponent, a final zero, minus zero, more than 15 digits,
 * or a small one. The parser keeps integers.
 */
export const hasOddNumber = (document: string): string =>
  `regexp_matches(${document}, ${literal(oddNumber)})`;

const oddNumber = '(?:\\d[eE][+-]?\\d+|\\.\\d+0|-0)\\s*(?:[,\\]}]|$)|\\d{9}\\.\\d|\\.\\d{8}|\\.0{6}';

/** The text before a number (with whole strings, so that digits in them do not match), and the number or the end. */
const beforeAndNumber = literal('((?:[^"0-9-]|"(?:\\\\.|[^"\\\\])*")*)(?:(-?[0-9][0-9.eE+-]*)|$)');

/** A document with its numbers as strings. The match at its end adds an empty string there. */
const withStrings = (document: string, mark: string): string =>
  `regexp_replace(regexp_replace(${document}, ${beforeAndNumber}, ${literal(`\\1"${mark}\\2"`)}, 'gs'), ${literal(`"(?:\\\\u0001)?"$`)}, '')`;

/** A document whose numbers are strings with the number's text. */
export const quoted = (document: string): string => withStrings(document, '');

/** A document with its numbers as marked strings, which `unmarked` turns back into numbers. */
export const marked = (document: string): string =>
  withStrings(
    `regexp_replace(${document}, ${literal('([:,\\[{]\\s*"\\\\u0001)')}, ${literal('\\1\\\\u0001')}, 'g')`,
    '\\\\u0001',
  );

/**
 * Turns JSON from a marked document back, with its numbers. DuckDB's JSON has no white space between tokens, and quotes in strings are
 * escaped with a backslash.
 */
export const unmarked = (json: string): string =>
  `regexp_replace(regexp_replace(${json}, ${literal('(^|[:,\\[])"\\\\u0001(-?[0-9][^"]*)"')}, ${literal('\\1\\2')}, 'g'), ${literal('((?:^|[:,\\[{])"\\\\u0001)\\\\u0001')}, ${literal('\\1')}, 'g')`;
