/** The objects that a batch has written to the table, to quarantine and as tombstones, and their removal. */
import { planSchema } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import { attemptPrefix, isInAttempt } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';
import { keysAtWork, type Live, liveOf, type Published, publishedSchema } from './published.ts';
import { stagedInPlace } from './staged.ts';

/**
 * Removes all objects that an attempt has written to the table, completely or partly. Only for attempts that can never be
 * committed, because the lease has a higher fence. Objects that a state of the table names stay.
 */
export async function takeBack(
  deps: Pick<Deps, 'config' | 'store' | 'formats'>,
  dataset: string,
  attempt: Attempt,
): Promise<void> {
  const at = places(deps.config).attempt(dataset, attempt);
  const plan = await deps.store.findJson(at.plan, planSchema);
  // Even without a record, a call of the attempt may still be in flight, so the table is closed to it.
  const holder = { dataset, fence: attempt.fence + 1 };
  const isNamed =
    plan !== undefined && (await formatOf(deps, plan).takeBack(plan.table, holder, attempt)) === 'taken back';
  // They are written before the record of what Publish does.
  if (plan && !isNamed)
    await deps.store.delete(
      deps.config.processedBucket,
      await stagedInPlace(deps, plan, attemptPrefix(attempt)),
    );
  const published = await deps.store.findJson(at.published, publishedSchema);
  if (!published) return;
  const written = writtenBy(published);
  await remove(deps, isNamed ? written.map(outsideOfStates) : written);
}

/**
 * Removes the objects of this attempt that the ledger does not count: all of them if the attempt was not committed (without the
 * lease it never can be), and the ones that later batches have replaced if its batch is closed.
 */
export async function removeUncounted(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  dataset: string,
  attempt: Attempt,
  published: Published,
): Promise<void> {
  const record = await deps.ledger.batch(dataset, attempt.batch);
  if (record?.committed !== attempt.fence) return remove(deps, writtenBy(published));
  if (record.state !== 'published') return;
  const counts = new Set<string>();
  for (const batch of [attempt.batch, ...published.rewritten.map((r) => r.batch)]) {
    const live = await liveOf(deps, dataset, batch);
    for (const key of [...live.objects.map((o) => o.key), ...keysAtWork(live)]) counts.add(key);
  }
  const isGone = (key: string) => !counts.has(key);
  await remove(
    deps,
    writtenBy(published).map(({ objects, quarantine, tombstones = [] }) => ({
      objects: objects.filter((o) => isGone(o.key)),
      quarantine: quarantine.filter(isGone),
      tombstones: tombstones.filter(isGone),
    })),
  );
}

/** Objects of earlier batches whose rows are now in other objects. If a table keeps its history, its earlier states name them. */
export const dropReplaced = (
  deps: Pick<Deps, 'config' | 'store' | 'formats'>,
  published: Published,
): Promise<void> =>
  remove(
    deps,
    published.rewritten.map((r) => outsideOfStates(r.dropped)),
  );

/** All objects that an attempt writes to the table, to quarantine and as tombstones: its own rows, and the remaining rows of others. */
export const writtenBy = (published: Published): Live[] => [
  published,
  ...published.rewritten.map(({ added }) => added),
];

/** Without the objects that states of a table name. */
const outsideOfStates = (live: Live): Live => ({
  ...live,
  objects: live.objects.filter(({ key }) => !isInAttempt(key)),
});

export async function remove(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  lists: readonly Live[],
): Promise<void> {
  await store.delete(
    config.processedBucket,
    lists.flatMap(({ objects }) => objects.map((o) => o.key)),
  );
  await store.delete(config.workBucket, lists.flatMap(keysAtWork));
}
