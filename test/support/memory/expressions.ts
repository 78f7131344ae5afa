/**
 * DynamoDB's expressions: each text is parsed once and evaluated on items. Where AWS's pages are silent, the tests of
 * ScyllaDB's Alternator decide, which were run against AWS.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
 */

import { awsError } from './errors.ts';
import { Bytes, hasOwn, keys } from './globals.ts';
import { reservedWords } from './reservedWords.ts';
import { compareUtf8 } from './sorted.ts';
import {
  compare,
  equals,
  hasElement,
  type Item,
  isList,
  isMap,
  isSet,
  typeOf,
  type Value,
} from './values.ts';

/** The values of `#name` and `:value` in one call. */
export interface Bindings {
  readonly names: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, Value>>;
}

/** An attribute (its name or its placeholder), then members and indexes. */
export type Path = readonly (string | number)[];

export type Operand =
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'value'; readonly name: string }
  | { readonly kind: 'size'; readonly path: Path };

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'not'; readonly condition: Condition }
  | { readonly kind: 'compare'; readonly op: string; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'between'; readonly of: Operand; readonly low: Operand; readonly high: Operand }
  | { readonly kind: 'in'; readonly of: Operand; readonly among: readonly Operand[] }
  | { readonly kind: 'exists'; readonly path: Path; readonly wanted: boolean }
  | { readonly kind: 'beginsWith' | 'contains' | 'type'; readonly of: Operand; readonly with: Operand };

/** The value that SET assigns. */
type Source =
  | Operand
  | { readonly kind: 'add' | 'subtract'; readonly left: Source; readonly right: Source }
  | { readonly kind: 'ifNotExists'; readonly path: Path; readonly otherwise: Source }
  | { readonly kind: 'listAppend'; readonly first: Source; readonly second: Source };

export type Action =
  | { readonly kind: 'set'; readonly path: Path; readonly source: Source }
  | { readonly kind: 'remove'; readonly path: Path }
  | { readonly kind: 'add' | 'delete'; readonly path: Path; readonly value: Operand };

/** A parsed expression, with the placeholders that it uses. */
export interface Parsed<T> {
  readonly kind: string;
  readonly ast: T;
  readonly names: ReadonlySet<string>;
  readonly values: ReadonlySet<string>;
  /** The first attributes of its paths, or their placeholders. */
  readonly roots: ReadonlySet<string>;
  /** Requirements on its constants, independent of the item. */
  readonly rules: readonly Rule[];
}

/** AWS checks the type of a constant before it reads the item. The type of an attribute only makes a condition false. */
type Rule =
  | { readonly kind: 'ordered' | 'text'; readonly operator: string; readonly constant: string }
  | { readonly kind: 'type'; readonly constant: string }
  | { readonly kind: 'bounds'; readonly low: string; readonly high: string };

const validation = (message: string): Error => awsError('dynamodb', 'ValidationException', message);

// ---- parsing

