/** Whether the ledger counts an object of a table, and what may be removed. */
import { chunksOf, parallel } from '../../parallel.ts';
import type { TableFormat } from '../../table/format.ts';
import { objectName } from '../../table/objectName.ts';
import type { Deps } from '../batch/deps.ts';
import { unlessGone } from '../batch/manifest.ts';
import { type Live, liveKey, liveOf } from '../batch/published.ts';
import { unlessUnreadable } from '../batch/restored.ts';

/** Milliseconds. An object of an attempt that has just ended may be counted in the next moment. */
export const grace = 3_600_000;

interface Known {
  readonly owner: string;
  readonly committed: number | undefined;
}

export type Verdict = 'counts' | 'open' | 'garbage' | 'unknown';

/**
 * Keys below a table that no readable state names, last changed before `olderThan`; null if no state names anything. Those of attempts that are open
 * now are not among them: a commit may name them before they are judged, and the ledger does not count delete files.
 */
export async function namelessOf(
  { store, ledger }: Pick<Deps, 'store' | 'ledger'>,
  format: TableFormat,
  table: string,
  sharing: readonly string[],
  olderThan: number,
): Promise<ReadonlySet<string> | null> {
  const open = (await parallel(sharing, 8, (dataset) => ledger.openBatches(dataset))).flat();
  const found = await format.orphans(table, (...at) => store.list(...at), olderThan);
  const isOpen = (key: string) => {
    const name = objectName(key);
    return open.some(({ batch, fence }) => batch === name?.batch && fence === name.fence);
  };
  return found && new Set([...found].filter((key) => !isOpen(key)));
}

/**
 * Compares objects with the ledger, and reads each record and list once; before an object is garbage, again. An object counts if its attempt is committed and the batch whose rows it holds lists it.
 * An object of an open attempt, or younger than an hour, may still be counted. `sharing`: datasets of the same table.
 */
export function judgeOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  sharing: readonly string[],
  keysOf: (live: Live) => readonly string[],
): (objects: readonly { key: string; modified: number }[]) => Promise<Verdict[]> {
  const { ledger } = deps;
  const records = new Map<string, Known | 'unreadable' | null>();
  const live = new Map<string, { readonly document: string | null; readonly objects: Set<string> | null }>();
  const recordOf = async (batch: string) => {
    const known = records.get(batch);
    if (known !== undefined) return known;
    for (const owner of sharing) {
      const record = await unlessUnreadable(ledger.batch(owner, batch));
      if (record) {
        const found = record === 'unreadable' ? record : { owner, committed: record.committed };
        records.set(batch, found);
        return found;
      }
    }
    records.set(batch, null);
    return null;
  };
  /** Null if the document that lists them is gone or unreadable. `isNow`: not as they were for an earlier object. */
  const listed = async (owner: string, batch: string, isNow = false): Promise<Set<string> | null> => {
    const known = live.get(batch);
    if (known && !isNow) return known.objects;
    // Each change of the list is another document.
    const document = await unlessGone(liveKey(deps, owner, batch));
    if (known && known.document === document) return known.objects;
    const found = await unlessGone(liveOf(deps, owner, batch));
    const objects = found && new Set(keysOf(found));
    live.set(batch, { document, objects });
    return objects;
  };
  const judge = async ({ key, modified }: { key: string; modified: number }): Promise<Verdict> => {
    const name = objectName(key);
    // Not written by Sluice; a person may have put it there.
    if (name === null) return 'open';
    const [attempt, rows] = [await recordOf(name.batch), await recordOf(name.rowsOf)];
    if (attempt === 'unreadable' || rows === 'unreadable') return 'open';
    if (attempt === null || rows === null) return modified + grace > Date.now() ? 'open' : 'unknown';
    const isCommitted = attempt.committed === name.fence && rows.committed !== undefined;
    if (isCommitted) {
      const objects = await listed(rows.owner, name.rowsOf);
      if (objects === null) return 'open';
      if (objects.has(key)) return 'counts';
    }
    if (modified + grace > Date.now()) return 'open';
    const open = await ledger.openBatches(attempt.owner);
    if (open.some((o) => o.batch === name.batch && o.fence === name.fence)) return 'open';
    // It may count since the first read, which was hours ago if the process was suspended.
    const now = await ledger.batch(attempt.owner, name.batch);
    if (now?.committed !== attempt.committed) return 'open';
    if (!isCommitted) return 'garbage';
    const objects = await listed(rows.owner, name.rowsOf, true);
    if (objects === null) return 'open';
    return objects.has(key) ? 'counts' : 'garbage';
  };
  return async (objects) => {
    const verdicts: Verdict[] = [];
    for (const chunk of chunksOf(objects, 100)) verdicts.push(...(await parallel(chunk, 16, judge)));
    return verdicts;
  };
}
