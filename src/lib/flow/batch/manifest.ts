/** The documents of an attempt: its files, its contract and its plan. */
import * as z from 'zod';
import type { Store } from '../../aws/store.ts';
import type { Config } from '../../config.ts';
import { contractFrom, contractText } from '../../contract/built.ts';
import type { Contract } from '../../contract/schema.ts';
import { ObjectMissing, RecordUnreadable } from '../../errors.ts';
import { type Plan, planSchema } from '../../model/plan.ts';
import { type Attempt, decisionKinds, rawFileSchema } from '../../model/records.ts';
import { places } from './addresses.ts';

/** Written when a batch is claimed. */
export const manifestSchema = z.object({
  dataset: z.string(),
  batch: z.string(),
  /** `sk`: where the file waited in the ledger. */
  files: z.array(rawFileSchema.extend({ sk: z.string(), etag: z.string().default('') })),
  /** The versions whose rows are in the table when the batch is claimed, with their batch and the number of rows. */
  published: z.array(
    z.object({
      object: z.string(),
      version: z.string(),
      batch: z.string(),
      published: z.number(),
      /** A person rejected it: there are no rows. */
      isRejected: z.boolean().optional(),
    }),
  ),
  /** A person's decision about all of the files. */
  decision: z.enum(decisionKinds).nullable(),
  /** It has no files: it gathers rows of published batches in fewer objects, or takes erased rows out of them. */
  isCompaction: z.boolean().optional(),
});

export type Manifest = z.output<typeof manifestSchema>;

/** Published versions whose rows the batch replaces. A rejected file replaces no rows; a file that is rolled back replaces its own. */
export const replacesOf = ({ published, decision }: Manifest): Manifest['published'] =>
  decision === 'reject' ? [] : published;

type Reading = { config: Pick<Config, 'workBucket'>; store: Pick<Store, 'readJson' | 'readText'> };

type OfDataset = Attempt & { readonly dataset: string };

/** The manifest of an attempt, as claimed. */
export const readManifest = ({ config, store }: Reading, attempt: OfDataset): Promise<Manifest> =>
  store.readJson(places(config).attempt(attempt.dataset, attempt).manifest, manifestSchema);

/** The plan of an attempt's transform. */
export const readPlan = ({ config, store }: Reading, attempt: OfDataset): Promise<Plan> =>
  store.readJson(places(config).attempt(attempt.dataset, attempt).plan, planSchema);

/** Null if the document is gone or unreadable. */
export const unlessGone = <T>(read: Promise<T>): Promise<T | null> =>
  read.catch((error: unknown) => {
    if (error instanceof ObjectMissing || error instanceof RecordUnreadable) return null;
    throw error;
  });

/** The contract at the time of the claim, so that a deployment cannot mix two contracts. */
export const readContract = async ({ config, store }: Reading, attempt: OfDataset): Promise<Contract> =>
  contractFrom(await store.readText(places(config).attempt(attempt.dataset, attempt).contract));

/** Whether another contract of the dataset is deployed now than this one. */
export function isOutdated(contracts: ReadonlyMap<string, Contract>, contract: Contract): boolean {
  const deployed = contracts.get(contract.dataset);
  return deployed !== undefined && contractText(deployed) !== contractText(contract);
}
