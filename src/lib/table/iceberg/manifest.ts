/** Manifests and manifest lists: which objects make up a snapshot. https://iceberg.apache.org/spec/#manifests */
import * as z from 'zod';
import { TableUnsupported } from '../../errors.ts';
import { type AvroSchema, readAvro, writeAvro } from './avro.ts';
import type { PartitionSpec } from './metadata.ts';
import { resultType } from './transforms.ts';
import { decimalOf, fieldsById, isPrimitive, type PrimitiveType, type Schema } from './types.ts';
import { compare, decimalBytes, fromBytes, toBytes, type Value } from './values.ts';

/** The content of a file. https://iceberg.apache.org/spec/#data-file-fields */
export const contents = { data: 0, positionDeletes: 1, equalityDeletes: 2 } as const;
/** The status of a file in a manifest. */
export const statuses = { existing: 0, added: 1, deleted: 2 } as const;

/** Values by the ids of partition fields. */
export type Partition = ReadonlyMap<number, Value | null>;

/** Counts of rows and bytes are exact. Unknown values are null. */
export interface DataFile {
  readonly content: number;
  readonly path: string;
  /** PARQUET, AVRO or ORC. */
  readonly format: string;
  readonly partition: Partition;
  readonly records: bigint;
  readonly bytes: bigint;
  /** By field id. */
  readonly columnSizes: ReadonlyMap<number, bigint> | null;
  readonly valueCounts: ReadonlyMap<number, bigint> | null;
  readonly nullCounts: ReadonlyMap<number, bigint> | null;
  readonly nanCounts: ReadonlyMap<number, bigint> | null;
  readonly lowerBounds: ReadonlyMap<number, Buffer> | null;
  readonly upperBounds: ReadonlyMap<number, Buffer> | null;
  readonly keyMetadata: Buffer | null;
  readonly splitOffsets: readonly bigint[] | null;
  readonly equalityIds: readonly number[] | null;
  readonly sortOrderId: number | null;
  /** The one data file that a file of position deletes is about. */
  readonly referencedDataFile: string | null;
}

export interface ManifestEntry {
  readonly status: number;
  readonly snapshotId: bigint;
  /** Undefined for a new file: it gets the number of the committed snapshot. */
  readonly sequenceNumber: bigint | undefined;
  readonly fileSequenceNumber: bigint | undefined;
  readonly file: DataFile;
}

/** A manifest as a manifest list names it. */
export interface ManifestFile {
  readonly path: string;
  readonly length: bigint;
  readonly specId: number;
  /** 0 for a manifest of data, 1 for one of deletes. */
  readonly content: number;
  readonly sequenceNumber: bigint;
  readonly minSequenceNumber: bigint;
  readonly addedSnapshotId: bigint;
  readonly addedFiles: number;
  readonly existingFiles: number;
  readonly deletedFiles: number;
  readonly addedRows: bigint;
  readonly existingRows: bigint;
  readonly deletedRows: bigint;
  readonly partitions: readonly PartitionSummary[] | null;
  readonly keyMetadata: Buffer | null;
}

/** Of one partition field, over all files of a manifest. */
export interface PartitionSummary {
  readonly containsNull: boolean;
  readonly containsNan: boolean | null;
  readonly lowerBound: Buffer | null;
  readonly upperBound: Buffer | null;
}

export const isAlive = ({ status }: Pick<ManifestEntry, 'status'>): boolean => status !== statuses.deleted;
export const liveFilesOf = (m: ManifestFile): number => m.addedFiles + m.existingFiles;
export const hasLiveFiles = (m: ManifestFile): boolean => liveFilesOf(m) > 0;
/** Whether a manifest names data, and not deletes. */
export const hasData = (m: Pick<ManifestFile, 'content'>): boolean => m.content === contents.data;

// ---- schemas of the records

