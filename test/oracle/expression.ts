/** Parses and evaluates expressions of contracts, each part by itself. */

import { compareTexts, lower, trim, upper } from './texts.ts';
import { dateOf, floorDiv } from './times.ts';
import { Day, Decimal, Moment, type Value } from './value.ts';

export type Node =
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'apply'; readonly name: string; readonly args: readonly Node[] };

/** The columns that an expression reads. */
export const columnsOf = (node: Node): string[] =>
  node.kind === 'column' ? [node.name] : node.kind === 'apply' ? node.args.flatMap(columnsOf) : [];

// "Expressions know `or and not`, `= != < <= > >=`, `+ - * / %`, `in (…)`, `is null`": the later in this list binds tighter, `not`
// stands between `and` and the comparisons.
const levels = [['or'], ['and'], ['=', '!=', '<', '<=', '>', '>='], ['+', '-'], ['*', '/', '%']];

export function parse(text: string): Node {
  const tokens =
    text.match(/[A-Za-z_]\w*|\d+(?:\.\d+)?|'(?:[^']|'')*'|!=|<=|>=|[-=<>+*/%(),]|\S/g)?.map(String) ?? [];
  let next = 0;
  const peek = () => (tokens[next] ?? '').toLowerCase();
  const take = (token: string): boolean => {
    const isIt = peek() === token;
    if (isIt) next++;
    return isIt;
  };
  const must = (token: string) => {
    if (!take(token)) throw new SyntaxError(`${token} is missing at ${next} of ${text}`);
  };
  const apply = (name: string, ...args: Node[]): Node => ({ kind: 'apply', name, args });
  const list = (): Node[] => {
    must('(');
    const items: Node[] = [];
    if (take(')')) return items;
    do items.push(operators(0));
    while (take(','));
    must(')');
    return items;
  };
  const operators = (level: number): Node => {
    const names = levels[level];
    if (!names) return sign();
    const isComparison = level === 2;
    let left = isComparison && take('not') ? apply('not', operators(2)) : operators(level + 1);
    while (names.includes(peek())) {
      const name = peek();
      next++;
      left = apply(name, left, operators(level + 1));
    }
    return isComparison ? test(left) : left;
  };
  const test = (left: Node): Node => {
    if (take('is')) {
      const isNegated = take('not');
      must('null');
      return isNegated ? apply('not', apply('is null', left)) : apply('is null', left);
    }
    if (peek() !== 'in' && peek() !== 'not') return left;
    const isNegated = take('not');
    must('in');
    const found = apply('in', left, ...list());
    return isNegated ? apply('not', found) : found;
  };
  const sign = (): Node => (take('-') ? apply('minus', sign()) : primary());
  const primary = (): Node => {
    if (take('(')) {
      const inner = operators(0);
      must(')');
      return inner;
    }
    const token = tokens[next++] ?? '';
    if (/^\d/.test(token))
      return { kind: 'literal', value: token.includes('.') ? Number(token) : BigInt(token) };
    if (token.startsWith("'")) return { kind: 'literal', value: token.slice(1, -1).replaceAll("''", "'") };
    const word = token.toLowerCase();
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
    if (word === 'null') return { kind: 'literal', value: null };
    return peek() === '(' ? apply(word, ...list()) : { kind: 'column', name: token };
  };
  const whole = operators(0);
  if (next < tokens.length) throw new SyntaxError(`${tokens[next]} is not expected in ${text}`);
  return whole;
}

/** The value of an expression over the columns of a row, as a column of the Hive type has it. */
export function evaluate(
  node: Node,
  row: ReadonlyMap<string, Value>,
  types: ReadonlyMap<string, string>,
): Value {
  return valueIn(node, { row, types });
}

// "A derived value that does not fit its column's type is null."
export function inColumn(value: Value, hiveType: string): Value {
  if (typeof value === 'bigint' && (hiveType === 'int' || hiveType === 'bigint'))
    return BigInt.asIntN(hiveType === 'int' ? 32 : 64, value) === value ? value : null;
  if (hiveType !== 'double') return value;
  // "a zero in a derived `double` has no sign"
  const number = real(value);
  return number === null ? null : number + 0;
}

interface Scope {
  readonly row: ReadonlyMap<string, Value>;
  readonly types: ReadonlyMap<string, string>;
}

// "A whole number is exact and has up to 38 digits." "Each part of an expression that overflows (more than 38 digits, beyond the largest
// double) has no value"
const whole = (value: bigint): Value => (value < 10n ** 38n && value > -(10n ** 38n) ? value : null);
const finite = (value: number): Value => (Number.isFinite(value) ? value : null);

/** A number as a double. */
function real(value: Value): number | null {
  if (value instanceof Decimal) {
    const digits = String(value.unscaled < 0n ? -value.unscaled : value.unscaled).padStart(
      value.scale + 1,
      '0',
    );
    const at = digits.length - value.scale;
    return Number(`${value.unscaled < 0n ? '-' : ''}${digits.slice(0, at)}.${digits.slice(at)}0`);
  }
  if (typeof value === 'bigint' || typeof value === 'number') return Number(value);
  return null;
}

/** Whether a node is a number with a fraction, whatever its value: 'number', or another kind. */
function isFractional(node: Node, scope: Scope): boolean {
  if (node.kind === 'literal') return typeof node.value === 'number';
  if (node.kind === 'column') return /^(double|decimal.*)$/.test(scope.types.get(node.name) ?? '');
  const { name, args } = node;
  // "`/` gives a number with a fraction."
  if (name === '/') return true;
  if (['+', '-', '*', '%', 'minus', 'abs', 'coalesce'].includes(name))
    return args.some((arg) => isFractional(arg, scope));
  if (name === 'if') return args.slice(1).some((arg) => isFractional(arg, scope));
  return false;
}

