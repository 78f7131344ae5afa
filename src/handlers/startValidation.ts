import { validationStart, validationStarted } from '../lib/flow/batch/schemas.ts';
import { startValidation } from '../lib/flow/steps/startValidation.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(validationStart, validationStarted, (input) => startValidation(deps, input));
