/**
 * Fields that a crawl did not bring into the Data Catalog: map-like keys, empty objects, names that Glue drops. They are kept as
 * `catalog/<dataset>.json` in the work bucket, so that they start no second crawl.
 */
import * as z from 'zod';
import type { ObjectRef, Store } from '../../aws/store.ts';
import type { MissingField } from '../../catalog/rawSchema.ts';
import { nameOf } from '../../catalog/usable.ts';
import type { Config } from '../../config.ts';
import type { Contract } from '../../contract/schema.ts';
import { contractVersion } from '../../contract/version.ts';

/** The time, in milliseconds, after which a field is tried again: Glue changes, and so do feeds. */
const keptFor = 7 * 86_400_000;
/** An object with more unlearned fields is treated as a map: its next keys start no crawl either. */
const mapLike = 20;
/** The number of fields that are kept, the newest ones. */
const keptFields = 2000;

/** An unreadable document counts as none: at worst it costs a crawl. */
const notesSchema = z
  .object({
    contract: z.string(),
    /** By field name: the time when the crawl ended without it. */
    fields: z.record(z.string(), z.iso.datetime()),
  })
  .catch({ contract: '', fields: {} });

export interface Unlearned {
  /** Whether a crawl for this field would be useless. */
  has(field: MissingField): boolean;
  /** The same, plus the fields that a crawl has just left out. */
  with(fields: readonly MissingField[], now: Date): string;
}

export const unlearnedAt = (config: Pick<Config, 'workBucket'>, dataset: string): ObjectRef => ({
  bucket: config.workBucket,
  key: `catalog/${dataset}.json`,
});

/** The results of earlier crawls under this version of the contract; another version starts with none. */
export async function readUnlearned(
  { config, store }: { readonly config: Pick<Config, 'workBucket'>; readonly store: Pick<Store, 'findJson'> },
  contract: Contract,
  now: Date,
): Promise<Unlearned> {
  const version = contractVersion(contract);
  const notes = await store.findJson(unlearnedAt(config, contract.dataset), notesSchema);
  const kept = Object.entries(notes?.contract === version ? notes.fields : {}).filter(
    ([, at]) => Date.parse(at) + keptFor > now.getTime(),
  );
  const known = new Set(kept.map(([name]) => name));
  const inParent = new Map<string, number>();
  const keysSchema = z.array(z.string());
  for (const name of known) {
    const parent = parentOf(keysSchema.parse(JSON.parse(name)));
    inParent.set(parent, (inParent.get(parent) ?? 0) + 1);
  }
  return {
    has: (field) =>
      known.has(nameOf(field)) ||
      (inParent.get(parentOf(field.keys.map((k) => k.toLowerCase()))) ?? 0) >= mapLike,
    with: (fields, at) => {
      const all = [...kept, ...fields.map((f) => [nameOf(f), at.toISOString()] as const)];
      return JSON.stringify({ contract: version, fields: Object.fromEntries(all.slice(-keptFields)) });
    },
  };
}

const parentOf = (keys: readonly string[]): string => JSON.stringify(keys.slice(0, -1));
