/** Athena's SQL (Trino) for expectations: each is one aggregate, all of them one scan of the staged rows. */

import { hiveSegment } from '../catalog/partitionPath.ts';
import type { Typed } from '../expression/check.ts';
import { conditionSql } from './athenaExpression.ts';
import { identifier, literal } from './athenaNames.ts';

export const rowCount = 'count(*)';

export const nulls = (column: string): string => `count_if(${identifier(column)} IS NULL)`;

/** Rows beyond the first of each key; a key of which a part has no value repeats nothing. */
export const repeats = (columns: readonly string[]): string => {
  const key = columns.map(identifier);
  if (key.length === 1) return `count(${key[0]}) - count(DISTINCT ${key[0]})`;
  const isWhole = key.map((column) => `${column} IS NOT NULL`).join(' AND ');
  return `count_if(${isWhole}) - count(DISTINCT CASE WHEN ${isWhole} THEN ROW(${key.join(', ')}) END)`;
};

/** Rows outside the bounds; a row without a value is not outside. */
export const outside = (
  column: string,
  type: string,
  min: number | string | undefined,
  max: number | string | undefined,
): string => {
  const bound = (value: number | string) =>
    type === 'date'
      ? `DATE ${literal(String(value))}`
      : type === 'timestamp'
        ? `TIMESTAMP ${literal(String(value))}`
        : String(value);
  const tests = [
    ...(min !== undefined ? [`${identifier(column)} < ${bound(min)}`] : []),
    ...(max !== undefined ? [`${identifier(column)} > ${bound(max)}`] : []),
  ];
  return `count_if(${tests.join(' OR ')})`;
};

/** Rows with a value that is not in the set. */
export const notIn = (column: string, values: readonly string[]): string =>
  `count_if(${identifier(column)} NOT IN (${values.map(literal).join(', ')}))`;

/** Rows with a text that the pattern is nowhere found in. */
export const unlike = (column: string, pattern: string): string =>
  `count_if(NOT regexp_like(${identifier(column)}, ${literal(pattern)}))`;

/** Rows for which a condition is false. */
export const untrue = (condition: Typed): string => `count_if(NOT ${conditionSql(condition)})`;

/** The youngest time, in seconds since 1970. */
export const youngest = (column: string): string => `to_unixtime(max(${identifier(column)}))`;

/** The sum of a column, as a double. */
export const sum = (column: string): string => `sum(CAST(${identifier(column)} AS double))`;

/** Rows that have a value. */
export const values = (column: string): string => `count(${identifier(column)})`;

/** Rows that `of` has a value in, and of these the ones that `column` has one in too. */
export const matched = (column: string, of: string): { asked: string; found: string } => ({
  asked: `count(${identifier(of)})`,
  found: `count_if(${identifier(of)} IS NOT NULL AND ${identifier(column)} IS NOT NULL)`,
});

/** About how many different values: https://trino.io/docs/current/functions/aggregate.html#approx_distinct */
export const distinct = (column: string): string => `approx_distinct(${identifier(column)})`;

export const smallest = (column: string): string => `min(${identifier(column)})`;

export const largest = (column: string): string => `max(${identifier(column)})`;

/** The commonest values, texts cut to 60 characters, with their rows, as a JSON object; exact for up to 1,000 values. */
export const commonest = (column: string, type: string, count: number): string => {
  const name = identifier(column);
  const value =
    type === 'boolean'
      ? `CASE WHEN ${name} THEN 'true' WHEN NOT ${name} THEN 'false' END`
      : type === 'string'
        ? `substr(${name}, 1, 60)`
        : `CAST(${name} AS bigint)`;
  return `json_format(CAST(approx_most_frequent(${count}, ${value}, 1000) AS json))`;
};

/**
 * Rows whose file does not stand in the partition of their own values. Told by the file's path, so that a staging
 * table needs no partition keys but the batch.
 */
export const misplaced = (places: readonly Place[]): string => {
  const formats: Readonly<Record<string, string>> = { year: '%Y', month: '%m', day: '%d', hour: '%H' };
  // Folders that are known stand one in the other; one that is not parts them.
  const groups: string[][] = [[]];
  for (const p of places) {
    if (!('of' in p || 'constant' in p)) {
      groups.push([]);
      continue;
    }
    groups
      .at(-1)
      ?.push(
        'constant' in p
          ? literal(`/${hiveSegment(p.name, p.constant)}`)
          : `${literal(`/${p.name}=`)} || date_format(${identifier(p.of)}, ${literal(formats[p.part] ?? '')})`,
      );
  }
  const tests = groups
    .filter((segments) => segments.length > 0)
    .map((segments) => `strpos("$path", ${segments.join(' || ')} || '/') = 0`);
  return tests.length === 0 ? 'count_if(false)' : `count_if(${tests.join(' OR ')})`;
};

/** What the folder of a partition key is called: always the same, by a part of a column, or by what no column tells. */
export type Place =
  | { readonly name: string; readonly constant: string }
  | { readonly name: string; readonly of: string; readonly part: string }
  | { readonly name: string };

/** One scan: every aggregate under its alias. */
export const singleScan = (
  aggregates: ReadonlyMap<string, string>,
  table: string,
  partition: { column: string; value: string },
): string =>
  `SELECT ${[...aggregates].map(([alias, sql]) => `${sql} AS ${identifier(alias)}`).join(',\n  ')}
FROM ${identifier(table)}
WHERE ${identifier(partition.column)} = ${literal(partition.value)}`;
