/**
 * What a set of JSON values looks like as a Hive type, as Glue's JSON classifier names it: int within 32 bits, bigint
 * beyond, double, boolean, string, array<…>, struct<…>; fields that are always null are string; scalars that disagree
 * are string. https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html
 */
import { type HiveType, isHiveName, maxTypeDepth, type StructType } from '../model/hiveType.ts';

/** A type under construction. `unknown` is only null so far. */
export type Shape =
  | { kind: 'unknown' }
  | { kind: 'scalar'; name: string }
  | { kind: 'array'; element: Shape; isMixed?: boolean }
  /** `isMixed`: where some values are of another kind. */
  | { kind: 'struct'; fields: Map<string, Shape>; isMixed?: boolean };

export const unknownShape: Shape = { kind: 'unknown' };

/** The shape of one parsed JSON value. What lies deeper than a type can is a string. */
export function shapeOf(value: unknown): Shape {
  return shapeAt(value, 0);
}

function shapeAt(value: unknown, depth: number): Shape {
  if (value === null || value === undefined) return unknownShape;
  if (typeof value === 'object') {
    if (depth === maxTypeDepth) return scalar('string');
    if (Array.isArray(value)) {
      let element = unknownShape;
      for (const item of value) element = absorb(element, shapeAt(item, depth + 1));
      return { kind: 'array', element };
    }
    return {
      kind: 'struct',
      fields: new Map(Object.entries(value).map(([name, v]) => [name, shapeAt(v, depth + 1)])),
    };
  }
  if (typeof value === 'number')
    return scalar(!Number.isInteger(value) ? 'double' : Math.abs(value) < 2 ** 31 ? 'int' : 'bigint');
  return scalar(typeof value === 'boolean' ? 'boolean' : 'string');
}

/** The narrowest shape that holds all of them. Its cost is that of reading them once, however many fields come together. */
export function mergeShapes(shapes: Iterable<Shape>): Shape {
  let merged = unknownShape;
  for (const shape of shapes) merged = absorb(merged, copyOf(shape));
  return merged;
}

/** The shape of several values. */
export function shapeOfAll(values: Iterable<unknown>): Shape {
  let merged = unknownShape;
  for (const value of values) merged = absorb(merged, shapeOf(value));
  return merged;
}

/** Merges `b` into `a`, which is changed: both belong to the caller, and neither is used again. */
function absorb(a: Shape, b: Shape): Shape {
  if (a.kind === 'unknown') return b;
  if (b.kind === 'unknown') return a;
  if (a.kind === 'scalar' && b.kind === 'scalar') return scalar(widen(a.name, b.name));
  // Of values of several kinds, what is known of the objects stays, or else of the arrays.
  const [kept, other] = a.kind === 'struct' || (a.kind === 'array' && b.kind !== 'struct') ? [a, b] : [b, a];
  if (kept.kind === 'struct' && other.kind === 'struct')
    for (const [name, shape] of other.fields)
      kept.fields.set(name, absorb(kept.fields.get(name) ?? unknownShape, shape));
  else if (kept.kind === 'array' && other.kind === 'array')
    kept.element = absorb(kept.element, other.element);
  const isMixed = kept.kind !== other.kind || ('isMixed' in other && other.isMixed === true);
  if (isMixed && kept.kind !== 'scalar') kept.isMixed = true;
  return kept;
}

function copyOf(shape: Shape): Shape {
  if (shape.kind === 'array') return { ...shape, element: copyOf(shape.element) };
  if (shape.kind !== 'struct') return shape;
  return { ...shape, fields: new Map([...shape.fields].map(([name, s]) => [name, copyOf(s)])) };
}

const scalar = (name: string): Shape => ({ kind: 'scalar', name });

/** What becomes of values of several kinds: a string, as a crawler makes it, or what is known of the objects among them. */
type Mixed = 'string' | 'nested';

/**
 * Shape to Hive type; what was only ever null is string, as Glue has it. Fields whose names Hive's notation cannot hold
 * are left out.
 */
export function toHiveType(shape: Shape, mixed: Mixed = 'string'): HiveType {
  if (shape.kind === 'scalar') return { kind: 'scalar', name: shape.name };
  if (shape.kind === 'unknown' || (shape.isMixed && mixed === 'string'))
    return { kind: 'scalar', name: 'string' };
  if (shape.kind === 'array') return { kind: 'array', element: toHiveType(shape.element, mixed) };
  const { fields } = toStructType(shape, mixed);
  return { kind: 'struct', fields: fields.filter(({ name }) => isHiveName(name)) };
}

/** The type of a record, whose own fields may have any name. */
export function toStructType(shape: Extract<Shape, { kind: 'struct' }>, mixed: Mixed = 'string'): StructType {
  return {
    kind: 'struct',
    fields: [...shape.fields].map(([name, field]) => ({ name, type: toHiveType(field, mixed) })),
  };
}

/** The shape of a Catalog type, so that a crawl can extend it. */
export function fromHiveType(type: HiveType): Shape {
  if (type.kind === 'array') return { kind: 'array', element: fromHiveType(type.element) };
  if (type.kind === 'struct')
    return { kind: 'struct', fields: new Map(type.fields.map((f) => [f.name, fromHiveType(f.type)])) };
  return { kind: 'scalar', name: type.name };
}

function widen(a: string, b: string): string {
  if (a === b) return a;
  const order = ['int', 'bigint', 'double'];
  const widest = Math.max(order.indexOf(a), order.indexOf(b));
  return order.includes(a) && order.includes(b) ? (order[widest] ?? 'string') : 'string';
}
