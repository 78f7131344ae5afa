/** Addresses of the documents and objects of a batch. */
import { createHash } from 'node:crypto';
import type { ObjectRef } from '../../aws/store.ts';
import type { Config } from '../../config.ts';
import type { Attempt } from '../../model/records.ts';

/**
 * Addresses in the work bucket. Each attempt at a batch has its own documents. `run` is one run of the engine; another run never
 * reads the output of an interrupted one.
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
        /** Written when the attempt is committed: from then on it counts, even if the ledger is restored. */
        committed: work(`${root}/committed.json`),
        /** The counts, which are kept longer than staging. */
        summary: work(`${root}/summary.json`),
        /** The rows of the changed partitions around the commit. */
        counted: work(`${root}/counted.json`),
        /** Files that need a person's decision, as CheckValidation found. */
        doubtful: work(`${root}/doubtful.json`),
        /** The objects with an earlier batch's rows, once this attempt is committed. */
        live: (rowsOf: string) => work(`${root}/live/${rowsOf}.json`),
      };
    },
    /** Written before the attempt writes to a table: see restored.ts. Sorted by fence. */
    mark: (dataset: string, { batch, fence }: Attempt) =>
      work(`${marks(dataset)}${String(fence).padStart(16, '0')}-${batch}`),
    marks: (dataset: string) => work(marks(dataset)),
    /** The rows of a table that the attempt looks up. They are the same in each of its tries. */
    lookup: (dataset: string, { batch, fence }: Attempt, name: string) =>
      work(`staging/${dataset}/${batch}/f${fence}/lookups/${name}.ndjson`),
    /** The profile of some of its files: see rawTable.ts. */
    profilePart: (dataset: string, { batch, fence }: Attempt, number: number) =>
      work(`staging/${dataset}/${batch}/f${fence}/profile/${number}.json`),
    run: (dataset: string, batch: string, run: string) => {
      const root = `staging/${dataset}/${batch}/${run}`;
      return {
        job: work(`${root}/job.json`),
        summary: work(`${root}/summary.json`),
        reference: (name: string) => work(`${root}/references/${name}.ndjson`),
        data: work(`${root}/data/`),
        footers: work(`${root}/footers`),
        quarantine: work(`${root}/quarantine/`),
        /** The keys that rows delete. */
        tombstones: work(`${root}/tombstones/`),
        /** Published rows of other batches that newer rows replace. */
        replaced: work(`${root}/replaced/`),
        /** Published rows whose validity another version changes. */
        changed: work(`${root}/changed/`),
        /** The files that have lost rows to others: see lost.ts. */
        lost: work(`${root}/lost/`),
        rewrites: work(`${root}/rewrites.json`),
        /** The description of the rewriting for the Glue job; and of one run of it, the losing rows by object, and what became of the objects. */
        rewriting: work(`${root}/rewriting.json`),
        losing: (jobRun: string) => work(`${root}/rewriting-${jobRun}/`),
        outcomes: (jobRun: string) => work(`${root}/rewriting-${jobRun}.json`),
        rewritten: (name: string) => work(`${root}/rewritten/${name}.parquet`),
      };
    },
    report: (dataset: string, batch: string) => ({
      page: work(`reports/${dataset}/${batch}.html`),
      data: work(`reports/${dataset}/${batch}.json`),
    }),
    lineage: (dataset: string, batch: string) => work(`lineage/${dataset}/${batch}.json`),
    /** Below it, a folder for each day. */
    tombstones: (dataset: string) => work(`tombstones/${dataset}/`),
    /** Below it, the files that have lost rows to this one. No dataset begins with a hyphen. */
    lost: (dataset: string, winner: string) =>
      work(`manifests/-lost/${dataset}/${createHash('sha256').update(winner).digest('hex').slice(0, 32)}/`),
    quarantine: (dataset: string, batch: string) => work(`quarantine/dataset=${dataset}/batch=${batch}/`),
  };
};
