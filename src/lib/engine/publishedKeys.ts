/** Fetches the keys of published rows: only the columns that decide, and only of the partitions that are needed. */
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileMetaData, parquetMetadataAsync, parquetSchema, type SchemaElement } from 'hyparquet';
import { duckType } from '../dialect/duckdbNames.ts';
import { EngineOutOfMemory } from '../errors.ts';
import type { KeyRange } from '../model/keyRange.ts';
import type { FieldIds, Plan } from '../model/plan.ts';
import { parallel } from '../parallel.ts';
import type { Deletes } from '../table/format.ts';

/** An object with published rows. `isShared`: it may have rows of other partitions, or of other datasets, too. */
export interface PublishedObject {
  readonly path: string;
  readonly bytes: number;
  /** Of its partition. */
  readonly values: readonly string[];
  readonly isShared?: boolean;
  /** Rows in it that have left the table. */
  readonly deletes?: Deletes | undefined;
}

/** Where published rows are. */
export interface PublishedObjects {
  /** The objects of partitions that may have such keys, each with its partition. `isShared`: it may have rows of other partitions, too. */
  find(
    partitions: readonly (readonly string[])[],
    keys?: readonly KeyRange[],
  ): Promise<readonly PublishedObject[]>;
  /** All objects of the dataset that may have such keys. */
  all(keys?: readonly KeyRange[]): Promise<readonly PublishedObject[]>;
  /** The bytes of an object from `start` to before `end`. */
  read(path: string, start: number, end: number): Promise<ArrayBuffer>;
}

/** A local Parquet file with the columns of a published object that decide between rows. Other columns may be missing. */
export interface PublishedFile {
  readonly path: string;
  /** The path of the object. */
  readonly from: string;
  /** Whether its rows always stay, because it is not known which of them are of the partition. */
  readonly isFixed: boolean;
  /** Of its partition, in the order of the plan's keys. */
  readonly values: readonly string[];
  /** How the file calls the columns; a column that it does not have is missing. */
  readonly names: Readonly<Record<string, string>>;
  /** Whether DuckDB can tell the positions of its rows: not if a column has the name of theirs. */
  readonly isNumbered: boolean;
  /** The local copy of its delete file: the positions of rows that have left it. */
  readonly deletes?: string | undefined;
}

export interface PublishedOptions {
  /** Whether an object was committed. By default all objects were; the others do not count as published rows. */
  readonly isLive?: (path: string) => boolean;
  /** Where the keys of the batch are. */
  readonly keys?: readonly KeyRange[];
  readonly most?: typeof keyLimits;
}

/**
 * The most that the embedded engine compares a batch with: half of its disk, and objects whose columns take a minute or two to fetch. DuckDB
 * reads them in a stream, so they need no memory.
 */
export const keyLimits = { bytes: 2 * 1024 ** 3, objects: 20_000 };

/**
 * Fetches the keys of the partitions (null: of all) to the folder `into`, without objects of the batch itself: these are an earlier try of the same
 * rows. Throws EngineOutOfMemory, before it fetches them, if they are too many for the embedded engine.
 */
export async function fetchPublished(
  objects: PublishedObjects,
  plan: Plan,
  batch: string,
  partitions: readonly (readonly string[])[] | null,
  into: string,
  { isLive = () => true, keys = [], most = keyLimits }: PublishedOptions = {},
): Promise<PublishedFile[]> {
  const columns = decidingColumns(plan);
  const found = (await (partitions === null ? objects.all(keys) : objects.find(partitions, keys))).filter(
    ({ path }) => path.endsWith('.parquet') && !isOfAttempt(path, `${batch}-`) && isLive(path),
  );
  await requireFew(objects, found, { columns, ids: plan.fieldIds }, most);
  return parallel(found, 16, async ({ path: from, bytes, values, isShared: isFixed = false, deletes }, i) => {
    const path = join(into, `${i}.parquet`);
    const read = (start: number, end: number) => objects.read(from, start, end);
    const { names, all } = await fetchColumns(read, bytes, { columns, ids: plan.fieldIds }, path);
    const isNumbered = !all.some((name) => name.toLowerCase() === positionColumn);
    if (deletes === undefined) return { path, from, values, isFixed, names, isNumbered };
    const hidden = join(into, `${i}-deletes`);
    await writeFile(hidden, new Uint8Array(await objects.read(deletes.address, 0, deletes.bytes)));
    return { path, from, values, isFixed, names, isNumbered, deletes: hidden };
  });
}

/** Throws EngineOutOfMemory if these columns are too large. Their sizes are in the footers, which are read only if the objects are as large. */
async function requireFew(
  { read }: PublishedObjects,
  found: readonly PublishedObject[],
  wanted: WantedColumns,
  most: typeof keyLimits,
): Promise<void> {
  const require = (is: number, limit: number, what: string) => {
    if (is > limit)
      throw new EngineOutOfMemory(
        `the batch is compared with published rows in ${found.length} objects: the embedded engine takes up to ${limit} ${what}`,
      );
  };
  require(found.length, most.objects, 'objects');
  if (found.reduce((sum, { bytes }) => sum + bytes, 0) <= most.bytes) return;
  let bytes = 0;
  await parallel(found, 64, async (object) => {
    const slice = (start: number, end: number = object.bytes) => read(object.path, start, end);
    const footer = await parquetMetadataAsync(
      { byteLength: object.bytes, slice },
      { initialFetchSize: gapBytes },
    );
    bytes += chunksIn(footer, wanted).chunks.reduce((sum, { start, end }) => sum + end - start, 0);
    require(bytes, most.bytes, 'bytes of their keys');
  });
}

