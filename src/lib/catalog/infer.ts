/**
 * What a set of JSON values looks like as a Hive type, as Glue's JSON classifier names it: int within 32 bits, bigint
 * beyond, double, boolean, string, array<…>, struct<…>; fields that are always null are string; scalars that disagree
 * are string. https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html
 */
import type { HiveType, StructType } from './hiveType.ts';

/** A type under construction. `unknown` is only null so far. */
export type Shape =
  | { kind: 'unknown' }
  | { kind: 'scalar'; name: string }
  | { kind: 'array'; element: Shape }
  | { kind: 'struct'; fields: Map<string, Shape> };

export const unknownShape: Shape = { kind: 'unknown' };

/** The shape of one parsed JSON value. */
export function shapeOf(value: unknown): Shape {
  if (value === null || value === undefined) return unknownShape;
  if (Array.isArray(value))
    return { kind: 'array', element: value.map(shapeOf).reduce(mergeShapes, unknownShape) };
  switch (typeof value) {
    case 'object':
      return {
        kind: 'struct',
        fields: new Map(Object.entries(value).map(([name, v]) => [name, shapeOf(v)])),
      };
    case 'number':
      if (!Number.isInteger(value)) return { kind: 'scalar', name: 'double' };
      return { kind: 'scalar', name: Math.abs(value) < 2 ** 31 ? 'int' : 'bigint' };
    case 'boolean':
      return { kind: 'scalar', name: 'boolean' };
    default:
      return { kind: 'scalar', name: 'string' };
  }
}

/** The narrowest shape that holds both. */
export function mergeShapes(a: Shape, b: Shape): Shape {
  if (a.kind === 'unknown') return b;
  if (b.kind === 'unknown') return a;
  if (a.kind === 'struct' && b.kind === 'struct') {
    const fields = new Map(a.fields);
    for (const [name, shape] of b.fields)
      fields.set(name, mergeShapes(fields.get(name) ?? unknownShape, shape));
    return { kind: 'struct', fields };
  }
  if (a.kind === 'array' && b.kind === 'array')
    return { kind: 'array', element: mergeShapes(a.element, b.element) };
  if (a.kind === 'scalar' && b.kind === 'scalar') return { kind: 'scalar', name: widen(a.name, b.name) };
  return { kind: 'scalar', name: 'string' };
}

/** Shape to Hive type; what was only ever null is string, as Glue has it. */
export function toHiveType(shape: Shape): HiveType {
  if (shape.kind === 'array') return { kind: 'array', element: toHiveType(shape.element) };
  if (shape.kind === 'struct') return toStructType(shape);
  return { kind: 'scalar', name: shape.kind === 'scalar' ? shape.name : 'string' };
}

export function toStructType(shape: Extract<Shape, { kind: 'struct' }>): StructType {
  return {
    kind: 'struct',
    fields: [...shape.fields].map(([name, field]) => ({ name, type: toHiveType(field) })),
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
