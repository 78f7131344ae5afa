/** The names of a query's columns. DuckDB names an expression by its text, and Athena by its position: `_col0`. */
import { notSupported } from './queryError.ts';
import { asJson, expressions, type Json, nameOf } from './queryTree.ts';

/** Gives Athena's names for DuckDB's. Throws QueryError for a star behind which a name would be another one. */
export function outputNames(query: unknown, names: readonly string[]): string[] {
  const items = itemsOf(query);
  if (items === undefined) return names.map((_, i) => `_col${i}`);
  const stars = items.filter(isStar).length;
  // What a subquery does not name has DuckDB's name.
  if (stars > 0 && [...inner(query)].some((item) => !isStar(item) && nameIn(item) === null))
    throw notSupported('* over a column without a name');
  // Of several stars nobody knows which columns are of which one.
  if (stars > 1 && items.some((item) => !isStar(item) && nameIn(item) === null))
    throw notSupported('more than one * beside a column without a name');
  const width = names.length - (items.length - stars);
  const columns =
    stars > 1
      ? names.map(() => star)
      : items.flatMap((item) => (isStar(item) ? Array(width).fill(star) : [item]));
  return columns.map((item: Json, i) => {
    if (!isStar(item)) return nameIn(item) ?? `_col${i}`;
    return names[i] ?? '';
  });
}

const star: Json = { star: {} };

/** Athena finds no column of a name that two columns of a subquery have; DuckDB takes the first. Throws QueryError. */
export function checkNames(query: unknown): void {
  for (const { columns, items } of tablesIn(query)) {
    mustDiffer(columns);
    if (columns.length === 0) mustDiffer(items.map(nameIn));
  }
}

/** The subqueries that stand for a table, and the names that are given to their columns. */
function* tablesIn(query: unknown): Generator<{ columns: readonly string[]; items: readonly Json[] }> {
  for (const [kind, node] of expressions(query))
    if (kind === 'subquery' && nameOf(node, 'alias') !== null)
      yield { columns: namesOf(node.column_aliases), items: itemsOf(node.this) ?? [] };
    else if (kind === 'select')
      for (const cte of listOf(asJson(node.with).ctes).map(asJson))
        yield { columns: namesOf(cte.columns), items: itemsOf(cte.this) ?? [] };
}

/** The selected items of these subqueries whose columns have no other names. */
function* inner(query: unknown): Generator<Json> {
  for (const { columns, items } of tablesIn(query)) if (columns.length === 0) yield* items;
}

function mustDiffer(names: readonly (string | null)[]): void {
  const known = names.filter((name) => name !== null).map((name) => name.toLowerCase());
  if (new Set(known).size < known.length) throw notSupported('two columns of one name in a subquery');
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const namesOf = (list: unknown): string[] => listOf(list).map((item) => String(asJson(item).name));

/** The selected items, which for a UNION are those of its first query; undefined for VALUES. */
function itemsOf(query: unknown): readonly Json[] | undefined {
  const { select, subquery, union, paren } = asJson(query);
  const inner = asJson(union).left ?? asJson(subquery).this ?? asJson(paren).this;
  if (select === undefined) return inner === undefined ? undefined : itemsOf(inner);
  return listOf(asJson(select).expressions).map(asJson);
}

const isStar = (item: Json): boolean => 'star' in item;

/** As it is written; null if Athena gives none. */
function nameIn(item: Json): string | null {
  if ('paren' in item) return nameIn(asJson(asJson(item.paren).this));
  if ('alias' in item) return nameOf(asJson(item.alias), 'alias');
  return 'column' in item ? nameOf(asJson(item.column), 'name') : null;
}
