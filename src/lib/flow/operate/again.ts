/** Files once more: held and failed ones, and published ones from raw. Each wakes the dataset; the flow does the rest. */
import { InvalidInput } from '../../errors.ts';
import type { BatchRecord, FileRecord } from '../../model/records.ts';
import { contractOf, type Deps } from '../batch/deps.ts';
import { replayPrefix } from '../batch/id.ts';
import { nextBatch } from '../batch/limits.ts';
import { type WakeDeps, wake } from '../wake.ts';

export interface OperatorDeps extends Deps, WakeDeps {}

/** It is written into the record of every file. */
export const longestReason = 1000;

/** Tries held and failed files again: those of a batch, of one key, or all. Gives how many there were. */
export async function retry(
  deps: OperatorDeps,
  dataset: string,
  which: { batch?: string | undefined; object?: string | undefined },
): Promise<number> {
  const { ledger } = deps;
  contractOf(deps, dataset);
  const record = which.batch === undefined ? undefined : await batchOf(deps, dataset, which.batch);
  const files = [
    ...(await ledger.waiting(dataset, 'held', record?.batch)),
    ...(await ledger.waiting(dataset, 'failed', record?.batch)),
  ].filter((file) => which.object === undefined || file.object === which.object);
  if (record && files.length === 0)
    throw new InvalidInput(
      `${dataset}: the batch ${record.batch} is ${record.state}, and has no file that is held or failed`,
      { dataset, batch: record.batch },
    );
  const moved = await ledger.requeue(dataset, files, record ? { group: groupOf(record, 'retry') } : {});
  await wake(deps, dataset);
  return moved;
}

/** The files of a batch that run again, as a batch of their own. */
export const groupOf = ({ batch, replay }: BatchRecord, why: string): string =>
  `${(replay ?? batch).replace(/(\.(retry|release|reject))+$/, '')}.${why}`;

/**
 * Processes published files again, from exactly the versions in the raw bucket, and replaces what came from them. They
 * are chosen by the time they were noted, or by the beginning of their keys. Gives how many there are.
 */
export async function replay(
  deps: OperatorDeps,
  dataset: string,
  which: { from?: Date | undefined; to?: Date | undefined; prefix?: string | undefined },
): Promise<{ files: number; batches: number }> {
  contractOf(deps, dataset);
  const { ledger, config } = deps;
  const stamp = `${replayPrefix}${Date.now().toString(36)}`;
  let batches = 0;
  let files = 0;
  for await (const batch of inBatches(chosenFor(ledger, dataset, which), {
    files: config.batchFiles,
    bytes: config.batchLimitBytes,
  })) {
    // Files that somebody else replays at the same time are theirs.
    const moved = await ledger.replay(dataset, batch, `${stamp}-${batches}`);
    files += moved;
    if (moved > 0) batches++;
  }
  await wake(deps, dataset);
  return { files, batches };
}

/** Published files that a replay is about. Of the ledger it reads those below the prefix or, without one, those of the time. */
async function* chosenFor(
  ledger: Deps['ledger'],
  dataset: string,
  { from, to, prefix }: { from?: Date | undefined; to?: Date | undefined; prefix?: string | undefined },
): AsyncGenerator<FileRecord> {
  const range = {
    ...(from === undefined ? {} : { from: from.toISOString() }),
    ...(to === undefined ? {} : { to: to.toISOString() }),
  };
  const files = prefix === undefined ? ledger.files(dataset, range) : ledger.published(dataset, prefix);
  for await (const file of files) {
    const noted = Date.parse(file.notedAt);
    const isInTime =
      (from === undefined || noted >= from.getTime()) && (to === undefined || noted < to.getTime());
    if (file.state === 'published' && isInTime) yield file;
  }
}

/** Files as they come, cut into batches: no more of them than one batch has are held at a time. */
async function* inBatches<T extends { size: number }>(
  files: AsyncIterable<T>,
  limits: { files: number; bytes: number },
): AsyncGenerator<T[]> {
  let waiting: T[] = [];
  for await (const file of files) {
    waiting.push(file);
    const batch = nextBatch(waiting, limits);
    // Another file may fit in yet.
    if (batch.length === waiting.length && batch.length < limits.files) continue;
    yield batch;
    waiting = waiting.slice(batch.length);
  }
  if (waiting.length > 0) yield waiting;
}

/** A batch by its id, or the beginning of it. Throws InvalidInput. */
export async function batchOf(
  { ledger, contracts }: Pick<OperatorDeps, 'ledger' | 'contracts'>,
  dataset: string,
  id: string,
): Promise<BatchRecord> {
  contractOf({ contracts }, dataset);
  const found = await ledger.batchesLike(dataset, id);
  const [record] = found;
  if (!record || found.length > 1)
    throw new InvalidInput(
      `${dataset}: ${found.length === 0 ? 'no batch begins' : 'several batches begin'} with ${id}`,
      { dataset },
    );
  return record;
}
