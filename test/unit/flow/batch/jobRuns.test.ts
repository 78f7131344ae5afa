/** The runs of the Glue job for an attempt that ended without its result. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { argumentOf } from '../../../../src/lib/flow/batch/jobRuns.ts';
import type { Attempt } from '../../../../src/lib/model/records.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

let world: World;
let attempt: Attempt;

beforeEach(async () => {
  world = new World();
  world.put('feed/a', ['1@06']);
  await world.until('transform');
  const { ledger } = world.deps('test');
  [attempt = { batch: '', fence: 0 }] = await ledger.openBatches(dataset);
  await ledger.annotateBatch(dataset, attempt, { engine: 'glue' });
});
afterEach(() => {
  jest.restoreAllMocks();
});

const startFor = (of: Attempt) => {
  const { catalog, config } = world.deps('startGlueJob');
  return catalog.startJob(config.glueJob, Object.fromEntries([argumentOf(dataset, of)]));
};
const stateOf = (run: string) => world.aws.glue.jobRuns.get(run)?.state;

/** Somebody stops the execution, and the flow goes on. */
async function stop(): Promise<void> {
  for (const execution of world.aws.sfn.executions.values())
    if (execution.status === 'RUNNING') execution.status = 'ABORTED';
  await world.settle();
}

test('runs of a stopped execution are stopped, also those whose start nobody was told of; those of other attempts go on', async () => {
  const [told, untold] = [await startFor(attempt), await startFor(attempt)];
  const later = await startFor({ ...attempt, fence: attempt.fence + 1 });
  await stop();
  expect([told, untold, later].map(stateOf)).toEqual(['STOPPING', 'STOPPING', 'RUNNING']);
  expect(await world.statesOf('feed/a')).toEqual(['published']);
});

test('a run that rewrites objects is stopped, too', async () => {
  world = new World({ isRewrittenByGlue: true });
  world.put('feed/a', ['1@06', '2@06']);
  await world.settle();
  world.put('feed/a', ['1@06']);
  await world.until('glueJob');
  const [run = ''] = world.aws.glue.jobRuns.keys();
  expect(stateOf(run)).toBe('RUNNING');
  await stop();
  expect(stateOf(run)).toBe('STOPPING');
});

test('a run that has ended is left alone, whatever Glue says of it', async () => {
  const run = await startFor(attempt);
  world.aws.glue.jobRuns.set(run, { ...required(world.aws.glue.jobRuns.get(run)), state: 'SUCCEEDED' });
  await stop();
  expect(stateOf(run)).toBe('SUCCEEDED');
  expect(await world.statesOf('feed/a')).toEqual(['published']);
});

test.each(['fail', 'partial'] as const)(
  'a run that Glue does not stop (%s) holds nothing up, and the sweep stops it',
  async (mode) => {
    const run = await startFor(attempt);
    world.aws.plan = ({ operation }) =>
      operation !== 'BatchStopJobRun'
        ? undefined
        : mode === 'fail'
          ? { mode, error: 'AccessDenied' }
          : { mode };
    await stop();
    world.aws.plan = undefined;
    expect(await world.statesOf('feed/a')).toEqual(['published']);
    expect(stateOf(run)).toBe('RUNNING');
    world.aws.clock.advance(3_600_000);
    await world.sweep();
    expect(stateOf(run)).toBe('STOPPING');
  },
);

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing');
  return value;
}
