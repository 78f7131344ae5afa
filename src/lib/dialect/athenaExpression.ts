/**
 * Athena's SQL (Trino) for checked expressions, with the same meaning as in the row part: integers have 38 digits, and
 * an overflow or a division by zero gives NULL. https://trino.io/docs/current/functions.html
 */
import type { Typed } from '../expression/check.ts';
import { identifier, literal } from './athenaNames.ts';
import { call, type ExpressionDialect, expressionIn } from './expression.ts';

const whole = (value: string) => `CAST(${value} AS decimal(38, 0))`;
const wholeCall =
  (name: string) =>
  (args: readonly string[]): string =>
    whole(`${name}(${args.join(', ')})`);

/** A position or a count in a text. The limit of a bigint is larger than any text. */
const within = (value: string | undefined, least: number) =>
  `CAST(greatest(CASE WHEN ${value} > 1000000000 THEN 1000000000 ELSE ${value} END, ${least}) AS bigint)`;

const real = (value: string) => `CAST(${value} AS double)`;

// Comparisons with NaN are false.
const largestDouble = '1.7976931348623157E308';

const dialect: ExpressionDialect = {
  identifier,
  literal,
  whole,
  real,
  fraction: real,
  wholeNumber: (digits) => whole(literal(digits)),
  attempt: (calculation) => `TRY(${calculation})`,
  finite: (double) => `CASE WHEN abs(${double}) <= ${largestDouble} THEN ${double} END`,
  divisor: (double) => `NULLIF(CASE WHEN abs(${double}) <= ${largestDouble} THEN ${double} END, 0)`,
  // In Trino, NULL gets the type that the context needs.
  nothing: () => 'NULL',
  nullif: (value, other) => `NULLIF(${value}, ${other})`,
  calls: {
    lower: call('lower'),
    upper: call('upper'),
    trim: ([text]) => `trim(BOTH ' \t\r\n' FROM ${text})`,
    length: wholeCall('length'),
    concat: (args) => `(${args.join(' || ')})`,
    starts_with: call('starts_with'),
    contains: ([text, part]) => `(strpos(${text}, ${part}) > 0)`,
    substring: ([text, from, count]) => `substr(${text}, ${within(from, 1)}, ${within(count, 0)})`,
    abs: call('abs'),
    floor: ([number]) => `TRY(${whole(`floor(${number})`)})`,
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
