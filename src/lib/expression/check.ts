/** Checks the types of expressions, and gives a tree with all types. */
import { type FunctionName, signatureOf, type ValueType } from './functions.ts';
import { type BinaryOperator, type Expression, ExpressionError } from './parse.ts';

/** An expression with correct types. */
export type Typed = { readonly type: ValueType } & (
  | { readonly kind: 'column'; readonly name: string; readonly hiveType: string }
  | { readonly kind: 'text' | 'number'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'not' | 'minus'; readonly operand: Typed }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Typed;
      readonly right: Typed;
    }
  | { readonly kind: 'isNull'; readonly operand: Typed; readonly negated: boolean }
  | {
      readonly kind: 'in';
      readonly operand: Typed;
      readonly items: readonly Typed[];
      readonly negated: boolean;
    }
  | { readonly kind: 'call'; readonly name: FunctionName; readonly args: readonly Typed[] }
);

/** Converts a column's Hive type to a type in expressions; undefined for types that expressions do not support. */
export function valueTypeOf(hiveType: string): ValueType | undefined {
  if (hiveType === 'string' || hiveType === 'json') return 'text';
  if (hiveType === 'int' || hiveType === 'bigint') return 'integer';
  if (hiveType === 'double' || hiveType.startsWith('decimal')) return 'number';
  if (hiveType === 'boolean' || hiveType === 'timestamp' || hiveType === 'date') return hiveType;
  return undefined;
}

/** `columns`: name -> Hive type. Throws ExpressionError for an unknown name, or types that do not fit. */
export function checkExpression(expression: Expression, columns: ReadonlyMap<string, string>): Typed {
  const check = (e: Expression): Typed => {
    switch (e.kind) {
      case 'column': {
        const hive = columns.get(e.name);
        if (hive === undefined) throw new ExpressionError(e.at, `there is no column "${e.name}"`);
        const type = valueTypeOf(hive);
        if (!type)
          throw new ExpressionError(e.at, `the column "${e.name}" is ${hive}, which expressions do not read`);
        return { kind: 'column', name: e.name, hiveType: hive, type };
      }
      case 'text':
        return { ...e, type: 'text' };
      case 'number':
        if (!Number.isFinite(Number(e.value)))
          throw new ExpressionError(0, `${e.value.slice(0, 20)}… is more than the largest number`);
        return { ...e, type: /^\d{1,38}$/.test(e.value) ? 'integer' : 'number' };
      case 'boolean':
        return { ...e, type: 'boolean' };
      case 'null':
        return { ...e, type: 'null' };
      case 'not':
        return { kind: 'not', operand: want(check(e.operand), 'boolean', e.at, 'not'), type: 'boolean' };
      case 'minus': {
        const operand = want(check(e.operand), 'number', e.at, '-');
        return { kind: 'minus', operand, type: operand.type };
      }
      case 'isNull':
        return { kind: 'isNull', operand: check(e.operand), negated: e.negated, type: 'boolean' };
      case 'in': {
        const operand = check(e.operand);
        const items = e.items.map(check);
        if (items.length === 0) throw new ExpressionError(e.at, '"in" needs at least one value');
        common([operand, ...items], e.at);
        return { kind: 'in', operand, items, negated: e.negated, type: 'boolean' };
      }
      case 'binary':
        return checkBinary(e.operator, check(e.left), check(e.right), e.at);
      case 'call':
        return checkCall(e.name, e.args.map(check), e.at);
    }
  };
  const typed = check(expression);
  if (sizeOf(typed) > maxSize)
    throw new ExpressionError(0, 'divisions, fractions, upper and substring are nested too deeply');
  return typed;
}

/** SQL repeats an operand to check whether it is zero, infinite or missing, so each level doubles the size of the levels below. */
const maxSize = 1000;

/** The approximate number of values in the SQL of an expression. */
function sizeOf(e: Typed): number {
  const observed = (part: Typed) => sizeOf(part) * (part.type === 'number' && !isAlwaysFinite(part) ? 2 : 1);
  const sum = (parts: readonly Typed[], size: (part: Typed) => number) =>
    parts.reduce((all, part) => all + size(part), 0);
  switch (e.kind) {
    case 'not':
    case 'isNull':
      return observed(e.operand);
    case 'minus':
      return sizeOf(e.operand);
    case 'in':
      return sum([e.operand, ...e.items], observed);
    case 'binary':
      if (e.operator === '/' || e.operator === '%') return sizeOf(e.left) + 2 * sizeOf(e.right);
      return sum([e.left, e.right], e.type === 'boolean' ? observed : sizeOf);
    case 'call':
      return (e.name === 'upper' || e.name === 'substring' ? 2 : 1) * sum(e.args, observed);
    default:
      return 1;
  }
}

/** Whether a double is certainly finite: any except the result of a calculation. */
export const isAlwaysFinite = (e: Typed): boolean =>
  e.kind === 'minus' ? isAlwaysFinite(e.operand) : e.kind !== 'binary';

function checkBinary(operator: BinaryOperator, left: Typed, right: Typed, at: number): Typed {
  const typed = (type: ValueType): Typed => ({ kind: 'binary', operator, left, right, type });
  if (operator === 'and' || operator === 'or') {
    want(left, 'boolean', at, operator);
    want(right, 'boolean', at, operator);
    return typed('boolean');
  }
  if (['+', '-', '*', '/', '%'].includes(operator)) {
    want(left, 'number', at, operator);
    want(right, 'number', at, operator);
    const isWhole = operator !== '/' && left.type !== 'number' && right.type !== 'number';
    return typed(isWhole ? 'integer' : 'number');
  }
  common([left, right], at);
  return typed('boolean');
}

function checkCall(name: string, args: readonly Typed[], at: number): Typed {
  const signature = signatureOf(name);
  if (!signature) throw new ExpressionError(at, `there is no function "${name}"`);
  const { args: wanted, rest, gives } = signature;
  const isCountRight = rest ? args.length >= wanted.length : args.length === wanted.length;
  if (!isCountRight)
    throw new ExpressionError(
      at,
      `${name} takes ${wanted.length}${rest ? ' or more' : ''} arguments, not ${args.length}`,
    );
  const [first] = args;
  // Engines would convert it to a double, which has fewer digits.
  if (name === 'floor' && first?.type === 'integer') return first;
  const free: Typed[] = [];
  args.forEach((arg, i) => {
    const type = wanted[Math.min(i, wanted.length - 1)];
    if (type === 'any') free.push(arg);
    else if (type) want(arg, type, at, name);
  });
  const type = gives === 'same' ? common(free, at) : gives === 'first' ? (first?.type ?? 'null') : gives;
  return { kind: 'call', name: name as FunctionName, args, type };
}

/** The common type of all; null fits every type. */
function common(expressions: readonly Typed[], at: number): ValueType {
  const types = [...new Set(expressions.map((e) => e.type).filter((type) => type !== 'null'))];
  if (types.every((type) => type === 'integer' || type === 'number') && types.length === 2) return 'number';
  if (types.length > 1) throw new ExpressionError(at, `${types.join(' and ')} do not go together`);
  return types[0] ?? 'null';
}

function want(expression: Typed, type: ValueType, at: number, where: string): Typed {
  const { type: found } = expression;
  const fits = found === type || found === 'null' || (type === 'number' && found === 'integer');
  if (!fits) throw new ExpressionError(at, `"${where}" takes ${type}, not ${found}`);
  return expression;
}
