import { hideRows } from '../lib/engine/deletes.ts';
import { rewriteWithout } from '../lib/engine/rewrite.ts';
import { replaceOutput, runInput } from '../lib/flow/batch/schemas.ts';
import { replaceRows } from '../lib/flow/steps/replaceRows.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = connectTables();

export const handler = step(runInput, replaceOutput, (input, deadline) =>
  replaceRows({ ...deps, deadline }, { rewrite: rewriteWithout, hide: hideRows }, input),
);
