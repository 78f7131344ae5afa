/** The lease between two batches, for work on the table. */
import { setTimeout as pause } from 'node:timers/promises';
import { isTimeFor } from '../../deadline.ts';
import { wake } from '../wake.ts';
import { commitTime, type MaintainDeps } from './work.ts';

/** Milliseconds. While somebody waits for the running batch to end, no other starts. */
const turn = 300_000;

/** Waits for a running batch. Null if it takes too long. */
export async function takeTurn(
  deps: Pick<MaintainDeps, 'ledger' | 'contracts' | 'deadline' | 'turnPause' | 'start'>,
  dataset: string,
  holder: string,
): Promise<number | null> {
  const { ledger, deadline, turnPause = 2000 } = deps;
  const first = await ledger.acquireLease(dataset, holder);
  if (first !== null) return first;
  await ledger.askTurn(dataset, turn);
  const until = Date.now() + turn;
  while (Date.now() < until && isTimeFor(deadline, commitTime)) {
    await pause(turnPause);
    const fence = await ledger.acquireLease(dataset, holder);
    if (fence !== null) return fence;
    if (turnPause === 0) break;
  }
  await ledger.endTurn(dataset);
  await wake(deps, dataset);
  return null;
}
