/**
 * Processes files again: held and failed ones (retry), and published ones from raw (replay). Both put files into the queue and
 * wake the dataset; the flow does the rest.
 */
import { counted } from '../../counted.ts';
import { AlreadyDecided, InvalidInput } from '../../errors.ts';
import {
  type BatchRecord,
  type Decision,
  type FileRecord,
  longestReason,
  pastOf,
} from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { contractOf, type Deps } from '../batch/deps.ts';
import { replayPrefix } from '../batch/id.ts';
import { nextBatch } from '../batch/limits.ts';
import { type WakeDeps, wake } from '../wake.ts';

export interface OperatorDeps extends Deps, WakeDeps {}

/** Throws InvalidInput if a reason is too long for a record. */
export function requireReason(reason: string): void {
  if (reason.length > longestReason)
    throw new InvalidInput(`the reason has ${reason.length} characters; ${longestReason} are kept`);
}

/**
 * Puts held and failed files back into the queue: of a batch, of one key, or all. Returns their number. Throws AlreadyDecided if somebody has
 * released or rejected some of them: these wait for that call to go on, and the others are in the queue.
 */
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
  const decided = await decidedOf(deps, dataset, files);
  const others = files.filter(({ batch }) => !decided.has(batch));
  const moved = await ledger.requeue(dataset, others, record ? { group: groupOf(record, 'retry') } : {});
  await wake(deps, dataset);
  const [first] = decided;
  if (first === undefined) return moved;
  const [batch, { kind, at, reason }] = first;
  const left = files.length - others.length;
  throw new AlreadyDecided(
    `${dataset}: the batch ${batch} was ${pastOf[kind]} at ${at} (${reason}), and ${counted(left, 'file')} still ${left === 1 ? 'waits' : 'wait'} for it: the command ${kind} goes on with them. ${counted(moved, 'other file')} put back into the queue`,
    { dataset, batch },
  );
}

/** What a person has decided about the batches of held files, if it was not carried out for all of them. */
async function decidedOf(
  { ledger }: Pick<OperatorDeps, 'ledger'>,
  dataset: string,
  files: readonly { readonly batch: string }[],
): Promise<Map<string, Decision>> {
  const batches = [...new Set(files.map(({ batch }) => batch))];
  const records = await parallel(batches, 16, (batch) => ledger.findBatch(dataset, batch));
  return new Map(
    records.flatMap((record) =>
      record?.state === 'held' && record.decision ? [[record.batch, record.decision] as const] : [],
    ),
  );
}

/** The files of a batch that is retried, as a separate batch. */
export const groupOf = ({ batch, replay }: BatchRecord, why: string): string =>
  `${(replay ?? batch).replace(/(\.(retry|release|reject))+$/, '')}.${why}`;

/**
 * Processes published files again, in exactly the versions in the raw bucket, and replaces their rows. Files are selected by
 * the time at which they were recorded, or by a prefix of their keys. Returns their number. Throws InvalidInput if `to` is not after `from`.
 */
export async function replay(
  deps: OperatorDeps,
  dataset: string,
  which: { from?: Date | undefined; to?: Date | undefined; prefix?: string | undefined },
): Promise<{ files: number; batches: number }> {
  contractOf(deps, dataset);
  const { from, to } = which;
  if (from !== undefined && to !== undefined && from >= to)
    throw new InvalidInput(
      `${dataset}: no file was recorded from ${from.toISOString()} to ${to.toISOString()}: the second time must be after the first`,
      { dataset },
    );
  const { ledger, config } = deps;
  const stamp = `${replayPrefix}${Date.now().toString(36)}`;
  let batches = 0;
  let files = 0;
  for await (const batch of inBatches(chosenFor(ledger, dataset, which), {
    files: config.batchFiles,
    bytes: config.batchLimitBytes,
  })) {
    // Files that somebody else replays at the same time are not counted.
    const moved = await ledger.replay(dataset, batch, `${stamp}-${batches}`);
    files += moved;
    if (moved > 0) batches++;
  }
  await wake(deps, dataset);
  return { files, batches };
}

/**
 * The published files of a replay. It reads from the ledger the files below the prefix or, without one, the files of the time.
 */
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

/** Files, divided into batches; at most one batch of them is in memory. */
async function* inBatches<T extends { size: number }>(
  files: AsyncIterable<T>,
  limits: { files: number; bytes: number },
): AsyncGenerator<T[]> {
  let waiting: T[] = [];
  for await (const file of files) {
    waiting.push(file);
    const batch = nextBatch(waiting, limits);
    // Another file may still fit.
    if (batch.length === waiting.length && batch.length < limits.files) continue;
    yield batch;
    waiting = waiting.slice(batch.length);
  }
  if (waiting.length > 0) yield waiting;
}

/** A batch by its id or the start of it. Throws InvalidInput. */
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
