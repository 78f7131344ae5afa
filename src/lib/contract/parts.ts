/** Schemas that several parts of the contract language use. */
import * as z from 'zod';
import { pathPattern } from './path.ts';
import { recordsPattern } from './recordsPath.ts';

/** The name of a column, a dataset, a table. */
export const identifier = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,62}$/,
    'must be lower case letters, digits and underscores, starting with a letter',
  );

/** The earlier names of a column that was renamed. */
export const earlierNames = z
  .union([identifier, z.array(identifier).min(1)])
  .describe(
    'The name that the column had before, or all of them: the table renames its column. Only for iceberg.',
  );

/** What a column means, for the table's readers. */
export const columnDescription = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,255}$/u, 'must be one line of at most 255 characters')
  .describe('What the column means; the comment of the column in the table.');

/** The prefix of a dataset's files. */
export const topFolder = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*\/$/, 'must be one folder at the top of the raw bucket, such as feed/');

/** Keys separated by dots, in double quotes if they contain dots or spaces, where a backslash escapes a quote and itself; `[n]` is an index, `[*]` every element. */
export const jsonPath = z
  .string()
  .regex(
    pathPattern,
    'must be keys apart by dots, such as user.id, entities.hashtags[*] or "Miles per Gallon"',
  );

/** An array, or a map with `.*`, whose elements become rows. */
export const explodePath = z
  .string()
  .regex(
    new RegExp(`^${pathPattern.source.slice(1, -1)}(?:\\.\\*)?$`),
    'must be a path to an array, such as order.items, or to a map, such as prices.*',
  );

/** Where a document has its records. */
export const recordsPath = z
  .string()
  .regex(
    recordsPattern,
    'must be a path to an array, such as statuses or edges[*].node, or to a map, such as features.* or *',
  );

/** A pattern with the same meaning in JavaScript, RE2 and Java. */
export function isPattern(pattern: string): boolean {
  return groupsOf(pattern) !== null;
}

/** With exactly one capturing group. */
export function isExtraction(pattern: string): boolean {
  return groupsOf(pattern) === 1;
}

/** The number of capturing groups; null for an invalid pattern, and for look-around and back-references. */
function groupsOf(written: string): number | null {
  // JavaScript does not have this flag. The groups are the same without it.
  const pattern = written.replace(/^\(\?i\)/, '');
  if (/\(\?(?!:)|\\[1-9]/.test(pattern)) return null;
  // RE2 has no empty class, none of JavaScript's own escapes, and at most 1,000 repetitions.
  const repeats = [...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].flatMap(([, least, most]) => [least, most]);
  if (/\[\^?\]|\\[cku]/.test(pattern) || repeats.some((n) => Number(n ?? 0) > 1000)) return null;
  try {
    return (new RegExp(`${pattern}|`).exec('')?.length ?? 1) - 1;
  } catch {
    return null;
  }
}

export const isNumber = (type: string | undefined): boolean =>
  /^(int|bigint|double|decimal\(.*\))$/.test(type ?? '');
