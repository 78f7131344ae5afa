/** What a batch has written to the table and to quarantine, and how it goes. */
import { planSchema } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';
import { type Live, type Published, publishedSchema } from './published.ts';
import { stagedInPlace } from './staged.ts';

/**
 * Removes what an attempt has written to the table, whole or in part. Only for attempts that can never be committed: the lease
 * has a higher fence by now. What a state of the table names stays.
 */
export async function takeBack(
  deps: Pick<Deps, 'config' | 'store' | 'formats'>,
  dataset: string,
  attempt: Attempt,
): Promise<void> {
  const at = places(deps.config).attempt(dataset, attempt);
  const plan = await deps.store.findJson(at.plan, planSchema);
  // Also where there is no record: a call of the attempt may still be under way, and the table is closed to it.
  const holder = { dataset, fence: attempt.fence + 1 };
  const isNamed =
    plan !== undefined && (await formatOf(deps, plan).takeBack(plan.table, holder, attempt)) === 'taken back';
  // They are there before the record of what Publish does.
  if (plan && !isNamed)
    await deps.store.delete(
      deps.config.processedBucket,
      await stagedInPlace(deps, plan, attemptPrefix(attempt)),
    );
  const published = await deps.store.findJson(at.published, publishedSchema);
  if (!published) return;
  const written = writtenBy(published);
  await remove(deps, isNamed ? written.map(withoutObjects) : written);
}

/** Objects of earlier batches whose rows are in others now. Where a table keeps its history, its earlier states name them. */
export const dropReplaced = (
  deps: Pick<Deps, 'config' | 'store' | 'formats'>,
  published: Published,
): Promise<void> => {
  const dropped = published.rewritten.map((r) => r.dropped);
  return remove(deps, formatOf(deps, published).history ? dropped.map(withoutObjects) : dropped);
};

/** Everything that an attempt writes to the table and to quarantine: its own rows, and what is left of others. */
export const writtenBy = (published: Published): Live[] => [
  published,
  ...published.rewritten.map(({ added }) => added),
];

const withoutObjects = ({ quarantine }: Live): Live => ({ objects: [], quarantine });

export async function remove(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  lists: readonly Live[],
): Promise<void> {
  await store.delete(
    config.processedBucket,
    lists.flatMap(({ objects }) => objects.map((o) => o.key)),
  );
  await store.delete(
    config.workBucket,
    lists.flatMap(({ quarantine }) => quarantine),
  );
}
