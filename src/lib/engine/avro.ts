/**
 * Reads Avro object container files as lines of JSON. glue/sluice/avro.py writes the same bytes: both are tested with the same files.
 * https://avro.apache.org/docs/1.12.0/specification/
 */
import { isUtf8 } from 'node:buffer';
import { inflateRawSync, zstdDecompressSync } from 'node:zlib';
import * as z from 'zod';
import { formatPath, type PathStep } from '../contract/path.ts';
import { tryParseJson } from '../json.ts';
import { maxRecordBytes } from '../model/plan.ts';
import { bunzip2 } from './bzip2.ts';
import { ArchiveBroken, PackedReader } from './packedBytes.ts';
import { unsnappyBlock } from './snappy.ts';

/** The maximum size of a block, packed and unpacked, and of the file's header. The same limits are in glue/sluice/avro.py. */
const mostOfBlock = 64 * 1024 * 1024;
const mostOfHeader = 16 * 1024 * 1024;
/** The maximum depth of values, in types that contain themselves. */
const deepest = 200;

export const isAvro = (head: Uint8Array): boolean =>
  head[0] === 0x4f && head[1] === 0x62 && head[2] === 0x6a && head[3] === 1;

export const codecs = ['null', 'deflate', 'snappy', 'zstandard', 'bzip2'] as const;
type Codec = (typeof codecs)[number];

interface Header {
  readonly schema: unknown;
  readonly read: Reader;
  readonly codec: Codec;
  readonly sync: Buffer;
}

/** Throws ArchiveBroken if the input is truncated or damaged. */
export async function* avroLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = new PackedReader(source);
  const { read, codec, sync } = await headerOf(reader);
  for (;;) {
    const held = await reader.hold(20);
    if (held.length === 0) return;
    const start = new Cursor(held);
    const [count, size] = [start.size(), start.size()];
    if (size > mostOfBlock || count > mostOfBlock) throw new ArchiveBroken();
    reader.drop(start.at);
    const packed = await reader.read(size);
    if (packed.length < size || !(await reader.read(16)).equals(sync)) throw new ArchiveBroken();
    const block = await unpacked(packed, codec);
    // A record without bytes would make any number of lines of none.
    if (count > block.length) throw new ArchiveBroken();
    const cursor = new Cursor(block);
    let lines: string[] = [];
    let length = 0;
    for (let n = 0; n < count; n++) {
      cursor.left = maxRecordBytes;
      const line = read(cursor, 0);
      lines.push(line);
      length += line.length;
      if (length >= 1024 * 1024) {
        yield Buffer.from(`${lines.join('\n')}\n`);
        lines = [];
        length = 0;
      }
    }
    if (cursor.at !== block.length) throw new ArchiveBroken();
    if (lines.length > 0) yield Buffer.from(`${lines.join('\n')}\n`);
  }
}

/** What the header of a file says; `more` is needed if it is cut. Null: it is damaged. */
export type AvroHead = 'readable' | 'unsupported' | null;

/** Whether the start of a file has a header that can be read. */
export async function avroHead(head: Uint8Array): Promise<AvroHead> {
  try {
    await headerOf(new PackedReader(once(head)));
    return 'readable';
  } catch (error) {
    if (error instanceof UnknownCodec) return 'unsupported';
    if (error instanceof ArchiveBroken) return null;
    throw error;
  }
}

/** The types of a contract for values whose text does not tell them, by path: decimals, and maps as json. Empty if the header is damaged. */
export async function declaredInAvro(head: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  try {
    const { schema } = await headerOf(new PackedReader(once(head)));
    declare(schema, [], found);
  } catch (error) {
    if (!(error instanceof ArchiveBroken)) throw error;
  }
  return found;
}

const declaration = z.object({
  type: z.unknown(),
  logicalType: z.string().optional(),
  precision: z.number().int().optional(),
  scale: z.number().int().optional(),
  fields: z.array(z.object({ name: z.string(), type: z.unknown() })).optional(),
});

