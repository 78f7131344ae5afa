/** FailBatch: takes over the lease of the failed execution, and ends its open batch. */
import type * as z from 'zod';
import { inParts } from '../../deadline.ts';
import { outageErrors } from '../../errorNames.ts';
import { isJsonObject, tryParseJson } from '../../json.ts';
import { restAfter } from '../batch/afterFailure.ts';
import { endOpenBatches, type Failure, type SettleDeps } from '../batch/endOpen.ts';
import type { failInput } from '../batch/schemas.ts';
import { letGo, wake } from '../wake.ts';

/**
 * Takes over the lease of the failed execution, so that its late calls no longer count. Then it ends the open batch, and releases the lease. In
 * an outage of AWS, the dataset rests before its next execution. The call can be repeated, even while an earlier one still runs: the later one
 * takes over. The result is the error of the execution. Throws WorkLeft.
 */
export async function failBatch(
  deps: SettleDeps,
  { dataset, fence, execution, error }: z.output<typeof failInput>,
): Promise<Failure> {
  const failure = { error: error.Error, cause: messageOf(error.Cause) };
  const own = await deps.ledger.takeOver(dataset, { execution, fence });
  // The present holder of the lease also has the files.
  if (own === null) await wake(deps, dataset);
  else {
    const ended = await inParts(endOpenBatches(deps, dataset, own, failure));
    // Otherwise an execution that cannot even claim a batch would be followed by the next one at once.
    if (ended === 0 && outageErrors.has(failure.error)) await deps.ledger.noteOutage(dataset, own);
    await letGo(deps, dataset, own, restAfter((await deps.ledger.failuresInARow(dataset)).outages));
  }
  return failure;
}

/** A Lambda's Cause is JSON with errorMessage; a state's own is plain text. */
function messageOf(cause: string): string {
  const parsed = tryParseJson(cause);
  return isJsonObject(parsed) && 'errorMessage' in parsed ? String(parsed.errorMessage) : cause;
}
