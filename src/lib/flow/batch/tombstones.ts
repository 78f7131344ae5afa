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
import { isLoser } from './id.ts';
import type { Manifest } from './manifest.ts';

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

/** If more than these would count for files that are read again, only those of the usual days do. */
export const mostLookedBack = 50_000;

/**
 * The plan of a batch, in which tombstones count for longer if its files are read again for rows that had lost. Nobody has asked for this, so
 * it must not bring back rows whose deletes are forgotten by now.
 */
export function lookingBack(plan: Plan, { files }: Pick<Manifest, 'files'>): Plan {
  const { dedupe } = plan.set;
  const [first] = files;
  const oldest = files.reduce(
    (time, { notedAt = '' }) => Math.min(time, Date.parse(notedAt)),
    Number.POSITIVE_INFINITY,
  );
  if (!dedupe?.deletes || first === undefined || !isLoser(first) || Number.isNaN(oldest)) return plan;
  const lookBackDays = (dedupe.keepDeletesDays ?? 0) + Math.ceil((Date.now() - oldest) / dayLength);
  return { ...plan, set: { ...plan.set, dedupe: { ...dedupe, lookBackDays } } };
}

/**
 * The tombstones of earlier batches that count: none of the batch itself, of attempts without a commit (`garbage`), or of earlier days.
 */
export async function tombstonesFor(
  deps: Pick<Deps, 'config' | 'store'>,
  { dataset, set }: Plan,
  batch: string,
  garbage: readonly Attempt[],
  most = mostLookedBack,
): Promise<Tombstones[]> {
  const { deletes = false, keepDeletesDays = 0, lookBackDays } = set.dedupe ?? {};
  if (!deletes) return [];
  const others = [`${batch}-`, ...garbage.map(attemptPrefix)];
  const isOther = (key: string) => others.some((prefix) => isOfAttempt(key, prefix));
  const found = lookBackDays === undefined ? null : await ofDays(deps, dataset, lookBackDays, isOther, most);
  return found ?? (await ofDays(deps, dataset, keepDeletesDays, isOther)) ?? [];
}

/** Those of the last days; null if they are more than `most`. */
async function ofDays(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  days: number,
  isOther: (key: string) => boolean,
  most = Number.POSITIVE_INFINITY,
): Promise<Tombstones[] | null> {
  const { bucket, key: root } = places(config).tombstones(dataset);
  const found: Tombstones[] = [];
  const first = `${root}${dayOf(Date.now() - days * dayLength)}`;
  for await (const page of store.listPages(bucket, root, first)) {
    for (const { key, size } of page)
      if (!isOther(key)) found.push({ ref: { bucket, key }, address: address({ bucket, key }), bytes: size });
    if (found.length > most) return null;
  }
  return found;
}
