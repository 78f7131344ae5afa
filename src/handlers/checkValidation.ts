import { validationInput, validationOutput } from '../lib/flow/batch/schemas.ts';
import { checkValidation } from '../lib/flow/steps/checkValidation.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(validationInput, validationOutput, (input) => checkValidation(deps, input));
