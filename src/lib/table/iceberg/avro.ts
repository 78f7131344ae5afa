/**
 * Avro object container files: https://avro.apache.org/docs/1.12.0/specification/#object-container-files. avsc encodes the records.
 * Its own container streams write the header from a parsed type, which has lost `field-id`, or read longs as numbers.
 */
import { randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync, zstdDecompressSync } from 'node:zlib';
import avro from 'avsc';
import * as z from 'zod';
import { TableUnsupported } from '../../errors.ts';

/** A schema as JSON: with field ids, which avsc does not know. */
export type AvroSchema = string | { readonly [key: string]: unknown } | readonly AvroSchema[];

const magic = Buffer.from('Obj\x01', 'latin1');
const syncBytes = 16;

/** Longs are BigInt: snapshot ids exceed 2^53. */
const longType = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

/** Compiled schemas by their text. The manifests of a table have one or two, and compiling one takes longer than reading a file. */
const types = new Map<string, avro.Type>();
const mostTypes = 100;

function typeOf(schema: AvroSchema): avro.Type {
  const text = JSON.stringify(schema);
  const known = types.get(text);
  if (known) return known;
  // avsc accepts more schemas than its type says.
  const type = avro.Type.forSchema(z.custom<avro.Schema>().parse(schema), {
    registry: { long: longType },
    // avsc looks into the registry only for a type that has a name alone: a long with a logical type would be a number.
    typeHook: (node) =>
      typeof node === 'object' && 'type' in node && node.type === 'long' ? longType : undefined,
    omitRecordMethods: true,
  });
  if (types.size >= mostTypes) types.clear();
  types.set(text, type);
  return type;
}

const headerType = typeOf({
  type: 'record',
  name: 'header',
  fields: [
    { name: 'magic', type: { type: 'fixed', name: 'magic', size: magic.length } },
    { name: 'meta', type: { type: 'map', values: 'bytes' } },
    { name: 'sync', type: { type: 'fixed', name: 'sync', size: syncBytes } },
  ],
});
const blockType = typeOf({
  type: 'record',
  name: 'block',
  fields: [
    { name: 'count', type: 'long' },
    { name: 'data', type: 'bytes' },
    { name: 'sync', type: { type: 'fixed', name: 'sync', size: syncBytes } },
  ],
});

const headerSchema = z.object({
  meta: z.record(z.string(), z.instanceof(Buffer)),
  sync: z.instanceof(Buffer),
});
const blockSchema = z.object({ count: z.bigint(), data: z.instanceof(Buffer), sync: z.instanceof(Buffer) });

/** A file of records; `meta` goes into its header. Throws Error for a record that the schema does not describe. */
export function writeAvro(
  schema: AvroSchema,
  records: readonly object[],
  meta: Readonly<Record<string, string>>,
): Buffer {
  const type = typeOf(schema);
  const sync = randomBytes(syncBytes);
  const header = Object.fromEntries(
    Object.entries({ ...meta, 'avro.schema': JSON.stringify(schema), 'avro.codec': 'deflate' }).map(
      ([key, value]) => [key, Buffer.from(value)],
    ),
  );
  const data = deflateRawSync(Buffer.concat(records.map((record) => type.toBuffer(record))));
  return Buffer.concat([
    headerType.toBuffer({ magic, meta: header, sync }),
    ...(records.length === 0 ? [] : [blockType.toBuffer({ count: BigInt(records.length), data, sync })]),
  ]);
}

export interface AvroFile {
  readonly meta: Readonly<Record<string, string>>;
  readonly records: readonly unknown[];
}

/** `rename` gives fields of the writer's schema other names by their ids. Throws TableUnsupported for an unsupported file. */
export function readAvro(file: Uint8Array, rename: (fieldId: number, name: string) => string): AvroFile {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!bytes.subarray(0, magic.length).equals(magic))
    throw new TableUnsupported('the file is not an Avro container');
  const first = headerType.decode(bytes, 0);
  const { meta, sync } = headerSchema.parse(first.value);
  const type = typeOf(renamed(JSON.parse(meta['avro.schema']?.toString() ?? ''), rename));
  const unpack = codecs[meta['avro.codec']?.toString() ?? 'null'];
  if (unpack === undefined)
    throw new TableUnsupported(`an Avro file is packed with ${meta['avro.codec']}, which is not read`);
  const records: unknown[] = [];
  for (let at = first.offset; at < bytes.length; ) {
    const { value, offset } = blockType.decode(bytes, at);
    // avsc gives a negative offset for a truncated value.
    if (offset < 0) throw new TableUnsupported('the Avro file is cut');
    const block = blockSchema.parse(value);
    if (!block.sync.equals(sync)) throw new TableUnsupported('the Avro file is damaged');
    const data = unpack(block.data);
    let position = 0;
    for (let n = 0n; n < block.count; n++) {
      const record = type.decode(data, position);
      if (record.offset < 0) throw new TableUnsupported('a block of the Avro file is truncated');
      records.push(record.value);
      position = record.offset;
    }
    at = offset;
  }
  const texts = Object.entries(meta).map(([key, value]) => [key, value.toString()] as const);
  return { meta: Object.fromEntries(texts), records };
}

const codecs: Readonly<Record<string, ((data: Buffer) => Buffer) | undefined>> = {
  null: (data) => data,
  deflate: (data) => inflateRawSync(data),
  zstandard: (data) => zstdDecompressSync(data),
};

const fieldId = z.looseObject({ name: z.string(), 'field-id': z.int() });

/** The bytes do not contain names, so a schema with other names reads the same file. */
function renamed(schema: unknown, rename: (fieldId: number, name: string) => string): AvroSchema {
  const visit = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(visit);
    if (typeof node !== 'object' || node === null) return node;
    const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, visit(value)]));
    const field = fieldId.safeParse(node);
    // Aliases are not used for reading.
    return field.success ? { ...copy, name: rename(field.data['field-id'], field.data.name) } : copy;
  };
  return z.custom<AvroSchema>().parse(visit(schema));
}