/** Adds the types of a schema: its own or, of a record, those of its fields. A union counts if it has one type other than null. */
function declare(schema: unknown, steps: readonly PathStep[], found: Map<string, string>): void {
  if (Array.isArray(schema)) {
    const [only, ...others] = schema.filter((branch) => branch !== 'null');
    if (others.length === 0) declare(only, steps, found);
    return;
  }
  const { success, data } = declaration.safeParse(schema);
  const path = formatPath(steps);
  if (!success || steps.length > 30) return;
  const { type, logicalType, precision = 0, scale = 0, fields = [] } = data;
  if (path !== null && logicalType === 'decimal' && precision > 0 && precision <= 38)
    found.set(path, `decimal(${precision},${scale})`);
  else if (path !== null && type === 'map') found.set(path, 'json');
  else if (type === 'record')
    for (const field of fields) declare(field.type, [...steps, { kind: 'key', key: field.name }], found);
  else if (typeof type === 'object') declare(type, steps, found);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

class UnknownCodec extends ArchiveBroken {}

async function headerOf(reader: PackedReader): Promise<Header> {
  const held = await reader.hold(mostOfHeader);
  if (!isAvro(held)) throw new ArchiveBroken();
  const cursor = new Cursor(held, 4);
  const entries = new Map<string, Buffer>();
  for (let count = cursor.count(); count > 0; count = cursor.count())
    for (let n = 0; n < count; n++) entries.set(cursor.text(), cursor.bytesOf());
  const sync = Buffer.from(cursor.take(16));
  reader.drop(cursor.at);
  const schema = tryParseJson(entries.get('avro.schema')?.toString('utf8') ?? '');
  const codec = entries.get('avro.codec')?.toString('latin1') ?? 'null';
  const known = codecs.find((name) => name === (codec === '' ? 'null' : codec));
  const read = new Compiler().reader(schema, '');
  if (known === undefined) throw new UnknownCodec();
  return { schema, read, codec: known, sync };
}

async function unpacked(packed: Buffer, codec: Codec): Promise<Buffer> {
  const options = { maxOutputLength: mostOfBlock };
  try {
    switch (codec) {
      case 'null':
        return packed;
      case 'deflate':
        return inflateRawSync(packed, options);
      case 'zstandard':
        return zstdDecompressSync(packed, options);
      case 'snappy':
        // The last four bytes are a checksum.
        return unsnappyBlock(packed.subarray(0, -4), mostOfBlock);
      case 'bzip2': {
        const parts: Buffer[] = [];
        let size = 0;
        for await (const part of bunzip2(once(packed))) {
          parts.push(part);
          size += part.length;
          if (size > mostOfBlock) throw new ArchiveBroken();
        }
        return Buffer.concat(parts);
      }
    }
  } catch (error) {
    const { code = '' } = z.object({ code: z.string() }).safeParse(error).data ?? {};
    if (/^(Z_|ZSTD_|ERR_ZLIB|ERR_BUFFER_TOO_LARGE)/.test(code)) throw new ArchiveBroken();
    throw error;
  }
}

/** Bytes with a position. Reading behind their end throws ArchiveBroken. */
class Cursor {
  /** The characters that the record may still have. */
  left = Number.POSITIVE_INFINITY;

  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  take(length: number): Buffer {
    if (length < 0 || this.at + length > this.bytes.length) throw new ArchiveBroken();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  long(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const [byte = 0] = this.take(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const wide = BigInt.asUintN(64, value);
        return BigInt.asIntN(64, (wide >> 1n) ^ -(wide & 1n));
      }
    }
    throw new ArchiveBroken();
  }

  /** A length; not negative. */
  size(): number {
    const value = this.long();
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ArchiveBroken();
    return Number(value);
  }

  /** The items in the next block of an array or a map. If it is negative, the size of the block follows. */
  count(): number {
    const value = this.long();
    if (value < 0n) this.long();
    const count = value < 0n ? -value : value;
    if (count > BigInt(mostOfBlock)) throw new ArchiveBroken();
    return Number(count);
  }

  bytesOf(): Buffer {
    return this.take(this.size());
  }

  text(): string {
    const bytes = this.bytesOf();
    if (!isUtf8(bytes)) throw new ArchiveBroken();
    return bytes.toString('utf8');
  }

  /** Counts the characters of a value. */
  write(text: string): string {
    this.left -= text.length;
    if (this.left < 0) throw new ArchiveBroken();
    return text;
  }
}

/** Reads a value as JSON. */
type Reader = (cursor: Cursor, depth: number) => string;

const schemaObject = z.looseObject({
  type: z.unknown(),
  name: z.string().optional(),
  namespace: z.string().optional(),
  logicalType: z.unknown().optional(),
  fields: z.unknown().optional(),
  symbols: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  values: z.unknown().optional(),
  size: z.int().min(0).max(mostOfBlock).optional(),
  precision: z.unknown().optional(),
  scale: z.unknown().optional(),
});
type SchemaObject = z.output<typeof schemaObject>;
const fieldsOf = z.array(z.looseObject({ name: z.string(), type: z.unknown() })).max(10_000);

/** Makes readers of schemas. */
class Compiler {
  readonly #named = new Map<string, Reader>();
  #depth = 0;

  reader(schema: unknown, space: string): Reader {
    if (++this.#depth > deepest) throw new ArchiveBroken();
    try {
      return this.#reader(schema, space);
    } finally {
      this.#depth--;
    }
  }

  #reader(schema: unknown, space: string): Reader {
    if (typeof schema === 'string') return this.#simple(schema, space);
    if (Array.isArray(schema)) {
      const branches = schema.map((branch) => this.reader(branch, space));
      return (cursor, depth) => {
        const branch = branches[cursor.size()];
        if (branch === undefined) throw new ArchiveBroken();
        return branch(cursor, depth);
      };
    }
    const { success, data } = schemaObject.safeParse(schema);
    if (!success) throw new ArchiveBroken();
    return this.#complex(data, space);
  }

  #simple(name: string, space: string): Reader {
    const primitive = primitives.get(name);
    if (primitive !== undefined) return primitive;
    const full = name.includes('.') || space === '' ? name : `${space}.${name}`;
    const known = () => this.#named.get(full) ?? this.#named.get(name);
    if (known() === undefined) throw new ArchiveBroken();
    // A type may contain itself, so its reader may not be there yet.
    return (cursor, depth) => (known() ?? broken)(cursor, depth);
  }

  #complex(schema: SchemaObject, space: string): Reader {
    const { type, name, namespace, items, values, symbols, size } = schema;
    const isNamed = type === 'record' || type === 'error' || type === 'enum' || type === 'fixed';
    const full =
      name === undefined || name.includes('.') || (namespace ?? space) === ''
        ? name
        : `${namespace ?? space}.${name}`;
    if (isNamed && full === undefined) throw new ArchiveBroken();
    const within = isNamed ? (full ?? '').split('.').slice(0, -1).join('.') : space;
    const named = (reader: Reader): Reader => {
      this.#named.set(full ?? '', reader);
      return reader;
    };
    switch (type) {
      case 'record':
      case 'error': {
        named(broken);
        const fields = fieldsOf.safeParse(schema.fields).data;
        if (fields === undefined) throw new ArchiveBroken();
        const readers = fields.map((field) => ({
          key: `${JSON.stringify(field.name)}:`,
          read: this.reader(field.type, within),
        }));
        return named((cursor, depth) => {
          if (depth > deepest) throw new ArchiveBroken();
          return `{${readers.map(({ key, read }) => cursor.write(key) + read(cursor, depth + 1)).join(',')}}`;
        });
      }
      case 'enum':
        return named((cursor) => {
          const symbol = symbols?.[cursor.size()];
          if (symbol === undefined) throw new ArchiveBroken();
          return cursor.write(JSON.stringify(symbol));
        });
      case 'fixed': {
        if (size === undefined) throw new ArchiveBroken();
        const scale = scaleOf(schema);
        return named((cursor) => cursor.write(bytesText(cursor.take(size), scale)));
      }
      case 'array': {
        const item = this.reader(items, space);
        return (cursor, depth) => `[${parts(cursor, () => item(cursor, depth + 1)).join(',')}]`;
      }
      case 'map': {
        const value = this.reader(values, space);
        return (cursor, depth) =>
          `{${parts(cursor, () => `${cursor.write(JSON.stringify(cursor.text()))}:${value(cursor, depth + 1)}`).join(',')}}`;
      }
      case 'bytes': {
        const scale = scaleOf(schema);
        return (cursor) => cursor.write(bytesText(cursor.bytesOf(), scale));
      }
    }
    const time =
      typeof schema.logicalType === 'string' ? times.get(`${String(type)} ${schema.logicalType}`) : undefined;
    return time ?? this.reader(type, space);
  }
}

