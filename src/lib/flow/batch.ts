/** What a batch is: its files, their ids, and where everything about it stands in the buckets. Free of AWS. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { ParquetTable } from '../aws/catalog.ts';
import { address, type ObjectRef, type Store } from '../aws/store.ts';
import { structTypeSchema } from '../catalog/hiveType.ts';
import { type Plan, planSchema, reasonCodes } from '../compiler/plan.ts';
import type { Config } from '../config.ts';
import { rawFileSchema } from '../ledger/records.ts';

/** Written when a batch is claimed. */
const manifestSchema = z.object({
  dataset: z.string(),
  batch: z.string(),
  files: z.array(rawFileSchema),
  /** Published versions whose rows these files take the place of, and the batch under which they stand. */
  replaces: z.array(z.object({ object: z.string(), version: z.string(), batch: z.string() })).default([]),
});
export type Manifest = z.output<typeof manifestSchema>;

/** Written when the raw files were looked at: how each is to be read, and the shape of their records. */
export const profileSchema = z.object({
  files: z.array(
    rawFileSchema.extend({
      layout: z.enum(['lines', 'document', 'refused']),
      fault: z.enum(reasonCodes).nullable(),
      compression: z.enum(['gzip', 'zstd']).nullable(),
      header: z.array(z.string()).nullable(),
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

/** Addresses in the work bucket. `run` is one attempt to transform a batch: an orphaned attempt disturbs no other. */
export const places = (config: Pick<Config, 'workBucket'>) => {
  const work = (key: string): ObjectRef => ({ bucket: config.workBucket, key });
  return {
    manifest: (dataset: string, batch: string) => work(`manifests/${dataset}/${batch}/manifest.json`),
    profile: (dataset: string, batch: string) => work(`manifests/${dataset}/${batch}/profile.json`),
    plan: (dataset: string, batch: string) => work(`manifests/${dataset}/${batch}/plan.json`),
    published: (dataset: string, batch: string) => work(`manifests/${dataset}/${batch}/published.json`),
    run: (dataset: string, batch: string, run: string) => {
      const root = `staging/${dataset}/${batch}/${run}`;
      return {
        job: work(`${root}/job.json`),
        summary: work(`${root}/summary.json`),
        reference: (name: string) => work(`${root}/references/${name}.ndjson`),
        input: (index: number) => work(`${root}/input/${index}`),
        data: work(`${root}/data/`),
        quarantine: work(`${root}/quarantine/`),
        replacement: work(`${root}/replacement.json`),
        rewritten: (index: number) => work(`${root}/rewritten/${index}.parquet`),
      };
    },
    /** What a batch has taken the place of, kept until it is complete. */
    replaced: (dataset: string, batch: string) => work(`replaced/${dataset}/${batch}/`),
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

type Reading = { config: Pick<Config, 'workBucket'>; store: Pick<Store, 'readJson'> };

/** What a batch was claimed as. */
export const readManifest = ({ config, store }: Reading, dataset: string, batch: string): Promise<Manifest> =>
  store.readJson(places(config).manifest(dataset, batch), manifestSchema);

/** The plan that a batch was transformed by. */
export const readPlan = ({ config, store }: Reading, dataset: string, batch: string): Promise<Plan> =>
  store.readJson(places(config).plan(dataset, batch), planSchema);
