/** A table's metadata, format version 2: https://iceberg.apache.org/spec/#table-metadata-fields */
import * as z from 'zod';
import { TableUnsupported } from '../../errors.ts';
import { isJsonObject } from '../../json.ts';
import { formatExact, long, parseExact } from './exactJson.ts';
import { type Schema, schemaSchema } from './types.ts';

const partitionFieldSchema = z.looseObject({
  'source-id': z.int(),
  'field-id': z.int(),
  name: z.string(),
  transform: z.string(),
});
export type PartitionField = z.output<typeof partitionFieldSchema>;
const specSchema = z.looseObject({ 'spec-id': z.int(), fields: z.array(partitionFieldSchema) });
export type PartitionSpec = z.output<typeof specSchema>;

const sortOrderSchema = z.looseObject({
  'order-id': z.int(),
  fields: z.array(
    z.looseObject({
      transform: z.string(),
      'source-id': z.int(),
      direction: z.enum(['asc', 'desc']),
      'null-order': z.enum(['nulls-first', 'nulls-last']),
    }),
  ),
});
export type SortOrder = z.output<typeof sortOrderSchema>;

const snapshotSchema = z.looseObject({
  'snapshot-id': long,
  'parent-snapshot-id': long.optional(),
  'sequence-number': long.default(0n),
  'timestamp-ms': z.int(),
  'manifest-list': z.string(),
  summary: z.record(z.string(), z.string()).default({}),
  'schema-id': z.int().optional(),
});
export type Snapshot = z.output<typeof snapshotSchema>;

const logEntrySchema = z.looseObject({ 'timestamp-ms': z.int(), 'snapshot-id': long });
type LogEntry = z.output<typeof logEntrySchema>;

// A table has thousands of these two, and zod takes most of the time of reading them. What is written as nearly every writer writes it is
// read by hand, with the same result; anything else is left to zod.

/** Undefined unless the value is an array of usual members only. */
function allUsual<T>(
  value: unknown,
  usual: (member: Readonly<Record<string, unknown>>) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(value)) return;
  const members: T[] = [];
  for (const member of value) {
    const read = typeof member === 'object' && member !== null ? usual(member) : undefined;
    if (read === undefined) return;
    members.push(read);
  }
  return members;
}

function usualSnapshot(value: Readonly<Record<string, unknown>>): Snapshot | undefined {
  const {
    'snapshot-id': id,
    'parent-snapshot-id': parent,
    'sequence-number': sequence,
    'timestamp-ms': time,
    'manifest-list': list,
    'schema-id': schema,
    summary,
  } = value;
  return typeof id === 'bigint' &&
    (parent === undefined || typeof parent === 'bigint') &&
    isInteger(sequence) &&
    isInteger(time) &&
    typeof list === 'string' &&
    (schema === undefined || isInteger(schema)) &&
    areTexts(summary)
    ? {
        ...value,
        'snapshot-id': id,
        'sequence-number': BigInt(sequence),
        'timestamp-ms': time,
        'manifest-list': list,
        summary,
      }
    : undefined;
}

const usualLogEntry = (value: Readonly<Record<string, unknown>>): LogEntry | undefined => {
  const { 'timestamp-ms': time, 'snapshot-id': id } = value;
  return isInteger(time) && typeof id === 'bigint'
    ? { ...value, 'timestamp-ms': time, 'snapshot-id': id }
    : undefined;
};

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);

const areTexts = (value: unknown): value is Record<string, string> =>
  isJsonObject(value) && Object.values(value).every((text) => typeof text === 'string');

/** A branch or a tag. */
const refSchema = z.looseObject({
  'snapshot-id': long,
  type: z.enum(['branch', 'tag']),
  'min-snapshots-to-keep': z.int().optional(),
  'max-snapshot-age-ms': z.int().optional(),
  'max-ref-age-ms': z.int().optional(),
});
export type Ref = z.output<typeof refSchema>;

const fileStatistics = z.looseObject({ 'snapshot-id': long, 'statistics-path': z.string() });

/** Unknown fields are kept unchanged. */
const metadataSchema = z.looseObject({
  'format-version': z.literal(2),
  'table-uuid': z.string(),
  location: z.string(),
  'last-sequence-number': long,
  'last-updated-ms': z.int(),
  'last-column-id': z.int(),
  schemas: z.array(schemaSchema),
  'current-schema-id': z.int(),
  'partition-specs': z.array(specSchema),
  'default-spec-id': z.int(),
  'last-partition-id': z.int(),
  properties: z.record(z.string(), z.string()).default({}),
  // Some writers use -1 for none.
  'current-snapshot-id': z
    .union([long, z.null()])
    .optional()
    .transform((id) => (id === undefined || id === null || id < 0n ? undefined : id)),
  snapshots: z.array(snapshotSchema).default([]),
  'snapshot-log': z.array(logEntrySchema).default([]),
  'metadata-log': z
    .array(z.looseObject({ 'timestamp-ms': z.int(), 'metadata-file': z.string() }))
    .default([]),
  'sort-orders': z.array(sortOrderSchema),
  'default-sort-order-id': z.int(),
  refs: z.record(z.string(), refSchema).default({}),
  statistics: z.array(fileStatistics).optional(),
  'partition-statistics': z.array(fileStatistics).optional(),
});
export type Metadata = z.output<typeof metadataSchema>;

