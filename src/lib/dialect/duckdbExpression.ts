/** DuckDB's SQL for checked expressions. What overflows, or divides by zero, has no value (NULL). */

import type { Typed } from '../expression/check.ts';
import { duckType, identifier, literal, trimmed } from './duckdbNames.ts';
import { call, type ExpressionDialect, expressionIn } from './expression.ts';

// Sums of 64-bit integers do not overflow in 128 bits.
const whole = (value: string) => `${value}::HUGEINT`;

/** NULL stays NULL, which greatest() would leave out. */
const atLeast = (value = '', least: number) =>
  `(CASE WHEN ${value} < ${least} THEN ${least} ELSE ${value} END)`;

const dialect: ExpressionDialect = {
  identifier,
  literal,
  whole,
  real: (value) => `${value}::DOUBLE`,
  wholeNumber: whole,
  nullif: (value, other) => `nullif(${value}, ${other})`,
  calls: {
    lower: call('lower'),
    // The one letter that DuckDB and Java, and so Athena, disagree on stays as it is.
    upper: ([text]) =>
      `array_to_string(list_transform(string_split(${text}, 'ß'), lambda part: system.main.upper(part)), 'ß')`,
    trim: ([text = '']) => trimmed(text),
    length: ([text]) => `length(${text})::HUGEINT`,
    // A missing part makes the whole missing, as everywhere else in the language.
    concat: (args) => `(${args.join(' || ')})`,
    starts_with: call('starts_with'),
    // A bare NULL might be a list there.
    contains: ([text, part]) => `contains((${text})::VARCHAR, (${part})::VARCHAR)`,
    // A place before the first is the first.
    substring: ([text, from, count]) =>
      `substring(${text}, ${atLeast(from, 1)}::BIGINT, ${atLeast(count, 0)}::BIGINT)`,
    abs: call('abs'),
    floor: ([number]) => `floor(${number})::HUGEINT`,
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
export const expressionSql = (e: Typed, hiveType: string): string =>
  `TRY_CAST(TRY(${expressionIn(dialect, e)}) AS ${hiveType === 'timestamp' ? 'TIMESTAMP' : duckType(hiveType)})`;

/** The SQL of a condition: true, false or NULL. */
export const conditionSql = (e: Typed): string => `TRY(${expressionIn(dialect, e)})`;
