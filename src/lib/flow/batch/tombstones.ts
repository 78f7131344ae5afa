/**
 * Tombstones: the keys that rows have deleted, with the order of the deleting row and its origin. They are Parquet objects of the batch,
 * like its quarantine: the commit in the ledger makes them count, and a correction takes its rows out of them. The day of the run is in
 * their keys, so that a batch lists only those that still count.
 */
import { address, type ObjectRef } from '../../aws/store.ts';
import { isOfAttempt } from '../../engine/publishedKeys.ts';
import type { Plan } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';

const dayLength = 86_400_000;

/** The day of a time in milliseconds, such as 2025-10-06. */
export const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Whether keys of the work bucket are of tombstones. */
export const areTombstones =
  (config: Pick<Deps['config'], 'workBucket'>, dataset: string) =>
  (key: string): boolean =>
    key.startsWith(places(config).tombstones(dataset).key);

/** A tombstone object that counts for a batch. */
export interface Tombstones {
  readonly ref: ObjectRef;
  readonly address: string;
  readonly bytes: number;
}

/** The tombstones of earlier batches that count: none of the batch itself, of attempts without a commit (`garbage`), or of earlier days. */
export async function tombstonesFor(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  { dataset, set }: Plan,
  batch: string,
  garbage: readonly Attempt[],
): Promise<Tombstones[]> {
  const { deletes = false, keepDeletesDays = 0 } = set.dedupe ?? {};
  if (!deletes) return [];
  const { bucket, key: root } = places(config).tombstones(dataset);
  const others = [`${batch}-`, ...garbage.map(attemptPrefix)];
  const found: Tombstones[] = [];
  const first = `${root}${dayOf(Date.now() - keepDeletesDays * dayLength)}`;
  for await (const page of store.listPages(bucket, root, first))
    for (const { key, size } of page)
      if (!others.some((prefix) => isOfAttempt(key, prefix)))
        found.push({ ref: { bucket, key }, address: address({ bucket, key }), bytes: size });
  return found;
}
