import { jobInput, jobOutput } from '../lib/flow/batch/schemas.ts';
import { checkGlueJob } from '../lib/flow/steps/checkGlueJob.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(jobInput, jobOutput, (input) => checkGlueJob(deps, input));
