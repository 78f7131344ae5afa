/** Fetches the keys of published rows: only the columns that decide, and only of the partitions that are needed. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetMetadataAsync, parquetSchema, type SchemaElement } from 'hyparquet';
import type { FieldIds, Plan } from '../model/plan.ts';
import { parallel } from '../parallel.ts';

/** An object with published rows. `isShared`: it may have rows of other partitions, or of other datasets, too. */
export interface PublishedObject {
  readonly path: string;
  readonly bytes: number;
  /** Of its partition. */
  readonly values: readonly string[];
  readonly isShared?: boolean;
}

/** Where published rows are. */
export interface PublishedObjects {
  /** The objects of partitions, each with its partition. `isShared`: it may have rows of other partitions, too. */
  find(partitions: readonly (readonly string[])[]): Promise<readonly PublishedObject[]>;
  /** All objects of the dataset. */
  all(): Promise<readonly PublishedObject[]>;
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
}

/** Objects in the folders of the partitions that do not count as published rows. */
export interface PublishedOptions {
  /** Whether an object was committed. By default all objects were. */
  readonly isLive?: (path: string) => boolean;
}

/**
 * Fetches the keys of the partitions (null: of all) to the folder `into`, without objects of the batch itself: these are an earlier try of the same
 * rows.
 */
export async function fetchPublished(
  objects: PublishedObjects,
  plan: Plan,
  batch: string,
  partitions: readonly (readonly string[])[] | null,
  into: string,
  { isLive = () => true }: PublishedOptions = {},
): Promise<PublishedFile[]> {
  const columns = decidingColumns(plan);
  const found = (await (partitions === null ? objects.all() : objects.find(partitions))).filter(
    ({ path }) => path.endsWith('.parquet') && !isOfAttempt(path, `${batch}-`) && isLive(path),
  );
  return parallel(found, 16, async ({ path: from, bytes, values, isShared: isFixed = false }, i) => {
    const path = join(into, `${i}.parquet`);
    const read = (start: number, end: number) => objects.read(from, start, end);
    const names = await fetchColumns(read, bytes, { columns, ids: plan.fieldIds }, path);
    return { path, from, values, isFixed, names };
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

/** Columns with at most this many bytes between them are fetched in one request. */
const gapBytes = 64 * 1024;

/**
 * Makes a file of the object's size with its footer and the pages of some columns, at their original positions. Gives their names in the
 * file.
 */
export async function fetchColumns(
  read: (start: number, end: number) => Promise<ArrayBuffer>,
  size: number,
  wanted: { readonly columns: readonly string[]; readonly ids: FieldIds | undefined },
  path: string,
): Promise<Record<string, string>> {
  const file = await open(path, 'w');
  try {
    await file.truncate(size);
    const slice = async (start: number, end: number = size) => {
      const bytes = await read(start, end);
      await file.write(new Uint8Array(bytes), 0, bytes.byteLength, start);
      return bytes;
    };
    const footer = await parquetMetadataAsync({ byteLength: size, slice }, { initialFetchSize: gapBytes });
    const { row_groups: groups } = footer;
    const names = namesIn(
      parquetSchema(footer).children.map(({ element }) => element),
      wanted.columns,
      wanted.ids,
    );
    const fetched = new Set(Object.values(names));
    const chunks = groups
      .flatMap((group) => group.columns)
      .flatMap(({ meta_data: meta }) => (meta && fetched.has(meta.path_in_schema[0] ?? '') ? [meta] : []))
      .map((meta) => {
        const first = meta.dictionary_page_offset ?? 0n;
        const start = Number(first > 0n && first < meta.data_page_offset ? first : meta.data_page_offset);
        return { start, end: start + Number(meta.total_compressed_size) };
      })
      .sort((a, b) => a.start - b.start);
    const ranges: { start: number; end: number }[] = [];
    for (const { start, end } of chunks) {
      const last = ranges.at(-1);
      if (last && start - last.end <= gapBytes) last.end = Math.max(last.end, end);
      else ranges.push({ start, end });
    }
    for (const { start, end } of ranges) await slice(start, end);
    return names;
  } finally {
    await file.close();
  }
}
