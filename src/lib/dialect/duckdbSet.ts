/** DuckDB's parts of the set part. */
import { identifier, literal } from './duckdbNames.ts';
import type { SetDialect } from './set.ts';

export const duckdbSetDialect: SetDialect = {
  identifier,
  literal,
  carried: ['_object', '_version', '_member', '_line', '_place', '_raw', '_digest', '_nulled'],
  lines: ['_member', '_line'],
};
