/** The runs of the Glue job that work for an attempt. */
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
