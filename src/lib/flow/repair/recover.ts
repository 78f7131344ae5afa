/** Ends the batch and the lease of an execution that ended without FailBatch. */
import * as z from 'zod';
import { starting } from '../../ledger/leases.ts';
import type { SettleDeps } from '../batch/endOpen.ts';
import { executionName } from '../batch/execution.ts';
import { failBatch } from '../steps/failBatch.ts';

/** https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html */
export const executionEnded = z.object({
  detail: z.object({
    executionArn: z.string(),
    name: z.string(),
    status: z.enum(['FAILED', 'TIMED_OUT', 'ABORTED']),
    input: z.string().nullish(),
    error: z.string().nullish(),
    cause: z.string().nullish(),
  }),
});
export type ExecutionEnded = z.output<typeof executionEnded>['detail'];

/** What an execution is started with. */
const executionInput = z.object({ dataset: z.string(), fence: z.number() });

/** `recovered`: whether the execution still held the lease. After FailBatch it no longer does. */
export async function recover(
  deps: SettleDeps,
  ended: ExecutionEnded,
): Promise<{ dataset: string; recovered: boolean }> {
  const { dataset } = executionInput.parse(JSON.parse(ended.input ?? '{}'));
  const lease = await deps.ledger.lease(dataset);
  // Until its first step has written itself into the lease, an execution is known by its name.
  const isHolder =
    lease?.execution === ended.executionArn ||
    (lease?.execution === starting && executionName(dataset, lease.fence) === ended.name);
  if (!lease || !isHolder) return { dataset, recovered: false };
  await failBatch(deps, {
    dataset,
    fence: lease.fence,
    execution: ended.executionArn,
    error: {
      Error: ended.error ?? `Execution${ended.status}`,
      Cause: ended.cause ?? `the execution ${ended.name} ended ${ended.status}`,
    },
  });
  return { dataset, recovered: true };
}
