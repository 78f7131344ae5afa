/** A checked expression as SQL: the words that all dialects have. What differs is a list in each dialect's own file. */
import type { Typed } from '../expression/check.ts';
import type { FunctionName } from '../expression/functions.ts';
import type { Quoting } from './lookup.ts';

type Args = readonly string[];

/** What differs between the dialects. Every argument is SQL. */
export interface ExpressionDialect extends Quoting {
  /** As a whole number with room for sums and products of 64-bit ones. */
  whole(value: string): string;
  /** As a double. */
  real(value: string): string;
  /** A whole number that stands in the expression, by its digits. */
  wholeNumber(digits: string): string;
  /** NULL where both are equal: what keeps a division from a zero. */
  nullif(value: string, other: string): string;
  readonly calls: Readonly<Record<FunctionName, (args: Args) => string>>;
}

/** A function that the dialect has under this name. */
export const call =
  (name: string) =>
  (args: Args): string =>
    `${name}(${args.join(', ')})`;

/** The SQL of an expression. */
export function expressionIn(dialect: ExpressionDialect, e: Typed): string {
  const { identifier, literal, whole, real, wholeNumber, nullif } = dialect;
  const sql = (inner: Typed): string => expressionIn(dialect, inner);
  switch (e.kind) {
    case 'column':
      if (e.type === 'integer') return whole(identifier(e.name));
      return e.type === 'number' ? real(identifier(e.name)) : identifier(e.name);
    case 'text':
      return literal(e.value);
    case 'number':
      return e.type === 'integer' ? wholeNumber(e.value) : real(literal(e.value));
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
    case 'binary': {
      const [left, right] = [sql(e.left), sql(e.right)];
      if (e.operator === '/') return `(${real(left)} / ${nullif(real(right), '0')})`;
      if (e.operator === '%') return `(${left} % ${nullif(right, '0')})`;
      if (e.type === 'number') return `(${real(left)} ${e.operator} ${real(right)})`;
      return `(${left} ${e.operator === '!=' ? '<>' : e.operator} ${right})`;
    }
    case 'call':
      return dialect.calls[e.name](e.args.map(sql));
  }
}
