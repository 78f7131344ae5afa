/** The two ways to transform a batch into staging: embedded in this Lambda, or as a Glue job. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import type { z } from 'zod';
import { address } from '../aws/store.ts';
import { compile } from '../compiler/compile.ts';
import {
  accountingSchema,
  type Plan,
  type ReferenceData,
  type Summary,
  summarySchema,
} from '../compiler/plan.ts';
import { needsCatalog } from '../compiler/resolve.ts';
import { tableOf } from '../contract/contract.ts';
import type { Contract } from '../contract/schema.ts';
import type { EmbeddedRun } from '../engine/embedded.ts';
import { asOutOfMemory } from '../engine/memory.ts';
import { fetchPublished, type ObjectsBelow } from '../engine/publishedKeys.ts';
import { requireUnpacked } from '../engine/size.ts';
import { describeJob } from '../engine/sparkJob.ts';
import { unpackInput } from '../engine/unpack.ts';
import { GlueJobFailed } from '../errors.ts';
import type { Attempt } from '../ledger/records.ts';
import { parallel } from '../parallel.ts';
import { loadReferences } from '../reference/load.ts';
import { attemptPrefix } from '../table/objectName.ts';
import {
  type Manifest,
  type Profile,
  places,
  readContract,
  readManifest,
  readPlan,
  replacesOf,
} from './batch.ts';
import { profileOf, tableOfBatch } from './checkCrawler.ts';
import type { Deps } from './deps.ts';
import type { BatchInput, jobInput, jobOutput, jobStarted, transformOutput } from './schemas.ts';

/** Transforms in DuckDB, in this process. `run` is the engine: its native code is loaded by the one handler that uses it. */
export async function transformEmbedded(
  deps: Deps,
  run: (run: EmbeddedRun) => Promise<Summary>,
  { dataset, batch, fence }: BatchInput,
): Promise<z.output<typeof transformOutput>> {
  const { config, store, ledger, deadline } = deps;
  await ledger.annotateBatch(dataset, { batch, fence }, { engine: 'embedded' });
  const { plan, references, profile, replaces } = await planBatch(deps, { dataset, batch, fence });
  const garbage = (await garbageOf(deps, plan)).map(attemptPrefix);
  const isLive = (path: string) => !garbage.some((prefix) => basename(path).startsWith(prefix));
  const attempt = newRun();
  const at = places(config).run(dataset, batch, attempt);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'));
  try {
    await mkdir(join(folder, 'input'));
    const inputs = await parallel(
      profile.files,
      16,
      async (file, index) => {
        const path = join(folder, 'input', String(index));
        if (file.fault === 'object_missing') await writeFile(path, '');
        else
          await store.download({ bucket: config.rawBucket, key: file.object, version: file.version }, path);
        return unpackInput({ ...inputOf(file), path });
      },
      deadline,
    );
    requireUnpacked(inputs);
    const outputDir = join(folder, 'output');
    const summary = await run({
      plan,
      references,
      inputs,
      batch,
      outputDir,
      memoryBytes: config.memoryBytes,
      replaces,
      published: (partitions, into) =>
        fetchPublished(objectsOf(deps, plan.table), plan, batch, partitions, into, {
          replaces,
          isLive,
        }),
    });
    for (const [name, target] of [
      ['data', at.data],
      ['quarantine', at.quarantine],
    ] as const) {
      const files = await filesBelow(join(outputDir, name));
      await parallel(
        files,
        16,
        (path) =>
          store.upload(path, {
            bucket: target.bucket,
            key: `${target.key}${relative(join(outputDir, name), path)}`,
          }),
        deadline,
      );
    }
    await store.writeText(at.summary, JSON.stringify(summary));
    return { run: attempt, accounting: accountingSchema.parse(summary) };
  } catch (error) {
    throw asOutOfMemory(error, `the batch ${batch} of ${dataset}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Starts the Glue job, which reads the versions of the batch where they are. Throws EngineBusy at the job's limit of concurrent
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
  const output = places(config).run(dataset, batch, runOfJob(attempt, '{jobRun}'));
  await parallel(references, 8, ({ name, ndjson }) => store.writeText(at.reference(name), ndjson));
  const job = describeJob(
    plan,
    batch,
    profile.files,
    references,
    { replaces, exclude: garbage.map(attemptPrefix) },
    {
      input: (index) => address({ bucket: config.rawBucket, key: profile.files[index]?.object ?? '' }),
      reference: (name) => address(at.reference(name)),
      published: address({ bucket: config.processedBucket, key: `${plan.table}/` }),
      data: address(output.data),
      quarantine: address(output.quarantine),
      summary: address(output.summary),
      region: config.stateMachineArn.split(':')[3] ?? null,
    },
  );
  await store.writeText(at.job, JSON.stringify(job));
  const jobRun = await catalog.startJob(config.glueJob, { '--job': address(at.job) });
  return { run: runOfJob(attempt, jobRun), jobRun };
}

/** Each run of the job writes to a place of its own: the job puts its own id where the mark stands. */
const runOfJob = (attempt: string, jobRun: string): string => `${attempt}-${jobRun}`;

type ProfiledFile = Profile['files'][number];

const inputOf = ({ object, version, layout, fault, header, body, compression }: ProfiledFile) => ({
  object,
  version,
  layout,
  fault,
  header,
  body,
  compression,
});

/** Looks after a job run. Throws GlueJobFailed with the job's own message. */
export async function checkGlueJob(
  { config, catalog, store }: Deps,
  { dataset, batch, run, jobRun }: z.output<typeof jobInput>,
): Promise<z.output<typeof jobOutput>> {
  const { state, message } = await catalog.jobRun(config.glueJob, jobRun);
  if (['STARTING', 'RUNNING', 'WAITING', 'STOPPING'].includes(state)) return { status: 'running' };
  if (state !== 'SUCCEEDED')
    throw new GlueJobFailed(`the Glue job run ${jobRun} ended ${state}: ${message ?? 'no message'}`);
  const summary = await readSummary({ config, store }, dataset, batch, run);
  return { status: 'done', accounting: accountingSchema.parse(summary) };
}

/** What a run counted. */
export async function readSummary(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  batch: string,
  run: string,
): Promise<Summary> {
  return store.readJson(places(config).run(dataset, batch, run).summary, summarySchema);
}

/** The attempt's plan: compiled once, with the schema that the Catalog has then, and kept beside the manifest. */
async function planBatch(
  deps: Deps,
  attempt: BatchInput,
): Promise<{
  plan: Plan;
  references: ReferenceData[];
  profile: Profile;
  replaces: Manifest['published'];
}> {
  const { config, store } = deps;
  const [contract, manifest] = await Promise.all([readContract(deps, attempt), readManifest(deps, attempt)]);
  const profile = await profileOf(deps, contract, manifest, attempt);
  const rawTable = await tableOfBatch(deps, contract, profile);
  const references = await loadReferences(contract, config.datasetsFolder);
  const isRejected = manifest.decision === 'reject';
  const published = needsCatalog(contract) ? await publishedColumns(deps, contract) : new Map();
  const compiled = compile(contract, rawTable, references, { isRejected, published });
  const at = places(config).attempt(attempt.dataset, attempt);
  // An attempt has one plan: a twin of this call, or its next try, may find another schema in the Catalog.
  const isFirst = await store.writeOnce(at.plan, JSON.stringify(compiled, null, 1));
  const plan = isFirst ? compiled : await readPlan(deps, attempt);
  return { plan, references, profile, replaces: replacesOf(manifest) };
}

/** Attempts whose objects may still stand among the published ones, where the plan looks at these. */
const garbageOf = async ({ ledger }: Pick<Deps, 'ledger'>, plan: Plan): Promise<readonly Attempt[]> =>
  plan.set.dedupe?.published ? ledger.garbage(plan.dataset) : [];

/** The columns of a contract's table, with their types; none while there is no table. */
async function publishedColumns(
  { config, catalog }: Pick<Deps, 'config' | 'catalog'>,
  contract: Contract,
): Promise<ReadonlyMap<string, string>> {
  const location = address({ bucket: config.processedBucket, key: `${tableOf(contract)}/` });
  const table = await catalog.tableAt(location);
  return new Map(table?.columns.map(({ name, type }) => [name, type]));
}

/** The published objects of a table. */
const objectsOf = ({ config, store }: Pick<Deps, 'config' | 'store'>, table: string): ObjectsBelow => {
  const bucket = config.processedBucket;
  return {
    async list(folder) {
      const prefix = `${table}/${folder}`;
      const found = await store.list(bucket, prefix);
      return found.map(({ key, size }) => ({ name: key.slice(prefix.length), size }));
    },
    read: (path, start, end) => store.readRange({ bucket, key: `${table}/${path}` }, start, end),
  };
};

const newRun = (): string => randomUUID().slice(0, 8);

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
}
