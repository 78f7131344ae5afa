/** The grammar's pieces that Athena's DDL statements share. */
import { QueryError } from './service.ts';

/** A table, and its database where one is written. */
export interface Name {
  readonly database: string | undefined;
  readonly table: string;
}

/** `PARTITION (year='2025') LOCATION 's3://…'`. */
export interface PartitionSpec {
  readonly values: ReadonlyMap<string, string>;
  readonly location: string | undefined;
}

/** Reads a DDL statement token by token. Throws QueryError as Hive words it. */
export class DdlReader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(sql: string) {
    this.#tokens = tokenize(sql);
  }

  peek(): string {
    return this.#tokens[this.#at] ?? 'the end';
  }

  isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  take(word: string): boolean {
    if (this.#tokens[this.#at]?.toUpperCase() !== word) return false;
    this.#at++;
    return true;
  }

  takeAll(...words: string[]): boolean {
    const found = words.every((word, i) => this.#tokens[this.#at + i]?.toUpperCase() === word);
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

  name(): Name {
    const first = this.identifier();
    if (!this.take('.')) return { database: undefined, table: first };
    return { database: first, table: this.identifier() };
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

  /** `(id bigint, tags array<string>)`. */
  columns(): { name: string; type: string }[] {
    const columns: { name: string; type: string }[] = [];
    this.must('(');
    do {
      const name = this.identifier();
      let type = '';
      for (let depth = 0; depth > 0 || !/^[,)]$|^COMMENT$/i.test(this.peek()); this.#at++) {
        const token = this.peek();
        if (this.isAtEnd()) throw new QueryError('FAILED: ParseException missing ) at the end');
        if (/[<(]/.test(token)) depth++;
        if (/[>)]/.test(token)) depth--;
        type += token;
      }
      if (this.take('COMMENT')) this.text();
      columns.push({ name, type: type.toLowerCase() });
    } while (this.take(','));
    this.must(')');
    return columns;
  }
}

/** Words, quoted names and texts, and marks; comments and a last semicolon are left out. */
function tokenize(sql: string): string[] {
  const pattern = /\s+|--[^\n]*|\/\*[\s\S]*?\*\/|`[^`]*`|"[^"]*"|'(?:[^']|'')*'|[\w$]+|[^\s\w]/gy;
  const tokens = [...sql.matchAll(pattern)].map(([token]) => token).filter((t) => !/^(\s|--|\/\*)/.test(t));
  if (tokens.at(-1) === ';') tokens.pop();
  return tokens;
}
