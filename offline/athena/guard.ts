/**
 * Decides whether DuckDB gives Athena's answer to a query. The query is parsed, and everything in it must be on the
 * list of what means the same on both; anything else is refused by name.
 */
import { Dialect, parse } from '@polyglot-sql/sdk';
import { notSupported, QueryError } from './service.ts';

export interface TableRef {
  readonly database: string | null;
  readonly table: string;
}

/** The tables a query reads. Throws QueryError for a syntax error and for what DuckDB would answer otherwise. */
export function checkQuery(sql: string): TableRef[] {
  const parsed = parse(sql, Dialect.Athena);
  if (!parsed.success || !Array.isArray(parsed.ast))
    throw new QueryError(`SYNTAX_ERROR: ${parsed.error ?? 'the statement cannot be parsed'}`);
  if (parsed.ast.length !== 1) throw new QueryError('SYNTAX_ERROR: Only one sql statement is allowed.');
  const nodes = [...expressions(parsed.ast[0])];
  const subqueries = new Set(withNames(parsed.ast[0]));
  const tables: TableRef[] = [];
  for (const [kind, value] of nodes) {
    if (!sameOnBoth.has(kind)) throw notSupported(kind);
    if (kind === 'function') checkFunction(value);
    if (kind === 'cast') checkCast(value);
    if (kind === 'substring') checkSubstring(value);
    if (kind === 'div' || kind === 'mod') checkDivisor(value);
    if (kind === 'table') {
      const table = nameOf(value, 'name');
      const database = nameOf(value, 'schema');
      // DuckDB would read a file of that name.
      if (!/^\w+$/.test(table ?? ''))
        throw new QueryError(`SYNTAX_ERROR: ${table} is not the name of a table`);
      if (table && !(database === null && subqueries.has(table))) tables.push({ database, table });
    }
  }
  return tables;
}

type Json = Readonly<Record<string, unknown>>;

/** Kinds of expressions that mean the same in Trino and in DuckDB as it is set up here. */
const sameOnBoth = new Set(
  `select union values table subquery alias column star literal null boolean paren tuple row cte with
  count count_if sum min max avg coalesce lower upper length str_position abs year month day hour
  floor trim starts_with substring add sub mul div mod neg eq neq lt lte gt gte and or not is_null in between like concat case cast cardinality
  exists function ordered from where limit offset window_function row_number array_func is_true is_false`.split(
    /\s+/,
  ),
);

const functions = new Set(
  'row date_format count_if strpos cardinality nullif try greatest to_unixtime regexp_like'.split(' '),
);

/** Field names that look like an expression of one key but only hold one. */
const wrappers = new Set(['this', 'expressions', 'value', 'data_type']);

/** Every expression: in the tree one is an object with one key, its kind. */
function* expressions(node: unknown): Generator<[kind: string, value: Json]> {
  if (Array.isArray(node)) {
    for (const item of node) yield* expressions(item);
    return;
  }
  if (typeof node !== 'object' || node === null) return;
  const entries = Object.entries(node);
  const [first] = entries;
  if (entries.length === 1 && first && !wrappers.has(first[0])) yield [first[0], asJson(first[1])];
  for (const [, child] of entries) yield* expressions(child);
}

function* withNames(node: unknown): Generator<string> {
  if (Array.isArray(node)) for (const item of node) yield* withNames(item);
  else if (typeof node === 'object' && node !== null) {
    const { ctes } = node as { ctes?: unknown };
    if (Array.isArray(ctes))
      for (const cte of ctes) {
        const name = nameOf(asJson(cte), 'alias');
        if (name) yield name;
      }
    for (const child of Object.values(node)) yield* withNames(child);
  }
}

function checkFunction(call: Json): void {
  const name = String(call.name).toLowerCase();
  if (!functions.has(name)) throw notSupported(`the function ${name}`);
  if (name === 'regexp_like') checkPattern(call);
  if (name !== 'date_format') return;
  const [, format] = Array.isArray(call.args) ? call.args : [];
  const text = asJson(asJson(format).literal).value;
  // Beyond these Trino's (MySQL's) letters and strftime's differ: %i, %s, %M.
  if (typeof text !== 'string' || /%(?![YmdH])/.test(text))
    throw notSupported(
      `date_format with ${typeof text === 'string' ? `the format ${text}` : 'a computed format'}`,
    );
}

function checkCast(cast: Json): void {
  const to = asJson(cast.to);
  const type = String(to.data_type).toLowerCase();
  // Texts of numbers and times, and roundings, differ.
  const isWhole = type === 'big_int' || (type === 'decimal' && to.precision === 38 && to.scale === 0);
  if (!isWhole && type !== 'double' && type !== 'date') throw notSupported(`a cast to ${type}`);
}

/** A start before the first character means something else in each. */
function checkSubstring(call: Json): void {
  const start = asJson(call.start);
  const isLiteral = Number(asJson(start.literal).value) >= 1;
  const isBounded =
    String(asJson(asJson(asJson(start.cast).this).function).name).toLowerCase() === 'greatest';
  if (!isLiteral && !isBounded)
    throw notSupported('substr with a start that may be below 1; write greatest(start, 1)');
}

/** RE2 reads what Java does, but for look-around and back-references. */
function checkPattern(call: Json): void {
  const [, pattern] = Array.isArray(call.args) ? call.args : [];
  const text = asJson(asJson(pattern).literal).value;
  if (typeof text !== 'string' || /\(\?(?!:)|\\[1-9]/.test(text))
    throw notSupported('regexp_like with a computed pattern, look-around or back-references');
}

/** DuckDB gives NULL for a division by zero, Athena an error. */
function checkDivisor(division: Json): void {
  const divisor = asJson(division.right);
  const literal = asJson(divisor.literal);
  const isSafe =
    (literal.literal_type === 'number' && Number(literal.value) !== 0) ||
    String(asJson(divisor.function).name).toLowerCase() === 'nullif';
  if (!isSafe) throw notSupported('a division by something that may be zero; write NULLIF(divisor, 0)');
}

function nameOf(node: Json, field: string): string | null {
  const name = asJson(node[field]).name;
  return typeof name === 'string' ? name : null;
}

const asJson = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
