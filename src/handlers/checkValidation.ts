import { validationInput, validationOutput } from '../lib/flow/batch/schemas.ts';
import { checkValidation } from '../lib/flow/steps/checkValidation.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(validationInput, validationOutput, (input) => checkValidation(deps, input));
