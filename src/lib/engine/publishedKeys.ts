/** The keys that stand in a table's partitions already: only key columns, of only the partitions asked for. */
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { hiveSegment } from '../catalog/partitionPath.ts';
import type { Plan } from '../compiler/plan.ts';
import { parallel } from '../parallel.ts';

/** Where published rows stand. A folder is a partition's path below the table, such as `year=2025/`. */
export interface ObjectsBelow {
  list(folder: string): Promise<readonly { name: string; size: number }[]>;
  /** The bytes of `<folder><name>` from `start` to before `end`. */
  read(path: string, start: number, end: number): Promise<ArrayBuffer>;
}

/**
 * Rows of key and partition columns, as texts. Objects that the batch itself has published are left out: they are an
 * earlier try of the same rows. So are rows that the batch takes the place of.
 */
export async function publishedKeys(
  objects: ObjectsBelow,
  plan: Plan,
  batch: string,
  partitions: readonly (readonly string[])[],
  replaces: readonly { object: string; version: string }[] = [],
): Promise<Record<string, string>[]> {
  const key = plan.set.dedupe?.key ?? [];
  const gone = new Set(replaces.map((r) => JSON.stringify([r.object, r.version])));
  const columns = gone.size > 0 ? [...key, '_object', '_version'] : key;
  const found = await parallel(partitions, 8, async (values) => {
    const segments = plan.partitionKeys.map(({ name }, i) => hiveSegment(name, values[i] ?? ''));
    const folder = `${segments.join('/')}/`;
    const place = Object.fromEntries(plan.partitionKeys.map(({ name }, i) => [name, values[i] ?? '']));
    const files = (await objects.list(folder)).filter(
      ({ name }) => name.endsWith('.parquet') && !name.startsWith(`${batch}-`),
    );
    const rows = await parallel(files, 4, ({ name, size }) => {
      const slice = (start: number, end: number = size) => objects.read(`${folder}${name}`, start, end);
      return parquetReadObjects({ file: { byteLength: size, slice }, columns: [...columns], compressors });
    });
    return rows
      .flat()
      .filter((row) => gone.size === 0 || !gone.has(JSON.stringify([row._object, row._version])))
      .map(({ _object, _version, ...row }) => ({ ...place, ...textsOf(row) }));
  });
  return found.flat();
}

const textsOf = (row: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Date ? value.toISOString().slice(0, 10) : String(value),
    ]),
  );
