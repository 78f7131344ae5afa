/** The keys that stand in a table's partitions already: only key columns, of only the partitions asked for. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetMetadataAsync } from 'hyparquet';
import { pathOfValues } from '../catalog/partitionPath.ts';
import type { Plan } from '../model/plan.ts';
import { parallel } from '../parallel.ts';

/** Where published rows stand. A folder is a partition's path below the table, such as `year=2025/`. */
export interface ObjectsBelow {
  list(folder: string): Promise<readonly { name: string; size: number }[]>;
  /** The bytes of `<folder><name>` from `start` to before `end`. */
  read(path: string, start: number, end: number): Promise<ArrayBuffer>;
}

/** A Parquet file on this machine that has the key columns of a published object; of other columns it may have holes. */
export interface PublishedFile {
  readonly path: string;
  /** Of its partition, in the order of the plan's keys. */
  readonly values: readonly string[];
}

/** What stands in the folders of the partitions, and is no published row of others. */
export interface PublishedOptions {
  /** Rows of these files are about to be replaced by the batch: their lineage is fetched too. */
  readonly replaces?: readonly { object: string; version: string }[];
  /** Whether an object, named by its path below the table, was ever committed. All are by default. */
  readonly isLive?: (path: string) => boolean;
}

/**
 * Fetches to the folder `into` what tells the keys of the partitions. Objects that the batch itself has published are left out: they
 * are an earlier try of the same rows.
 */
export async function fetchPublished(
  objects: ObjectsBelow,
  plan: Plan,
  batch: string,
  partitions: readonly (readonly string[])[],
  into: string,
  { replaces = [], isLive = () => true }: PublishedOptions = {},
): Promise<PublishedFile[]> {
  const key = plan.set.dedupe?.key ?? [];
  const columns = new Set(replaces.length > 0 ? [...key, '_object', '_version'] : key);
  const keyNames = plan.partitionKeys.map(({ name }) => name);
  const found = await parallel(partitions, 16, async (values) => {
    const folder = `${pathOfValues(keyNames, values)}/`;
    return (await objects.list(folder))
      .filter(({ name }) => name.endsWith('.parquet') && !name.startsWith(`${batch}-`))
      .map(({ name, size }) => ({ from: `${folder}${name}`, size, values }))
      .filter(({ from }) => isLive(from));
  });
  return parallel(found.flat(), 16, async ({ from, size, values }, i) => {
    const path = join(into, `${i}.parquet`);
    await fetchColumns((start, end) => objects.read(from, start, end), size, columns, path);
    return { path, values };
  });
}

/** Columns that lie at most so many bytes apart are fetched as one. */
const gapBytes = 64 * 1024;

/** Makes a file of the size of an object that has its footer and the pages of some columns, each where it was. */
async function fetchColumns(
  read: (start: number, end: number) => Promise<ArrayBuffer>,
  size: number,
  columns: ReadonlySet<string>,
  path: string,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.truncate(size);
    const slice = async (start: number, end: number = size) => {
      const bytes = await read(start, end);
      await file.write(new Uint8Array(bytes), 0, bytes.byteLength, start);
      return bytes;
    };
    const { row_groups: groups } = await parquetMetadataAsync(
      { byteLength: size, slice },
      { initialFetchSize: gapBytes },
    );
    const chunks = groups
      .flatMap((group) => group.columns)
      .flatMap(({ meta_data: meta }) => (meta && columns.has(meta.path_in_schema[0] ?? '') ? [meta] : []))
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
  } finally {
    await file.close();
  }
}
