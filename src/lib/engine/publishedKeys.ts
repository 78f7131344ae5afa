/** The keys that stand in a table's partitions already: only key columns, of only the partitions asked for. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetMetadataAsync } from 'hyparquet';
import type { Plan } from '../model/plan.ts';
import { parallel } from '../parallel.ts';

/** Where published rows stand. */
export interface PublishedObjects {
  /** The objects of partitions, each with the partition that it was asked for. */
  find(
    partitions: readonly (readonly string[])[],
  ): Promise<readonly { path: string; bytes: number; values: readonly string[] }[]>;
  /** The bytes of an object from `start` to before `end`. */
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
  /** Whether an object was ever committed. All are by default. */
  readonly isLive?: (path: string) => boolean;
}

/**
 * Fetches to the folder `into` what tells the keys of the partitions. Objects that the batch itself has published are left out: they
 * are an earlier try of the same rows.
 */
export async function fetchPublished(
  objects: PublishedObjects,
  plan: Plan,
  batch: string,
  partitions: readonly (readonly string[])[],
  into: string,
  { replaces = [], isLive = () => true }: PublishedOptions = {},
): Promise<PublishedFile[]> {
  const key = plan.set.dedupe?.key ?? [];
  const columns = new Set(replaces.length > 0 ? [...key, '_object', '_version'] : key);
  const found = (await objects.find(partitions)).filter(
    ({ path }) => path.endsWith('.parquet') && !isOfAttempt(path, `${batch}-`) && isLive(path),
  );
  return parallel(found, 16, async ({ path: from, bytes, values }, i) => {
    const path = join(into, `${i}.parquet`);
    await fetchColumns((start, end) => objects.read(from, start, end), bytes, columns, path);
    return { path, values };
  });
}

/** Whether the name of an object, or of a folder that it is in, begins as those of an attempt do. */
export const isOfAttempt = (path: string, prefix: string): boolean =>
  path.split('/').some((name) => name.startsWith(prefix));

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
