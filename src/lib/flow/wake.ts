/** Starts an execution for waiting files. */
import { executionName } from './batch/execution.ts';
import { type GatherDeps, untilDue } from './gather.ts';

export interface WakeDeps extends GatherDeps {
  /** Starts the state machine. With an equal name, a repeated start is the same execution. */
  readonly start: (name: string, input: unknown) => Promise<void>;
}

/**
 * Starts an execution for a dataset that has pending files that are due, no holder of its lease, no rest after an outage, and no pause. A person
 * may end its rest (`isAsked`).
 */
export async function wake(
  deps: WakeDeps,
  dataset: string,
  { isAsked = false }: { isAsked?: boolean } = {},
): Promise<boolean> {
  const { ledger, start } = deps;
  // The holder reads the queue again after releasing the lease; see letGo.
  const lease = await ledger.lease(dataset);
  if (lease !== undefined && (lease.execution !== undefined || (ledger.isResting(lease) && !isAsked)))
    return false;
  if ((await untilDue(deps, dataset)) !== 0) return false;
  // Read after the lease. `resume` writes before it reads the lease, so one of both starts an execution.
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
 * Releases the lease, and reads the queue once more: files that arrived before found the lease taken, so nobody has started
 * an execution for them. After a rest (milliseconds), the sweep or the next file does that.
 */
export async function letGo(deps: WakeDeps, dataset: string, fence: number, rest = 0): Promise<boolean> {
  await deps.ledger.releaseLease(dataset, fence, rest);
  return wake(deps, dataset);
}
