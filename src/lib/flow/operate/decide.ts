/** Releases or rejects held files. */
import { AlreadyDecided, InvalidInput } from '../../errors.ts';
import type { Decision } from '../../model/records.ts';
import { pastOf } from '../../model/records.ts';
import { wake } from '../wake.ts';
import { batchOf, groupOf, type OperatorDeps, requireReason } from './again.ts';

/**
 * Runs a held batch again: `release` publishes its rows despite failed expectations; `reject` moves every row to quarantine, as
 * `rejected`. The decision belongs to the files, whatever batch they are in later. If the call is interrupted, the same decision
 * continues it. Throws InvalidInput for a batch that is not held, and AlreadyDecided if somebody else was faster.
 */
export async function decide(
  deps: OperatorDeps,
  dataset: string,
  id: string,
  decision: Decision,
): Promise<{ batch: string; files: number }> {
  const { ledger } = deps;
  requireReason(decision.reason);
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
  const made = await ledger.decide(dataset, batch, decision);
  if (made.kind !== decision.kind || files.length === 0)
    throw new AlreadyDecided(
      `${dataset}: the batch ${batch} was ${pastOf[made.kind]} at ${made.at} (${made.reason})`,
      { dataset, batch },
    );
  // If a replay is rejected, the earlier rows stay published.
  const records = await ledger.read(dataset, files);
  const isReplay = (_: unknown, i: number) => records[i]?.object?.rows?.version === files[i]?.version;
  const replays = made.kind === 'reject' ? files.filter(isReplay) : [];
  const kept = await ledger.keepPublished(dataset, replays);
  const others = files.filter((file) => !replays.includes(file));
  const group = groupOf(record, made.kind);
  const moved = await ledger.requeue(dataset, others, { group, decision: made, batch });
  await wake(deps, dataset);
  return { batch, files: kept + moved };
}
