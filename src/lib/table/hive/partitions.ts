/** Partitions of the Data Catalog and their folders of objects. */
import type { Catalog, ParquetTable } from '../../aws/catalog.ts';
import { placeOf, type Store } from '../../aws/store.ts';
import { pathOfValues } from '../../catalog/partitionPath.ts';
import { parallel } from '../../parallel.ts';
import type { TablePartition } from '../format.ts';

export interface HiveDeps {
  readonly catalog: Catalog;
  readonly store: Pick<Store, 'list' | 'listPages'>;
}

/** Registers partitions with their folders. Gives the number of new partitions. A table without partitions has all objects at its location. */
export const addPartitions = async (
  { catalog }: Pick<HiveDeps, 'catalog'>,
  table: ParquetTable,
  partitions: readonly TablePartition[],
): Promise<number> =>
  table.partitionKeys.length === 0
    ? 0
    : catalog.addPartitions(
        table,
        partitions.map(({ path, values }) => ({ values, location: `${table.location}${path}` })),
      );

/** Drops partitions that have no object any more. Gives their number. */
export async function dropEmpty(
  { store, catalog }: HiveDeps,
  table: ParquetTable,
  partitions: readonly string[][],
): Promise<number> {
  const { bucket, key: prefix } = placeOf(table.location);
  const keyNames = table.partitionKeys.map(({ name }) => name);
  const look = (some: readonly string[][]) =>
    parallel(some, 16, async (values) => {
      const path = `${pathOfValues(keyNames, values)}/`;
      const objects = await store.list(bucket, `${prefix}${path}`);
      return { values, path, isEmpty: objects.length === 0 };
    });
  const empty = (await look(partitions)).flatMap(({ values, isEmpty }) => (isEmpty ? [values] : []));
  await catalog.dropPartitions(table.name, empty);
  // A batch may have published there in the meantime and found the partition registered.
  await addPartitions(
    { catalog },
    table,
    (await look(empty)).filter(({ isEmpty }) => !isEmpty),
  );
  return empty.length;
}
