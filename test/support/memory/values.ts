/** DynamoDB's values as the document client shows them: plain JavaScript. The fake never changes them in place. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import {
  abs,
  Bytes,
  byteLength,
  Elements,
  entries,
  getPrototypeOf,
  hasOwn,
  isArray,
  isFiniteNumber,
  isInteger,
  keys,
  MAX_SAFE_INTEGER,
} from './globals.ts';
import { compareUtf8 } from './sorted.ts';

export type Value =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | ReadonlySet<string | number | Uint8Array>
  | readonly Value[]
  | Item;
export interface Item {
  readonly [name: string]: Value;
}

export type ValueType = 'S' | 'N' | 'B' | 'BOOL' | 'NULL' | 'SS' | 'NS' | 'BS' | 'L' | 'M';

/** AWS: 400 KB an item, names and values. */
export const maxItemBytes = 400 * 1024;

export function typeOf(value: Value): ValueType {
  switch (typeof value) {
    case 'string':
      return 'S';
    case 'number':
      return 'N';
    case 'boolean':
      return 'BOOL';
  }
  if (value === null) return 'NULL';
  if (isList(value)) return 'L';
  if (value instanceof Bytes) return 'B';
  if (!isSet(value)) return 'M';
  const [first] = value;
  return typeof first === 'string' ? 'SS' : typeof first === 'number' ? 'NS' : 'BS';
}

export const isList = (value: Value): value is readonly Value[] => isArray(value);
export const isSet = (value: unknown): value is ReadonlySet<string | number | Uint8Array> =>
  value instanceof Elements;
export const isMap = (value: Value | undefined): value is Item =>
  typeof value === 'object' &&
  value !== null &&
  !isArray(value) &&
  !(value instanceof Bytes) &&
  !(value instanceof Elements);

/**
 * A copy of a caller's value, as marshall with removeUndefinedValues makes it: undefined is left out. Throws what marshall
 * throws for values that DynamoDB cannot store.
 */
export function toValue(input: unknown): Value | undefined {
  switch (typeof input) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return input;
    case 'number':
      return checkedNumber(input);
    case 'bigint':
      return checkedNumber(Number(input));
  }
  if (input === null) return null;
  if (typeof input === 'object') {
    if (isArray(input)) return input.map(toValue).filter((v) => v !== undefined);
    if (input instanceof Bytes) return input.slice();
    if (input instanceof Elements) return copyOfSet(input);
    if (input instanceof Map) return toItem(Object.fromEntries(input));
    const prototype: unknown = getPrototypeOf(input);
    // Objects of another realm (Jest's) have another Object.prototype, whose own prototype is also null.
    if (prototype === null || getPrototypeOf(prototype) === null) return toItem(input);
  }
  throw new Error(
    `Unsupported type passed: ${String(input)}. Pass options.convertClassInstanceToMap=true to marshall typeof object as map attribute.`,
  );
}

/** The same for a whole item, or a map in it. */
export function toItem(input: object): Item {
  const item: Record<string, Value> = {};
  const from: Readonly<Record<string, unknown>> = { ...input };
  for (const name in from) {
    const found = from[name];
    // The SDK's copy loses this one, too: the assignment sets the prototype.
    if (name === '__proto__' || typeof found === 'function') continue;
    const value = toValue(found);
    if (value !== undefined) item[name] = value;
  }
  return item;
}

function checkedNumber(input: number): number {
  if (!isFiniteNumber(input)) throw new Error(`Special numeric value ${input} is not allowed`);
  if (abs(input) > MAX_SAFE_INTEGER && isInteger(input))
    throw new Error(
      `Number ${input} is ${input > 0 ? 'greater than Number.MAX' : 'lesser than Number.MIN'}_SAFE_INTEGER. Use NumberValue from @aws-sdk/lib-dynamodb.`,
    );
  return input;
}

