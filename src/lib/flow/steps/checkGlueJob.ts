/** CheckGlueJob: whether the job has ended, and with which result. */
import type { z } from 'zod';
import { GlueJobFailed } from '../../errors.ts';
import { accountingSchema } from '../../model/plan.ts';
import type { Deps } from '../batch/deps.ts';
import { readSummary } from '../batch/plan.ts';
import type { jobInput, jobOutput } from '../batch/schemas.ts';

/** Checks a job run. Throws GlueJobFailed with the job's own message. */
export async function checkGlueJob(
  { config, catalog, store }: Deps,
  { dataset, batch, run, jobRun }: z.output<typeof jobInput>,
): Promise<z.output<typeof jobOutput>> {
  const { state, message } = await catalog.jobRun(config.glueJob, jobRun);
  if (['STARTING', 'RUNNING', 'WAITING', 'STOPPING'].includes(state)) return { status: 'running' };
  if (state !== 'SUCCEEDED')
    throw new GlueJobFailed(`the Glue job run ${jobRun} ended ${state}: ${message ?? 'no message'}`, {
      dataset,
      batch,
    });
  const summary = await readSummary({ config, store }, dataset, batch, run);
  return { status: 'done', accounting: accountingSchema.parse(summary) };
}
