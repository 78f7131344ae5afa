/** Gives back what an execution that ended without doing so itself has held: its lease, and the files of its batch. */
import * as z from 'zod';
import { executionName } from './execution.ts';
import { failBatch, type SettleDeps } from './settle.ts';

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

/** Whether anything was given back: an execution that failed in FailBatch's hands has given back all itself. */
export async function recover(
  deps: SettleDeps,
  ended: ExecutionEnded,
): Promise<{ dataset: string; recovered: boolean }> {
  const { dataset } = executionInput.parse(JSON.parse(ended.input ?? '{}'));
  const lease = await deps.ledger.lease(dataset);
  // Before its first step has written itself into the lease, an execution is told by the name it was started under.
  const isHolder =
    lease?.execution === ended.executionArn ||
    (lease?.execution === 'starting' && executionName(dataset, lease.fence) === ended.name);
  if (!lease || !isHolder) return { dataset, recovered: false };
  await failBatch(deps, {
    dataset,
    fence: lease.fence,
    batch: null,
    error: {
      Error: ended.error ?? `Execution${ended.status}`,
      Cause: ended.cause ?? `the execution ${ended.name} ended ${ended.status}`,
    },
  });
  return { dataset, recovered: true };
}
