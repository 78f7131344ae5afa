import { batchInput, jobStarted } from '../lib/flow/batch/schemas.ts';
import { startGlueJob } from '../lib/flow/steps/startGlueJob.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(batchInput, jobStarted, (input, deadline) =>
  startGlueJob({ ...deps, deadline }, input),
);
