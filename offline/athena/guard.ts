/**
 * Decides whether DuckDB gives Athena's answer to a query. The query is parsed, and every part of it must be on the list of
 * expressions that mean the same on both. Anything else is refused by name.
 */
import { Dialect, parse } from '@polyglot-sql/sdk';
import { checkTypes } from './guardTypes.ts';
import { checkNames, outputNames } from './outputNames.ts';
import { notSupported, QueryError } from './queryError.ts';
import { asJson, expressions, type Json, nameOf } from './queryTree.ts';
import { SqlReader } from './sqlReader.ts';

export interface TableRef {
  readonly database: string | null;
  readonly table: string;
}

/** A parsed query. */
export interface CheckedQuery {
  readonly tables: readonly TableRef[];
  /** Whether it reads `$path`, the file of a row. */
  readonly readsPath: boolean;
  /** Athena's names of the columns, whose names in DuckDB are given. Throws QueryError. */
  namesOf(columns: readonly string[]): string[];
  /** The second check, when the Hive types of the columns are known. Throws QueryError. */
  checkTypes(typesOf: (column: string) => readonly string[]): void;
}

/** Throws QueryError for a syntax error and for what DuckDB would answer otherwise. */
export function checkQuery(sql: string): CheckedQuery {
  const parsed = parse(sql, Dialect.Athena);
  // This parser cannot read it, but Athena may.
  if (!parsed.success || !Array.isArray(parsed.ast))
    throw notSupported(`what it cannot read: ${parsed.error ?? 'the statement'}`);
  if (parsed.ast.length !== 1) throw new QueryError('SYNTAX_ERROR: Only one sql statement is allowed.');
  const nodes = [...expressions(parsed.ast[0])];
  const subqueries = new Set(withNames(parsed.ast[0]));
  const tables: TableRef[] = [];
  for (const [i, [kind, value]] of nodes.entries()) {
    // The first is the statement itself, which the parser may call a command.
    if (!sameOnBoth.has(kind)) throw notSupported(i === 0 ? statementOf(sql) : kind);
    if (kind === 'function') checkFunction(value);
    if (kind === 'cast') checkCast(value);
    if (kind === 'literal') checkLiteral(value);
    if (kind === 'select') checkSelected(value);
    if (kind === 'substring') checkSubstring(value);
    if (kind === 'div' || kind === 'mod') checkDivisor(value);
    if (kind === 'table') {
      const table = nameOf(value, 'name');
      const database = nameOf(value, 'schema');
      // DuckDB would read a file of that name.
      if (!/^\w+(?:\$partitions)?$/.test(table ?? ''))
        throw new QueryError(`SYNTAX_ERROR: ${table} is not the name of a table`);
      if (table && !(database === null && subqueries.has(table))) tables.push({ database, table });
    }
  }
  const readsPath = nodes.some(([kind, value]) => kind === 'column' && nameOf(value, 'name') === '$path');
  const hasStar = nodes.some(([kind, value]) => kind === 'select' && selectsStar(value));
  // A view has no hidden columns.
  if (readsPath && hasStar) throw notSupported('"$path" beside *');
  checkNames(parsed.ast[0]);
  return {
    tables,
    readsPath,
    namesOf: (columns) => outputNames(parsed.ast[0], columns),
    checkTypes: (typesOf) => checkTypes(nodes, typesOf),
  };
}

function statementOf(sql: string): string {
  const reader = new SqlReader(sql);
  const what = reader.isCreateTableAs() ? 'CREATE TABLE AS' : new SqlReader(sql).peek().toUpperCase();
  return `${what} on DuckDB; --athena trino does`;
}

/** Kinds of expressions that mean the same in Trino and in this setup of DuckDB. */
const sameOnBoth = new Set(
  `select union values table subquery alias column star literal null boolean paren tuple row cte with
  count count_if sum min max avg coalesce lower upper length str_position abs year month day hour
  floor trim starts_with substring add sub mul div mod neg eq neq lt lte gt gte and or not is_null in between like concat case cast cardinality
  approx_distinct exists function ordered from where limit offset window_function row_number array_func is_true is_false`.split(
    /\s+/,
  ),
);

const functions = new Set(
  'row date_format count_if strpos cardinality nullif try greatest to_unixtime regexp_like regexp_extract approx_most_frequent json_format'.split(
    ' ',
  ),
);

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
  if (name === 'regexp_like' || name === 'regexp_extract') checkPattern(call, name);
  if (name === 'regexp_extract' && Array.isArray(call.args) && call.args.length !== 2)
    throw notSupported('regexp_extract with a group');
  if (name === 'greatest' && Array.isArray(call.args) && call.args.length !== 2)
    throw notSupported('greatest of other than two values');
  if (name !== 'date_format') return;
  const [, format] = Array.isArray(call.args) ? call.args : [];
  const text = asJson(asJson(format).literal).value;
  // Beyond these Trino's (MySQL's) letters and strftime's differ: %i, %s, %M.
  if (typeof text !== 'string' || /%(?![YmdH])/.test(text))
    throw notSupported(
      `date_format with ${typeof text === 'string' ? `the format ${text}` : 'a computed format'}`,
    );
}

function checkLiteral({ literal_type: type, value }: Json): void {
  const isTime = type === 'timestamp' && /^[-\d]+( [:.\d]+)?$/.test(String(value));
  if (!isTime && !['number', 'string', 'date'].includes(String(type)))
    throw notSupported(`the literal ${type} ${value}`);
}

/**
 * Of a bare NULL Athena does not know the type; fields of a ROW without names it calls field0 and on; a literal time keeps
 * as many digits of a second as it is written with.
 */
function checkSelected(select: Json): void {
  for (const item of Array.isArray(select.expressions) ? select.expressions : []) {
    const selected = asJson(asJson(asJson(item).alias).this ?? item);
    if ('null' in selected) throw notSupported('a bare NULL as a result');
    if (String(asJson(selected.function).name).toLowerCase() === 'row')
      throw notSupported('a ROW without names as a result');
    const { literal_type: type, value } = asJson(selected.literal);
    if (type === 'timestamp' && !/\.\d{3}$/.test(String(value)))
      throw notSupported('a literal time as a result');
  }
}

const selectsStar = (select: Json): boolean =>
  Array.isArray(select.expressions) && select.expressions.some((item) => 'star' in asJson(item));

function checkCast(cast: Json): void {
  const to = asJson(cast.to);
  const type = String(to.data_type).toLowerCase();
  const isCounts = String(asJson(asJson(cast.this).function).name).toLowerCase() === 'approx_most_frequent';
  if (type === 'json' && isCounts) return;
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
function checkPattern(call: Json, name: string): void {
  const [, pattern] = Array.isArray(call.args) ? call.args : [];
  const text = asJson(asJson(pattern).literal).value;
  if (typeof text !== 'string' || /\(\?(?!:)|\\[1-9]/.test(text))
    throw notSupported(`${name} with a computed pattern, look-around or back-references`);
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
