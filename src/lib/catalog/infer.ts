/**
 * Infers the Hive type of JSON values like Glue's JSON classifier: int for 32 bits, bigint beyond, double, boolean, string, array<…>,
 * struct<…>. Fields that are always null and scalars of different types are string. https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html
 */
import { type HiveType, isHiveName, maxTypeDepth, type StructType } from '../model/hiveType.ts';

/** A type under construction. `unknown`: only nulls so far. */
export type Shape =
  | { kind: 'unknown' }
  | { kind: 'scalar'; name: string }
  | { kind: 'array'; element: Shape; isMixed?: boolean }
  /** `isMixed`: some values are of another kind. */
  | { kind: 'struct'; fields: Map<string, Shape>; isMixed?: boolean };

export const unknownShape: Shape = { kind: 'unknown' };

/** The shape of one parsed JSON value. Values below the maximum depth of a type are strings. */
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

/** The narrowest shape for all of them. The cost is that of reading them once, even with many fields. */
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

/** Merges `b` into `a`, which it changes. The caller uses neither afterwards. */
function absorb(a: Shape, b: Shape): Shape {
  if (a.kind === 'unknown') return b;
  if (b.kind === 'unknown') return a;
  if (a.kind === 'scalar' && b.kind === 'scalar') return scalar(widen(a.name, b.name));
  // For values of several kinds, keeps the shape of the objects, or else of the arrays.
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

/** A shape as JSON can have it. */
export type WrittenShape =
  | { kind: 'unknown' }
  | { kind: 'scalar'; name: string }
  | { kind: 'array'; element: WrittenShape; isMixed?: boolean | undefined }
  | { kind: 'struct'; fields: [string, WrittenShape][]; isMixed?: boolean | undefined };

export function writtenShape(shape: Shape): WrittenShape {
  if (shape.kind === 'array') return { ...shape, element: writtenShape(shape.element) };
  if (shape.kind !== 'struct') return shape;
  return { ...shape, fields: [...shape.fields].map(([name, s]) => [name, writtenShape(s)]) };
}

export function shapeFrom(written: WrittenShape): Shape {
  const { isMixed } = { isMixed: false, ...written };
  const mixed = isMixed ? { isMixed } : {};
  if (written.kind === 'array') return { kind: 'array', element: shapeFrom(written.element), ...mixed };
  if (written.kind !== 'struct') return written;
  return {
    kind: 'struct',
    fields: new Map(written.fields.map(([name, s]) => [name, shapeFrom(s)])),
    ...mixed,
  };
}

const scalar = (name: string): Shape => ({ kind: 'scalar', name });

/** The type of values of several kinds: a string, like a crawler's, or the type of the objects among them. */
type Mixed = 'string' | 'nested';

/**
 * Converts a shape to a Hive type. Fields that are always null are string, as in Glue. Fields whose names are impossible in Hive's
 * notation are left out.
 */
export function toHiveType(shape: Shape, mixed: Mixed = 'string'): HiveType {
  if (shape.kind === 'scalar') return { kind: 'scalar', name: shape.name };
  if (shape.kind === 'unknown' || (shape.isMixed && mixed === 'string'))
    return { kind: 'scalar', name: 'string' };
  if (shape.kind === 'array') return { kind: 'array', element: toHiveType(shape.element, mixed) };
  const { fields } = toStructType(shape, mixed);
  return { kind: 'struct', fields: fields.filter(({ name }) => isHiveName(name)) };
}

/** The type of a record. Its top-level fields may have any name. */
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
