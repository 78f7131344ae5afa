/** StartRewriting: rewrites the objects that lose rows to a batch, on Spark. */
import type { z } from 'zod';
import { address, type ObjectRef } from '../../aws/store.ts';
import type { Described, Describing, RangedFile } from '../../engine/rewriteJob.ts';
import { places } from '../batch/addresses.ts';
import { rewriteOf } from '../batch/affected.ts';
import type { Deps } from '../batch/deps.ts';
import { argumentOf } from '../batch/jobRuns.ts';
import type { RunInput, rewritingStarted } from '../batch/schemas.ts';

/**
 * Starts the Glue job for what ReplaceRows left. Each object is rewritten by one task, to the name that ReplaceRows gives it, and never
 * overwritten: so it does not matter how many runs rewrite it. `describe` is passed in like the engine of ReplaceRows. Throws EngineBusy at
 * the job's limit of concurrent runs, and LeaseLost before it starts a run for nothing.
 */
export async function startRewriting(
  deps: Deps,
  describe: (describing: Describing) => Promise<Described>,
  input: RunInput,
): Promise<z.output<typeof rewritingStarted>> {
  const { config, store, catalog, ledger } = deps;
  const { dataset, batch, run, fence } = input;
  await ledger.requireLease(dataset, fence);
  // Whoever ends the batch stops its runs.
  await ledger.annotateBatch(dataset, { batch, fence }, { engine: 'glue' });
  const at = places(config).run(dataset, batch, run);
  const { plan, holders } = (await rewriteOf(deps, input)) ?? { plan: undefined, holders: [] };
  const ranged = (ref: ObjectRef, bytes: number): RangedFile => ({
    bytes,
    read: (start, end) => store.readRange(ref, start, end),
  });
  const lists = async (of: ObjectRef): Promise<RangedFile[]> =>
    (await store.list(of.bucket, of.key))
      .filter(({ key }) => key.endsWith('.parquet'))
      .map(({ key, size }) => ranged({ bucket: of.bucket, key }, size));
  const objects = holders.flatMap((holder, number) =>
    holder.objects.map((object) => ({ ...object, number })),
  );
  const hasReplaced = objects.some(({ replacedAt }) => replacedAt !== undefined);
  const history = objects.some(({ changedAt }) => changedAt !== undefined)
    ? plan?.set.dedupe?.history
    : undefined;
  const { sql, of } = await describe({
    objects: objects.map(({ ref, bytes, gone, ...object }) => ({
      ...object,
      isHidden: gone !== undefined,
      ...ranged(ref, bytes),
    })),
    replaced: hasReplaced ? await lists(at.replaced) : [],
    changed:
      history === undefined
        ? undefined
        : { files: await lists(at.changed), validTo: history.validTo, current: history.current },
    ids: plan?.fieldIds,
  });
  const job = {
    rewritings: objects.map(({ rowsOf, ref, bytes, to, number, replacedAt, changedAt, gone }, i) => ({
      rowsOf,
      uri: address(ref),
      size: bytes,
      to: address(to),
      origins: number,
      sql: of[i] ?? null,
      deletes: gone?.address ?? null,
      isReplaced: replacedAt !== undefined,
      isChanged: changedAt !== undefined && history !== undefined,
    })),
    origins: holders.map(({ origins }) => origins.map(({ object, version }) => ({ object, version }))),
    sql,
    replaced: address(at.replaced),
    changed: address(at.changed),
    losing: address(at.losing('{jobRun}')),
    outcomes: address(at.outcomes('{jobRun}')),
    region: config.stateMachineArn.split(':')[3] ?? null,
  };
  await store.writeText(at.rewriting, JSON.stringify(job));
  const jobRun = await catalog.startJob(config.glueJob, {
    '--job': address(at.rewriting),
    ...Object.fromEntries([argumentOf(dataset, { batch, fence })]),
  });
  return { jobRun };
}