const field = (id: number, name: string, type: AvroSchema) => ({ name, type, 'field-id': id });
const optional = (id: number, name: string, type: AvroSchema) => ({
  ...field(id, name, ['null', type]),
  default: null,
});
/** A map with int keys: Avro's own maps have text keys. */
const intMap = (keyId: number, valueId: number, value: string): AvroSchema => ({
  type: 'array',
  items: {
    type: 'record',
    name: `k${keyId}_v${valueId}`,
    fields: [field(keyId, 'key', 'int'), field(valueId, 'value', value)],
  },
  logicalType: 'map',
});

/** https://iceberg.apache.org/spec/#avro */
function avroOf(type: PrimitiveType): AvroSchema {
  const decimal = decimalOf(type);
  if (decimal) {
    const size = bytesOfPrecision(decimal.precision);
    return {
      type: 'fixed',
      name: `decimal_${decimal.precision}_${decimal.scale}`,
      size,
      logicalType: 'decimal',
      precision: decimal.precision,
      scale: decimal.scale,
    };
  }
  const length = /^fixed\[(\d+)\]$/.exec(type)?.[1];
  if (length !== undefined) return { type: 'fixed', name: `fixed_${length}`, size: Number(length) };
  if (type === 'uuid') return { type: 'fixed', name: 'uuid_fixed', size: 16, logicalType: 'uuid' };
  if (type === 'date') return { type: 'int', logicalType: 'date' };
  if (type === 'time') return { type: 'long', logicalType: 'time-micros' };
  if (type === 'timestamp' || type === 'timestamptz')
    return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': type === 'timestamptz' };
  return type === 'binary' ? 'bytes' : type;
}

/** The smallest number of bytes for all decimals of a precision. */
const bytesOfPrecision = (precision: number): number => {
  let length = 1;
  while (10n ** BigInt(precision) > 2n ** BigInt(length * 8 - 1)) length++;
  return length;
};

/** A partition field with the type of its values. */
interface TypedField {
  readonly id: number;
  readonly name: string;
  readonly type: PrimitiveType;
}

/**
 * The fields of a spec with their types. If the column of a field was dropped, the type follows from its transform, or is text.
 */
export function typedFields(spec: PartitionSpec, schemas: readonly Schema[]): TypedField[] {
  // The newest type is the widest.
  const types = new Map(
    schemas.flatMap((schema) => [...fieldsById(schema)].map(([id, { field: f }]) => [id, f.type] as const)),
  );
  return spec.fields.map((f) => {
    const source = types.get(f['source-id']) ?? 'string';
    if (!isPrimitive(source))
      throw new TableUnsupported(`the partition field ${f.name} is made of a column that is not a scalar`);
    return { id: f['field-id'], name: f.name, type: resultType(f.transform, source) };
  });
}

/** Names of Avro have no other characters: https://iceberg.apache.org/spec/#avro */
const avroName = (name: string): string =>
  name
    .replaceAll(/[^A-Za-z0-9_]/gu, (c) => `_x${(c.codePointAt(0) ?? 0).toString(16).toUpperCase()}`)
    .replace(/^(?=[0-9])/, '_');

