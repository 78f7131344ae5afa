/**
 * Values of primitive types, their order and their binary form: https://iceberg.apache.org/spec/#binary-single-value-serialization
 *
 * int and date are numbers, long and everything that counts microseconds are BigInt, a decimal is its unscaled BigInt.
 */
import { decimalOf, type PrimitiveType } from './types.ts';

export type Value = boolean | number | bigint | string | Uint8Array;

/** The binary form of bounds and partition summaries. */
export function toBytes(type: PrimitiveType, value: Value): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0]);
  if (decimalOf(type)) return decimalBytes(BigInt(value));
  const bytes = Buffer.alloc(is32Bits(type) ? 4 : 8);
  if (type === 'float') bytes.writeFloatLE(Number(value));
  else if (type === 'double') bytes.writeDoubleLE(Number(value));
  else if (is32Bits(type)) bytes.writeInt32LE(Number(value));
  else bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

/** Reads a value. A long or a double may have 4 bytes if it was written before the column was widened. */
export function fromBytes(type: PrimitiveType, from: Uint8Array): Value {
  const bytes = Buffer.from(from.buffer, from.byteOffset, from.byteLength);
  if (type === 'string') return bytes.toString('utf8');
  if (type === 'boolean') return bytes[0] === 1;
  if (decimalOf(type)) return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`));
  if (type === 'float' || (type === 'double' && bytes.length === 4)) return bytes.readFloatLE();
  if (type === 'double') return bytes.readDoubleLE();
  if (is32Bits(type)) return bytes.readInt32LE();
  if (isBinary(type)) return bytes;
  return bytes.length === 4 ? BigInt(bytes.readInt32LE()) : bytes.readBigInt64LE();
}

/** Negative, zero or positive. Text is ordered by its UTF-8 bytes. */
export function compare(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The default length of a bound, in characters (code points) or bytes. */
const boundLength = 16;

/** A short lower bound; undefined if there is none. */
export function lowerBound(type: PrimitiveType, value: Value): Buffer | undefined {
  if (Number.isNaN(value)) return undefined;
  // Zero is a bound of both zeros.
  if (value === 0 && (type === 'float' || type === 'double')) return toBytes(type, -0);
  if (typeof value === 'string') return toBytes(type, firstCharacters(value, boundLength));
  if (value instanceof Uint8Array && type === 'binary') return toBytes(type, value.subarray(0, boundLength));
  return toBytes(type, value);
}

/** A short upper bound; undefined if there is none. */
export function upperBound(type: PrimitiveType, value: Value): Buffer | undefined {
  if (Number.isNaN(value)) return undefined;
  if (value === 0 && (type === 'float' || type === 'double')) return toBytes(type, 0);
  if (typeof value === 'string') {
    const start = firstCharacters(value, boundLength);
    const above = start === value ? value : nextText(start);
    return above === undefined ? undefined : toBytes(type, above);
  }
  if (value instanceof Uint8Array && type === 'binary' && value.length > boundLength)
    return nextBytes(value.subarray(0, boundLength));
  return toBytes(type, value);
}

/** The first `count` code points of a text. */
export function firstCharacters(text: string, count: number): string {
  let end = 0;
  for (let n = 0; n < count && end < text.length; n++) end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  return text.slice(0, end);
}

/** The smallest text of at most this length that is greater than every text with this beginning. */
function nextText(text: string): string | undefined {
  const characters = [...text];
  for (let i = characters.length - 1; i >= 0; i--) {
    const code = characters[i]?.codePointAt(0) ?? 0;
    // Surrogates are not characters.
    const next = code === 0xd7ff ? 0xe000 : code + 1;
    if (next <= 0x10ffff) return `${characters.slice(0, i).join('')}${String.fromCodePoint(next)}`;
  }
  return undefined;
}

function nextBytes(bytes: Uint8Array): Buffer | undefined {
  for (let i = bytes.length - 1; i >= 0; i--) {
    const byte = bytes[i] ?? 0;
    if (byte < 0xff) return Buffer.from([...bytes.subarray(0, i), byte + 1]);
  }
  return undefined;
}

/** Two's complement, big-endian, in as few bytes as possible. */
export function decimalBytes(unscaled: bigint): Buffer {
  let length = 1;
  while (BigInt.asIntN(length * 8, unscaled) !== unscaled) length++;
  return Buffer.from(
    BigInt.asUintN(length * 8, unscaled)
      .toString(16)
      .padStart(length * 2, '0'),
    'hex',
  );
}

const is32Bits = (type: PrimitiveType): boolean => type === 'int' || type === 'date' || type === 'float';
const isBinary = (type: PrimitiveType): boolean =>
  type === 'binary' || type === 'uuid' || type.startsWith('fixed[');
