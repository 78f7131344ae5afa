/** What a batch is: its files, their ids, and where everything about it stands in the buckets. Free of AWS. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { ParquetTable } from '../aws/catalog.ts';
import { address, type ObjectRef, type Store } from '../aws/store.ts';
import { structTypeSchema } from '../catalog/hiveType.ts';
import { type Plan, planSchema, reasonCodes } from '../compiler/plan.ts';
import type { Config } from '../config.ts';
import { contractFrom } from '../contract/built.ts';
import type { Contract } from '../contract/schema.ts';
import { type Attempt, rawFileSchema } from '../ledger/records.ts';

/** Written when a batch is claimed. */
export const manifestSchema = z.object({
  dataset: z.string(),
  batch: z.string(),
  /** `sk`: where the file waited in the ledger. */
  files: z.array(rawFileSchema.extend({ sk: z.string(), etag: z.string().default('') })),
  /** The versions whose rows are in the table when the batch is claimed, the batch that they belong to, and how many they are. */
  published: z.array(
    z.object({ object: z.string(), version: z.string(), batch: z.string(), published: z.number() }),
  ),
  /** What a person has decided about all of the files. */
  decision: z.enum(['release', 'reject']).nullable(),
});
export type Manifest = z.output<typeof manifestSchema>;

/** Published versions whose rows the batch takes the place of. What a person has rejected takes no rows' place. */
export const replacesOf = ({ published, decision }: Manifest): Manifest['published'] =>
  decision === 'reject' ? [] : published;

/** Written when the raw files were looked at: how each is to be read, and the shape of their records. */
export const profileSchema = z.object({
  files: z.array(
    rawFileSchema.extend({
      /** Bytes of what it holds, about: for a packed file, more than its size. */
      unpacked: z.number(),
      layout: z.enum(['lines', 'document', 'refused']),
      fault: z.enum(reasonCodes).nullable(),
      compression: z.enum(['gzip', 'zstd']).nullable(),
      header: z.array(z.string()).nullable(),
      /** For CSV: where the records begin. */
      body: z
        .object({
          skipBytes: z.number(),
          skipLines: z.number(),
          encoding: z.object({ name: z.string(), table: z.string().optional() }).nullable(),
          endsInCr: z.boolean(),
          hasUnnamed: z.boolean(),
        })
        .nullish(),
      /** For a refused file: its first bytes, base64. */
      head: z.string().optional(),
    }),
  ),
  /** The type of the records seen; null where none could be parsed. */
  record: structTypeSchema.nullable(),
});
export type Profile = z.output<typeof profileSchema>;

/**
 * An id that follows from the files, so that a repeated claim of the same files is the same batch. `replay` names the
 * replay that processes them again: that is another batch.
 */
export function batchId(
  files: readonly { object: string; version: string }[],
  replay: string | undefined = undefined,
): string {
  const names = files.map((f) => JSON.stringify([f.object, f.version])).sort();
  return createHash('sha256')
    .update([...names, ...(replay === undefined ? [] : [replay])].join('\n'))
    .digest('hex')
    .slice(0, 20);
}

/** Groups of files that are replayed are called so; all others by the id of their batch. */
export const replayPrefix = 'replay-';

/** The replay that a file waits for, if any. */
export const replayOf = (file: { group?: string | undefined } | undefined): string | undefined =>
  file?.group?.startsWith(replayPrefix) ? file.group : undefined;

/**
 * The files of the next batch: in order, up to the limits. A file beyond the limit is a batch of its own.
 * `limitBytes` counts the raw bytes.
 */
export function nextBatch<T extends { size: number }>(
  files: readonly T[],
  limits: { files: number; bytes: number },
): T[] {
  const taken: T[] = [];
  let bytes = 0;
  for (const file of files) {
    if (taken.length >= limits.files || (taken.length > 0 && bytes + file.size > limits.bytes)) break;
    taken.push(file);
    bytes += file.size;
  }
  return taken;
}

/**
 * Addresses in the work bucket. Each attempt at a batch has documents of its own, and `run` is one try of it to transform the
 * files: what an interrupted one has left is never read by another.
 */