const entrySchema = (fields: readonly TypedField[]): AvroSchema => ({
  type: 'record',
  name: 'manifest_entry',
  fields: [
    field(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    optional(4, 'file_sequence_number', 'long'),
    field(2, 'data_file', {
      type: 'record',
      name: 'r2',
      fields: [
        field(134, 'content', 'int'),
        field(100, 'file_path', 'string'),
        field(101, 'file_format', 'string'),
        field(102, 'partition', {
          type: 'record',
          name: 'r102',
          fields: fields.map((f) => optional(f.id, avroName(f.name), avroOf(f.type))),
        }),
        field(103, 'record_count', 'long'),
        field(104, 'file_size_in_bytes', 'long'),
        optional(108, 'column_sizes', intMap(117, 118, 'long')),
        optional(109, 'value_counts', intMap(119, 120, 'long')),
        optional(110, 'null_value_counts', intMap(121, 122, 'long')),
        optional(137, 'nan_value_counts', intMap(138, 139, 'long')),
        optional(125, 'lower_bounds', intMap(126, 127, 'bytes')),
        optional(128, 'upper_bounds', intMap(129, 130, 'bytes')),
        optional(131, 'key_metadata', 'bytes'),
        optional(132, 'split_offsets', { type: 'array', items: 'long', 'element-id': 133 }),
        optional(135, 'equality_ids', { type: 'array', items: 'int', 'element-id': 136 }),
        optional(140, 'sort_order_id', 'int'),
        optional(143, 'referenced_data_file', 'string'),
      ],
    }),
  ],
});

const listSchema: AvroSchema = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field(500, 'manifest_path', 'string'),
    field(501, 'manifest_length', 'long'),
    field(502, 'partition_spec_id', 'int'),
    field(517, 'content', 'int'),
    field(515, 'sequence_number', 'long'),
    field(516, 'min_sequence_number', 'long'),
    field(503, 'added_snapshot_id', 'long'),
    field(504, 'added_files_count', 'int'),
    field(505, 'existing_files_count', 'int'),
    field(506, 'deleted_files_count', 'int'),
    field(512, 'added_rows_count', 'long'),
    field(513, 'existing_rows_count', 'long'),
    field(514, 'deleted_rows_count', 'long'),
    optional(507, 'partitions', {
      type: 'array',
      'element-id': 508,
      items: {
        type: 'record',
        name: 'r508',
        fields: [
          field(509, 'contains_null', 'boolean'),
          optional(518, 'contains_nan', 'boolean'),
          optional(510, 'lower_bound', 'bytes'),
          optional(511, 'upper_bound', 'bytes'),
        ],
      },
    }),
    optional(519, 'key_metadata', 'bytes'),
  ],
};

// ---- reading

const buffer = z.instanceof(Buffer);
const nullish = <S extends z.ZodType>(schema: S) =>
  schema.nullish().transform((value): z.output<S> | null => value ?? null);
interface Pair<V> {
  readonly key: number;
  readonly value: V;
}
/**
 * The pairs of an int map, as a map. An entry has six of them, with a pair for each column, so a schema for each pair would take
 * three quarters of the time to read a manifest.
 */
const pairsOf = <V>(isValue: (value: unknown) => value is V) =>
  nullish(
    z.custom<readonly Pair<V>[]>(
      (pairs) =>
        Array.isArray(pairs) &&
        pairs.every((pair: Pair<unknown>) => Number.isSafeInteger(pair?.key) && isValue(pair.value)),
    ),
  ).transform((pairs) => pairs && new Map(pairs.map(({ key, value }) => [key, value])));
const longs = pairsOf((value): value is bigint => typeof value === 'bigint');
const byteStrings = pairsOf((value): value is Buffer => value instanceof Buffer);
/** Zod's own number is finite, and other writers partition by NaN and infinities, too. */
const anyNumber = z.custom<number>((value) => typeof value === 'number');
const partitionValue = z.union([z.boolean(), anyNumber, z.bigint(), z.string(), buffer, z.null()]);

const entryRecord = z.object({
  status: z.int(),
  snapshot_id: nullish(z.bigint()),
  sequence_number: nullish(z.bigint()),
  file_sequence_number: nullish(z.bigint()),
  data_file: z.object({
    content: z.int().default(contents.data),
    file_path: z.string(),
    file_format: z.string(),
    // Decoded records have their own classes, which z.record rejects.
    partition: z
      .looseObject({})
      .transform((record) => z.record(z.string(), partitionValue).parse({ ...record })),
    record_count: z.bigint(),
    file_size_in_bytes: z.bigint(),
    column_sizes: longs,
    value_counts: longs,
    null_value_counts: longs,
    nan_value_counts: longs,
    lower_bounds: byteStrings,
    upper_bounds: byteStrings,
    key_metadata: nullish(buffer),
    split_offsets: nullish(z.array(z.bigint())),
    equality_ids: nullish(z.array(z.int())),
    sort_order_id: nullish(z.int()),
    referenced_data_file: nullish(z.string()),
  }),
});

