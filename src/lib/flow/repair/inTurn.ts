/** What runs on a schedule for all datasets, in one function: each has its turn, also when the time is not enough for all. */
import type { Deadline } from '../../deadline.ts';
import { OutOfTime } from '../../errors.ts';
import type { Deps } from '../batch/deps.ts';

export interface Turns<R> {
  readonly results: readonly { readonly dataset: string; readonly result: R }[];
  readonly failures: readonly { readonly dataset: string; readonly error: unknown }[];
  /** Datasets that the next call begins with, since the time was up. */
  readonly left: readonly string[];
}

/**
 * One dataset after the other, beginning behind the one at which the last call stopped. What fails for one keeps none of the others
 * from their turn, and one that takes all the time is behind the others in the next call. `what` names the work.
 */
export async function inTurn<R>(
  { contracts, ledger }: Pick<Deps, 'contracts' | 'ledger'>,
  what: string,
  run: (dataset: string) => Promise<R>,
  deadline?: Deadline,
): Promise<Turns<R>> {
  const names = [...contracts.keys()];
  // No dataset is called so.
  const place = `#${what}`;
  const stopped = (await ledger.lastSweep(place))?.key;
  const start = stopped === undefined ? 0 : names.indexOf(stopped) + 1;
  const waiting = [...names.slice(start), ...names.slice(0, start)];
  const results: { dataset: string; result: R }[] = [];
  const failures: { dataset: string; error: unknown }[] = [];
  let last: string | undefined;
  while (waiting.length > 0 && (last === undefined || isTimeLeft(deadline))) {
    const [dataset = ''] = waiting;
    try {
      results.push({ dataset, result: await run(dataset) });
    } catch (error) {
      // Others have taken the time before it: the next call begins with it.
      if (last !== undefined && error instanceof OutOfTime) break;
      failures.push({ dataset, error });
    }
    waiting.shift();
    last = dataset;
  }
  const next = waiting.length > 0 ? last : undefined;
  if (next !== stopped) await ledger.noteSwept(place, next);
  return { results, failures, left: waiting };
}

function isTimeLeft(deadline: Deadline | undefined): boolean {
  try {
    deadline?.check();
    return true;
  } catch (error) {
    if (error instanceof OutOfTime) return false;
    throw error;
  }
}