function copyOfSet(input: ReadonlySet<unknown>): ReadonlySet<string | number | Uint8Array> {
  if (input.size === 0) throw new Error('Pass a non-empty set, or options.convertEmptyValues=true.');
  const copy = new Set<string | number | Uint8Array>();
  for (const element of input)
    if (typeof element === 'string') copy.add(element);
    else if (typeof element === 'number') copy.add(checkedNumber(element));
    else if (element instanceof Bytes) copy.add(element.slice());
    else throw new Error(`Only Number Set (NS), Binary Set (BS), String Set (SS) are allowed.`);
  return copy;
}

/** A copy that the caller may change. */
export function copyOf(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map(copyOf);
  if (value instanceof Bytes) return value.slice();
  if (isSet(value)) return new Set(value);
  return copyOfItem(value);
}

export function copyOfItem(item: Item): Item {
  const copy: Record<string, Value> = {};
  for (const name in item) {
    const value = item[name];
    if (value !== undefined) copy[name] = copyOf(value);
  }
  return copy;
}

export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const type = typeOf(a);
  if (type !== typeOf(b)) return false;
  if (isList(a) && isList(b)) return a.length === b.length && a.every((v, i) => equals(v, b[i] ?? null));
  if (a instanceof Bytes && b instanceof Bytes) return Buffer.compare(a, b) === 0;
  if (isSet(a) && isSet(b)) return a.size === b.size && [...a].every((v) => hasElement(b, v));
  if (isMap(a) && isMap(b)) {
    const names = keys(a);
    return (
      names.length === keys(b).length &&
      names.every((name) => {
        const [x, y] = [a[name], b[name]];
        return x !== undefined && y !== undefined && hasOwn(b, name) && equals(x, y);
      })
    );
  }
  return false;
}

export function hasElement(set: ReadonlySet<string | number | Uint8Array>, wanted: Value): boolean {
  if (typeof wanted === 'string' || typeof wanted === 'number') return set.has(wanted);
  if (!(wanted instanceof Bytes)) return false;
  return [...set].some((v) => v instanceof Bytes && Buffer.compare(v, wanted) === 0);
}

/** Undefined for values without a common order: other types, or two different types. */
export function compare(a: Value, b: Value): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareUtf8(a, b);
  if (a instanceof Bytes && b instanceof Bytes) return Buffer.compare(a, b);
  return undefined;
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html */
export function sizeOf(value: Value): number {
  switch (typeof value) {
    case 'string':
      return byteLength(value);
    case 'number':
      return Math.ceil(String(abs(value)).replace('.', '').length / 2) + (value < 0 ? 2 : 1);
    case 'boolean':
      return 1;
  }
  if (value === null) return 1;
  if (isList(value)) return value.reduce<number>((sum, v) => sum + sizeOf(v) + 1, 3);
  if (value instanceof Bytes) return value.length;
  if (isSet(value)) return [...value].reduce<number>((sum, v) => sum + sizeOf(v), 0);
  return 3 + sizeOfItem(value) + keys(value).length;
}

export function sizeOfItem(item: Item): number {
  let size = 0;
  for (const name in item) size += byteLength(name) + sizeOf(item[name] ?? null);
  return size;
}

/** In exceptions, items stay marshalled: the document client does not unmarshall them. */
export function marshalled(value: Value): AttributeValue {
  switch (typeof value) {
    case 'string':
      return { S: value };
    case 'number':
      return { N: String(value) };
    case 'boolean':
      return { BOOL: value };
  }
  if (value === null) return { NULL: true };
  if (isList(value)) return { L: value.map(marshalled) };
  if (value instanceof Bytes) return { B: value.slice() };
  if (!isSet(value)) return { M: marshalledItem(value) };
  const all = [...value];
  if (typeof all[0] === 'string') return { SS: all.map(String) };
  if (typeof all[0] === 'number') return { NS: all.map(String) };
  return { BS: all.filter((v) => v instanceof Bytes) };
}

export const marshalledItem = (item: Item): Record<string, AttributeValue> =>
  Object.fromEntries(entries(item).map(([name, value]) => [name, marshalled(value)]));