/** The columns of a published object that decide between its rows and those of a batch. */
export function decidingColumns({ set, partitionKeys }: Pick<Plan, 'set' | 'partitionKeys'>): string[] {
  const { key = [], order = [], history } = set.dedupe ?? {};
  const isColumn = (name: string) => !partitionKeys.some((k) => k.name === name);
  return [
    ...new Set([
      ...key.filter(isColumn),
      ...order.map(({ column }) => column),
      ...(history === undefined ? [] : [history.validTo, history.current]),
      '_object',
      '_version',
    ]),
  ];
}

/**
 * The types in which the columns of published rows and tombstones are compared: the widest of their kind, because objects of an Iceberg table may be of
 * a contract with wider ones. With a history, published rows get values from other rows, which have the type of the column.
 */
export function comparedTypes({ set, columns }: Pick<Plan, 'set' | 'columns'>): ReadonlyMap<string, string> {
  const widest = (type: string): string =>
    type === 'int' ? 'bigint' : type.replace(/^decimal\(\d+,/, 'decimal(38,');
  const isExact = set.dedupe?.history !== undefined;
  return new Map(columns.map(({ name, type }) => [name, duckType(isExact ? type : widest(type))]));
}

/** Whether the name of an object or of one of its folders begins like the names of an attempt. */
export const isOfAttempt = (path: string, prefix: string): boolean =>
  path.split('/').some((name) => name.startsWith(prefix));

/**
 * The names of columns in an object with these fields. A column of an Iceberg table is found by its id, because it may have been renamed. An
 * object without ids is read by the names that the column has had.
 */
export function namesIn(
  fields: readonly Pick<SchemaElement, 'name' | 'field_id'>[],
  columns: readonly string[],
  ids: FieldIds | undefined,
): Record<string, string> {
  const hasIds = fields.some((field) => field.field_id !== undefined);
  const found = columns.map((column) => {
    const { id, names = [column] } = ids?.[column] ?? {};
    const isIt = (field: (typeof fields)[number]) =>
      hasIds && id !== undefined ? field.field_id === id : names.includes(field.name);
    return [column, fields.find(isIt)?.name] as const;
  });
  return Object.fromEntries(found.flatMap(([column, name]) => (name === undefined ? [] : [[column, name]])));
}

interface WantedColumns {
  readonly columns: readonly string[];
  readonly ids: FieldIds | undefined;
}

/** How a file calls columns, where they are, and the names of all its columns. */
function chunksIn(
  footer: FileMetaData,
  { columns, ids }: WantedColumns,
): {
  names: Record<string, string>;
  all: readonly string[];
  chunks: { start: number; end: number }[];
} {
  const fields = parquetSchema(footer).children.map(({ element }) => element);
  const names = namesIn(fields, columns, ids);
  const fetched = new Set(Object.values(names));
  const chunks = footer.row_groups
    .flatMap((group) => group.columns)
    .flatMap(({ meta_data: meta }) => (meta && fetched.has(meta.path_in_schema[0] ?? '') ? [meta] : []))
    .map((meta) => {
      const first = meta.dictionary_page_offset ?? 0n;
      const start = Number(first > 0n && first < meta.data_page_offset ? first : meta.data_page_offset);
      return { start, end: start + Number(meta.total_compressed_size) };
    })
    .sort((a, b) => a.start - b.start);
  return { names, all: fields.map(({ name }) => name), chunks };
}

/** DuckDB's name for the position of a row in its file. */
const positionColumn = 'file_row_number';

/** Columns with at most this many bytes between them are fetched in one request. */
const gapBytes = 64 * 1024;

/**
 * Makes a file of the object's size with its footer and the pages of some columns, at their original positions. Gives their names in the
 * file, and the names of all its columns.
 */
export async function fetchColumns(
  read: (start: number, end: number) => Promise<ArrayBuffer>,
  size: number,
  wanted: WantedColumns,
  path: string,
): Promise<{ names: Record<string, string>; all: readonly string[] }> {
  const file = await open(path, 'w');
  try {
    await file.truncate(size);
    const slice = async (start: number, end: number = size) => {
      const bytes = await read(start, end);
      await file.write(new Uint8Array(bytes), 0, bytes.byteLength, start);
      return bytes;
    };
    const footer = await parquetMetadataAsync({ byteLength: size, slice }, { initialFetchSize: gapBytes });
    const { names, all, chunks } = chunksIn(footer, wanted);
    const ranges: { start: number; end: number }[] = [];
    for (const { start, end } of chunks) {
      const last = ranges.at(-1);
      if (last && start - last.end <= gapBytes) last.end = Math.max(last.end, end);
      else ranges.push({ start, end });
    }
    for (const { start, end } of ranges) await slice(start, end);
    return { names, all };
  } finally {
    await file.close();
  }
}
