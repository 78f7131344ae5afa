/** CheckRewriting: whether the job that rewrites objects has ended, and with which rows. */
import * as z from 'zod';
import { placeOf } from '../../aws/store.ts';
import { places } from '../batch/addresses.ts';
import { settleRewrite } from '../batch/affected.ts';
import type { Deps } from '../batch/deps.ts';
import { hasEnded } from '../batch/jobRuns.ts';
import type { rewritingInput, rewritingOutput } from '../batch/schemas.ts';

/** The part of the description that names the objects. */
const jobSchema = z.object({
  rewritings: z.array(
    z.object({
      rowsOf: z.string(),
      uri: z.string(),
      to: z.string(),
      deletes: z.string().nullable().default(null),
    }),
  ),
});
/** In the same order. Null: the object is gone. */
const outcomesSchema = z.array(
  z
    .object({
      kept: z.int(),
      removed: z.int(),
      replaced: z.int(),
      changed: z.int(),
      bytes: z.int(),
    })
    .nullable(),
);

/** Checks a job run. Throws GlueJobFailed with the job's own message, and TableConflict if it found other rows than the transform. */
export async function checkRewriting(
  deps: Deps,
  input: z.output<typeof rewritingInput>,
): Promise<z.output<typeof rewritingOutput>> {
  const { config, store } = deps;
  const { dataset, batch, run, jobRun } = input;
  if (!(await hasEnded(deps, { dataset, batch }, jobRun))) return { status: 'running' };
  const at = places(config).run(dataset, batch, run);
  const { rewritings } = await store.readJson(at.rewriting, jobSchema);
  const outcomes = await store.readJson(at.outcomes(jobRun), outcomesSchema);
  const results = rewritings.map(({ rowsOf, uri, to, deletes }, i) => ({
    rowsOf,
    ref: placeOf(uri),
    to: placeOf(to),
    deletes: deletes ?? undefined,
    outcome: outcomes[i] ?? null,
  }));
  return { status: 'done', ...(await settleRewrite(deps, input, results)) };
}
