import { publishOutput, runInput } from '../lib/flow/batch/schemas.ts';
import { publish } from '../lib/flow/steps/publish.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(runInput, publishOutput, (input, deadline) =>
  publish({ ...deps, deadline }, input),
);
