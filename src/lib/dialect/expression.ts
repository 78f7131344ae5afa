/**
 * Compiles a checked expression to SQL with the syntax that all dialects share. Differences are listed in each dialect's file.
 *
 * A part that overflows is NULL, and the parts around it use that. So no part may raise an error: DuckDB's TRY misses errors inside a CASE.
 */
import { isAlwaysFinite, type Typed } from '../expression/check.ts';
import { type FunctionName, signatureOf, type ValueType } from '../expression/functions.ts';
import type { Quoting } from './lookup.ts';

type Args = readonly string[];

/** The differences between the dialects. All arguments are SQL. */
export interface ExpressionDialect extends Quoting {
  /** Converts to an integer of up to 38 digits. */
  whole(value: string): string;
  /** Converts an integer of at most this magnitude, or a text, to the nearest double. */
  real(value: string, bound?: bigint): string;
  /** An integer literal, by its digits. */
  wholeNumber(digits: string): string;
  /** Converts a numeric column to the nearest double. */
  fraction(column: string, hiveType: string): string;
  /** NULL if an integer calculation fails or has more than 38 digits. */
  attempt(calculation: string): string;
  /** A double; NULL if it is infinite or NaN. */
  finite(double: string): string;
  /** A double; NULL if it is infinite, NaN or zero. */
  divisor(double: string): string;
  /** NULL if both are equal. */
  nullif(value: string, other: string): string;
  /** NULL of a type. */
  nothing(type: ValueType): string;
  readonly calls: Readonly<Record<FunctionName, (args: Args) => string>>;
}

/** A function with this name in the dialect. */
export const call =
  (name: string) =>
  (args: Args): string =>
    `${name}(${args.join(', ')})`;

/** The SQL of an expression in a compatible type. A double is finite or NULL. */
export const expressionIn = (dialect: ExpressionDialect, e: Typed, type: ValueType = e.type): string =>
  observed(dialect, e, type);

/** The largest integer with 38 digits. */
const largest = 10n ** 38n - 1n;
const inSixtyFourBits = 2n ** 63n;

/** The largest magnitude of an integer. */
function boundOf(e: Typed): bigint {
  const bounded = (bound: bigint) => (bound > largest ? largest : bound);
  switch (e.kind) {
    case 'column':
      return e.hiveType === 'int' ? 2n ** 31n : inSixtyFourBits;
    case 'number':
      return BigInt(e.value);
    case 'minus':
      return boundOf(e.operand);
    case 'binary': {
      const [left, right] = [e.left, e.right].map((part) => (part.type === 'null' ? 0n : boundOf(part)));
      if (left === undefined || right === undefined) return largest;
      if (e.operator === '%') return left;
      return bounded(e.operator === '*' ? left * right : left + right);
    }
    case 'call':
      if (e.name === 'floor' || e.name === 'if' || e.name === 'coalesce') return largest;
      return e.name === 'abs' && e.args[0] ? boundOf(e.args[0]) : inSixtyFourBits;
    default:
      return largest;
  }
}

/** An operand of a type. Infinity and NaN become NULL. */
function observed(dialect: ExpressionDialect, e: Typed, type: ValueType): string {
  const sql = converted(dialect, e, type);
  return e.type === 'number' && !isAlwaysFinite(e) ? dialect.finite(sql) : sql;
}

/** An operand of a type. A double may be infinite or NaN, which sums and products keep. */
function converted(dialect: ExpressionDialect, e: Typed, type: ValueType): string {
  if (e.type === 'null') return dialect.nothing(type);
  if (e.type !== 'integer' || type !== 'number') return sqlOf(dialect, e);
  if (e.kind === 'column') return dialect.fraction(dialect.identifier(e.name), e.hiveType);
  return dialect.real(sqlOf(dialect, e), boundOf(e));
}

/** The common type for comparing operands. */
const commonType = (operands: readonly Typed[]): ValueType => {
  const types = operands.map((e) => e.type).filter((type) => type !== 'null');
  return types.includes('number') ? 'number' : (types[0] ?? 'null');
};

function sqlOf(dialect: ExpressionDialect, e: Typed): string {
  const { identifier, literal } = dialect;
  const all = (operands: readonly Typed[]) => {
    const type = commonType(operands);
    return operands.map((operand) => observed(dialect, operand, type));
  };
  switch (e.kind) {
    case 'column':
      if (e.type === 'integer') return dialect.whole(identifier(e.name));
      return e.type === 'number' ? dialect.fraction(identifier(e.name), e.hiveType) : identifier(e.name);
    case 'text':
      return literal(e.value);
    case 'number':
      return e.type === 'integer' ? dialect.wholeNumber(e.value) : dialect.real(literal(e.value));
    case 'boolean':
      return String(e.value);
    case 'null':
      return dialect.nothing('null');
    case 'not':
      return `(NOT ${observed(dialect, e.operand, 'boolean')})`;
    case 'minus':
      return `(-(${converted(dialect, e.operand, e.type)}))`;
    case 'isNull':
      return `(${observed(dialect, e.operand, e.operand.type)} IS ${e.negated ? 'NOT ' : ''}NULL)`;
    case 'in': {
      const [operand, ...items] = all([e.operand, ...e.items]);
      return `(${operand} ${e.negated ? 'NOT ' : ''}IN (${items.join(', ')}))`;
    }
    case 'binary':
      return binary(dialect, e, all);
    case 'call': {
      if (e.name === 'if' || e.name === 'coalesce')
        return dialect.calls[e.name](
          e.args.map((arg) => observed(dialect, arg, arg.type === 'boolean' ? 'boolean' : e.type)),
        );
      const wanted: readonly (ValueType | 'any')[] = signatureOf(e.name)?.args ?? [];
      return dialect.calls[e.name](
        e.args.map((arg, i) => {
          const type = wanted[Math.min(i, wanted.length - 1)] ?? arg.type;
          // abs of an integer is an integer.
          const as = type === 'any' || (type === 'number' && arg.type === 'integer') ? arg.type : type;
          return observed(dialect, arg, as);
        }),
      );
    }
  }
}

function binary(
  dialect: ExpressionDialect,
  e: Extract<Typed, { kind: 'binary' }>,
  all: (operands: readonly Typed[]) => string[],
): string {
  const { operator, left, right, type } = e;
  switch (operator) {
    case 'and':
    case 'or':
      return `(${observed(dialect, left, 'boolean')} ${operator} ${observed(dialect, right, 'boolean')})`;
    case '/':
    case '%': {
      const divisor = converted(dialect, right, type);
      const nonzero =
        right.type === 'number' && !isAlwaysFinite(right)
          ? dialect.divisor(divisor)
          : dialect.nullif(divisor, '0');
      return `(${converted(dialect, left, type)} ${operator} ${nonzero})`;
    }
    case '+':
    case '-':
    case '*': {
      const sql = `(${converted(dialect, left, type)} ${operator} ${converted(dialect, right, type)})`;
      return type === 'integer' && boundOf(e) === largest ? dialect.attempt(sql) : sql;
    }
    default: {
      const [a, b] = all([left, right]);
      return `(${a} ${operator === '!=' ? '<>' : operator} ${b})`;
    }
  }
}
