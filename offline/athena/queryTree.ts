/** Walks the parser's tree of a query. An expression is an object with one key, its kind. */

export type Json = Readonly<Record<string, unknown>>;

export const asJson = (value: unknown): Json =>
  typeof value === 'object' && value !== null ? (value as Json) : {};

/** The name in a field of an expression. */
export function nameOf(node: Json, field: string): string | null {
  const name = asJson(node[field]).name;
  return typeof name === 'string' ? name : null;
}

/** Fields that have one key but are no expressions: they only contain one. */
const wrappers = new Set(['this', 'expressions', 'value', 'data_type']);

/** Every expression in the tree. */
export function* expressions(node: unknown): Generator<[kind: string, value: Json]> {
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

/** The operands of an operator. */
export const partsOf = ({ left, right, this: first, low, high, expressions: list }: Json): unknown[] =>
  [left, right, first, low, high, ...(Array.isArray(list) ? list : [])].filter(
    (part) => part !== undefined && part !== null,
  );
