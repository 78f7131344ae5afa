/** FailBatch: takes over the lease of the failed execution, and ends its open batch. */
import type * as z from 'zod';
import { isJsonObject, tryParseJson } from '../../json.ts';
import { endOpenBatches, type Failure, type SettleDeps } from '../batch/endOpen.ts';
import type { failInput } from '../batch/schemas.ts';
import { letGo, wake } from '../wake.ts';

/**
 * Takes over the lease of the failed execution, so that its late calls no longer count. Then it ends the open batch, and
 * releases the lease. It is idempotent, even while an earlier call still runs: the later call takes over. The result is the
 * error of the execution.
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
