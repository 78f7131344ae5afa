/** What several parts of the contract language are made of. */
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

/** Where a dataset's files land. */
export const topFolder = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*\/$/, 'must be one folder at the top of the raw bucket, such as feed/');

/** Keys apart by dots, in double quotes where they have dots or spaces; `[n]` an index, `[*]` every element. */
export const jsonPath = z
  .string()
  .regex(
    pathPattern,
    'must be keys apart by dots, such as user.id, entities.hashtags[*] or "Miles per Gallon"',
  );

/** An array, or with `.*` a map, of which each element makes a row. */
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

/** What JavaScript, RE2 and Java read alike. */
export function isPattern(pattern: string): boolean {
  return groupsOf(pattern) !== null;
}

/** With exactly one capturing group. */
export function isExtraction(pattern: string): boolean {
  return groupsOf(pattern) === 1;
}

/** The number of capturing groups; null for what is no pattern, or one with look-around or back-references. */
function groupsOf(written: string): number | null {
  // JavaScript has no such mark; the groups are the same.
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
