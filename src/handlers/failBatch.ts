import { createSignals } from '../lib/aws/signals.ts';
import { failInput, failOutput } from '../lib/flow/batch/schemas.ts';
import { failBatch } from '../lib/flow/steps/failBatch.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const flow = connectTables();
const deps = { ...flow, ...createSignals(flow.config.stateMachineArn) };

export const handler = step(failInput, failOutput, (input, deadline) =>
  failBatch({ ...deps, deadline }, input),
);