const broken: Reader = () => {
  throw new ArchiveBroken();
};

function parts(cursor: Cursor, part: () => string): string[] {
  const found: string[] = [];
  for (let count = cursor.count(); count > 0; count = cursor.count())
    for (let n = 0; n < count; n++) {
      cursor.write(',');
      found.push(part());
    }
  return found;
}

const primitives = new Map<string, Reader>([
  ['null', (cursor) => cursor.write('null')],
  ['boolean', (cursor) => cursor.write(cursor.take(1)[0] === 0 ? 'false' : 'true')],
  ['int', (cursor) => cursor.write(String(cursor.long()))],
  ['long', (cursor) => cursor.write(String(cursor.long()))],
  ['float', (cursor) => cursor.write(numberText(cursor.take(4).readFloatLE()))],
  ['double', (cursor) => cursor.write(numberText(cursor.take(8).readDoubleLE()))],
  ['bytes', (cursor) => cursor.write(bytesText(cursor.bytesOf(), null))],
  ['string', (cursor) => cursor.write(JSON.stringify(cursor.text()))],
]);

/** NaN and Infinity are null. */
const numberText = (value: number): string =>
  Number.isFinite(value) ? (Object.is(value, -0) ? '0' : String(value)) : 'null';

/** The digits behind the point of a decimal; null for plain bytes. */
const scaleOf = ({ logicalType, scale }: SchemaObject): number | null =>
  logicalType === 'decimal' &&
  (scale === undefined || (Number.isInteger(scale) && Number(scale) >= 0 && Number(scale) <= 100))
    ? Number(scale ?? 0)
    : null;

