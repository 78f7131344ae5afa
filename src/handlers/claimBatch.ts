import { createStarter } from '../lib/aws/events.ts';
import { claimBatch } from '../lib/flow/claimBatch.ts';
import { claimInput, claimOutput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const flow = connect();
const deps = { ...flow, start: createStarter(flow.config.stateMachineArn) };

export const handler = step(claimInput, claimOutput, (input) => claimBatch(deps, input));
