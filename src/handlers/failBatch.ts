import { createSignals } from '../lib/aws/events.ts';
import { failBatch } from '../lib/flow/failBatch.ts';
import { failInput, failOutput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const flow = connect();
const deps = { ...flow, ...createSignals(flow.config.stateMachineArn) };

export const handler = step(failInput, failOutput, (input) => failBatch(deps, input));
