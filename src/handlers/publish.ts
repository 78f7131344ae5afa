import { publish } from '../lib/flow/publish.ts';
import { publishOutput, runInput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(runInput, publishOutput, (input, deadline) =>
  publish({ ...deps, deadline }, input),
);
