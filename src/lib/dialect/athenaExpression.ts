/**
 * Athena's SQL (Trino) for checked expressions, with the same meaning as the row part's: whole numbers have 38 digits,
 * what overflows or divides by zero has no value. https://trino.io/docs/current/functions.html
 */
import type { Typed } from '../expression/check.ts';
import type { FunctionName, ValueType } from '../expression/functions.ts';
import { identifier, literal } from './athenaNames.ts';

/** The SQL of a condition: true, false or NULL. */
export const conditionSql = (e: Typed): string => `TRY(${sql(e)})`;

const whole = (value: string) => `CAST(${value} AS decimal(38, 0))`;
const real = (value: string) => `CAST(${value} AS double)`;

function sql(e: Typed): string {
  switch (e.kind) {
    case 'column':
      if (e.type === 'integer') return whole(identifier(e.name));
      return e.type === 'number' ? real(identifier(e.name)) : identifier(e.name);
    case 'text':
      return literal(e.value);
    case 'number':
      return e.type === 'integer' ? whole(literal(e.value)) : real(literal(e.value));
    case 'boolean':
      return String(e.value);
    case 'null':
      return 'NULL';
    case 'not':
      return `(NOT ${sql(e.operand)})`;
    case 'minus':
      return `(-(${sql(e.operand)}))`;
    case 'isNull':
      return `(${sql(e.operand)} IS ${e.negated ? 'NOT ' : ''}NULL)`;
    case 'in':
      return `(${sql(e.operand)} ${e.negated ? 'NOT ' : ''}IN (${e.items.map(sql).join(', ')}))`;
    case 'binary':
      return binary(e.operator, e.type, sql(e.left), sql(e.right));
    case 'call':
      return calls[e.name](e.args.map(sql));
  }
}

function binary(operator: string, type: ValueType, left: string, right: string): string {
  if (operator === '/') return `(${real(left)} / NULLIF(${real(right)}, 0))`;
  if (operator === '%') return `(${left} % NULLIF(${right}, 0))`;
  if (type === 'number') return `(${real(left)} ${operator} ${real(right)})`;
  return `(${left} ${operator === '!=' ? '<>' : operator} ${right})`;
}

type Args = readonly string[];
const call =
  (name: string) =>
  (args: Args): string =>
    `${name}(${args.join(', ')})`;
const wholeCall =
  (name: string) =>
  (args: Args): string =>
    whole(`${name}(${args.join(', ')})`);

const calls: Readonly<Record<FunctionName, (args: Args) => string>> = {
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
};
