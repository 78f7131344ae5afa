/** How a batch fails: its objects are removed, and its files are returned or held. */
import * as z from 'zod';
import { namesOf, outageErrors } from '../../errorNames.ts';
import type { Ended, ReturnedFile } from '../../ledger/batches.ts';
import { type Attempt, isClaimedBy, type RawFile } from '../../model/records.ts';
import type { WakeDeps } from '../wake.ts';
import { places } from './addresses.ts';
import { afterFailure, afterOutage, isOutage } from './afterFailure.ts';
import { abandonCompaction } from './compaction.ts';
import type { Deps } from './deps.ts';
import { type Announce, finishBatch } from './finish.ts';
import { batchId, replayOf } from './id.ts';
import { stopRuns } from './jobRuns.ts';
import { isOutdated, readContract, readManifest, unlessGone } from './manifest.ts';
import { takeBack } from './objects.ts';
import { lostAttempts, reopen } from './restored.ts';
import type { failOutput } from './schemas.ts';

/**
 * Ends every attempt that was left open, or that a restored ledger does not know, under a lease with a higher fence. Returns
 * their number.
 */
export async function endOpenBatches(
  deps: SettleDeps,
  dataset: string,
  fence: number,
  failure: Failure,
): Promise<number> {
  const open = await deps.ledger.openBatches(dataset);
  for (const attempt of open) {
    deps.deadline?.check();
    await endBatch(deps, { dataset, ...attempt }, fence, failure);
  }
  // Each one ends before the next is opened, as it was in the lost time.
  const lost = await lostAttempts(deps, dataset);
  for (const attempt of lost) {
    deps.deadline?.check();
    await reopen(deps, dataset, fence, attempt);
    await endBatch(deps, { dataset, ...attempt }, fence, failure);
  }
  return open.length + lost.length;
}

/** A committed batch is completed. Of any other batch, the objects are removed and the files returned. */
async function endBatch(
  deps: SettleDeps,
  attempt: { readonly dataset: string } & Attempt,
  fence: number,
  failure: Failure,
): Promise<void> {
  const { ledger } = deps;
  const { dataset, batch } = attempt;
  const reason = `${failure.error}: ${failure.cause}`.slice(0, 2000).toWellFormed();
  // Nobody can commit it after the lease was taken over, so this record stays true.
  let record = await ledger.batch(dataset, batch);
  // Somebody has deleted its record. It is written again, because otherwise nothing could close the batch.
  if (record === undefined) {
    await reopen(deps, dataset, fence, attempt);
    record = await ledger.batch(dataset, batch);
  }
  if (record?.committed !== undefined)
    return finishBatch(deps, { ...attempt, fence: record.committed }, fence, reason);
  // The ledger was restored to a time before the commit.
  if (await deps.store.exists(places(deps.config).attempt(dataset, attempt).committed)) {
    await ledger.recommit(dataset, fence, attempt);
    return finishBatch(deps, attempt, fence, reason);
  }
  // If that fails, the batch ends all the same, and the sweep stops the run later.
  if (record?.engine === 'glue') await stopRuns(deps, dataset, attempt).catch(() => 0);
  if ((await unlessGone(readManifest(deps, attempt)))?.isCompaction)
    return abandonCompaction(deps, attempt, fence, reason);
  await takeBack(deps, dataset, attempt);
  const files = await filesOf(deps, attempt, record?.files ?? 0);
  const records = await ledger.read(dataset, files);
  // An interrupted claim has moved only some of them.
  const claimed = files.filter((_, i) => isClaimedBy(batch, records[i]?.file));
  // An earlier call held some of them before it was interrupted, so the batch is held.
  const held = records.find((r) => r.file?.state === 'held' && r.file.batch === batch)?.file;
  const doubtful = failure.error === 'ReplacementDoubtful' ? await doubtfulFiles(deps, attempt) : new Map();
  const { returned, ...next } = await nextStates(deps, attempt, claimed, doubtful, failure, reason);
  const ended = held ? { state: 'held' as const, reason: held.reason ?? reason } : { ...next, reason };
  await ledger.giveBack(dataset, fence, attempt, ended, returned, deps.deadline);
  deps.measure(dataset, ended.state === 'held' ? { BatchesHeld: 1 } : { BatchesFailed: 1 });
}

