/** What Spark's set part has of its own. Quoting: https://spark.apache.org/docs/3.5.6/sql-ref-literals.html */
import type { SetDialect } from './set.ts';

/** The one way an identifier enters SQL. */
export const identifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** The one way a text enters SQL: a backslash begins an escape. */
export const literal = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\0', '\\u0000')}'`;

export const sparkSetDialect: SetDialect = {
  identifier,
  literal,
  // Lines are counted by split there.
  carried: ['_object', '_version', '_line', '_place', '_raw', '_digest', '_nulled', '_split'],
};
