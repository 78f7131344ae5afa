/** The bad end of a batch: its files take a state that a person can act on, or are tried again. */
import type { z } from 'zod';
import { isJsonObject, tryParseJson } from '../json.ts';
import type { FileState } from '../ledger/records.ts';
import { parallel } from '../parallel.ts';
import { batchId, type Manifest, readManifest, replayOf } from './batch.ts';
import { type Announce, finishBatch } from './complete.ts';
import type { Deps } from './deps.ts';
import { type DispatchDeps, wake } from './dispatch.ts';
import { unpublish } from './publish.ts';
import { afterFailure } from './retry.ts';
import type { failInput, failOutput } from './schemas.ts';

/** Errors that a person has to answer: the files wait, held, until the contract or the feed was mended. */
const holdingErrors = [
  'ExpectationFailed',
  'AccountingMismatch',
  'SchemaMismatch',
  'TableMismatch',
  'ReferenceRefused',
];

/** The flow, with what it sets off elsewhere. */
export interface SettleDeps extends Deps {
  readonly start: DispatchDeps['start'];
  readonly announce: Announce;
}

/** Gives files and lease back. Its result is what the execution fails with. */
export async function failBatch(
  deps: SettleDeps,
  { dataset, fence, error, ...input }: z.output<typeof failInput>,
): Promise<z.output<typeof failOutput>> {
  const { ledger, start } = deps;
  const failure = { error: error.Error, cause: messageOf(error.Cause) };
  // Whoever took the lease over also has the files.
  if (error.Error === 'LeaseLost') return failure;
  // A claim that broke off has left its batch in the lease.
  const batch = input.batch ?? (await ledger.lease(dataset))?.batch ?? null;
  if (batch !== null) await giveBackBatch(deps, dataset, fence, batch, failure);
  await ledger.releaseLease(dataset, fence);
  if (batch !== null) await wake({ ledger, start }, dataset);
  return failure;
}

/** Ends a batch under a lease: its rows are taken back and its files take their next state, or it goes forward. */
export async function giveBackBatch(
  deps: SettleDeps,
  dataset: string,
  fence: number,
  batch: string,
  failure: z.output<typeof failOutput>,
): Promise<void> {
  const { ledger } = deps;
  const { files } = await readManifest(deps, dataset, batch);
  const records = await parallel(files, 16, (file) => ledger.file(dataset, file));
  const reason = `${failure.error}: ${failure.cause}`.slice(0, 2000);
  // CompleteBatch broke off: the rows are out, and some files are marked. There is only forward.
  if (records.some((r) => r?.state === 'published' && r.batch === batch))
    return finishBatch(deps, { dataset, batch, fence }, reason);
  await unpublish(deps, dataset, batch);
  // A claim that broke off has taken only some of them.
  const claimed = files.filter((_, i) => records[i]?.state === 'claimed' && records[i]?.batch === batch);
  const state = await nextStates(ledger, dataset, fence, batch, claimed, failure.error, reason);
  deps.measure(dataset, state === 'held' ? { BatchesHeld: 1 } : { BatchesFailed: 1 });
}

/** Each file of a failed batch takes its next state. Gives the batch's own. */
async function nextStates(
  ledger: Deps['ledger'],
  dataset: string,
  fence: number,
  batch: string,
  files: Manifest['files'],
  error: string,
  reason: string,
): Promise<'held' | 'failed'> {
  const replay = replayOf(files[0]);
  const plain = files.map(({ group: _, ...file }) => file);
  const all = (state: FileState) => plain.map((file) => ({ ...file, state }));
  const hold = async (why: string) => {
    await ledger.settle(dataset, fence, { id: batch, state: 'held', reason: why }, all('held'));
    return 'held' as const;
  };
  if (holdingErrors.includes(error)) return hold(reason);
  const attempts = (await ledger.batch(dataset, batch))?.attempts ?? 1;
  const verdict = afterFailure(plain, attempts, await ledger.noteFailure(dataset));
  if (verdict.kind === 'hold') return hold(`${reason}; ${verdict.why}`);
  await ledger.settle(
    dataset,
    fence,
    { id: batch, state: 'failed', reason },
    verdict.kind === 'fail'
      ? all('failed')
      : verdict.groups.flatMap((group, i) => {
          const name = replay === undefined ? batchId(group) : `${replay}.${i}`;
          return group.map((file) => ({ ...file, state: 'pending' as const, group: name }));
        }),
  );
  return 'failed';
}

/** A Lambda's Cause is JSON with errorMessage; a state's own is plain text. */
function messageOf(cause: string): string {
  const parsed = tryParseJson(cause);
  return isJsonObject(parsed) && 'errorMessage' in parsed ? String(parsed.errorMessage) : cause;
}
