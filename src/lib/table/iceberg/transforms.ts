/** Converts a column's value to a partition value: https://iceberg.apache.org/spec/#partition-transforms */
import { TableUnsupported } from '../../errors.ts';
import { murmur3 } from './murmur3.ts';
import { decimalOf, type PrimitiveType } from './types.ts';
import { decimalBytes, firstCharacters, toBytes, type Value } from './values.ts';

/** `identity`, `day`, `bucket[16]`: the names in metadata. */
export type Transform = string;

interface Parsed {
  readonly name: string;
  /** Of bucket and truncate. */
  readonly width: number;
}

const parse = (transform: Transform): Parsed => {
  const [, name = transform, width = '0'] = /^(bucket|truncate)\[(\d+)\]$/.exec(transform) ?? [];
  return { name, width: Number(width) };
};

const dated = ['date', 'timestamp', 'timestamptz'];
const timed = ['timestamp', 'timestamptz'];
const hashed = ['int', 'long', 'date', 'time', 'timestamp', 'timestamptz', 'string', 'uuid', 'binary'];
const cut = ['int', 'long', 'string', 'binary'];
/** The types that a transform accepts. Decimals and fixed have own entries. */
const sources: Readonly<Record<string, readonly string[]>> = {
  bucket: [...hashed, 'decimal', 'fixed'],
  truncate: [...cut, 'decimal'],
  year: dated,
  month: dated,
  day: dated,
  hour: timed,
};

/** The type of a partition's values. Throws TableUnsupported for a transform that does not exist, or not for this type. */
export function resultType(transform: Transform, source: PrimitiveType): PrimitiveType {
  const { name, width } = parse(transform);
  if (name === 'identity' || name === 'void') return source;
  const kind = source.replace(/[([].*$/, '');
  if (!sources[name]?.includes(kind) || ((name === 'bucket' || name === 'truncate') && width < 1))
    throw new TableUnsupported(`no partition can be made of a ${source} by ${transform}`);
  return name === 'truncate' ? source : 'int';
}

/** The partition's value of a column's value; null for null. */
export function applyTransform(
  transform: Transform,
  source: PrimitiveType,
  value: Value | null,
): Value | null {
  const { name, width } = parse(transform);
  resultType(transform, source);
  if (value === null || name === 'void') return null;
  if (name === 'identity') return value;
  if (name === 'bucket') return (murmur3(hashedBytes(source, value)) & 0x7fffffff) % width;
  if (name === 'truncate') return truncated(value, width);
  const micros = source === 'date' ? wholeNumber(value) * microsOf.day : wholeNumber(value);
  if (name === 'hour') return Number(floorDivide(micros, microsOf.hour));
  const days = Number(floorDivide(micros, microsOf.day));
  if (name === 'day') return days;
  const date = new Date(days * 86_400_000);
  const years = date.getUTCFullYear() - 1970;
  return name === 'year' ? years : years * 12 + date.getUTCMonth();
}

function wholeNumber(value: Value): bigint {
  if (typeof value === 'bigint' || typeof value === 'number') return BigInt(value);
  throw new TypeError(`not a whole number: ${String(value)}`);
}

const microsOf = { hour: 3_600_000_000n, day: 86_400_000_000n };

const floorDivide = (value: bigint, by: bigint): bigint => (value - modulo(value, by)) / by;
const modulo = (value: bigint, by: bigint): bigint => ((value % by) + by) % by;

/** Integers of any width are hashed as 64 bits, so the bucket stays the same if a column is widened. */
function hashedBytes(source: PrimitiveType, value: Value): Uint8Array {
  if (decimalOf(source)) return decimalBytes(wholeNumber(value));
  return typeof value === 'number' ? toBytes('long', BigInt(value)) : toBytes(source, value);
}

function truncated(value: Value, width: number): Value {
  if (typeof value === 'string') return firstCharacters(value, width);
  if (value instanceof Uint8Array) return value.slice(0, width);
  if (typeof value === 'bigint') return value - modulo(value, BigInt(width));
  return Number(value) - (((Number(value) % width) + width) % width);
}
