/** DuckDB's SQL for checked expressions. An overflow or a division by zero gives NULL. */

import type { Typed } from '../expression/check.ts';
import type { ValueType } from '../expression/functions.ts';
import { duckType, identifier, literal, trimmed, upperCase } from './duckdbNames.ts';
import { call, type ExpressionDialect, expressionIn } from './expression.ts';

const whole = (value: string) => `${value}::HUGEINT`;

/**
 * A position or a count in a text. Records are much shorter than the limit, and beyond 32 bits substring() corrupts memory. NULL stays NULL;
 * greatest() alone would ignore it.
 */
const within = (value = '', least: number) =>
  `CASE WHEN ${value} IS NOT NULL THEN least(greatest(${value}, ${least}), 1000000000)::BIGINT END`;

const types: Readonly<Record<ValueType, string>> = {
  text: 'VARCHAR',
  integer: 'HUGEINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP',
  date: 'DATE',
  null: 'VARCHAR',
};

const dialect: ExpressionDialect = {
  identifier,
  literal,
  whole,
  // DuckDB's cast of a HUGEINT rounds twice.
  real: (value, bound = 0n) =>
    `${value}${bound >= 2n ** 63n ? '::VARCHAR' : bound > 2n ** 53n ? '::BIGINT' : ''}::DOUBLE`,
  // DuckDB's cast of a decimal divides two doubles, so both must be exact.
  fraction: (column, hiveType) =>
    `${column}${Number(/^decimal\((\d+)/.exec(hiveType)?.[1] ?? 0) > 15 ? '::VARCHAR' : ''}::DOUBLE`,
  wholeNumber: whole,
  attempt: (calculation) => `TRY_CAST(TRY(${calculation}) AS DECIMAL(38, 0))::HUGEINT`,
  finite: (double) => `CASE WHEN isfinite(${double}) THEN ${double} END`,
  // In DuckDB, NaN is greater than all numbers.
  divisor: (double) => `CASE WHEN isfinite(${double}) AND ${double} <> 0 THEN ${double} END`,
  nullif: (value, other) => `nullif(${value}, ${other})`,
  nothing: (type) => (type === 'null' ? 'NULL' : `NULL::${types[type]}`),
  calls: {
    lower: call('lower'),
    upper: ([text = '']) => upperCase(text),
    trim: ([text = '']) => trimmed(text),
    length: ([text]) => `length(${text})::HUGEINT`,
    // A null part makes the result null, as everywhere in the language.
    concat: (args) => `(${args.join(' || ')})`,
    starts_with: call('starts_with'),
    // DuckDB might treat an untyped NULL as a list here.
    contains: ([text, part]) => `contains((${text})::VARCHAR, (${part})::VARCHAR)`,
    // A position before the first is treated as the first.
    substring: ([text, from, count]) => `substring(${text}, ${within(from, 1)}, ${within(count, 0)})`,
    abs: call('abs'),
    floor: ([number]) => `TRY_CAST(TRY_CAST(floor(${number}) AS HUGEINT) AS DECIMAL(38, 0))::HUGEINT`,
    year: ([time]) => `year(${time})::HUGEINT`,
    month: ([time]) => `month(${time})::HUGEINT`,
    day: ([time]) => `day(${time})::HUGEINT`,
    hour: ([time]) => `hour(${time})::HUGEINT`,
    to_date: ([time]) => `(${time})::DATE`,
    if: ([condition, then, otherwise]) => `CASE WHEN ${condition} THEN ${then} ELSE ${otherwise} END`,
    coalesce: call('coalesce'),
  },
};

/** The SQL of an expression. The value has the given Hive type, or is NULL. */
export function expressionSql(e: Typed, hiveType: string): string {
  // Zero has no sign, because either of equal values may be kept.
  if (hiveType === 'double') return `(${expressionIn(dialect, e, 'number')} + 0.0::DOUBLE)`;
  return `TRY_CAST(${expressionIn(dialect, e)} AS ${hiveType === 'timestamp' ? 'TIMESTAMP' : duckType(hiveType)})`;
}

/** The SQL of a condition: true, false or NULL. */
export const conditionSql = (e: Typed): string => expressionIn(dialect, e);
