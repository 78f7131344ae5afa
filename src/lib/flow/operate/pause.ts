/** Pauses and resumes a dataset. */
import type { Pause } from '../../ledger/ledger.ts';
import { contractOf } from '../batch/deps.ts';
import { wake } from '../wake.ts';
import { type OperatorDeps, requireReason } from './again.ts';

type PauseDeps = Pick<OperatorDeps, 'ledger' | 'contracts' | 'start'>;

/**
 * No batch of the dataset starts until it is resumed; a running batch continues to its end. Returns the pause that counts: the
 * first one.
 */
export async function pause(deps: PauseDeps, dataset: string, reason: string): Promise<Pause> {
  contractOf(deps, dataset);
  requireReason(reason);
  return deps.ledger.pause(dataset, reason);
}

/** Ends a pause, or a rest after an outage of AWS. Returns whether an execution was started for waiting files. */
export async function resume(deps: PauseDeps, dataset: string): Promise<boolean> {
  contractOf(deps, dataset);
  await deps.ledger.resume(dataset);
  return wake(deps, dataset, { isAsked: true });
}
