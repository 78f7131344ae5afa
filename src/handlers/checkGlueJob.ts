import { jobInput, jobOutput } from '../lib/flow/schemas.ts';
import { checkGlueJob } from '../lib/flow/transform.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(jobInput, jobOutput, (input) => checkGlueJob(deps, input));
