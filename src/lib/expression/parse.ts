/**
 * The expression language of contracts: text -> tree. It is small on purpose. None of it is SQL, so no SQL can be injected.
 *
 *   or, and, not          = != < <= > >=       + - * / %       in (…), is null, is not null
 *   names of columns      'text' (quote doubled inside)  12  1.5  true  false  null       function(…)
 */
import { SluiceError } from '../errors.ts';

export type Expression =
  | { readonly kind: 'column'; readonly name: string; readonly at: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'number'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'not' | 'minus'; readonly operand: Expression; readonly at: number }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    }
  | { readonly kind: 'isNull'; readonly operand: Expression; readonly negated: boolean }
  | {
      readonly kind: 'in';
      readonly operand: Expression;
      readonly items: readonly Expression[];
      readonly negated: boolean;
      readonly at: number;
    }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly args: readonly Expression[];
      readonly at: number;
    };

const operatorsByPrecedence = [
  ['or'],
  ['and'],
  ['=', '!=', '<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%'],
] as const;
export type BinaryOperator = (typeof operatorsByPrecedence)[number][number];

/** An expression has a fault. `at` is the 0-based position in its text. */
export class ExpressionError extends SluiceError {
  override readonly name = 'ExpressionError';
  readonly at: number;
  constructor(at: number, message: string) {
    super(`${message} (at character ${at + 1})`);
    this.at = at;
  }
}

/** Throws ExpressionError. */
export function parseExpression(text: string): Expression {
  const parser = new Parser(tokenize(text));
  const expression = parser.binary(0);
  parser.mustEnd();
  return expression;
}

interface Token {
  readonly kind: 'word' | 'number' | 'text' | 'mark' | 'end';
  readonly text: string;
  readonly at: number;
}

/** The maximum number of operators. Engines nest them, and DuckDB supports 1,000 levels. */
const maxTokens = 500;

function tokenize(text: string): Token[] {
  const pattern = /\s+|([A-Za-z_]\w*)|(\d+(?:\.\d+)?)|'((?:[^']|'')*)'|(!=|<=|>=|[-=<>+*/%(),])/gy;
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) throw new ExpressionError(at, `"${text[at]}" is not understood`);
    const [whole, word, number, quoted, mark] = match;
    if (word !== undefined) tokens.push({ kind: 'word', text: word, at });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.replaceAll("''", "'"), at });
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark, at });
    at += whole.length;
  }
  tokens.push({ kind: 'end', text: 'the end', at });
  const beyond = tokens[maxTokens];
  if (beyond) throw new ExpressionError(beyond.at, `the expression is longer than ${maxTokens} words`);
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** Operators of the given precedence and tighter ones. */
  binary(level: number): Expression {
    const operators: readonly string[] | undefined = operatorsByPrecedence[level];
    if (!operators) return this.#unary();
    let left = level === 2 ? this.#negation() : this.binary(level + 1);
    for (;;) {
      const token = this.#peek();
      const isOperator =
        (token.kind === 'mark' || token.kind === 'word') && operators.includes(token.text.toLowerCase());
      if (!isOperator) return level === 2 ? this.#test(left) : left;
      this.#next++;
      left = {
        kind: 'binary',
        operator: token.text.toLowerCase() as BinaryOperator,
        left,
        right: this.binary(level + 1),
        at: token.at,
      };
    }
  }

  mustEnd(): void {
    const token = this.#peek();
    if (token.kind !== 'end') throw new ExpressionError(token.at, `"${token.text}" is not expected here`);
  }

  /** `not` binds looser than a comparison and tighter than `and`. */
  #negation(): Expression {
    const at = this.#peek().at;
    if (!this.#takeWord('not')) return this.binary(3);
    return { kind: 'not', operand: this.#deeper(() => this.binary(2)), at };
  }

  /** `is null`, `in (…)` and their negations, after an operand. */
  #test(operand: Expression): Expression {
    const at = this.#peek().at;
    if (this.#takeWord('is')) {
      const negated = this.#takeWord('not');
      this.#mustWord('null');
      return { kind: 'isNull', operand, negated };
    }
    const negated = this.#takeWord('not');
    if (this.#takeWord('in')) return { kind: 'in', operand, items: this.#list(), negated, at };
    if (negated) throw new ExpressionError(at, '"not" is followed by "in" here');
    return operand;
  }

  #unary(): Expression {
    const token = this.#peek();
    if (this.#takeMark('-'))
      return { kind: 'minus', operand: this.#deeper(() => this.#unary()), at: token.at };
    if (this.#takeMark('(')) {
      const inner = this.#deeper(() => this.binary(0));
      this.#mustMark(')');
      return inner;
    }
    this.#next++;
    switch (token.kind) {
      case 'number':
        return { kind: 'number', value: token.text };
      case 'text':
        return { kind: 'text', value: token.text };
      case 'word':
        return this.#word(token);
      default:
        throw new ExpressionError(token.at, `a value is missing before "${token.text}"`);
    }
  }

  #word(token: Token): Expression {
    const word = token.text.toLowerCase();
    if (word === 'true' || word === 'false') return { kind: 'boolean', value: word === 'true' };
    if (word === 'null') return { kind: 'null' };
    if (['and', 'or', 'not', 'in', 'is'].includes(word))
      throw new ExpressionError(token.at, `a value is missing before "${token.text}"`);
    if (this.#peek().text === '(' && this.#peek().kind === 'mark')
      return { kind: 'call', name: word, args: this.#list(), at: token.at };
    return { kind: 'column', name: token.text, at: token.at };
  }

  #list(): Expression[] {
    this.#mustMark('(');
    const items: Expression[] = [];
    if (this.#takeMark(')')) return items;
    do items.push(this.#deeper(() => this.binary(0)));
    while (this.#takeMark(','));
    this.#mustMark(')');
    return items;
  }

  #deeper<T>(work: () => T): T {
    if (++this.#depth > 50) throw new ExpressionError(this.#peek().at, 'the expression is nested too deeply');
    const result = work();
    this.#depth--;
    return result;
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] as Token;
  }

  #takeWord(word: string): boolean {
    const token = this.#peek();
    const isIt = token.kind === 'word' && token.text.toLowerCase() === word;
    if (isIt) this.#next++;
    return isIt;
  }

  #takeMark(mark: string): boolean {
    const token = this.#peek();
    const isIt = token.kind === 'mark' && token.text === mark;
    if (isIt) this.#next++;
    return isIt;
  }

  #mustWord(word: string): void {
    const token = this.#peek();
    if (!this.#takeWord(word))
      throw new ExpressionError(token.at, `"${word}" is expected instead of "${token.text}"`);
  }

  #mustMark(mark: string): void {
    const token = this.#peek();
    if (!this.#takeMark(mark))
      throw new ExpressionError(token.at, `"${mark}" is expected instead of "${token.text}"`);
  }
}

/** The columns that an expression reads, with repetitions. */
export function columnsIn(expression: Expression): string[] {
  switch (expression.kind) {
    case 'column':
      return [expression.name];
    case 'not':
    case 'minus':
    case 'isNull':
      return columnsIn(expression.operand);
    case 'binary':
      return [...columnsIn(expression.left), ...columnsIn(expression.right)];
    case 'in':
      return [expression.operand, ...expression.items].flatMap(columnsIn);
    case 'call':
      return expression.args.flatMap(columnsIn);
    default:
      return [];
  }
}
