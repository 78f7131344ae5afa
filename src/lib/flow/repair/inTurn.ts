/** Scheduled work for all datasets, in one function: each dataset gets its turn, even if the time is not enough for all. */
import { type Deadline, isTimeFor } from '../../deadline.ts';
import { OutOfTime } from '../../errors.ts';
import type { Deps } from '../batch/deps.ts';

export interface Turns<R> {
  readonly results: readonly { readonly dataset: string; readonly result: R }[];
  readonly failures: readonly { readonly dataset: string; readonly error: unknown }[];
  /** The time was up before these datasets: the next call begins with them. */
  readonly left: readonly string[];
}

/**
 * Processes one dataset after the other, beginning after the one at which the last call stopped. A failure of one dataset does
 * not stop the others. A dataset that takes all the time comes last in the next call. `what` names the work.
 */
export async function inTurn<R>(
  { contracts, ledger }: Pick<Deps, 'contracts' | 'ledger'>,
  what: string,
  run: (dataset: string) => Promise<R>,
  deadline?: Deadline,
): Promise<Turns<R>> {
  const names = [...contracts.keys()];
  // No dataset can have this name.
  const place = `#${what}`;
  const stopped = (await ledger.lastSweep(place))?.key;
  const start = stopped === undefined ? 0 : names.indexOf(stopped) + 1;
  const waiting = [...names.slice(start), ...names.slice(0, start)];
  const results: { dataset: string; result: R }[] = [];
  const failures: { dataset: string; error: unknown }[] = [];
  let last: string | undefined;
  while (waiting.length > 0 && (last === undefined || isTimeFor(deadline))) {
    const [dataset = ''] = waiting;
    try {
      results.push({ dataset, result: await run(dataset) });
    } catch (error) {
      // Earlier datasets have used the time: the next call begins with this one.
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
