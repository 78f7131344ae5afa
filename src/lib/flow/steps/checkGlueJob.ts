/** CheckGlueJob: whether the job has ended, and with which result. */
import type { z } from 'zod';
import { accountingSchema } from '../../model/plan.ts';
import type { Deps } from '../batch/deps.ts';
import { hasEnded } from '../batch/jobRuns.ts';
import { readSummary } from '../batch/plan.ts';
import type { jobInput, jobOutput } from '../batch/schemas.ts';

/** Checks a job run. Throws GlueJobFailed with the job's own message. */
export async function checkGlueJob(
  { config, catalog, store }: Deps,
  { dataset, batch, run, jobRun }: z.output<typeof jobInput>,
): Promise<z.output<typeof jobOutput>> {
  if (!(await hasEnded({ config, catalog }, { dataset, batch }, jobRun))) return { status: 'running' };
  const summary = await readSummary({ config, store }, dataset, batch, run);
  return { status: 'done', accounting: accountingSchema.parse(summary) };
}
