/** Releases or rejects held files. */

import { counted } from '../../counted.ts';
import { AlreadyDecided, InvalidInput } from '../../errors.ts';
import type { Waiting } from '../../ledger/files.ts';
import { unclaimed } from '../../ledger/keys.ts';
import type { Decision } from '../../model/records.ts';
import { pastOf } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { contractOf } from '../batch/deps.ts';
import { unlessUnreadable } from '../batch/restored.ts';
import { wake } from '../wake.ts';
import { batchOf, groupOf, type OperatorDeps, requireReason } from './again.ts';

export interface Decided {
  readonly batch: string;
  readonly files: number;
  /** How many of them are published as before: a replay or a rollback of them was rejected. */
  readonly kept: number;
}

/**
 * Runs a held batch again: `release` publishes its rows despite failed expectations; `reject` moves every row to quarantine, as
 * `rejected`. The decision belongs to the files, whatever batch they are in later. If the call is interrupted, the same decision
 * continues it. `unclaimed` stands for the files whose raw version is gone: they are in no batch, and can only be rejected. Throws
 * InvalidInput for a batch that is not held and for the release of a rollback, and AlreadyDecided if somebody else was faster.
 */
export async function decide(
  deps: OperatorDeps,
  dataset: string,
  id: string,
  decision: Decision,
): Promise<Decided> {
  const { ledger } = deps;
  requireReason(decision.reason);
  if (id === unclaimed) return rejectGone(deps, dataset, decision);
  const record = await batchOf(deps, dataset, id);
  const { batch } = record;
  const files = await ledger.waiting(dataset, 'held', batch);
  if (record.state !== 'held' || (files.length === 0 && record.decision === undefined))
    throw new InvalidInput(
      `${dataset}: the batch ${batch} is ${record.state}, and has no file that is held`,
      {
        dataset,
        batch,
      },
    );
  // Whoever releases it may mean that the rows leave, or that they stay.
  const isFirst = record.decision === undefined;
  if (isFirst && decision.kind === 'release' && (await isRollback(deps, dataset, files)))
    throw new InvalidInput(
      `${dataset}: the batch ${batch} takes rows out of the table: it was rolled back. A retry continues this, and reject keeps the rows`,
      { dataset, batch },
    );
  const made = await ledger.decide(dataset, batch, decision);
  if (made.kind !== decision.kind || files.length === 0)
    throw new AlreadyDecided(
      `${dataset}: the batch ${batch} was ${pastOf[made.kind]} at ${made.at} (${made.reason})`,
      { dataset, batch },
    );
  return decideFiles(deps, dataset, files, made, { batch, group: groupOf(record, made.kind) });
}

/** Files about which different things were decided are never in one batch. */
async function isRollback(
  { ledger }: OperatorDeps,
  dataset: string,
  [first]: readonly Waiting[],
): Promise<boolean> {
  return first !== undefined && (await ledger.file(dataset, first))?.decision?.kind === 'rollback';
}

/** A `retry` can only hold them again. */
async function rejectGone(deps: OperatorDeps, dataset: string, decision: Decision): Promise<Decided> {
  const { ledger } = deps;
  contractOf(deps, dataset);
  const waiting = await ledger.waiting(dataset, 'held', unclaimed);
  // Others wait for a table or a ledger that fits, and are retried then. A record that cannot be read is one of them.
  const isGone = await parallel(waiting, 16, async (file) => {
    const record = await unlessUnreadable(ledger.file(dataset, file));
    return record !== 'unreadable' && record?.reason?.startsWith('ObjectMissing') === true;
  });
  const gone = waiting.filter((_, i) => isGone[i]);
  if (decision.kind !== 'reject' || gone.length === 0)
    throw new InvalidInput(
      `${dataset}: ${counted(gone.length, 'file')} outside of a batch ${gone.length === 1 ? 'is' : 'are'} held because the raw version is gone; such files are rejected, and all others are retried`,
      { dataset },
    );
  return decideFiles(deps, dataset, gone, decision, { batch: unclaimed, group: `${unclaimed}.reject` });
}

async function decideFiles(
  deps: OperatorDeps,
  dataset: string,
  files: readonly Waiting[],
  made: Decision,
  { batch, group }: { readonly batch: string; readonly group: string },
): Promise<Decided> {
  const { ledger } = deps;
  // If a replay is rejected, the earlier rows stay published.
  const records = await ledger.read(dataset, files);
  const replays = files.flatMap((file, i) => {
    const rows = records[i]?.object?.rows;
    const isReplay = made.kind === 'reject' && rows?.version === file.version && !rows.isRejected;
    return isReplay ? [{ ...file, rowsIn: rows.batch }] : [];
  });
  const kept = await ledger.keepPublished(dataset, replays);
  const places = new Set(replays.map(({ sk }) => sk));
  const others = files.filter(({ sk }) => !places.has(sk));
  const moved = await ledger.requeue(dataset, others, {
    group,
    decision: made,
    ...(batch === unclaimed ? {} : { batch }),
  });
  await wake(deps, dataset);
  return { batch, files: kept + moved, kept };
}
