import { repairPartitions } from '../lib/flow/publish.ts';
import { repairOutput, runInput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(runInput, repairOutput, (input) => repairPartitions(deps, input));
