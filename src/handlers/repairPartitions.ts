import { repairOutput, runInput } from '../lib/flow/batch/schemas.ts';
import { repairPartitions } from '../lib/flow/steps/repairPartitions.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(runInput, repairOutput, (input) => repairPartitions(deps, input));
