/**
 * When waiting files become a batch. With `gather` in the contract, new files wait for others, because a batch of several files
 * costs little more than a batch of one.
 */
import type { Contract } from '../contract/schema.ts';
import type { Ledger } from '../ledger/ledger.ts';

export interface GatherDeps {
  readonly ledger: Ledger;
  readonly contracts: ReadonlyMap<string, Contract>;
}

/**
 * Milliseconds until the waiting files of a dataset are due: 0 if they are, undefined if no files wait. Files that are
 * processed again (retried, replayed, released) are due at once. Those of a dataset that a deployment has removed are not due until it
 * is added again.
 */
export async function untilDue(
  { ledger, contracts }: GatherDeps,
  dataset: string,
): Promise<number | undefined> {
  const contract = contracts.get(dataset);
  if (contract === undefined) return undefined;
  const { gather } = contract;
  if (gather === undefined) return (await ledger.hasPending(dataset)) ? 0 : undefined;
  const { waited, files, hasOthers } = await ledger.newFiles(dataset, gather.files);
  if (hasOthers || files >= gather.files) return 0;
  return waited === undefined ? undefined : Math.max(0, gather.minutes * 60_000 - waited);
}

export interface RemindDeps extends GatherDeps {
  /** Sends `dispatch` a message that arrives after so many seconds, at most `longestDelay`. */
  readonly remind: (message: Reminder, seconds: number) => Promise<void>;
}

/** A message of the queue: look whether the files of a dataset are due. */
export interface Reminder {
  readonly due: string;
}

/** Seconds: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
export const longestDelay = 900;

/**
 * Makes sure that `dispatch` looks again when files that are not due yet become due. False if they are due now, or none waits.
 * The reminder is sent before it is noted: after a crash in between there are two, which does no harm. If one is lost, the sweep
 * starts the files.
 */
export async function remindIfEarly(deps: RemindDeps, dataset: string): Promise<boolean> {
  if (deps.contracts.get(dataset)?.gather === undefined) return false;
  const left = await untilDue(deps, dataset);
  if (left === undefined || left === 0) return false;
  const seconds = Math.min(Math.ceil(left / 1000), longestDelay);
  const next = await deps.ledger.reminderIn(dataset);
  // One that arrives much later than the files are due was sent under another contract.
  if (next !== undefined && next > 0 && next <= seconds * 1000 + 10_000) return true;
  await deps.remind({ due: dataset }, seconds);
  await deps.ledger.noteReminder(dataset, seconds * 1000);
  return true;
}