const count = z.union([z.int(), z.bigint()]).transform(Number);
const listRecord = z.object({
  manifest_path: z.string(),
  manifest_length: z.bigint(),
  partition_spec_id: z.int(),
  content: z.int().default(0),
  sequence_number: z.bigint().default(0n),
  min_sequence_number: z.bigint().default(0n),
  added_snapshot_id: z.bigint(),
  added_files_count: count,
  existing_files_count: count,
  deleted_files_count: count,
  added_rows_count: z.bigint(),
  existing_rows_count: z.bigint(),
  deleted_rows_count: z.bigint(),
  partitions: nullish(
    z.array(
      z.object({
        contains_null: z.boolean(),
        contains_nan: nullish(z.boolean()),
        lower_bound: nullish(buffer),
        upper_bound: nullish(buffer),
      }),
    ),
  ),
  key_metadata: nullish(buffer),
});

/** The names of this module's schemas by field id, because other writers may use other names. */
const canonical: ReadonlyMap<number, string> = namesById([entrySchema([]), listSchema]);

function namesById(schemas: readonly AvroSchema[]): Map<number, string> {
  const names = new Map<number, string>();
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const member of node) visit(member);
    else if (typeof node === 'object' && node !== null) {
      if ('field-id' in node && 'name' in node) names.set(Number(node['field-id']), String(node.name));
      for (const member of Object.values(node)) visit(member);
    }
  };
  visit(schemas);
  return names;
}

/** Partition fields have ids from 1000 on. */
const partitionName = (id: number): string => `p${id}`;
const renamed = (id: number): string => canonical.get(id) ?? partitionName(id);

/** The entries of a manifest, with the values that they inherit from the manifest list. */
export function readManifest(
  bytes: Uint8Array,
  manifest: ManifestFile,
  fields: readonly TypedField[],
): ManifestEntry[] {
  return readAvro(bytes, renamed).records.map((record) => {
    const { status, data_file: f, ...entry } = entryRecord.parse(record);
    // Files from before sequence numbers existed have the number 0.
    const isInherited = status === statuses.added || manifest.sequenceNumber === 0n;
    const inherits = isInherited ? manifest.sequenceNumber : undefined;
    return {
      status,
      snapshotId: entry.snapshot_id ?? manifest.addedSnapshotId,
      sequenceNumber: entry.sequence_number ?? inherits,
      fileSequenceNumber: entry.file_sequence_number ?? inherits,
      file: {
        content: f.content,
        path: f.file_path,
        format: f.file_format,
        partition: new Map(
          fields.map(({ id, type }) => [id, readValue(type, f.partition[partitionName(id)] ?? null)]),
        ),
        records: f.record_count,
        bytes: f.file_size_in_bytes,
        columnSizes: f.column_sizes,
        valueCounts: f.value_counts,
        nullCounts: f.null_value_counts,
        nanCounts: f.nan_value_counts,
        lowerBounds: f.lower_bounds,
        upperBounds: f.upper_bounds,
        keyMetadata: f.key_metadata,
        splitOffsets: f.split_offsets,
        equalityIds: f.equality_ids,
        sortOrderId: f.sort_order_id,
        referencedDataFile: f.referenced_data_file,
      },
    };
  });
}

/** The addresses that a manifest names; none for another file of Avro. */
export const addressesIn = (bytes: Uint8Array): string[] =>
  readAvro(bytes, renamed).records.flatMap((record) => {
    const entry = namingRecord.safeParse(record);
    return entry.success ? [entry.data.data_file.file_path] : [];
  });

const namingRecord = z.looseObject({ data_file: z.looseObject({ file_path: z.string() }) });

