import { createSignals } from '../lib/aws/events.ts';
import { completeBatch } from '../lib/flow/complete.ts';
import { completeInput, completeOutput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const flow = connect();
const deps = { ...flow, ...createSignals(flow.config.stateMachineArn) };

export const handler = step(completeInput, completeOutput, (input, deadline) =>
  completeBatch({ ...deps, deadline }, input),
);
