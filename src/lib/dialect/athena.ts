/** Athena's SQL (Trino) for expectations. Each is one aggregate, and all of them need one scan of the staged rows. */

import { hiveSegment } from '../catalog/partitionPath.ts';
import type { Typed } from '../expression/check.ts';
import { conditionSql } from './athenaExpression.ts';
import { identifier, literal } from './athenaNames.ts';

export const rowCount = 'count(*)';

export const nulls = (column: string): string => `count_if(${identifier(column)} IS NULL)`;

/** The number of rows after the first of each key, or of each key in a partition. Keys with a null do not count as repeated. */
export const repeats = (columns: readonly string[], isOfPartition = false): string => {
  const key = columns.map(identifier);
  if (key.length === 1 && !isOfPartition) return `count(${key[0]}) - count(DISTINCT ${key[0]})`;
  const isWhole = key.map((column) => `${column} IS NOT NULL`).join(' AND ');
  return `count_if(${isWhole}) - count(DISTINCT CASE WHEN ${isWhole} THEN ROW(${[...key, ...(isOfPartition ? [folder] : [])].join(', ')}) END)`;
};

/** The folder of a row's file: the rows of one run in one folder are of one partition. */
const folder = `regexp_extract("$path", '^.*/')`;

/** The number of rows outside the bounds. Nulls are not outside. */
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

/** The number of rows with a value outside the set. */
export const notIn = (column: string, values: readonly string[]): string =>
  `count_if(${identifier(column)} NOT IN (${values.map(literal).join(', ')}))`;

/** The number of rows whose text does not contain the pattern. */
export const unlike = (column: string, pattern: string): string =>
  `count_if(NOT regexp_like(${identifier(column)}, ${literal(pattern)}))`;

/** The number of rows for which a condition is false. */
export const untrue = (condition: Typed): string => `count_if(NOT ${conditionSql(condition)})`;

/** The latest time, in seconds since 1970. */
export const youngest = (column: string): string => `to_unixtime(max(${identifier(column)}))`;

/** The sum of a column, as a double. */
export const sum = (column: string): string => `sum(CAST(${identifier(column)} AS double))`;

/** The number of rows with a value. */
export const values = (column: string): string => `count(${identifier(column)})`;

/** The number of rows with a value in `of`, and how many of these have a value in `column`, too. */
export const matched = (column: string, of: string): { asked: string; found: string } => ({
  asked: `count(${identifier(of)})`,
  found: `count_if(${identifier(of)} IS NOT NULL AND ${identifier(column)} IS NOT NULL)`,
});

/** The approximate number of different values: https://trino.io/docs/current/functions/aggregate.html#approx_distinct */
export const distinct = (column: string): string => `approx_distinct(${identifier(column)})`;

export const smallest = (column: string): string => `min(${identifier(column)})`;

export const largest = (column: string): string => `max(${identifier(column)})`;

/** The most common values with their number of rows, as a JSON object. Texts are shortened to 60 characters. Exact for up to 1,000 different values. */
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
 * The number of rows whose file is not in the partition of their own values. It compares the path of the file, so the staging table needs
 * no partition key except the batch.
 */
export const misplaced = (places: readonly Place[]): string => {
  const formats: Readonly<Record<string, string>> = {
    year: '%Y',
    month: '%m',
    day: '%d',
    hour: '%H',
    years: '%Y',
    months: '%Y-%m',
    days: '%Y-%m-%d',
    hours: '%Y-%m-%d-%H',
  };
  // Folders with known names are compared together. A folder with an unknown name separates them.
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

/** The name of a partition key's folder: constant, from a part of a column, or unknown. */
export type Place =
  | { readonly name: string; readonly constant: string }
  | { readonly name: string; readonly of: string; readonly part: string }
  | { readonly name: string };

/** One scan with every aggregate under its alias. */
export const singleScan = (
  aggregates: ReadonlyMap<string, string>,
  table: string,
  partition: { column: string; value: string },
): string =>
  `SELECT ${[...aggregates].map(([alias, sql]) => `${sql} AS ${identifier(alias)}`).join(',\n  ')}
FROM ${identifier(table)}
WHERE ${identifier(partition.column)} = ${literal(partition.value)}`;

/**
 * The rows of partitions without the objects that an attempt has added, and without those that it drops: `rows_before` and `rows_after`.
 * Athena reads footers alone. `added`: how the names of the attempt's objects begin.
 */
export function objectsAround(
  table: string,
  keys: readonly string[],
  partitions: readonly (readonly (string | null)[])[],
  { added, dropped }: { readonly added: string; readonly dropped: readonly string[] },
): string {
  const isIn = (values: readonly (string | null)[]) =>
    keys
      .map((key, i) => {
        const value = values[i] ?? null;
        return `${identifier(key)} ${value === null ? 'IS NULL' : `= ${literal(value)}`}`;
      })
      .join(' AND ');
  const where =
    keys.length === 0 ? '' : `\nWHERE ${partitions.map((values) => `(${isIn(values)})`).join(' OR ')}`;
  return `SELECT count_if(NOT regexp_like("$path", ${literal(`/${added}[^/]*$`)})) AS rows_before,
  count_if("$path" NOT IN (${dropped.map(literal).join(', ')})) AS rows_after
FROM ${identifier(table)}${where}`;
}