/** Converts a partition value from Avro: an int may have become a long, a decimal comes as bytes. */
function readValue(type: PrimitiveType, value: z.output<typeof partitionValue>): Value | null {
  if (decimalOf(type) && value instanceof Buffer) return fromBytes(type, value);
  if (typeof value === 'number' && !['int', 'date', 'float', 'double'].includes(type)) return BigInt(value);
  return value;
}

export const readManifestList = (bytes: Uint8Array): ManifestFile[] =>
  readAvro(bytes, renamed).records.map((record) => {
    const m = listRecord.parse(record);
    return {
      path: m.manifest_path,
      length: m.manifest_length,
      specId: m.partition_spec_id,
      content: m.content,
      sequenceNumber: m.sequence_number,
      minSequenceNumber: m.min_sequence_number,
      addedSnapshotId: m.added_snapshot_id,
      addedFiles: m.added_files_count,
      existingFiles: m.existing_files_count,
      deletedFiles: m.deleted_files_count,
      addedRows: m.added_rows_count,
      existingRows: m.existing_rows_count,
      deletedRows: m.deleted_rows_count,
      partitions:
        m.partitions?.map((p) => ({
          containsNull: p.contains_null,
          containsNan: p.contains_nan,
          lowerBound: p.lower_bound,
          upperBound: p.upper_bound,
        })) ?? null,
      keyMetadata: m.key_metadata,
    };
  });

// ---- writing

export interface ManifestContext {
  readonly spec: PartitionSpec;
  /** The current schema, and all schemas of the table for the types of dropped columns. */
  readonly schema: Schema;
  readonly schemas: readonly Schema[];
  /** 0 for data, 1 for deletes. */
  readonly content: number;
  /** The id of the snapshot that the manifest is written for. */
  readonly snapshotId: bigint;
}

/** A manifest without an address. A later manifest list can use it with another sequence number. */
export type UnplacedManifest = Omit<ManifestFile, 'path' | 'sequenceNumber'>;

export function writeManifest(
  entries: readonly ManifestEntry[],
  { spec, schema, schemas, content, snapshotId }: ManifestContext,
): { bytes: Buffer; manifest: (path: string, sequenceNumber: bigint) => ManifestFile } {
  const fields = typedFields(spec, schemas);
  const bytes = writeAvro(
    entrySchema(fields),
    entries.map((entry) => entryOut(entry, fields)),
    {
      schema: JSON.stringify(schema),
      'schema-id': String(schema['schema-id']),
      'partition-spec': JSON.stringify(spec.fields),
      'partition-spec-id': String(spec['spec-id']),
      'format-version': '2',
      content: content === 0 ? 'data' : 'deletes',
    },
  );
  const of = (status: number) => entries.filter((e) => e.status === status);
  const rows = (status: number) => of(status).reduce((sum, e) => sum + e.file.records, 0n);
  const manifest = (path: string, sequenceNumber: bigint): ManifestFile => ({
    path,
    length: BigInt(bytes.length),
    specId: spec['spec-id'],
    content,
    sequenceNumber,
    minSequenceNumber: leastSequenceNumber(entries, sequenceNumber),
    addedSnapshotId: snapshotId,
    addedFiles: of(statuses.added).length,
    existingFiles: of(statuses.existing).length,
    deletedFiles: of(statuses.deleted).length,
    addedRows: rows(statuses.added),
    existingRows: rows(statuses.existing),
    deletedRows: rows(statuses.deleted),
    partitions: fields.map((f) => summarize(f, entries)),
    keyMetadata: null,
  });
  return { bytes, manifest };
}

/** The lowest sequence number of the live files; `own` is the number of new files. */
function leastSequenceNumber(entries: readonly ManifestEntry[], own: bigint): bigint {
  let least = own;
  for (const { status, sequenceNumber = own } of entries)
    if (status !== statuses.deleted && sequenceNumber < least) least = sequenceNumber;
  return least;
}

