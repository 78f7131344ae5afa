/** A lookup as an equi-join, in the syntax that all dialects share. */
import type { SetPart } from '../model/plan.ts';

/** How a dialect writes names and texts. */
export interface Quoting {
  identifier(name: string): string;
  literal(text: string): string;
}

export type Lookup = SetPart['joins'][number];

/** All members except `column` are SQL. */
export interface LookupSql {
  readonly join: string;
  /** Output column -> its value. */
  readonly values: ReadonlyMap<string, string>;
  /** Whether a row has all keys but no match. */
  readonly isUnmatched: string;
  /** For quarantine: the first output column, and the key. */
  readonly column: string;
  readonly asked: string;
}

/** The lookup of rows that are called `rows`. */
export function lookupSql(lookup: Lookup, rows: string, { identifier, literal }: Quoting): LookupSql {
  const table = identifier(lookup.reference);
  const keys = Object.entries(lookup.on).map(([column, key]) => ({
    asked: `${rows}.${identifier(column)}`,
    key: `${table}.${identifier(key)}`,
  }));
  const hasKey = keys.map(({ asked }) => `${asked} IS NOT NULL`).join(' AND ');
  const isUnmatched = `(${hasKey} AND ${keys[0]?.key} IS NULL)`;
  return {
    join: `LEFT JOIN ${table} ON ${keys.map(({ asked, key }) => `${asked} = ${key}`).join(' AND ')}`,
    values: new Map(
      Object.entries(lookup.columns).map(([column, from]) => [
        column,
        orDefault(`${table}.${identifier(from)}`, isUnmatched, lookup.unmatched, literal),
      ]),
    ),
    isUnmatched,
    column: Object.keys(lookup.columns)[0] ?? '',
    asked: keys.map(({ asked }) => `CAST(${asked} AS STRING)`).join(" || ', ' || "),
  };
}

/** The found value, or the contract's default for rows without a match. */
export const orDefault = (
  found: string,
  isUnmatched: string,
  unmatched: Lookup['unmatched'],
  literal: Quoting['literal'],
): string =>
  typeof unmatched === 'object'
    ? `CASE WHEN ${isUnmatched} THEN ${literal(unmatched.default)} ELSE ${found} END`
    : found;
