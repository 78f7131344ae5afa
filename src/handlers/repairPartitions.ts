import { repairOutput, runInput } from '../lib/flow/batch/schemas.ts';
import { repairPartitions } from '../lib/flow/steps/repairPartitions.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(runInput, repairOutput, (input) => repairPartitions(deps, input));
