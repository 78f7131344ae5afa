/** What DuckDB's set part has of its own. */
import { identifier, literal } from './duckdbNames.ts';
import type { SetDialect } from './set.ts';

export const duckdbSetDialect: SetDialect = {
  identifier,
  literal,
  carried: ['_object', '_version', '_line', '_place', '_raw', '_digest', '_nulled'],
};