/**
 * The files of an attempt. If somebody has deleted its manifest, the files that the ledger shows as claimed by it. `count`: the
 * number of files, of which the latest are read first; 0 if unknown.
 */
async function filesOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  attempt: { readonly dataset: string } & Attempt,
  count: number,
): Promise<readonly RawFile[]> {
  const manifest = await unlessGone(readManifest(deps, attempt));
  if (manifest !== null) return manifest.files;
  const files: RawFile[] = [];
  for await (const file of deps.ledger.files(attempt.dataset, { isBackward: true })) {
    if (!isClaimedBy(attempt.batch, file)) continue;
    files.push(file);
    if (files.length === count) break;
  }
  return files;
}

/** The next state of each file of a failed batch, and the batch's own. */
async function nextStates(
  deps: Pick<Deps, 'config' | 'contracts' | 'store' | 'ledger'>,
  attempt: { readonly dataset: string } & Attempt,
  files: readonly Omit<ReturnedFile, 'state'>[],
  doubtful: ReadonlyMap<string, string>,
  failure: Failure,
  reason: string,
): Promise<Omit<Ended, 'reason'> & { returned: ReturnedFile[] }> {
  const { ledger } = deps;
  const { dataset, batch } = attempt;
  const replay = replayOf(files[0]);
  const plain = files.map(({ group: _, ...file }) => file);
  const all = (state: 'held' | 'failed', why?: string) => ({
    state,
    returned: plain.map((file) => ({ ...file, state, ...(why === undefined ? {} : { reason: why }) })),
  });
  const again = (groups: readonly (readonly Omit<ReturnedFile, 'state'>[])[]): ReturnedFile[] =>
    groups.flatMap((group, i) => {
      // Files that stay together are the same batch again, and its tries are counted.
      const name = replay === undefined ? batchId(group) : groups.length === 1 ? replay : `${replay}.${i}`;
      return group.map((file) => ({ ...file, state: 'pending' as const, group: name }));
    });
  if (holdingErrors.includes(failure.error)) {
    const contract = await unlessGone(readContract(deps, attempt));
    // The contract that is deployed now may fit the files and the table.
    return contract !== null && isOutdated(deps.contracts, contract)
      ? { state: 'failed', returned: again([plain]) }
      : all('held');
  }
  if (doubtful.size > 0) {
    const held = plain.filter((file) => doubtful.has(file.object));
    const others = plain.filter((file) => !doubtful.has(file.object));
    return {
      state: 'held',
      returned: [
        ...held.map((file) => ({
          ...file,
          state: 'held' as const,
          reason: doubtful.get(file.object) ?? reason,
        })),
        ...again(others.length > 0 ? [others] : []),
      ],
    };
  }
  const record = (await ledger.batch(dataset, batch)) ?? { attempts: 1, outages: 0 };
  const { attempts, outages } = record;
  const publishedBefore = outageErrors.has(failure.error) ? await ledger.publishedFiles(dataset) : undefined;
  if (publishedBefore !== undefined && isOutage(record, publishedBefore))
    return { state: 'failed', returned: again(afterOutage(plain, outages)), isOutage: true, publishedBefore };
  const { failures } = await ledger.failuresInARow(dataset);
  const verdict = afterFailure(plain, attempts - outages, failures + 1);
  if (verdict.kind === 'hold') return all('held', `${reason}; ${verdict.why}`);
  if (verdict.kind === 'fail') return all('failed');
  return { state: 'failed', returned: again(verdict.groups), publishedBefore };
}

export const doubtfulSchema = z.array(z.object({ object: z.string(), reason: z.string() }));

/** Files that need a person's decision, with the reason; all others continue without them. */
async function doubtfulFiles(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  attempt: { readonly dataset: string } & Attempt,
): Promise<Map<string, string>> {
  const at = places(config).attempt(attempt.dataset, attempt).doubtful;
  const found = (await store.findJson(at, doubtfulSchema)) ?? [];
  return new Map(found.map(({ object, reason }) => [object, reason]));
}

/** Names of the errors that hold a batch. The state machine passes on only the name of an error. */
const holdingErrors = namesOf('hold');

/** The dependencies of the steps that end a batch. */
export interface SettleDeps extends Deps, WakeDeps {
  readonly announce: Announce;
}

export type Failure = z.output<typeof failOutput>;