/** Bytes as UTF-8 or else as Base64; a decimal with all its digits. */
function bytesText(bytes: Buffer, scale: number | null): string {
  if (scale !== null && bytes.length > 0 && bytes.length <= 64) {
    const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`));
    const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
    const whole = digits.slice(0, digits.length - scale);
    return `"${value < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}"`;
  }
  return isUtf8(bytes) ? JSON.stringify(bytes.toString('utf8')) : `"${bytes.toString('base64')}"`;
}

/** Types with a logical type that is a time. A value beyond the years 1 to 9999 stays a number. */
const times = new Map<string, Reader>([
  ['int date', timeReader((value) => dayText(value))],
  ...(['millis', 'micros', 'nanos'] as const).flatMap((unit, i): [string, Reader][] => {
    const digits = 3 * (i + 1);
    return [
      [`long timestamp-${unit}`, timeReader((value) => momentText(value, digits, 'Z'))],
      [`long local-timestamp-${unit}`, timeReader((value) => momentText(value, digits, ''))],
      [`${i === 0 ? 'int' : 'long'} time-${unit}`, timeReader((value) => clockText(value, digits))],
    ];
  }),
]);

function timeReader(text: (value: bigint) => string | null): Reader {
  return (cursor) => {
    const value = cursor.long();
    const found = text(value);
    return cursor.write(found === null ? String(value) : `"${found}"`);
  };
}

const [firstDay, lastDay] = [-719_162n, 2_932_896n];

/** Days since 1970 as a date. */
function dayText(days: bigint): string | null {
  if (days < firstDay || days > lastDay) return null;
  const date = new Date(0);
  date.setUTCDate(1 + Number(days));
  return date.toISOString().slice(0, 10);
}

function momentText(value: bigint, digits: number, zone: string): string | null {
  const perDay = 86_400n * 10n ** BigInt(digits);
  const rest = ((value % perDay) + perDay) % perDay;
  const day = dayText((value - rest) / perDay);
  const clock = clockText(rest, digits);
  return day === null || clock === null ? null : `${day}T${clock}${zone}`;
}

function clockText(value: bigint, digits: number): string | null {
  const unit = 10n ** BigInt(digits);
  if (value < 0n || value >= 86_400n * unit) return null;
  const two = (n: bigint) => String(n).padStart(2, '0');
  const seconds = value / unit;
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${String(value % unit).padStart(digits, '0')}`;
}
