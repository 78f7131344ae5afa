import { claimBatch } from '../lib/flow/claimBatch.ts';
import { claimInput, claimOutput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(claimInput, claimOutput, (input) => claimBatch(deps, input));
