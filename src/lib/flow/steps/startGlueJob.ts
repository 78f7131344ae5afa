/** StartGlueJob: transforms a large batch into staging, on Spark. */
import type { z } from 'zod';
import { address } from '../../aws/store.ts';
import { describeJob, type SparkPublishedObject } from '../../engine/sparkJob.ts';
import type { Plan } from '../../model/plan.ts';
import { parallel } from '../../parallel.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { type Deps, formatOf } from '../batch/deps.ts';
import { argumentOf } from '../batch/jobRuns.ts';
import { allObjectsOf, garbageOf, newRun, planBatch, runOfJob } from '../batch/plan.ts';
import type { BatchInput, jobStarted } from '../batch/schemas.ts';
import { stagedBy } from '../batch/staged.ts';
import { goldenTable } from '../batch/tables.ts';
import { tombstonesFor } from '../batch/tombstones.ts';

/**
 * Starts the Glue job, which reads the raw versions of the batch from S3. Throws EngineBusy at the job's limit of concurrent
 * runs.
 */
export async function startGlueJob(
  deps: Deps,
  { dataset, batch, fence }: BatchInput,
): Promise<z.output<typeof jobStarted>> {
  const { config, store, catalog, ledger } = deps;
  await ledger.annotateBatch(dataset, { batch, fence }, { engine: 'glue' });
  const { plan, references, profile, replaces } = await planBatch(deps, { dataset, batch, fence });
  const garbage = await garbageOf(deps, plan);
  const attempt = newRun();
  const at = places(config).run(dataset, batch, attempt);
  const keys = await keySourceOf(deps, plan);
  const run = runOfJob(attempt, '{jobRun}');
  const output = places(config).run(dataset, batch, run);
  await parallel(references, 8, ({ name, ndjson }) => store.writeText(at.reference(name), ndjson));
  const job = describeJob(
    plan,
    batch,
    profile.files,
    references,
    {
      replaces,
      exclude: garbage.map(attemptPrefix),
      deleted: await tombstonesFor(deps, plan, batch, garbage),
    },
    {
      input: (index) => address({ bucket: config.rawBucket, key: profile.files[index]?.object ?? '' }),
      reference: (name) => address(at.reference(name)),
      published: keys,
      data: address(stagedBy(deps, plan, { batch, fence }, run).data),
      quarantine: address(output.quarantine),
      replaced: address(output.replaced),
      changed: address(output.changed),
      tombstones: address(output.tombstones),
      lost: address(output.lost),
      summary: address(output.summary),
      region: config.stateMachineArn.split(':')[3] ?? null,
    },
  );
  await store.writeText(at.job, JSON.stringify(job));
  const jobRun = await catalog.startJob(config.glueJob, {
    '--job': address(at.job),
    ...Object.fromEntries([argumentOf(dataset, { batch, fence })]),
  });
  return { run: runOfJob(attempt, jobRun), jobRun };
}

/** Where published rows are: below a folder, or in these objects. */
async function keySourceOf(deps: Deps, plan: Plan): Promise<string | SparkPublishedObject[] | null> {
  if (!plan.set.dedupe?.published) return null;
  if (plan.set.dedupe.within)
    return (await allObjectsOf(deps, plan)).map(({ isShared: isFixed, ...object }) => ({
      ...object,
      isFixed,
    }));
  const keys = await formatOf(deps, plan).keySource(goldenTable(plan, deps.config));
  return keys.kind === 'folders' ? keys.root : [...keys.objects];
}
