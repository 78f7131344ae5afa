/** DuckDB's SQL for checked expressions. What overflows, or divides by zero, has no value (NULL). */

import type { Typed } from '../expression/check.ts';
import type { ValueType } from '../expression/functions.ts';
import { duckType, identifier, literal, trimmed, upperCase } from './duckdbNames.ts';
import { call, type ExpressionDialect, expressionIn } from './expression.ts';

const whole = (value: string) => `${value}::HUGEINT`;

/**
 * A place or a count within a text. Those of records are far shorter, and beyond 32 bits substring() damages memory.
 * NULL stays NULL, which greatest() would leave out.
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
  // A cast of a HUGEINT rounds twice.
  real: (value, bound = 0n) =>
    `${value}${bound >= 2n ** 63n ? '::VARCHAR' : bound > 2n ** 53n ? '::BIGINT' : ''}::DOUBLE`,
  // A cast of a decimal divides doubles, which both must be exact.
  fraction: (column, hiveType) =>
    `${column}${Number(/^decimal\((\d+)/.exec(hiveType)?.[1] ?? 0) > 15 ? '::VARCHAR' : ''}::DOUBLE`,
  wholeNumber: whole,
  attempt: (calculation) => `TRY_CAST(TRY(${calculation}) AS DECIMAL(38, 0))::HUGEINT`,
  finite: (double) => `CASE WHEN isfinite(${double}) THEN ${double} END`,
  // NaN is greater than all.
  divisor: (double) => `CASE WHEN isfinite(${double}) AND ${double} <> 0 THEN ${double} END`,
  nullif: (value, other) => `nullif(${value}, ${other})`,
  nothing: (type) => (type === 'null' ? 'NULL' : `NULL::${types[type]}`),
  calls: {
    lower: call('lower'),
    upper: ([text = '']) => upperCase(text),
    trim: ([text = '']) => trimmed(text),
    length: ([text]) => `length(${text})::HUGEINT`,
    // A missing part makes the whole missing, as everywhere else in the language.
    concat: (args) => `(${args.join(' || ')})`,
    starts_with: call('starts_with'),
    // A bare NULL might be a list there.
    contains: ([text, part]) => `contains((${text})::VARCHAR, (${part})::VARCHAR)`,
    // A place before the first is the first.
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
  // A zero has no sign: of equal values any may be kept.
  if (hiveType === 'double') return `(${expressionIn(dialect, e, 'number')} + 0.0::DOUBLE)`;
  return `TRY_CAST(${expressionIn(dialect, e)} AS ${hiveType === 'timestamp' ? 'TIMESTAMP' : duckType(hiveType)})`;
}

/** The SQL of a condition: true, false or NULL. */
export const conditionSql = (e: Typed): string => expressionIn(dialect, e);
