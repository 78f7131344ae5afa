import { runEmbedded } from '../lib/engine/embedded.ts';
import { batchInput, transformOutput } from '../lib/flow/batch/schemas.ts';
import { transformEmbedded } from '../lib/flow/steps/transformEmbedded.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(batchInput, transformOutput, (input, deadline) =>
  transformEmbedded({ ...deps, deadline }, runEmbedded, input),
);