function entryOut(entry: ManifestEntry, fields: readonly TypedField[]): object {
  const { file: f } = entry;
  const out = <V>(map: ReadonlyMap<number, V> | null) =>
    map && [...map].map(([key, value]) => ({ key, value }));
  return {
    status: entry.status,
    snapshot_id: entry.snapshotId,
    sequence_number: entry.sequenceNumber ?? null,
    file_sequence_number: entry.fileSequenceNumber ?? null,
    data_file: {
      content: f.content,
      file_path: f.path,
      file_format: f.format,
      partition: Object.fromEntries(
        fields.map(({ id, name, type }) => [avroName(name), writeValue(type, f.partition.get(id) ?? null)]),
      ),
      record_count: f.records,
      file_size_in_bytes: f.bytes,
      column_sizes: out(f.columnSizes),
      value_counts: out(f.valueCounts),
      null_value_counts: out(f.nullCounts),
      nan_value_counts: out(f.nanCounts),
      lower_bounds: out(f.lowerBounds),
      upper_bounds: out(f.upperBounds),
      key_metadata: f.keyMetadata,
      split_offsets: f.splitOffsets,
      equality_ids: f.equalityIds,
      sort_order_id: f.sortOrderId,
      referenced_data_file: f.referencedDataFile,
    },
  };
}

function writeValue(type: PrimitiveType, value: Value | null): Value | null {
  const decimal = decimalOf(type);
  if (value === null || !decimal) return value;
  const bytes = decimalBytes(BigInt(String(value)));
  const padding = Buffer.alloc(
    bytesOfPrecision(decimal.precision) - bytes.length,
    (bytes[0] ?? 0) & 0x80 ? 0xff : 0,
  );
  return Buffer.concat([padding, bytes]);
}

function summarize({ id, type }: TypedField, entries: readonly ManifestEntry[]): PartitionSummary {
  let containsNull = false;
  let containsNan = false;
  let low: Value | undefined;
  let high: Value | undefined;
  for (const { file } of entries) {
    const value = file.partition.get(id) ?? null;
    if (value === null) containsNull = true;
    else if (Number.isNaN(value)) containsNan = true;
    else {
      if (low === undefined || compare(value, low) < 0) low = value;
      if (high === undefined || compare(value, high) > 0) high = value;
    }
  }
  return {
    containsNull,
    containsNan,
    lowerBound: low === undefined ? null : toBytes(type, low),
    upperBound: high === undefined ? null : toBytes(type, high),
  };
}

export const writeManifestList = (
  manifests: readonly ManifestFile[],
  snapshot: { readonly id: bigint; readonly parent: bigint | undefined; readonly sequenceNumber: bigint },
): Buffer =>
  writeAvro(
    listSchema,
    manifests.map((m) => ({
      manifest_path: m.path,
      manifest_length: m.length,
      partition_spec_id: m.specId,
      content: m.content,
      sequence_number: m.sequenceNumber,
      min_sequence_number: m.minSequenceNumber,
      added_snapshot_id: m.addedSnapshotId,
      added_files_count: m.addedFiles,
      existing_files_count: m.existingFiles,
      deleted_files_count: m.deletedFiles,
      added_rows_count: m.addedRows,
      existing_rows_count: m.existingRows,
      deleted_rows_count: m.deletedRows,
      partitions:
        m.partitions?.map((p) => ({
          contains_null: p.containsNull,
          contains_nan: p.containsNan,
          lower_bound: p.lowerBound,
          upper_bound: p.upperBound,
        })) ?? null,
      key_metadata: m.keyMetadata,
    })),
    {
      'snapshot-id': String(snapshot.id),
      'parent-snapshot-id': snapshot.parent === undefined ? 'null' : String(snapshot.parent),
      'sequence-number': String(snapshot.sequenceNumber),
      'format-version': '2',
    },
  );
