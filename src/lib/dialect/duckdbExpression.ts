/** DuckDB's SQL for checked expressions. What overflows, or divides by zero, has no value (NULL). */

import type { Typed } from '../expression/check.ts';
import type { FunctionName, ValueType } from '../expression/functions.ts';
import { duckType, identifier, literal, trimmed } from './duckdbNames.ts';

/** The SQL of an expression; `columnSql` gives the SQL of a column. The value has the given Hive type, or is NULL. */
export const expressionSql = (e: Typed, hiveType: string): string =>
  `TRY_CAST(TRY(${sql(e)}) AS ${hiveType === 'timestamp' ? 'TIMESTAMP' : duckType(hiveType)})`;

/** The SQL of a condition: true, false or NULL. */
export const conditionSql = (e: Typed): string => `TRY(${sql(e)})`;

function sql(e: Typed): string {
  switch (e.kind) {
    case 'column':
      // Sums of 64-bit integers do not overflow in 128 bits.
      return e.type === 'integer'
        ? `${identifier(e.name)}::HUGEINT`
        : e.type === 'number'
          ? `${identifier(e.name)}::DOUBLE`
          : identifier(e.name);
    case 'text':
      return literal(e.value);
    case 'number':
      return e.type === 'integer' ? `${e.value}::HUGEINT` : `${literal(e.value)}::DOUBLE`;
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
  if (operator === '/') return `(${left}::DOUBLE / nullif(${right}::DOUBLE, 0))`;
  if (operator === '%') return `(${left} % nullif(${right}, 0))`;
  if (type === 'number') return `(${left}::DOUBLE ${operator} ${right}::DOUBLE)`;
  return `(${left} ${operator === '!=' ? '<>' : operator} ${right})`;
}

type Args = readonly string[];
const call =
  (name: string) =>
  (args: Args): string =>
    `${name}(${args.join(', ')})`;

const calls: Readonly<Record<FunctionName, (args: Args) => string>> = {
  lower: call('lower'),
  upper: call('upper'),
  trim: ([text = '']) => trimmed(text),
  length: ([text]) => `length(${text})::HUGEINT`,
  // A missing part makes the whole missing, as everywhere else in the language.
  concat: (args) => `(${args.join(' || ')})`,
  starts_with: call('starts_with'),
  // A bare NULL might be a list there.
  contains: ([text, part]) => `contains((${text})::VARCHAR, (${part})::VARCHAR)`,
  // A place before the first is the first.
  substring: ([text, from, count]) =>
    `substring(${text}, greatest(${from}, 1)::BIGINT, greatest(${count}, 0)::BIGINT)`,
  abs: call('abs'),
  floor: ([number]) => `floor(${number})::HUGEINT`,
  year: ([time]) => `year(${time})::HUGEINT`,
  month: ([time]) => `month(${time})::HUGEINT`,
  day: ([time]) => `day(${time})::HUGEINT`,
  hour: ([time]) => `hour(${time})::HUGEINT`,
  to_date: ([time]) => `(${time})::DATE`,
  if: ([condition, then, otherwise]) => `CASE WHEN ${condition} THEN ${then} ELSE ${otherwise} END`,
  coalesce: call('coalesce'),
};
