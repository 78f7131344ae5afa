/** What the ledger counts of batches, by the keys of objects. */
import type { Deps } from './deps.ts';
import { unlessGone } from './manifest.ts';
import { keysAtWork, liveOf } from './published.ts';
import { unlessUnreadable } from './restored.ts';

/**
 * Gives the keys of all objects that the ledger counts of a batch; none if it is not committed. Null if nobody knows: the batch or its document
 * is gone or unreadable. Each batch is read once.
 */
export function countedKeys(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  dataset: string,
): (batch: string) => Promise<ReadonlySet<string> | null> {
  const read = async (batch: string): Promise<Set<string> | null> => {
    const record = await unlessUnreadable(deps.ledger.batch(dataset, batch));
    if (record === undefined || record === 'unreadable') return null;
    if (record.committed === undefined) return new Set();
    const live = await unlessGone(liveOf(deps, dataset, batch));
    return live && new Set([...live.objects.map(({ key }) => key), ...keysAtWork(live)]);
  };
  const lists = new Map<string, Promise<Set<string> | null>>();
  return (batch) => {
    const list = lists.get(batch) ?? read(batch);
    lists.set(batch, list);
    return list;
  };
}
