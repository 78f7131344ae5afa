/** Starts an execution for what waits. */
import type { Ledger } from '../ledger/ledger.ts';
import { executionName } from './batch/execution.ts';

export interface WakeDeps {
  readonly ledger: Ledger;
  /** Starts the state machine; the name makes a repeated start the same execution. */
  readonly start: (name: string, input: unknown) => Promise<void>;
}

/** Starts an execution for a dataset that has pending files, no holder of its lease, and no pause. */
export async function wake({ ledger, start }: WakeDeps, dataset: string): Promise<boolean> {
  // Whoever holds it looks at the queue once more after releasing it: see letGo.
  if ((await ledger.lease(dataset))?.execution !== undefined) return false;
  if (!(await ledger.hasPending(dataset))) return false;
  // Read after the lease: whoever resumes has written this before they look at the lease, so one of both starts an execution.
  if ((await ledger.pauseOf(dataset)) !== undefined) return false;
  const fence = await ledger.acquireLease(dataset);
  if (fence === null) return false;
  try {
    await start(executionName(dataset, fence), { dataset, fence });
  } catch (error) {
    await ledger.releaseLease(dataset, fence);
    throw error;
  }
  return true;
}

/**
 * Releases the lease. Files that came until then have seen it held, and nobody else has started an execution for them: so the
 * queue is looked at once more afterwards.
 */
export async function letGo(deps: WakeDeps, dataset: string, fence: number): Promise<boolean> {
  await deps.ledger.releaseLease(dataset, fence);
  return wake(deps, dataset);
}
