/**
 * RepairPartitions: CompleteBatch registers the same partitions again, because somebody may have dropped the table in between. Old and new
 * objects are both there now, so this is when the rows around the commit can be counted.
 */
import type { z } from 'zod';
import type { Attempt } from '../../model/records.ts';
import type { Deps } from '../batch/deps.ts';
import { readPlan } from '../batch/manifest.ts';
import { registerPartitions } from '../batch/partitions.ts';
import { readPublished } from '../batch/published.ts';
import type { repairOutput } from '../batch/schemas.ts';
import { countAround } from '../batch/tableAccount.ts';

/** Registers the partitions of a committed batch, and counts the rows that it has changed. */
export async function repairPartitions(
  deps: Deps,
  attempt: { readonly dataset: string } & Attempt,
): Promise<z.output<typeof repairOutput>> {
  const plan = await readPlan(deps, attempt);
  const published = await readPublished(deps, attempt.dataset, attempt);
  const registered = await registerPartitions(deps, attempt, plan, published);
  await countAround(deps, attempt, plan, published);
  return { registered };
}
