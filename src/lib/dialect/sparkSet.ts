/** Spark's parts of the set part. Quoting: https://spark.apache.org/docs/3.5.6/sql-ref-literals.html */
import type { SetDialect } from './set.ts';

/** The one way an identifier enters SQL. */
export const identifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** The one way a text enters SQL. A backslash begins an escape. */
export const literal = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\u0000')}'`;

export const sparkSetDialect: SetDialect = {
  identifier,
  literal,
  // On Spark, lines are counted by split.
  carried: ['_object', '_version', '_member', '_line', '_place', '_raw', '_digest', '_nulled', '_split'],
  lines: ['_member', '_split', '_line'],
};