const token = /\s*(?:([A-Za-z_][\w]*)|([#:]\w+)|(\d+)|(<>|<=|>=|[=<>()[\].,+-]))/y;

class Parser {
  readonly names = new Set<string>();
  readonly values = new Set<string>();
  readonly roots = new Set<string>();
  readonly rules: Rule[] = [];
  private readonly tokens: string[] = [];
  private at = 0;
  private readonly kind: string;
  private readonly text: string;

  constructor(kind: string, text: string) {
    this.kind = kind;
    this.text = text;
    if (text.trim() === '') throw validation(`Invalid ${kind}: The expression can not be empty;`);
    token.lastIndex = 0;
    while (token.lastIndex < text.trimEnd().length) {
      const start = token.lastIndex;
      const found = token.exec(text);
      if (!found) throw this.syntax(text.slice(start).trim().charAt(0), text.slice(start, start + 10));
      this.tokens.push(found[1] ?? found[2] ?? found[3] ?? found[4] ?? '');
    }
  }

  private syntax(word: string, near: string): Error {
    return validation(`Invalid ${this.kind}: Syntax error; token: "${word}", near: "${near}"`);
  }

  fail(): never {
    const word = this.tokens[this.at] ?? '<EOF>';
    throw this.syntax(word, this.tokens.slice(Math.max(0, this.at - 1), this.at + 2).join(' ') || this.text);
  }

  get isDone(): boolean {
    return this.at >= this.tokens.length;
  }

  peek(ahead = 0): string {
    return this.tokens[this.at + ahead] ?? '';
  }

  /** A keyword in any case; it is then consumed. */
  word(wanted: string): boolean {
    if (this.peek().toUpperCase() !== wanted) return false;
    this.at++;
    return true;
  }

  sign(wanted: string): boolean {
    if (this.peek() !== wanted) return false;
    this.at++;
    return true;
  }

  expect(wanted: string): void {
    if (!this.sign(wanted)) this.fail();
  }

  path(): Path {
    const root = this.element();
    this.roots.add(root);
    const path: (string | number)[] = [root];
    for (;;)
      if (this.sign('.')) path.push(this.element());
      else if (this.sign('[')) {
        if (!/^\d+$/.test(this.peek())) this.fail();
        path.push(Number(this.peek()));
        this.at++;
        this.expect(']');
      } else return path;
  }

  private element(): string {
    const name = this.peek();
    if (!/^[A-Za-z_#]/.test(name)) this.fail();
    if (name.startsWith('#')) this.names.add(name);
    else if (reservedWords.has(name.toUpperCase()))
      throw validation(
        `Invalid ${this.kind}: Attribute name is a reserved keyword; reserved keyword: ${name}`,
      );
    this.at++;
    return name;
  }

  value(): Operand {
    const name = this.peek();
    if (!name.startsWith(':')) this.fail();
    this.values.add(name);
    this.at++;
    return { kind: 'value', name };
  }

  isCall(name: string): boolean {
    return this.peek() === name && this.peek(1) === '(';
  }

  call(): void {
    this.at += 2;
  }

  operand(): Operand {
    if (this.peek().startsWith(':')) return this.value();
    if (this.isCall('size')) {
      this.call();
      const path = this.path();
      this.expect(')');
      return { kind: 'size', path };
    }
    if (this.peek(1) === '(')
      throw validation(`Invalid ${this.kind}: Invalid function name; function: ${this.peek()}`);
    return { kind: 'path', path: this.path() };
  }

  condition(): Condition {
    let left = this.conjunction();
    while (this.word('OR')) left = { kind: 'or', left, right: this.conjunction() };
    return left;
  }

  private conjunction(): Condition {
    let left = this.negation();
    while (this.word('AND')) left = { kind: 'and', left, right: this.negation() };
    return left;
  }

  private negation(): Condition {
    return this.word('NOT') ? { kind: 'not', condition: this.negation() } : this.primary();
  }

  private primary(): Condition {
    if (this.sign('(')) {
      const isDouble = this.peek() === '(';
      const inner = this.at;
      const condition = this.condition();
      if (isDouble && this.closes(inner))
        throw validation(`Invalid ${this.kind}: The expression has redundant parentheses;`);
      this.expect(')');
      return condition;
    }
    for (const [name, wanted] of existence)
      if (this.isCall(name)) {
        this.call();
        const path = this.path();
        this.expect(')');
        return { kind: 'exists', path, wanted };
      }
    for (const [name, kind] of tests)
      if (this.isCall(name)) {
        this.call();
        const of = this.operand();
        this.expect(',');
        const other = this.operand();
        this.expect(')');
        if (kind === 'beginsWith') for (const operand of [of, other]) this.rule('text', name, operand);
        if (kind === 'type') {
          if (other.kind !== 'value')
            throw validation(
              `Invalid ${this.kind}: Incorrect operand type for operator or function; operator or function: attribute_type`,
            );
          this.rules.push({ kind: 'type', constant: other.name });
        }
        return { kind, of, with: other };
      }
    return this.comparison();
  }

  private rule(kind: 'ordered' | 'text', operator: string, operand: Operand): void {
    if (operand.kind === 'value') this.rules.push({ kind, operator, constant: operand.name });
  }

  /** Whether the parenthesis that opens at `from` closes right before this position. */
  private closes(from: number): boolean {
    let depth = 0;
    for (let i = from; i < this.at; i++) {
      if (this.tokens[i] === '(') depth++;
      if (this.tokens[i] === ')' && --depth === 0) return i === this.at - 1;
    }
    return false;
  }

  private comparison(): Condition {
    const of = this.operand();
    if (this.word('BETWEEN')) {
      const low = this.operand();
      if (!this.word('AND')) this.fail();
      const high = this.operand();
      for (const operand of [of, low, high]) this.rule('ordered', 'BETWEEN', operand);
      if (low.kind === 'value' && high.kind === 'value')
        this.rules.push({ kind: 'bounds', low: low.name, high: high.name });
      return { kind: 'between', of, low, high };
    }
    if (this.word('IN')) {
      this.expect('(');
      const among = [this.operand()];
      while (this.sign(',')) among.push(this.operand());
      this.expect(')');
      // 100 operands, including the first one.
      if (among.length > 99)
        throw validation(`Invalid ${this.kind}: The IN operator is provided with too many operands;`);
      return { kind: 'in', of, among };
    }
    const op = this.peek();
    if (!comparators.has(op)) this.fail();
    this.at++;
    const right = this.operand();
    if (of.kind === 'path' && right.kind === 'path' && of.path.join('.') === right.path.join('.'))
      throw validation(
        `Invalid ${this.kind}: The first operand must be distinct from the remaining operands for this operator or function; operator: ${op}`,
      );
    if (op !== '=' && op !== '<>') for (const operand of [of, right]) this.rule('ordered', op, operand);
    return { kind: 'compare', op, left: of, right };
  }

  update(): Action[] {
    const actions: Action[] = [];
    const seen = new Set<string>();
    while (!this.isDone) {
      const clause = this.peek().toUpperCase();
      if (!clauses.has(clause)) this.fail();
      if (seen.has(clause))
        throw validation(
          `Invalid UpdateExpression: The "${clause}" section can only be used once in an update expression;`,
        );
      seen.add(clause);
      this.at++;
      do actions.push(this.action(clause));
      while (this.sign(','));
    }
    return actions;
  }

  private action(clause: string): Action {
    const path = this.path();
    if (clause === 'REMOVE') return { kind: 'remove', path };
    if (clause === 'ADD') return { kind: 'add', path, value: this.value() };
    if (clause === 'DELETE') return { kind: 'delete', path, value: this.value() };
    this.expect('=');
    return { kind: 'set', path, source: this.source() };
  }

  private source(): Source {
    const left = this.term();
    if (this.sign('+')) return { kind: 'add', left, right: this.term() };
    if (this.sign('-')) return { kind: 'subtract', left, right: this.term() };
    return left;
  }

  private term(): Source {
    if (this.sign('(')) {
      const source = this.source();
      this.expect(')');
      return source;
    }
    if (this.isCall('if_not_exists')) {
      this.call();
      const path = this.path();
      this.expect(',');
      const otherwise = this.term();
      this.expect(')');
      return { kind: 'ifNotExists', path, otherwise };
    }
    if (this.isCall('list_append')) {
      this.call();
      const first = this.term();
      this.expect(',');
      const second = this.term();
      this.expect(')');
      if (first.kind === 'listAppend' || second.kind === 'listAppend')
        throw validation(
          'Invalid UpdateExpression: The function is not allowed to be used this way in an expression; function: list_append',
        );
      return { kind: 'listAppend', first, second };
    }
    if (this.isCall('size'))
      throw validation(
        'Invalid UpdateExpression: The function is not allowed in an update expression; function: size',
      );
    return this.operand();
  }

  projection(): Path[] {
    const paths = [this.path()];
    while (this.sign(',')) paths.push(this.path());
    return paths;
  }
}

const existence = [
  ['attribute_exists', true],
  ['attribute_not_exists', false],
] as const;
const tests = [
  ['begins_with', 'beginsWith'],
  ['contains', 'contains'],
  ['attribute_type', 'type'],
] as const;
const comparators = new Set(['=', '<>', '<', '<=', '>', '>=']);
const clauses = new Set(['SET', 'REMOVE', 'ADD', 'DELETE']);

/** A function that parses each text once. */
function cached<T>(kind: string, parse: (parser: Parser) => T) {
  const known = new Map<string, Parsed<T>>();
  return (text: string): Parsed<T> => {
    const found = known.get(text);
    if (found) return found;
    const parser = new Parser(kind, text);
    const ast = parse(parser);
    if (!parser.isDone) parser.fail();
    const parsed = {
      kind,
      ast,
      names: parser.names,
      values: parser.values,
      roots: parser.roots,
      rules: parser.rules,
    };
    // There are few texts, but a test that generates them must not fill the memory.
    if (known.size > 10_000) known.clear();
    known.set(text, parsed);
    return parsed;
  };
}

export const parseCondition = cached('ConditionExpression', (p) => p.condition());
export const parseFilter = cached('FilterExpression', (p) => p.condition());
export const parseKeyCondition = cached('KeyConditionExpression', (p) => p.condition());
export const parseUpdate = cached('UpdateExpression', (p) => p.update());
export const parseProjection = cached('ProjectionExpression', (p) => p.projection());

/** Throws ValidationException for a missing or unused placeholder. */
export function checkPlaceholders(
  expressions: readonly (Parsed<unknown> | undefined)[],
  { names, values }: Bindings,
): void {
  for (const expression of expressions) {
    if (expression === undefined) continue;
    for (const name of expression.names)
      if (names[name] === undefined)
        throw validation(
          `Invalid ${expression.kind}: An expression attribute name used in the document path is not defined; attribute name: ${name}`,
        );
    for (const value of expression.values)
      if (values[value] === undefined)
        throw validation(
          `Invalid ${expression.kind}: An expression attribute value used in expression is not defined; attribute value: ${value}`,
        );
  }
  for (const expression of expressions)
    if (expression !== undefined)
      for (const rule of expression.rules) {
        const refusal = refusalBy(rule, values);
        if (refusal !== undefined) throw validation(`Invalid ${expression.kind}: ${refusal}`);
      }
  for (const name in names)
    if (!isUsed(expressions, 'names', name))
      throw validation(`Value provided in ExpressionAttributeNames unused in expressions: keys: {${name}}`);
  for (const value in values)
    if (!isUsed(expressions, 'values', value))
      throw validation(`Value provided in ExpressionAttributeValues unused in expressions: keys: {${value}}`);
}

/** Why a constant is invalid; undefined if it is valid. */
function refusalBy(rule: Rule, values: Bindings['values']): string | undefined {
  if (rule.kind === 'bounds') {
    const [low, high] = [values[rule.low] ?? null, values[rule.high] ?? null];
    const order = compare(low, high);
    if (order === undefined) return 'The BETWEEN operator requires same data type for lower and upper bounds';
    return order > 0
      ? 'The BETWEEN operator requires upper bound to be greater than or equal to lower bound'
      : undefined;
  }
  const value = values[rule.constant] ?? null;
  if (rule.kind === 'type')
    return typeof value === 'string' && types.has(value)
      ? undefined
      : `Invalid attribute type name found; type: ${value}`;
  const type = typeOf(value);
  if (type === 'S' || type === 'B' || (type === 'N' && rule.kind === 'ordered')) return undefined;
  return `Incorrect operand type for operator or function; operator or function: ${rule.operator}, operand type: ${type}`;
}

const types = new Set(['S', 'N', 'B', 'BOOL', 'NULL', 'SS', 'NS', 'BS', 'L', 'M']);

function isUsed(
  expressions: readonly (Parsed<unknown> | undefined)[],
  kind: 'names' | 'values',
  placeholder: string,
): boolean {
  for (const expression of expressions) if (expression?.[kind].has(placeholder)) return true;
  return false;
}

// ---- conditions

const nameOf = (element: string, { names }: Bindings): string =>
  element.charCodeAt(0) === 35 ? (names[element] ?? '') : element;

/** The name of a path's attribute. */
function attributeOf([first]: Path, bindings: Bindings): string {
  return typeof first === 'string' ? nameOf(first, bindings) : '';
}

const member = (map: Item, name: string): Value | undefined => (hasOwn(map, name) ? map[name] : undefined);

export function valueAt(item: Item | undefined, path: Path, bindings: Bindings): Value | undefined {
  let value: Value | undefined = item;
  for (const element of path) {
    if (typeof element === 'number')
      value = value !== undefined && isList(value) ? value[element] : undefined;
    else value = isMap(value) ? member(value, nameOf(element, bindings)) : undefined;
    if (value === undefined) return undefined;
  }
  return value;
}

function operandValue(operand: Operand, item: Item | undefined, bindings: Bindings): Value | undefined {
  if (operand.kind === 'value') return bindings.values[operand.name];
  const value = valueAt(item, operand.path, bindings);
  return operand.kind === 'path' || value === undefined ? value : lengthOf(value);
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html: size */
function lengthOf(value: Value): number | undefined {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return undefined;
  if (isList(value) || value instanceof Bytes) return value.length;
  return isSet(value) ? value.size : keys(value).length;
}

export function holds(condition: Condition, item: Item | undefined, bindings: Bindings): boolean {
  switch (condition.kind) {
    case 'and':
      return holds(condition.left, item, bindings) && holds(condition.right, item, bindings);
    case 'or':
      return holds(condition.left, item, bindings) || holds(condition.right, item, bindings);
    case 'not':
      return !holds(condition.condition, item, bindings);
    case 'exists':
      return (valueAt(item, condition.path, bindings) !== undefined) === condition.wanted;
    case 'compare':
      return compares(
        condition.op,
        operandValue(condition.left, item, bindings),
        operandValue(condition.right, item, bindings),
      );
    case 'between': {
      const of = operandValue(condition.of, item, bindings);
      return (
        compares('>=', of, operandValue(condition.low, item, bindings)) &&
        compares('<=', of, operandValue(condition.high, item, bindings))
      );
    }
    case 'in': {
      const of = operandValue(condition.of, item, bindings);
      return condition.among.some((operand) => compares('=', of, operandValue(operand, item, bindings)));
    }
  }
  const of = operandValue(condition.of, item, bindings);
  const other = operandValue(condition.with, item, bindings);
  if (of === undefined || other === undefined) return false;
  switch (condition.kind) {
    case 'type':
      return typeOf(of) === other;
    case 'beginsWith':
      if (typeof of === 'string' && typeof other === 'string') return of.startsWith(other);
      return (
        of instanceof Bytes &&
        other instanceof Bytes &&
        Buffer.compare(of.subarray(0, other.length), other) === 0
      );
    case 'contains':
      if (typeof of === 'string') return typeof other === 'string' && of.includes(other);
      if (isSet(of)) return hasElement(of, other);
      if (of instanceof Bytes) return other instanceof Bytes && Buffer.from(of).includes(Buffer.from(other));
      return isList(of) && of.some((element) => equals(element, other));
  }
}

/** A missing attribute equals nothing, and differs from everything. */
function compares(op: string, left: Value | undefined, right: Value | undefined): boolean {
  if (op === '<>') return left === undefined || right === undefined || !equals(left, right);
  if (left === undefined || right === undefined) return false;
  if (op === '=') return equals(left, right);
  const order = compare(left, right);
  if (order === undefined) return false;
  if (op === '<') return order < 0;
  if (op === '<=') return order <= 0;
  return op === '>' ? order > 0 : order >= 0;
}

// ---- projections

/** The attributes at `paths`; elements of lists move together. */
export function project(item: Item, paths: readonly Path[], bindings: Bindings): Item {
  const wanted = paths.filter((path) => valueAt(item, path, bindings) !== undefined);
  return wanted.length === 0 ? {} : (selected(item, wanted, bindings) as Item);
}

function selected(value: Value, paths: readonly Path[], bindings: Bindings): Value {
  if (paths.some((path) => path.length === 0)) return value;
  const byElement = new Map<string | number, Path[]>();
  for (const [first, ...rest] of paths) {
    const element = typeof first === 'string' ? nameOf(first, bindings) : (first ?? 0);
    byElement.set(element, [...(byElement.get(element) ?? []), rest]);
  }
  if (isList(value))
    return [...byElement]
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([index, rest]) => selected(value[Number(index)] ?? null, rest, bindings));
  const map: Record<string, Value> = {};
  for (const [name, rest] of byElement)
    if (isMap(value)) map[name] = selected(member(value, String(name)) ?? null, rest, bindings);
  return map;
}

// ---- updates

/** The item after all actions. Each action sees the item as it was before. */
export function updated(item: Item, actions: readonly Action[], bindings: Bindings): Item {
  checkOverlap(actions, bindings);
  const next: Record<string, Value> = { ...item };
  const removed: Path[] = [];
  // Elements beyond the end of a list are appended in the order of their indexes.
  const inOrder = actions.some((action) => action.path.length > 1)
    ? actions.toSorted((a, b) => indexOf(a.path) - indexOf(b.path))
    : actions;
  for (const action of inOrder) {
    const value = newValue(action, item, bindings);
    if (value === undefined) {
      removed.push(action.path);
      continue;
    }
    const [name, rest] = split(action.path, bindings);
    if (rest.length > 0 && next[name] === undefined) throw validation(invalidPath);
    next[name] = rest.length === 0 ? value : withValue(next[name], rest, value, bindings);
  }
  // Indexes of removed elements refer to the original list, so the last one is removed first.
  if (removed.length > 1) removed.sort((a, b) => lastFirst(a, b, bindings));
  for (const path of removed) {
    const [name, rest] = split(path, bindings);
    if (rest.length === 0) delete next[name];
    else if (next[name] === undefined) throw validation(invalidPath);
    else next[name] = withoutValue(next[name], rest, bindings);
  }
  return next;
}

/** The attribute of a path, and the rest of the path. */
const split = (path: Path, bindings: Bindings): [string, Path] => [
  attributeOf(path, bindings),
  path.length === 1 ? noPath : path.slice(1),
];
const noPath: Path = [];

/** Orders removed paths by names, and elements of one list from its end to its start. */
function lastFirst(a: Path, b: Path, bindings: Bindings): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    if (typeof x === 'number' && typeof y === 'number') {
      if (x !== y) return y - x;
    } else {
      const order = compareUtf8(nameOf(String(x), bindings), nameOf(String(y), bindings));
      if (order !== 0) return order;
    }
  }
  return 0;
}

/** The index that a path ends with; -1 for one that ends with a name. */
function indexOf(path: Path): number {
  const last = path[path.length - 1];
  return typeof last === 'number' ? last : -1;
}

/** Two actions may not write to the same place, nor treat one place as a map and as a list. */
function checkOverlap(actions: readonly Action[], bindings: Bindings): void {
  for (let i = 1; i < actions.length; i++)
    for (let j = 0; j < i; j++) {
      const [a, b] = [actions[i]?.path ?? [], actions[j]?.path ?? []];
      if (attributeOf(a, bindings) !== attributeOf(b, bindings)) continue;
      const named = (path: Path) => path.map((e) => (typeof e === 'string' ? nameOf(e, bindings) : e));
      const [x, y] = [named(a), named(b)];
      const differs = x.findIndex((e, n) => n >= y.length || e !== y[n]);
      const paths = `path one: [${x.join(', ')}], path two: [${y.join(', ')}]`;
      if (differs < 0 || differs >= y.length)
        throw validation(
          `Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; ${paths}`,
        );
      if (typeof x[differs] !== typeof y[differs])
        throw validation(
          `Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; ${paths}`,
        );
    }
}

/** The new value at an action's path; undefined if it is removed. */
function newValue(action: Action, item: Item, bindings: Bindings): Value | undefined {
  if (action.kind === 'remove') return undefined;
  if (action.kind === 'set') return sourceValue(action.source, item, bindings);
  const existing = valueAt(item, action.path, bindings);
  const value = operandValue(action.value, item, bindings);
  if (action.kind === 'add') {
    if (typeof value === 'number' && (existing === undefined || typeof existing === 'number'))
      return (existing ?? 0) + value;
    if (!isSet(value)) throw validation(typeof value === 'number' ? wrongType : wrongOperand('ADD', value));
    if (existing === undefined) return value;
    if (!isSet(existing) || typeOf(existing) !== typeOf(value)) throw validation(wrongType);
    return new Set([...existing, ...[...value].filter((v) => !hasElement(existing, v))]);
  }
  if (!isSet(value)) throw validation(wrongOperand('DELETE', value));
  if (existing === undefined) return undefined;
  if (!isSet(existing) || typeOf(existing) !== typeOf(value)) throw validation(wrongType);
  const rest = [...existing].filter((v) => !hasElement(value, v));
  return rest.length === 0 ? undefined : new Set(rest);
}

const wrongType = 'An operand in the update expression has an incorrect data type';
const wrongOperand = (operator: string, value: Value | undefined): string =>
  `Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ${operator}, operand type: ${value === undefined ? 'NULL' : typeOf(value)}`;

function sourceValue(source: Source, item: Item, bindings: Bindings): Value {
  switch (source.kind) {
    case 'ifNotExists':
      return valueAt(item, source.path, bindings) ?? sourceValue(source.otherwise, item, bindings);
    case 'listAppend': {
      const [first, second] = [source.first, source.second].map((s) => sourceValue(s, item, bindings));
      if (first === undefined || second === undefined || !isList(first) || !isList(second))
        throw validation(wrongType);
      return [...first, ...second];
    }
    case 'add':
    case 'subtract': {
      const left = sourceValue(source.left, item, bindings);
      const right = sourceValue(source.right, item, bindings);
      if (typeof left !== 'number' || typeof right !== 'number') throw validation(wrongType);
      return source.kind === 'add' ? left + right : left - right;
    }
  }
  const value = operandValue(source, item, bindings);
  if (value === undefined)
    throw validation('The provided expression refers to an attribute that does not exist in the item');
  return value;
}

const invalidPath = 'The document path provided in the update expression is invalid for update';

/** A copy of a container with a value at a path below it. */
function withValue(container: Value | undefined, path: Path, value: Value, bindings: Bindings): Value {
  const [element, ...rest] = path;
  if (element === undefined) return value;
  if (typeof element === 'number') {
    if (container === undefined || !isList(container)) throw validation(invalidPath);
    const list = [...container];
    // Beyond the end, whatever the index, the value is appended.
    if (element >= list.length && rest.length > 0) throw validation(invalidPath);
    if (element >= list.length) list.push(value);
    else list[element] = withValue(list[element], rest, value, bindings);
    return list;
  }
  if (!isMap(container)) throw validation(invalidPath);
  const name = nameOf(element, bindings);
  if (rest.length > 0 && member(container, name) === undefined) throw validation(invalidPath);
  return {
    ...container,
    [name]: rest.length === 0 ? value : withValue(member(container, name), rest, value, bindings),
  };
}

/** A copy of a container without the value at a path; the parent must exist. */
function withoutValue(container: Value | undefined, path: Path, bindings: Bindings): Value {
  const [element, ...rest] = path;
  if (typeof element === 'number') {
    if (container === undefined || !isList(container)) throw validation(invalidPath);
    const found = container[element];
    if (found === undefined) return container;
    if (rest.length === 0) return container.toSpliced(element, 1);
    return container.with(element, withoutValue(found, rest, bindings));
  }
  if (element === undefined || !isMap(container)) throw validation(invalidPath);
  const name = nameOf(element, bindings);
  const found = member(container, name);
  if (rest.length === 0) {
    if (found === undefined) return container;
    const { [name]: _, ...others } = container;
    return others;
  }
  if (found === undefined) throw validation(invalidPath);
  return { ...container, [name]: withoutValue(found, rest, bindings) };
}