function valueIn(node: Node, scope: Scope): Value {
  if (node.kind === 'literal') return node.value;
  if (node.kind === 'column') {
    const value = scope.row.get(node.name) ?? null;
    return value instanceof Decimal ? real(value) : value;
  }
  const { name, args } = node;
  const at = (i: number): Value => {
    const arg = args[i];
    return arg ? valueIn(arg, scope) : null;
  };
  // "Where both meet, the whole number becomes its nearest double."
  const asCommon = (value: Value): Value =>
    isFractional(node, scope) && typeof value === 'bigint' ? real(value) : value;
  switch (name) {
    // "false if one is false, else no value if one has none"; "true if one is true, else no value if one has none"
    case 'and':
    case 'or': {
      const stop = name === 'or';
      const [a, b] = [at(0), at(1)];
      if (a === stop || b === stop) return stop;
      return a === null || b === null ? null : !stop;
    }
    case 'not': {
      const a = at(0);
      return a === null ? null : !a;
    }
    case 'is null':
      return at(0) === null;
    // "`x = a or x = b`"
    case 'in': {
      const asks = args.slice(1).map((item) => compared('=', args[0] ?? item, item, scope));
      return asks.includes(true) ? true : asks.includes(null) ? null : false;
    }
    // "`a` if `c` is true, else `b`: also where `c` has no value"
    case 'if':
      return asCommon(at(0) === true ? at(1) : at(2));
    // "the first that has a value"
    case 'coalesce':
      return asCommon(args.map((_, i) => at(i)).find((value) => value !== null) ?? null);
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return args[0] && args[1] ? compared(name, args[0], args[1], scope) : null;
    default: {
      // "no value if any operand has none"
      const values = args.map((_, i) => at(i));
      if (values.includes(null)) return null;
      return computed(
        name,
        values,
        args.some((arg) => isFractional(arg, scope)),
      );
    }
  }
}

function compared(name: string, left: Node, right: Node, scope: Scope): boolean | null {
  const [a, b] = [valueIn(left, scope), valueIn(right, scope)];
  if (a === null || b === null) return null;
  const order = compareValues(a, b, isFractional(left, scope) || isFractional(right, scope));
  switch (name) {
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    default:
      return order >= 0;
  }
}

// "comparisons of texts: by code points; of booleans, false before true"
export function compareValues(a: Value, b: Value, asDoubles = false): number {
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  const plain = (v: Value): number | bigint => {
    if (v instanceof Moment) return v.micros;
    if (v instanceof Day) return v.days;
    if (typeof v === 'boolean') return Number(v);
    if (asDoubles) return real(v) ?? 0;
    if (typeof v === 'bigint' || typeof v === 'number') return v;
    if (v instanceof Decimal) return v.unscaled;
    throw new TypeError(`${String(v)} has no order`);
  };
  const [x, y] = [plain(a), plain(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function computed(name: string, values: readonly Value[], isReal: boolean): Value {
  const [a = null, b = null, c = null] = values;
  if (['+', '-', '*', '%'].includes(name) && !isReal && typeof a === 'bigint' && typeof b === 'bigint') {
    // "the remainder with the sign of `a`; no value where `b` is 0"
    if (name === '%') return b === 0n ? null : a % b;
    return whole(name === '+' ? a + b : name === '-' ? a - b : a * b);
  }
  const [x, y] = [real(a) ?? 0, real(b) ?? 0];
  const text = typeof a === 'string' ? a : '';
  const time = a instanceof Moment ? a.micros : 0n;
  const dayLength = 86_400_000_000n;
  const days = floorDiv(time, dayLength);
  switch (name) {
    case '+':
      return finite(x + y);
    case '-':
      return finite(x - y);
    case '*':
      return finite(x * y);
    // "of two doubles; no value where `b` is 0"
    case '/':
      return y === 0 ? null : finite(x / y);
    case '%':
      return y === 0 ? null : finite(x % y);
    case 'minus':
      return typeof a === 'bigint' ? whole(-a) : -x;
    case 'abs':
      return typeof a === 'bigint' ? whole(a < 0n ? -a : a) : Math.abs(x);
    // "a whole number, towards minus infinity"
    case 'floor':
      return typeof a === 'bigint' ? a : whole(BigInt(Math.floor(x)));
    case 'lower':
      return lower(text);
    case 'upper':
      return upper(text);
    case 'trim':
      return trim(text);
    // "the number of Unicode characters (code points)"
    case 'length':
      return BigInt([...text].length);
    case 'concat':
      return values.map(String).join('');
    case 'starts_with':
      return text.startsWith(String(b));
    case 'contains':
      return text.includes(String(b));
    // "counts characters from 1; a `from` below 1 is 1, a `count` below 0 is 0; what lies behind the end is left out"
    case 'substring': {
      if (typeof b !== 'bigint' || typeof c !== 'bigint') return null;
      const from = b < 1n ? 1n : b;
      return [...text].filter((_, i) => BigInt(i) + 1n >= from && BigInt(i) + 1n < from + c).join('');
    }
    case 'year':
      return BigInt(dateOf(days).year);
    case 'month':
      return BigInt(dateOf(days).month);
    case 'day':
      return BigInt(dateOf(days).date);
    case 'hour':
      return (time - days * dayLength) / 3_600_000_000n;
    case 'to_date':
      return new Day(days);
    default:
      throw new TypeError(`there is no function ${name}`);
  }
}
