/**
 * The end of a compaction. It is a batch without files, so that whoever finds it interrupted ends it like any other: forward after its
 * commit, and backward before. It has no rows of its own, so nobody is told of it.
 */
import type { Attempt } from '../../model/records.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import { dropReplaced, takeBack } from './objects.ts';
import { readPublished } from './published.ts';

type CompactionDeps = Pick<Deps, 'config' | 'store' | 'formats' | 'ledger'>;
type Compaction = { readonly dataset: string } & Attempt;

/** After the commit, under the lease with `fence`. Can be repeated. */
export async function finishCompaction(
  deps: CompactionDeps,
  attempt: Compaction,
  fence: number,
): Promise<void> {
  const { config, store, ledger } = deps;
  const { dataset, batch } = attempt;
  const published = await readPublished(deps, dataset, attempt);
  await store.writeOnce(places(config).attempt(dataset, attempt).committed, JSON.stringify({ by: fence }));
  await ledger.setLive(dataset, fence, published.rewritten);
  await dropReplaced(deps, published);
  const { objects, partitions } = published;
  await ledger.closeCompaction(dataset, fence, batch, {
    objects: objects.length,
    partitions: partitions.length,
  });
}

/** Without a commit. The lease has a higher fence than the attempt by now. Can be repeated. */
export async function abandonCompaction(
  deps: CompactionDeps,
  attempt: Compaction,
  fence: number,
  reason: string,
): Promise<void> {
  const { dataset, ...own } = attempt;
  await takeBack(deps, dataset, own);
  await deps.ledger.giveBackCompaction(dataset, fence, own, reason);
}
