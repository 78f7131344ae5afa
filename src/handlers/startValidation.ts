import { validationStart, validationStarted } from '../lib/flow/batch/schemas.ts';
import { startValidation } from '../lib/flow/steps/startValidation.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(validationStart, validationStarted, (input) => startValidation(deps, input));
