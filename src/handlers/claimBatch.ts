import { createStarter } from '../lib/aws/events.ts';
import { claimInput, claimOutput } from '../lib/flow/batch/schemas.ts';
import { claimBatch } from '../lib/flow/steps/claimBatch.ts';
import { connect, step } from './step.ts';

const flow = connect();
const deps = { ...flow, start: createStarter(flow.config.stateMachineArn) };

export const handler = step(claimInput, claimOutput, (input) => claimBatch(deps, input));
