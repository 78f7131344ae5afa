/** CheckGlueJob: what it makes of the states of a run. */
import type { JobRunState } from '@aws-sdk/client-glue';
import { afterEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { checkGlueJob } from '../../../../src/lib/flow/steps/checkGlueJob.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const counts = { rowsRead: 3, published: 2, quarantined: 1, duplicates: 0 };

test.each<JobRunState>([
  'STARTING',
  'RUNNING',
  'WAITING',
  'STOPPING',
  'SUCCEEDED',
  'FAILED',
  'STOPPED',
  'TIMEOUT',
  'ERROR',
])('a run that is %s', async (state) => {
  const world = new World();
  const deps = world.deps('checkGlueJob');
  const jobRun = await world.deps('test').catalog.startJob(deps.config.glueJob, {});
  const run = world.aws.glue.jobRuns.get(jobRun);
  if (!run) throw new Error('no run');
  world.aws.glue.jobRuns.set(jobRun, { ...run, state, ...(state === 'FAILED' ? { message: 'why' } : {}) });
  const step = { dataset, batch: 'b', fence: 1, run: 'r', jobRun, work: 'transform' as const };
  const at = places(deps.config).run(dataset, 'b', 'r').summary;
  const summary = { ...counts, reasons: {}, nulled: {}, files: [], partitions: [] };
  await deps.store.writeText(at, JSON.stringify(summary));
  const answer = checkGlueJob(deps, step);
  if (['STARTING', 'RUNNING', 'WAITING', 'STOPPING'].includes(state))
    expect(await answer).toEqual({ status: 'running' });
  else if (state === 'SUCCEEDED') expect(await answer).toEqual({ status: 'done', accounting: counts });
  else
    await expect(answer).rejects.toMatchObject({
      name: 'GlueJobFailed',
      message: `the Glue job run ${jobRun} ended ${state}: ${state === 'FAILED' ? 'why' : 'no message'}`,
      dataset,
      batch: 'b',
    });
});
