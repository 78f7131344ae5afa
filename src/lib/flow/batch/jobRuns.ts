/** The runs of the Glue job that work for an attempt. */
import { GlueJobFailed } from '../../errors.ts';
import type { Attempt } from '../../model/records.ts';
import type { Deps } from './deps.ts';

/** By this argument of a run, whoever takes an attempt back finds the run. The script ignores it. */
export const argumentOf = (dataset: string, { batch, fence }: Attempt): readonly [string, string] => [
  '--attempt',
  `${dataset}/${batch}-f${fence}`,
];

/** Stops the runs of an attempt that can no longer commit: what they write is not read, and costs. Returns their number. */
export const stopRuns = (
  { catalog, config }: Pick<Deps, 'catalog' | 'config'>,
  dataset: string,
  attempt: Attempt,
): Promise<number> => catalog.stopJobs(config.glueJob, argumentOf(dataset, attempt));

/** Whether a run has succeeded; false if it goes on. Throws GlueJobFailed with the job's own message if it has ended otherwise. */
export async function hasEnded(
  { catalog, config }: Pick<Deps, 'catalog' | 'config'>,
  of: { readonly dataset: string; readonly batch: string },
  jobRun: string,
): Promise<boolean> {
  const { state, message } = await catalog.jobRun(config.glueJob, jobRun);
  if (['STARTING', 'RUNNING', 'WAITING', 'STOPPING'].includes(state)) return false;
  if (state !== 'SUCCEEDED')
    throw new GlueJobFailed(`the Glue job run ${jobRun} ended ${state}: ${message ?? 'no message'}`, {
      dataset: of.dataset,
      batch: of.batch,
    });
  return true;
}
