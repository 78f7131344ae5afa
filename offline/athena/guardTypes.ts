/** Finds types in a query because of which DuckDB would answer differently from Athena. */
import { notSupported, QueryError } from './queryError.ts';
import { asJson, expressions, type Json, nameOf, partsOf } from './queryTree.ts';

type Family = 'number' | 'text' | 'boolean' | 'time' | 'null' | 'unknown';

const familyOfType = (type: string): Family => {
  if (/^(string|varchar|char|text)/.test(type)) return 'text';
  if (/^(tinyint|smallint|int|integer|big_?int|float|double|decimal)/.test(type)) return 'number';
  if (/^boolean/.test(type)) return 'boolean';
  return /^(date|timestamp)/.test(type) ? 'time' : 'unknown';
};

const familiesOfKinds: Readonly<Record<string, Family>> = {
  ...Object.fromEntries('lower upper trim substring concat'.split(' ').map((kind) => [kind, 'text'])),
  ...Object.fromEntries(
    'add sub mul div mod neg count count_if sum avg abs floor length str_position year month day hour cardinality row_number'
      .split(' ')
      .map((kind) => [kind, 'number']),
  ),
  ...Object.fromEntries(
    'boolean eq neq lt lte gt gte and or not in between like is_null'
      .split(' ')
      .map((kind) => [kind, 'boolean']),
  ),
  null: 'null',
};

const arithmetic = new Set(['add', 'sub', 'mul', 'div', 'mod', 'neg']);
const comparisons = new Set(['eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'between']);

/** The kind of value that an expression has, if it can be known without an engine. */
function familyOfExpression(node: unknown, typesOf: (column: string) => readonly string[]): Family {
  const [[kind, value] = ['', {}]] = Object.entries(asJson(node)).map(([k, v]) => [k, asJson(v)] as const);
  const inner = (part: unknown) => familyOfExpression(part, typesOf);
  switch (kind) {
    case 'paren':
    case 'min':
    case 'max':
      return inner(value.this);
    case 'coalesce':
      return (
        partsOf(value)
          .map(inner)
          .find((family) => family !== 'null') ?? 'null'
      );
    case 'cast':
      return familyOfType(String(asJson(value.to).data_type));
    case 'literal':
      return (
        ({ number: 'number', string: 'text', date: 'time', timestamp: 'time' }[
          String(value.literal_type)
        ] as Family) ?? 'unknown'
      );
    case 'function': {
      const [first] = Array.isArray(value.args) ? value.args : [];
      const name = String(value.name).toLowerCase();
      if (name === 'date_format' || name === 'regexp_extract') return 'text';
      if (['strpos', 'to_unixtime', 'cardinality', 'count_if'].includes(name)) return 'number';
      return ['nullif', 'try', 'greatest'].includes(name) ? inner(first) : 'unknown';
    }
    case 'column': {
      const name = nameOf(value, 'name') ?? '';
      if (name === '$path') return 'text';
      const families = new Set(typesOf(name).map(familyOfType));
      return families.size === 1 ? ([...families][0] ?? 'unknown') : 'unknown';
    }
    default:
      return familiesOfKinds[kind] ?? 'unknown';
  }
}

/** Refuses expressions for which Athena has a result of another type, rounds differently, or reports an error. */
export function checkTypes(
  nodes: readonly (readonly [kind: string, value: Json])[],
  typesOf: (column: string) => readonly string[],
): void {
  const columnType = (node: unknown, pattern: RegExp): boolean =>
    typesOf(nameOf(asJson(asJson(node).column), 'name') ?? '').some((type) => pattern.test(type));
  const familyOf = (node: unknown): Family => familyOfExpression(node, typesOf);
  const literalIs = (node: unknown, pattern: RegExp): boolean => {
    const { literal_type: type, value } = asJson(asJson(node).literal);
    return type === 'number' && pattern.test(String(value));
  };
  const anyOf = (node: unknown, is: (kind: string, value: Json) => boolean): boolean =>
    [...expressions(node)].some(([kind, value]) => is(kind, value));
  const isDecimal = (node: unknown): boolean =>
    anyOf(
      node,
      (kind, value) =>
        literalIs({ [kind]: value }, /^[\d]*\.\d*$/) || columnType({ [kind]: value }, /^decimal\(\d+,[1-9]/),
    );
  const isFraction = (node: unknown): boolean =>
    isDecimal(node) ||
    anyOf(
      node,
      (kind, value) =>
        ['div', 'avg'].includes(kind) ||
        literalIs({ [kind]: value }, /[.e]/i) ||
        columnType({ [kind]: value }, /^(double|float)/) ||
        (kind === 'cast' && asJson(value.to).data_type === 'double'),
    );
  for (const [kind, value] of nodes) {
    if (['div', 'mod', 'mul', 'avg', 'floor'].includes(kind) && isDecimal(value))
      throw notSupported('arithmetic on decimals, which have a type of their own in Athena');
    if (kind === 'cast' && asJson(value.to).data_type !== 'double') {
      const operand = value.this;
      const isFloored = 'floor' in asJson(operand);
      if (!isFloored && isFraction(operand) && asJson(value.to).data_type !== 'date')
        throw notSupported('a cast of a fraction to a whole number, which Athena rounds otherwise');
    }
    // DuckDB treats a boolean as a number, and converts a text to the type that it is compared with.
    if (arithmetic.has(kind) && partsOf(value).some((part) => familyOf(part) === 'boolean'))
      throw new QueryError(`TYPE_MISMATCH: a boolean is no number (${kind})`);
    if (['sum', 'avg', 'abs', 'floor'].includes(kind) && familyOf(value.this) === 'boolean')
      throw new QueryError(`FUNCTION_NOT_FOUND: Unexpected parameters (boolean) for function ${kind}`);
    if (comparisons.has(kind)) {
      const families = new Set(
        partsOf(value)
          .map(familyOf)
          .filter((family) => family !== 'null'),
      );
      if (families.has('text') && families.has('unknown'))
        throw notSupported('a text beside a value whose type it does not know');
      families.delete('unknown');
      if (families.size > 1)
        throw new QueryError(`TYPE_MISMATCH: ${[...families].join(' and ')} are not compared (${kind})`);
    }
  }
}
