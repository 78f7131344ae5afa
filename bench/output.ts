/** What a query reads of a published file: the bytes of its columns, in the row groups that may contain its values. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetMetadata } from 'hyparquet';

export interface OutputFile {
  readonly partition: string;
  readonly bytes: number;
  readonly rows: number;
  readonly rowGroups: number;
  /** Column -> share of the file's bytes that a filter on it reads, footer included, 0 to 1. */
  readonly columns: Readonly<Record<string, number>>;
  /** The same for a filter on one hour of the event time, for which statistics exclude most row groups. */
  readonly hour: number;
}

/** The files below a run's `data`. */
export async function outputFiles(data: string, eventTime: string): Promise<OutputFile[]> {
  const paths = (await readdir(data, { recursive: true })).filter((p) => p.endsWith('.parquet')).sort();
  return Promise.all(
    paths.map(async (path) => {
      const content = await readFile(join(data, path));
      const { row_groups, num_rows, metadata_length } = parquetMetadata(
        content.buffer.slice(content.byteOffset, content.byteOffset + content.length) as ArrayBuffer,
      );
      const bytes = new Map<string, number>();
      let hour = 0;
      const start = row_groups
        .flatMap((g) => g.columns)
        .find((c) => c.meta_data?.path_in_schema[0] === eventTime)?.meta_data?.statistics;
      const from = timeOf(start?.min_value ?? start?.min) + 6 * 3_600_000;
      for (const { columns } of row_groups)
        for (const { meta_data } of columns) {
          const name = meta_data?.path_in_schema[0] ?? '';
          const size = Number(meta_data?.total_compressed_size ?? 0);
          bytes.set(name, (bytes.get(name) ?? 0) + size);
          if (name !== eventTime) continue;
          const { min, max, min_value = min, max_value = max } = meta_data?.statistics ?? {};
          if (timeOf(max_value) >= from && timeOf(min_value) < from + 3_600_000) hour += size;
        }
      const share = (size: number) => (size + metadata_length) / content.length;
      return {
        partition: path.split('/').slice(0, -1).join('/'),
        bytes: content.length,
        rows: Number(num_rows),
        rowGroups: row_groups.length,
        columns: Object.fromEntries([...bytes].map(([name, size]) => [name, share(size)])),
        hour: share(hour),
      };
    }),
  );
}

const timeOf = (value: unknown): number =>
  value instanceof Date ? value.getTime() : typeof value === 'bigint' ? Number(value / 1000n) : Number.NaN;
