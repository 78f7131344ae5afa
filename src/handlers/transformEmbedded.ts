import { runEmbedded } from '../lib/engine/embedded.ts';
import { batchInput, transformOutput } from '../lib/flow/schemas.ts';
import { transformEmbedded } from '../lib/flow/transform.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(batchInput, transformOutput, (input, deadline) =>
  transformEmbedded({ ...deps, deadline }, runEmbedded, input),
);
