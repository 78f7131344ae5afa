/** CompleteBatch: the batch ends, and the execution continues with the next one or hands over to a new execution. */
import type { z } from 'zod';
import { inParts } from '../../deadline.ts';
import type { Deps } from '../batch/deps.ts';
import { type Announce, finishBatch } from '../batch/finish.ts';
import type { completeInput, completeOutput } from '../batch/schemas.ts';
import { untilDue } from '../gather.ts';
import { letGo, type WakeDeps, wake } from '../wake.ts';

/** An execution ends before Step Functions ends it: after so many of its 25,000 events, or after this time in milliseconds. */
const handOver = { events: 10_000, age: 6 * 3_600_000 };

/**
 * Finishes the batch, and says whether the execution continues with the next one. If not, the lease is released. An execution
 * that has run for a long time hands over to a new one. Throws WorkLeft.
 */
export async function completeBatch(
  deps: Deps & WakeDeps & { readonly announce: Announce },
  { dataset, batch, fence, execution, startedAt, events }: z.output<typeof completeInput>,
): Promise<z.output<typeof completeOutput>> {
  const { ledger } = deps;
  const record = await ledger.batch(dataset, batch);
  // This call is a repetition, and the first call has finished everything.
  const isOver = record?.state === 'published' && record.committed === fence;
  if (!isOver) await inParts(finishBatch(deps, { dataset, batch, fence }, fence));
  const isOld = events >= handOver.events || Date.parse(startedAt) + handOver.age < Date.now();
  const lease = await ledger.lease(dataset);
  const isHolder = lease?.fence === fence && lease.execution !== undefined;
  if (isHolder && !isOld && (await untilDue(deps, dataset)) === 0)
    return { morePending: true, fence: await ledger.nextBatch(dataset, fence) };
  // An earlier try of this call has continued with the next batch, but its answer was lost.
  const hasGoneOn = lease !== undefined && lease.execution === execution && lease.fence > fence;
  if (hasGoneOn) return { morePending: true, fence: lease.fence };
  if (isHolder) await letGo(deps, dataset, fence);
  else await wake(deps, dataset);
  return { morePending: false, fence };
}
