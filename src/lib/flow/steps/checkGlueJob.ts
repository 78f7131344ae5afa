/** CheckGlueJob: whether a run of the job has ended, and with which result. */
import * as z from 'zod';
import { placeOf } from '../../aws/store.ts';
import { GlueJobFailed } from '../../errors.ts';
import { accountingSchema } from '../../model/plan.ts';
import { places } from '../batch/addresses.ts';
import { settleRewrite } from '../batch/affected.ts';
import type { Deps } from '../batch/deps.ts';
import { readSummary } from '../batch/plan.ts';
import type { checkedOutput, jobInput } from '../batch/schemas.ts';

/** The part of the description that names the rewritten objects. */
const rewritingSchema = z.object({
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

/**
 * Checks a job run. Throws GlueJobFailed with the job's own message, and TableConflict if a rewriting has found other rows than the
 * transform.
 */
export async function checkGlueJob(
  { config, catalog, store }: Pick<Deps, 'config' | 'catalog' | 'store'>,
  { dataset, batch, run, jobRun, work }: z.output<typeof jobInput>,
): Promise<z.output<typeof checkedOutput>> {
  const { state, message } = await catalog.jobRun(config.glueJob, jobRun);
  if (['STARTING', 'RUNNING', 'WAITING', 'STOPPING'].includes(state)) return { status: 'running' };
  if (state !== 'SUCCEEDED')
    throw new GlueJobFailed(`the Glue job run ${jobRun} ended ${state}: ${message ?? 'no message'}`, {
      dataset,
      batch,
    });
  if (work === 'transform') {
    const summary = await readSummary({ config, store }, dataset, batch, run);
    return { status: 'done', accounting: accountingSchema.parse(summary) };
  }
  const at = places(config).run(dataset, batch, run);
  const { rewritings } = await store.readJson(at.rewriting, rewritingSchema);
  const outcomes = await store.readJson(at.outcomes(jobRun), outcomesSchema);
  const results = rewritings.map(({ rowsOf, uri, to, deletes }, i) => ({
    rowsOf,
    ref: placeOf(uri),
    to: placeOf(to),
    deletes: deletes ?? undefined,
    outcome: outcomes[i] ?? null,
  }));
  return { status: 'done', ...(await settleRewrite({ config, store }, { dataset, batch, run }, results)) };
}
