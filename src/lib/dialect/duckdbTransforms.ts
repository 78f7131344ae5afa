/** Iceberg's partition transforms in DuckDB's SQL, as the texts that name partition folders: `2025-10-06`, `7`, `abcd`. */
import type { TransformKey } from '../contract/schema.ts';
import { list, literal } from './duckdbNames.ts';

/** Taken from a list, which is faster than converting a number to text. */
export const twoDigits = list(Array.from({ length: 32 }, (_, n) => literal(String(n).padStart(2, '0'))));

/** The text of a column's value under the key's transform; NULL for NULL, and for a value that no text can name. */
export function transformed({ transform, width }: TransformKey, value: string, type: string): string {
  switch (transform) {
    case 'bucket':
      return `(${bucketHash(value, type)} & 2147483647) % ${width}`;
    case 'truncate':
      return type === 'string' ? shortText(value, width) : multiple(value, type, width);
    default:
      return timeText(transform, value);
  }
}

const units = ['year', 'month', 'day', 'hour'] as const;

/** `2025`, `2025-10`, `2025-10-06`, `2025-10-06-23`: https://iceberg.apache.org/spec/#partition-transforms */
function timeText(unit: (typeof units)[number], value: string): string {
  const year = `year(${value})`;
  const parts = [
    `CASE WHEN ${year} BETWEEN 0 AND 9999 THEN lpad(${year}::VARCHAR, 4, '0') ELSE ${year}::VARCHAR END`,
    ...units.slice(1, units.indexOf(unit) + 1).map((part) => `${twoDigits}[${part}(${value}) + 1]`),
  ];
  return parts.join(` || '-' || `);
}

/**
 * The first characters. A folder has a name, so an empty text is `~`, and a text that could be taken for that or for a name of Hive's has a
 * `~` before it.
 */
function shortText(value: string, width: number): string {
  const text = `left(${value}, ${width})`;
  return `CASE WHEN ${text} = '' OR starts_with(${text}, '~') OR starts_with(${text}, '__') THEN '~' || ${text} ELSE ${text} END`;
}

/** The largest multiple that is not greater. Near the smallest number there is none of the type. */
function multiple(value: string, type: string, width: number): string {
  const number = `${value}::HUGEINT`;
  const found = `${number} - ((${number} % ${width}) + ${width}) % ${width}`;
  return `TRY_CAST(${found} AS ${type === 'int' ? 'INTEGER' : 'BIGINT'})`;
}

const mask = 4294967295;

/** Murmur3 of 32 bits, seed 0: https://iceberg.apache.org/spec/#appendix-b-32-bit-hash-requirements */
function bucketHash(value: string, type: string): string {
  if (type === 'string') {
    // As hexadecimal digits, because DuckDB gives no bytes of a text. A list with one element names a value.
    const block = (at: string) => `('0x' || substr(digits, ${at}, 8))::UBIGINT`;
    const blocks = `list_transform(range(length(digits) // 8), lambda i : ${block('i * 8 + 1')})`;
    const last = `('0x' || rpad(substr(digits, length(digits) // 8 * 8 + 1), 8, '0'))::UBIGINT`;
    const whole = reduced(`list_prepend(0::UBIGINT, ${scrambled(turnedAround(blocks))})`);
    const rest = `${scrambled(turnedAround(`[${last}]`))}[1]`;
    const hash = finished(`xor(${whole}, ${rest})`, 'length(digits) // 2');
    return `list_transform([hex(${value})], lambda digits : ${hash})[1]`;
  }
  // Numbers of any width are hashed as 64 bits.
  const number =
    type === 'timestamp' ? `epoch_us(${value})` : type === 'date' ? `(${value} - DATE '1970-01-01')` : value;
  const low = `(${number}::BIGINT & ${mask})::UBIGINT`;
  const high = `((${number}::BIGINT >> 32) & ${mask})::UBIGINT`;
  return finished(reduced(`list_prepend(0::UBIGINT, ${scrambled(`[${low}, ${high}]`)})`), '8');
}

/** Blocks are read with the lowest byte first. */
const turnedAround = (blocks: string): string =>
  `list_transform(${blocks}, lambda n : ((n & 255) << 24) | ((n & 65280) << 8) | ((n >> 8) & 65280) | (n >> 24))`;

const multiplied = (value: string, by: number): string => `((${value}) * ${by}::UBIGINT & ${mask})`;

/** Turns 32 bits to the left. */
const turned = (value: string, by: number): string =>
  `((((${value}) << ${by}) | ((${value}) >> ${32 - by})) & ${mask})`;

const scrambled = (blocks: string): string =>
  `list_transform(${blocks}, lambda k : ${multiplied(turned(multiplied('k', 0xcc9e2d51), 15), 0x1b873593)})`;

const reduced = (blocks: string): string =>
  `list_reduce(${blocks}, lambda h, k : (${turned('xor(h, k)', 13)} * 5 + ${0xe6546b64}::UBIGINT) & ${mask})`;

function finished(hash: string, length: string): string {
  const shifted = (name: string, by: number) => `xor(${name}, ${name} >> ${by})`;
  const steps = [
    (before: string) =>
      `list_transform([xor(${before}, (${length})::UBIGINT)], lambda a : ${multiplied(shifted('a', 16), 0x85ebca6b)})`,
    (before: string) => `list_transform(${before}, lambda b : ${multiplied(shifted('b', 13), 0xc2b2ae35)})`,
    (before: string) => `list_transform(${before}, lambda c : ${shifted('c', 16)})[1]`,
  ];
  return steps.reduce((before, step) => step(before), hash);
}
