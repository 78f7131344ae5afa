import { describeRewriting } from '../lib/engine/rewriteJob.ts';
import { rewritingStarted, runInput } from '../lib/flow/batch/schemas.ts';
import { startRewriting } from '../lib/flow/steps/startRewriting.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(runInput, rewritingStarted, (input, deadline) =>
  startRewriting({ ...deps, deadline }, describeRewriting, input),
);
