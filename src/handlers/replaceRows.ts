import { rewriteWithout } from '../lib/engine/rewrite.ts';
import { replaceRows } from '../lib/flow/replace.ts';
import { replaceOutput, runInput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const deps = connect();

export const handler = step(runInput, replaceOutput, (input, deadline) =>
  replaceRows({ ...deps, deadline }, rewriteWithout, input),
);
