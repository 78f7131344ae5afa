/** Where the rows of a batch are, by the documents of its attempts. */
import * as z from 'zod';
import type { Store } from '../../aws/store.ts';
import type { Config } from '../../config.ts';
import { ObjectMissing } from '../../errors.ts';
import { tableFormats } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';

const objectSchema = z.object({
  key: z.string(),
  bytes: z.number(),
  /** Key of the object whose remaining rows it has, while both are in one commit. */
  restOf: z.string().optional(),
  /** Of an object that is dropped: the key of its delete file, whose rows the others do not have. */
  deletes: z.string().optional(),
});
/** An object that stays, with a new delete file: keys of the processed bucket. */
const hiddenSchema = z.object({
  key: z.string(),
  by: z.object({ key: z.string(), bytes: z.number(), rows: z.int() }),
  /** Its delete file until now. */
  replaces: z.string().optional(),
});
const refSchema = z.object({ bucket: z.string(), key: z.string() });

/** Keys of the processed bucket with rows of a batch, and of the work bucket with its quarantine and its tombstones. */
const liveSchema = z.object({
  objects: z.array(objectSchema),
  quarantine: z.array(z.string()),
  /** Without `deleteWhen` there are none. */
  tombstones: z.array(z.string()).optional(),
  /** Compactions whose objects have rows of the batch, beside those of others. */
  packs: z.array(z.string()).optional(),
});
export type Live = z.output<typeof liveSchema>;

/** The record of what Publish does, for later steps and for a take-back. It is in S3, because lists may be long. */
export const publishedSchema = liveSchema.extend({
  format: z.enum(tableFormats).default('hive'),
  /** The run of the transform that produced these rows. */
  run: z.string(),
  /** Partition paths such as `year=2025/month=10/`, with the values that Hive reads from them. */
  partitions: z.array(z.object({ path: z.string(), values: z.array(z.string()) })),
  /**
   * Earlier batches that lose rows: their removed objects, the objects with their remaining rows, and the document that lists
   * them.
   */
  rewritten: z.array(
    z.object({
      batch: z.string(),
      dropped: liveSchema,
      added: liveSchema,
      /** Objects that lose rows, and stay. */
      hidden: z.array(hiddenSchema).optional(),
      live: z.string(),
    }),
  ),
  /** The rows of the table that leave it. Records of earlier releases do not have them. */
  leaving: z.int().optional(),
});
export type Published = z.output<typeof publishedSchema>;

/** Batches that lose rows, with their objects as ReplaceRows has rewritten them. */
export const rewritesSchema = z.array(
  z.object({
    batch: z.string(),
    objects: z.array(
      z.object({
        at: refSchema,
        /** The remaining rows, in staging; null if there are none. With `hidden`, the new delete file. */
        by: refSchema.nullable(),
        bytes: z.number(),
        /** The rows that leave the table. */
        removed: z.number(),
        /** The key of its delete file until now. */
        deletes: z.string().optional(),
        /** The object stays: so many rows have left it then. */
        hidden: z.int().optional(),
      }),
    ),
  }),
);
export type Rewrites = z.output<typeof rewritesSchema>;

/** What a batch has after some of its objects were replaced by others. */
export function afterRewrite(before: Live, dropped: Live, added: Live): Live {
  const gone = new Set([...dropped.objects.map(({ key }) => key), ...keysAtWork(dropped)]);
  const left = (keys: readonly string[]) => keys.filter((key) => !gone.has(key));
  return {
    objects: [
      ...before.objects.filter(({ key }) => !gone.has(key)),
      ...added.objects.map(({ key, bytes }) => ({ key, bytes })),
    ],
    quarantine: [...left(before.quarantine), ...added.quarantine],
    ...(before.tombstones === undefined
      ? {}
      : { tombstones: [...left(before.tombstones), ...(added.tombstones ?? [])] }),
    packs: before.packs,
  };
}

/** The keys of the work bucket among them. */
export const keysAtWork = ({ quarantine, tombstones = [] }: Live): readonly string[] => [
  ...quarantine,
  ...tombstones,
];

export const readPublished = (
  { config, store }: { readonly config: Pick<Config, 'workBucket'>; readonly store: Pick<Store, 'readJson'> },
  dataset: string,
  attempt: Attempt,
): Promise<Published> => store.readJson(places(config).attempt(dataset, attempt).published, publishedSchema);

/** Where the rows of a published batch are now. Throws ObjectMissing if the document is gone, and what `liveKey` throws. */
export const liveOf = async (
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  dataset: string,
  batch: string,
): Promise<Live> =>
  deps.store.readJson(
    { bucket: deps.config.workBucket, key: await liveKey(deps, dataset, batch) },
    liveSchema,
  );

/** The document of the work bucket that lists them. Throws ObjectMissing if the ledger has not committed the batch. */
export async function liveKey(
  { config, ledger }: Pick<Deps, 'config' | 'ledger'>,
  dataset: string,
  batch: string,
): Promise<string> {
  const record = await ledger.batch(dataset, batch);
  if (record?.committed === undefined)
    throw new ObjectMissing(`${dataset}: the ledger has no committed batch ${batch}`, { dataset, batch });
  const { live, committed } = record;
  return live ?? places(config).attempt(dataset, { batch, fence: committed }).published.key;
}

/** The compactions whose objects have rows of a batch. A later compaction may have taken objects of an earlier one. */
export async function packsOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  dataset: string,
  batch: string,
): Promise<string[]> {
  const found = new Set<string>();
  for (let next = [batch]; next.length > 0; ) {
    const live = await parallel(next, 16, (each) => liveOf(deps, dataset, each));
    next = [...new Set(live.flatMap(({ packs = [] }) => packs))].filter((pack) => !found.has(pack));
    for (const pack of next) found.add(pack);
  }
  return [...found];
}
