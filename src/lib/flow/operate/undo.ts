/**
 * Takes published files out of a table. They are processed again as files of which every row is rejected. Their rows leave
 * the table like those that a correction replaces, in one commit, under the lease, and go to quarantine.
 */
import { InvalidInput } from '../../errors.ts';
import type { FileId } from '../../model/records.ts';
import { replayPrefix } from '../batch/id.ts';
import { readManifest } from '../batch/manifest.ts';
import { wake } from '../wake.ts';
import { batchOf, type OperatorDeps, requireReason } from './again.ts';

export interface Undone {
  readonly batch: string;
  /** Files whose rows leave the table. */
  readonly files: readonly FileId[];
  /** Files of the batch whose rows belong to another batch by now, or that are being processed again. */
  readonly others: number;
  /** Those of the files that had replaced an earlier version of their object, whose rows do not come back by themselves. */
  readonly corrections: readonly FileId[];
}

/**
 * Undoes a batch, or one object of it. An interrupted call can be repeated. Throws InvalidInput if the batch is not published
 * or has no published file.
 */
export async function undo(
  deps: OperatorDeps,
  dataset: string,
  id: string,
  { object, ...decision }: { object?: string | undefined; reason: string; at: string },
): Promise<Undone> {
  const { ledger } = deps;
  requireReason(decision.reason);
  const record = await batchOf(deps, dataset, id);
  const { batch, committed, state } = record;
  if (committed === undefined || state !== 'published')
    throw new InvalidInput(
      `${dataset}: the batch ${batch} is ${state}; only a published batch can be undone`,
      {
        dataset,
        batch,
      },
    );
  const manifest = await readManifest(deps, { dataset, batch, fence: committed });
  const all = manifest.files.filter((file) => object === undefined || file.object === object);
  const files = await ledger.undo(dataset, all, {
    group: `${replayPrefix}undo-${batch}`,
    decision: { kind: 'undo', isReplacement: true, ...decision },
    batch,
  });
  await wake(deps, dataset);
  if (files.length === 0)
    throw new InvalidInput(
      `${dataset}: no file of the batch ${batch}${object === undefined ? '' : ` with the key ${object}`} is published by it; it was undone, corrected or replayed`,
      { dataset, batch },
    );
  const before = new Map(manifest.published.map((rows) => [rows.object, rows.version]));
  return {
    batch,
    files,
    others: all.length - files.length,
    corrections: files.filter((file) => (before.get(file.object) ?? file.version) !== file.version),
  };
}
