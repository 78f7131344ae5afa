/** Reads parts of a statement without an engine's parser. */
import { catalogName } from './catalogs.ts';
import { notSupported, QueryError } from './queryError.ts';

/** A table, and its database if the statement names one. */
export interface Name {
  readonly database: string | undefined;
  readonly table: string;
}

/** `PARTITION (year='2025') LOCATION 's3://…'`. */
export interface PartitionSpec {
  readonly values: ReadonlyMap<string, string>;
  readonly location: string | undefined;
}

/** A column as CREATE TABLE has it; its type in Hive's notation, in lower case. */
export interface ColumnWritten {
  readonly name: string;
  readonly type: string;
  readonly comment: string | undefined;
}

/** Reads a statement token by token. Throws QueryError as Hive words it. */
export class SqlReader {
  readonly #sql: string;
  readonly #tokens: readonly { readonly text: string; readonly at: number }[];
  #at = 0;

  constructor(sql: string) {
    this.#tokens = tokenize(sql);
    const last = this.#tokens.at(-1);
    this.#sql = last === undefined ? '' : sql.slice(0, last.at + last.text.length);
  }

  /** The statement without the semicolon at its end. */
  whole(): string {
    return this.#sql;
  }

  /** The statement with a literal in place of each question mark. Throws QueryError if their numbers differ. */
  withParameters(parameters: readonly string[]): string {
    const marks = this.#tokens.filter((t) => t.text === '?');
    if (marks.length !== parameters.length)
      throw new QueryError(
        `INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected ${marks.length} but found ${parameters.length}`,
      );
    let sql = '';
    let from = 0;
    for (const [i, { at }] of marks.entries()) {
      sql += `${this.#sql.slice(from, at)}${parameters[i]}`;
      from = at + 1;
    }
    return sql + this.#sql.slice(from);
  }

  /** Adds the type to each text literal, because DuckDB would convert an untyped one to a number where it expects a number. */
  withTypedTexts(): string {
    let sql = '';
    let from = 0;
    for (const [i, { text, at }] of this.#tokens.entries()) {
      const before = this.#tokens[i - 1]?.text.toUpperCase() ?? '';
      if (!text.startsWith("'") || ['DATE', 'TIME', 'TIMESTAMP', 'INTERVAL', 'ESCAPE'].includes(before))
        continue;
      sql += `${this.#sql.slice(from, at)}(${text}::VARCHAR)`;
      from = at + text.length;
    }
    return sql + this.#sql.slice(from);
  }

  /**
   * The statement with an exponent at each number with a point: `1.5` is a double in Athena (`1 / 0.0` is Infinity in dbt-athena's own
   * tests), and a decimal in Trino and DuckDB.
   */
  withDoubles(): string {
    let sql = '';
    let from = 0;
    const isNumber = (text: string | undefined) => /^\d+$/.test(text ?? '');
    for (const [i, point] of this.#tokens.entries()) {
      const [before, after] = [this.#tokens[i - 1], this.#tokens[i + 1]];
      const hasWhole =
        before !== undefined && before.at + before.text.length === point.at && isNumber(before.text);
      const isNext = after !== undefined && after.at === point.at + 1;
      const hasFraction = isNext && isNumber(after.text);
      const hasExponent = isNext && /^\d*e/i.test(after.text);
      if (point.text !== '.' || hasExponent || !(hasWhole || hasFraction)) continue;
      const end = hasFraction ? after.at + after.text.length : point.at + 1;
      sql += `${this.#sql.slice(from, end)}e0`;
      from = end;
    }
    return sql + this.#sql.slice(from);
  }

  /** The rest of the statement, unchanged. */
  rest(): string {
    return this.isAtEnd() ? '' : this.#sql.slice(this.#tokens[this.#at]?.at);
  }

  #token(ahead = 0): string | undefined {
    return this.#tokens[this.#at + ahead]?.text;
  }

  peek(): string {
    return this.#token() ?? 'the end';
  }

  isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  take(word: string): boolean {
    if (this.#token()?.toUpperCase() !== word) return false;
    this.#at++;
    return true;
  }

  takeAll(...words: string[]): boolean {
    const found = words.every((word, i) => this.#token(i)?.toUpperCase() === word);
    if (found) this.#at += words.length;
    return found;
  }

  must(word: string): void {
    if (!this.take(word)) throw new QueryError(`FAILED: ParseException missing ${word} at '${this.peek()}'`);
  }

  end<T>(statement: T): T {
    if (!this.isAtEnd()) throw new QueryError(`FAILED: ParseException extraneous input '${this.peek()}'`);
    return statement;
  }

  identifier(): string {
    const token = this.peek();
    if (!/^[\w`"]/.test(token))
      throw new QueryError(`FAILED: ParseException cannot recognize input near '${token}'`);
    this.#at++;
    return token.replace(/^[`"](.*)[`"]$/s, '$1').toLowerCase();
  }

  /** `t`, `d.t` or `awsdatacatalog.d.t`. */
  name(): Name {
    const first = this.identifier();
    if (!this.take('.')) return { database: undefined, table: first };
    const second = this.identifier();
    if (!this.take('.')) return { database: first, table: second };
    if (first !== catalogName) throw notSupported(`the catalog ${first}`);
    return { database: second, table: this.identifier() };
  }

  text(): string {
    const token = this.peek();
    if (!/^['"]/.test(token))
      throw new QueryError(`FAILED: ParseException mismatched input '${token}' expecting StringLiteral`);
    this.#at++;
    return token.slice(1, -1).replaceAll("''", "'");
  }

  /** `(year='2025', month=10)`, or TBLPROPERTIES' `('a'='b')`. */
  pairs(): Map<string, string> {
    const pairs = new Map<string, string>();
    this.must('(');
    do {
      const key = /^'/.test(this.peek()) ? this.text() : this.identifier();
      this.must('=');
      pairs.set(key, /^['"]/.test(this.peek()) ? this.text() : this.identifier());
    } while (this.take(','));
    this.must(')');
    return pairs;
  }

  partitions(commas: boolean): PartitionSpec[] {
    const partitions: PartitionSpec[] = [];
    do {
      this.must('PARTITION');
      const values = this.pairs();
      partitions.push({ values, location: this.take('LOCATION') ? this.text() : undefined });
    } while (commas ? this.take(',') : this.peek().toUpperCase() === 'PARTITION');
    return partitions;
  }

  /** `(id bigint, tags array<string> COMMENT 'words')`. */
  columns(): ColumnWritten[] {
    const columns: ColumnWritten[] = [];
    this.must('(');
    do columns.push(this.column());
    while (this.take(','));
    this.must(')');
    return columns;
  }

  /** `tags array<string> COMMENT 'words'`. */
  column(): ColumnWritten {
    const name = this.identifier();
    let type = '';
    for (
      let depth = 0;
      depth > 0 || !(this.isAtEnd() || /^[,)]$|^(COMMENT|FIRST|AFTER)$/i.test(this.peek()));
      this.#at++
    ) {
      const token = this.peek();
      if (this.isAtEnd()) throw new QueryError('FAILED: ParseException missing ) at the end');
      if (/[<(]/.test(token)) depth++;
      if (/[>)]/.test(token)) depth--;
      type += token;
    }
    return { name, type: type.toLowerCase(), comment: this.take('COMMENT') ? this.text() : undefined };
  }

  /** The text between parentheses, unchanged. */
  parenthesis(): string {
    this.must('(');
    const start = this.#tokens[this.#at]?.at ?? 0;
    for (let depth = 1; ; this.#at++) {
      const token = this.#token();
      if (token === undefined) throw new QueryError("SYNTAX_ERROR: missing ')' at the end");
      if (token === '(') depth++;
      if (token === ')' && --depth === 0) break;
    }
    const text = this.#sql.slice(start, this.#tokens[this.#at]?.at).trim();
    this.#at++;
    return text;
  }

  /** Expressions with commas between them, to the end of the statement, unchanged. */
  expressions(): string[] {
    const all: string[] = [];
    let start = this.#tokens[this.#at]?.at ?? 0;
    for (let depth = 0; ; this.#at++) {
      const token = this.#tokens[this.#at];
      if (token === undefined || (token.text === ',' && depth === 0)) {
        all.push(this.#sql.slice(start, token?.at).trim());
        if (token === undefined) return all;
        start = token.at + 1;
      }
      if (token.text === '(' || token.text === '[') depth++;
      if (token.text === ')' || token.text === ']') depth--;
    }
  }

  /** `(format = 'PARQUET', bucket_count = 4, partitioned_by = ARRAY['day'])`; names in lower case, true and false as texts. */
  properties(): Map<string, string | number | string[]> {
    const properties = new Map<string, string | number | string[]>();
    this.must('(');
    do {
      const key = this.identifier();
      this.must('=');
      if (this.takeAll('ARRAY', '[')) {
        const items: string[] = [];
        do items.push(this.text());
        while (this.take(','));
        this.must(']');
        properties.set(key, items);
      } else if (/^\d+$/.test(this.peek())) {
        properties.set(key, Number(this.peek()));
        this.#at++;
      } else if (/^(true|false)$/i.test(this.peek())) properties.set(key, this.identifier());
      else properties.set(key, this.text());
    } while (this.take(','));
    this.must(')');
    return properties;
  }

  isCreateTableAs(): boolean {
    if (!this.takeAll('CREATE', 'TABLE')) return false;
    this.takeAll('IF', 'NOT', 'EXISTS');
    this.name();
    return this.take('AS') || this.take('WITH');
  }
}

/** Words, quoted names, texts and marks, with their positions, without comments and a final semicolon. */
export function tokenize(sql: string): { text: string; at: number }[] {
  const pattern = /\s+|--[^\n]*|\/\*[\s\S]*?\*\/|`[^`]*`|"[^"]*"|'(?:[^']|'')*'|[\w$]+|[^\s\w]/gy;
  const tokens = [...sql.matchAll(pattern)]
    .map((match) => ({ text: match[0], at: match.index }))
    .filter(({ text }) => !/^(\s|--|\/\*)/.test(text));
  if (tokens.at(-1)?.text === ';') tokens.pop();
  return tokens;
}
