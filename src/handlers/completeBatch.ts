import { createSignals } from '../lib/aws/signals.ts';
import { completeInput, completeOutput } from '../lib/flow/batch/schemas.ts';
import { completeBatch } from '../lib/flow/steps/completeBatch.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const flow = connectTables();
const deps = { ...flow, ...createSignals(flow.config.stateMachineArn) };

export const handler = step(completeInput, completeOutput, (input, deadline) =>
  completeBatch({ ...deps, deadline }, input),
);
