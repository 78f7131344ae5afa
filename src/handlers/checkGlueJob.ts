import { checkedOutput, jobInput } from '../lib/flow/batch/schemas.ts';
import { checkGlueJob } from '../lib/flow/steps/checkGlueJob.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(jobInput, checkedOutput, (input) => checkGlueJob(deps, input));
