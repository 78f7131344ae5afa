import { publishOutput, runInput } from '../lib/flow/batch/schemas.ts';
import { publish } from '../lib/flow/steps/publish.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(runInput, publishOutput, (input, deadline) =>
  publish({ ...deps, deadline }, input),
);
