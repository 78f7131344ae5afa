/** FailBatch: takes the lease over from the failed execution, and ends what it left open. */
import type * as z from 'zod';
import { isJsonObject, tryParseJson } from '../../json.ts';
import { endOpenBatches, type Failure, type SettleDeps } from '../batch/endOpen.ts';
import type { failInput } from '../batch/schemas.ts';
import { letGo, wake } from '../wake.ts';

/**
 * Takes the lease over from the failed execution, so that nothing which still runs for it counts any more; ends what it left
 * open; and releases the lease. May be repeated, also while an earlier call still runs: the later one takes over from it. The
 * result is what the execution fails with.
 */
export async function failBatch(
  deps: SettleDeps,
  { dataset, fence, execution, error }: z.output<typeof failInput>,
): Promise<Failure> {
  const failure = { error: error.Error, cause: messageOf(error.Cause) };
  const own = await deps.ledger.takeOver(dataset, { execution, fence });
  // Whoever has the lease by now also has the files.
  if (own === null) await wake(deps, dataset);
  else {
    await endOpenBatches(deps, dataset, own, failure);
    await letGo(deps, dataset, own);
  }
  return failure;
}

/** A Lambda's Cause is JSON with errorMessage; a state's own is plain text. */
function messageOf(cause: string): string {
  const parsed = tryParseJson(cause);
  return isJsonObject(parsed) && 'errorMessage' in parsed ? String(parsed.errorMessage) : cause;
}