/** Throws TableUnsupported for another format version, SyntaxError or ZodError if the text is not table metadata. */
export function parseMetadata(text: string): Metadata {
  const document = z.looseObject({ 'format-version': z.int() }).parse(parseExact(text));
  const version = document['format-version'];
  if (version !== 2)
    throw new TableUnsupported(
      `the table has Iceberg's format version ${version}; Sluice and Athena write version 2`,
    );
  const snapshots = allUsual(document.snapshots, usualSnapshot);
  const log = allUsual(document['snapshot-log'], usualLogEntry);
  const metadata = {
    ...metadataSchema.parse({
      ...document,
      ...(snapshots && { snapshots: [] }),
      ...(log && { 'snapshot-log': [] }),
    }),
    ...(snapshots && { snapshots }),
    ...(log && { 'snapshot-log': log }),
  };
  const current = metadata['current-snapshot-id'];
  // Before refs existed, the current snapshot was the only branch.
  return current === undefined || metadata.refs[mainBranch]
    ? metadata
    : { ...metadata, refs: { ...metadata.refs, [mainBranch]: { 'snapshot-id': current, type: 'branch' } } };
}

export const formatMetadata = (metadata: Metadata): string => formatExact(metadata);

/** The branch that readers see by default. */
export const mainBranch = 'main';

/** Throws TableUnsupported if metadata refer to something that they do not contain. */
function named<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new TableUnsupported(`the table's metadata lack ${what}`);
  return found;
}

export const schemaOf = (metadata: Metadata, id = metadata['current-schema-id']): Schema =>
  named(
    metadata.schemas.find((s) => s['schema-id'] === id),
    `the schema ${id}`,
  );

export const specOf = (metadata: Metadata, id = metadata['default-spec-id']): PartitionSpec =>
  named(
    metadata['partition-specs'].find((s) => s['spec-id'] === id),
    `the partition spec ${id}`,
  );

export const snapshotOf = (metadata: Metadata, id: bigint): Snapshot | undefined =>
  metadata.snapshots.find((s) => s['snapshot-id'] === id);

/** Undefined if the table has no snapshot. */
export const currentSnapshot = (metadata: Metadata): Snapshot | undefined => {
  const id = metadata['current-snapshot-id'];
  return id === undefined ? undefined : named(snapshotOf(metadata, id), `the current snapshot ${id}`);
};

/** The snapshot that readers saw at a time (milliseconds since 1970), as far as the log goes back. */
export const idAt = (metadata: Metadata, time: number): bigint | undefined =>
  metadata['snapshot-log'].findLast((entry) => entry['timestamp-ms'] <= time)?.['snapshot-id'];

/** A snapshot and its ancestors, newest first, as far as they are kept. */
export function* ancestors(metadata: Metadata, id: bigint | undefined): Generator<Snapshot> {
  const byId = new Map(metadata.snapshots.map((s) => [s['snapshot-id'], s]));
  for (let at = id; at !== undefined; ) {
    const snapshot = byId.get(at);
    if (snapshot === undefined) return;
    yield snapshot;
    // Stops at a broken chain, and never follows a cycle.
    byId.delete(at);
    at = snapshot['parent-snapshot-id'];
  }
}

export const versionsProperty = 'write.metadata.previous-versions-max';

/** How many earlier metadata files the log names, unless the table's own properties say otherwise. */
const metadataLogLength = (metadata: Metadata): number =>
  Math.max(1, Number(metadata.properties[versionsProperty] ?? 100) || 100);

/**
 * The successor of the metadata in `file`: the log gets the file, and the time never goes back. Everything else comes from `changed`.
 */
export function successor(file: string, base: Metadata, changed: Metadata, now: number): Metadata {
  const entry = { 'timestamp-ms': base['last-updated-ms'], 'metadata-file': file };
  return {
    ...changed,
    'last-updated-ms': Math.max(now, base['last-updated-ms']),
    'metadata-log': [...base['metadata-log'], entry].slice(-metadataLogLength(changed)),
  };
}

/** Adds a snapshot and makes it the current one of the main branch. */
export function withSnapshot(metadata: Metadata, snapshot: Snapshot): Metadata {
  const id = snapshot['snapshot-id'];
  return {
    ...metadata,
    'last-sequence-number': snapshot['sequence-number'],
    snapshots: [...metadata.snapshots, snapshot],
    ...pointedTo(metadata, id, snapshot['timestamp-ms']),
  };
}

/** Sets the main branch to a snapshot, for a commit or a rollback. */
export const pointedTo = (
  metadata: Metadata,
  id: bigint,
  at: number,
): Pick<Metadata, 'current-snapshot-id' | 'snapshot-log' | 'refs'> => ({
  'current-snapshot-id': id,
  'snapshot-log': [...metadata['snapshot-log'], { 'timestamp-ms': at, 'snapshot-id': id }],
  refs: {
    ...metadata.refs,
    [mainBranch]: { ...metadata.refs[mainBranch], 'snapshot-id': id, type: 'branch' },
  },
});
