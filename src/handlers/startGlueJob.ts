import { batchInput, jobStarted } from '../lib/flow/batch/schemas.ts';
import { startGlueJob } from '../lib/flow/steps/startGlueJob.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(batchInput, jobStarted, (input, deadline) =>
  startGlueJob({ ...deps, deadline }, input),
);
