import { rewritingInput, rewritingOutput } from '../lib/flow/batch/schemas.ts';
import { checkRewriting } from '../lib/flow/steps/checkRewriting.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(rewritingInput, rewritingOutput, (input) => checkRewriting(deps, input));
