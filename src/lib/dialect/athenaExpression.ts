/**
 * Athena's SQL (Trino) for checked expressions, with the same meaning as the row part's: whole numbers have 38 digits,
 * what overflows or divides by zero has no value. https://trino.io/docs/current/functions.html
 */
import type { Typed } from '../expression/check.ts';
import { identifier, literal } from './athenaNames.ts';
import { call, type ExpressionDialect, expressionIn } from './expression.ts';

const whole = (value: string) => `CAST(${value} AS decimal(38, 0))`;
const wholeCall =
  (name: string) =>
  (args: readonly string[]): string =>
    whole(`${name}(${args.join(', ')})`);

const dialect: ExpressionDialect = {
  identifier,
  literal,
  whole,
  real: (value) => `CAST(${value} AS double)`,
  wholeNumber: (digits) => whole(literal(digits)),
  nullif: (value, other) => `NULLIF(${value}, ${other})`,
  calls: {
    lower: call('lower'),
    upper: call('upper'),
    trim: ([text]) => `trim(BOTH ' \t\r\n' FROM ${text})`,
    length: wholeCall('length'),
    concat: (args) => `(${args.join(' || ')})`,
    starts_with: call('starts_with'),
    contains: ([text, part]) => `(strpos(${text}, ${part}) > 0)`,
    substring: ([text, from, count]) =>
      `substr(${text}, CAST(greatest(${from}, 1) AS bigint), CAST(greatest(${count}, 0) AS bigint))`,
    abs: call('abs'),
    floor: wholeCall('floor'),
    year: wholeCall('year'),
    month: wholeCall('month'),
    day: wholeCall('day'),
    hour: wholeCall('hour'),
    to_date: ([time]) => `CAST(${time} AS date)`,
    if: ([condition, then, otherwise]) => `CASE WHEN ${condition} THEN ${then} ELSE ${otherwise} END`,
    coalesce: call('coalesce'),
  },
};

/** The SQL of a condition: true, false or NULL. */
export const conditionSql = (e: Typed): string => `TRY(${expressionIn(dialect, e)})`;