export const places = (config: Pick<Config, 'workBucket'>) => {
  const work = (key: string): ObjectRef => ({ bucket: config.workBucket, key });
  const marks = (dataset: string): string => `manifests/${dataset}/begun/`;
  return {
    attempt: (dataset: string, { batch, fence }: Attempt) => {
      const root = `manifests/${dataset}/${batch}/f${fence}`;
      return {
        contract: work(`${root}/contract.json`),
        manifest: work(`${root}/manifest.json`),
        profile: work(`${root}/profile.json`),
        plan: work(`${root}/plan.json`),
        published: work(`${root}/published.json`),
        /** There once the attempt is committed and something of it may be irrevocable: whatever a ledger says, it counts. */
        committed: work(`${root}/committed.json`),
        /** What was counted, kept longer than staging is. */
        summary: work(`${root}/summary.json`),
        /** Files that CheckValidation wants a person to look at. */
        doubtful: work(`${root}/doubtful.json`),
        /** The objects with an earlier batch's rows, once this attempt is committed. */
        live: (rowsOf: string) => work(`${root}/live/${rowsOf}.json`),
      };
    },
    /** There before the attempt has written anything to a table: see restored.ts. In the order of fences. */
    mark: (dataset: string, { batch, fence }: Attempt) =>
      work(`${marks(dataset)}${String(fence).padStart(16, '0')}-${batch}`),
    marks: (dataset: string) => work(marks(dataset)),
    run: (dataset: string, batch: string, run: string) => {
      const root = `staging/${dataset}/${batch}/${run}`;
      return {
        job: work(`${root}/job.json`),
        summary: work(`${root}/summary.json`),
        reference: (name: string) => work(`${root}/references/${name}.ndjson`),
        input: (index: number) => work(`${root}/input/${index}`),
        data: work(`${root}/data/`),
        quarantine: work(`${root}/quarantine/`),
        rewrites: work(`${root}/rewrites.json`),
        rewritten: (index: number) => work(`${root}/rewritten/${index}.parquet`),
      };
    },
    report: (dataset: string, batch: string) => ({
      page: work(`reports/${dataset}/${batch}.html`),
      data: work(`reports/${dataset}/${batch}.json`),
    }),
    lineage: (dataset: string, batch: string) => work(`lineage/${dataset}/${batch}.json`),
    quarantine: (dataset: string, batch: string) => work(`quarantine/dataset=${dataset}/batch=${batch}/`),
  };
};

/** The table that readers see. */
export const goldenTable = (plan: Plan, config: Pick<Config, 'processedBucket'>): ParquetTable => ({
  name: plan.table,
  columns: plan.columns,
  partitionKeys: plan.partitionKeys,
  location: address({ bucket: config.processedBucket, key: `${plan.table}/` }),
});

/** The table that Athena validates before anything is published: a partition for each run of a batch. */
export const stagingTable = (plan: Plan, config: Pick<Config, 'workBucket'>): ParquetTable => ({
  name: stagingName(plan.dataset),
  columns: plan.columns,
  partitionKeys: [{ name: 'run', type: 'string' }],
  location: address({ bucket: config.workBucket, key: `staging/${plan.dataset}/` }),
});

export const stagingName = (dataset: string): string => `staging_${dataset}`;

/** Name of a run's partition in the staging table. */
export const stagingPartition = (batch: string, run: string): string => `${batch}-${run}`;

type Reading = { config: Pick<Config, 'workBucket'>; store: Pick<Store, 'readJson' | 'readText'> };
type OfDataset = Attempt & { readonly dataset: string };

/** What an attempt was claimed as. */
export const readManifest = ({ config, store }: Reading, attempt: OfDataset): Promise<Manifest> =>
  store.readJson(places(config).attempt(attempt.dataset, attempt).manifest, manifestSchema);

/** The plan that an attempt was transformed by. */
export const readPlan = ({ config, store }: Reading, attempt: OfDataset): Promise<Plan> =>
  store.readJson(places(config).attempt(attempt.dataset, attempt).plan, planSchema);

/** The contract as it was when the attempt was claimed: a deploy in between mixes no two contracts. */
export const readContract = async ({ config, store }: Reading, attempt: OfDataset): Promise<Contract> =>
  contractFrom(await store.readText(places(config).attempt(attempt.dataset, attempt).contract));
