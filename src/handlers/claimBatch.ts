import { createStarter } from '../lib/aws/executions.ts';
import { claimInput, claimOutput } from '../lib/flow/batch/schemas.ts';
import { claimBatch } from '../lib/flow/steps/claimBatch.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const flow = connectTables();
const deps = { ...flow, start: createStarter(flow.config.stateMachineArn) };

export const handler = step(claimInput, claimOutput, (input, deadline) =>
  claimBatch({ ...deps, deadline }, input),
);
