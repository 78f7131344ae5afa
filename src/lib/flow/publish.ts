/** From staging to where readers look, under names that follow from the batch: a second publish changes nothing. */
import { posix } from 'node:path';
import * as z from 'zod';
import type { ParquetTable } from '../aws/catalog.ts';
import { address } from '../aws/store.ts';
import { valuesOfPath } from '../catalog/partitionPath.ts';
import { quarantineColumns } from '../compiler/plan.ts';
import type { Config } from '../config.ts';
import { parallel } from '../parallel.ts';
import { goldenTable, places, readPlan } from './batch.ts';
import type { Deps } from './deps.ts';
import { exchange, replacementSchema, restore } from './replacement.ts';
import type { publishOutput, RunInput, repairOutput } from './schemas.ts';

/** What Publish did, for the steps after it: a long list goes through S3, not through the state machine. */
const publishedSchema = z.object({
  /** The attempt whose rows these are. */
  run: z.string(),
  objects: z.array(z.object({ key: z.string(), bytes: z.number() })),
  /** Partition paths such as `year=2025/month=10/`, with the values that Hive reads from them. */
  partitions: z.array(z.object({ path: z.string(), values: z.array(z.string()) })),
  /** Keys in the work bucket. */
  quarantine: z.array(z.string()),
  /** What became of objects of earlier batches, whose rows this one takes the place of. */
  replacement: replacementSchema.default({ objects: [] }),
});
export type Published = z.output<typeof publishedSchema>;

/**
 * Copies staged rows and quarantine. Throws LeaseLost when another execution has the dataset, TableMismatch when the table
 * has a column of another type; nothing is written then. An execution that loses its lease while it writes takes back
 * what it wrote: the fence is part of every name, so it is nobody else's.
 */
export async function publish(
  deps: Deps,
  { dataset, batch, run, fence }: RunInput,
): Promise<z.output<typeof publishOutput>> {
  const { config, store, catalog, ledger } = deps;
  await ledger.requireLease(dataset, fence);
  const table = goldenTable(await readPlan(deps, dataset, batch), config);
  await catalog.ensureTable(table);
  const staged = places(config).run(dataset, batch, run);
  const rows = await parquetBelow(store, staged.data);
  const targets = numberedByFolder(rows, staged.data.key).map(({ from, folder, number }) => ({
    from,
    folder,
    to: `${table.name}/${folder}${batch}-f${fence}-${number}.parquet`,
  }));
  const quarantine = places(config).quarantine(dataset, batch);
  const refused = (await parquetBelow(store, staged.quarantine)).map((from, index) => ({
    from,
    to: `${quarantine.key}part-${index}.parquet`,
  }));
  const folders = [...new Set(targets.map((t) => t.folder))].sort();
  // A batch that takes no rows' place has none.
  const replacement = (await store.findJson(staged.replacement, replacementSchema)) ?? { objects: [] };
  const published: Published = {
    run,
    replacement,
    objects: targets.map(({ from, to }) => ({ key: to, bytes: from.size })),
    quarantine: refused.map(({ to }) => to),
    partitions: folders.map((path) => ({ path, values: valuesOfPath(path) })),
  };
  const record = places(config).published(dataset, batch);
  const interrupted = await store.findJson(record, publishedSchema);
  if (interrupted) await removeOthers(deps, interrupted, published);
  // Written before any object: whatever breaks off from here on can be taken back.
  await store.writeText(record, JSON.stringify(published));
  await exchange(store, replacement);
  await parallel(targets, 32, ({ from, to }) =>
    store.copy({ bucket: config.workBucket, key: from.key }, { bucket: config.processedBucket, key: to }),
  );
  await parallel(refused, 32, ({ from, to }) =>
    store.copy({ bucket: config.workBucket, key: from.key }, { bucket: config.workBucket, key: to }),
  );
  try {
    await ledger.requireLease(dataset, fence);
  } catch (error) {
    await store.delete(
      config.processedBucket,
      targets.map(({ to }) => to),
    );
    await restore(store, replacement);
    throw error;
  }
  return { objects: targets.length, partitions: folders.length };
}

/** What an interrupted publish of the batch may have left beside the objects of this one. */
async function removeOthers(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  interrupted: Published,
  published: Published,
): Promise<void> {
  const wanted = new Set([...published.objects.map((o) => o.key), ...published.quarantine]);
  await store.delete(
    config.processedBucket,
    interrupted.objects.map((o) => o.key).filter((key) => !wanted.has(key)),
  );
  await store.delete(
    config.workBucket,
    interrupted.quarantine.filter((key) => !wanted.has(key)),
  );
}

/** Registers exactly the partitions that Publish touched, and the batch's quarantine. */
export async function repairPartitions(
  deps: Deps,
  { dataset, batch }: RunInput,
): Promise<z.output<typeof repairOutput>> {
  const { config, catalog } = deps;
  const table = goldenTable(await readPlan(deps, dataset, batch), config);
  const { partitions, quarantine } = await readPublished(deps, dataset, batch);
  const registered = await catalog.addPartitions(
    table,
    partitions.map(({ path, values }) => ({ values, location: `${table.location}${path}` })),
  );
  if (quarantine.length > 0) {
    await catalog.ensureTable(quarantineTable(config));
    await catalog.addPartitions(quarantineTable(config), [
      { values: [dataset, batch], location: address(places(config).quarantine(dataset, batch)) },
    ]);
  }
  return { registered };
}

/** Takes back what a batch has published, whole or in part: its files will be published by another batch. */
export async function unpublish(
  deps: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  batch: string,
): Promise<void> {
  const { config, store } = deps;
  const record = places(config).published(dataset, batch);
  const published = await store.findJson(record, publishedSchema);
  if (published === undefined) return;
  const { objects, quarantine, replacement } = published;
  await restore(store, replacement);
  await store.delete(
    config.processedBucket,
    objects.map((o) => o.key),
  );
  await store.delete(config.workBucket, [...quarantine, record.key]);
}

export async function readPublished(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  batch: string,
): Promise<Published> {
  return store.readJson(places(config).published(dataset, batch), publishedSchema);
}

/** Rows that were refused, of all datasets. */
const quarantineTable = (config: Pick<Config, 'workBucket'>): ParquetTable => ({
  name: 'quarantine',
  columns: quarantineColumns,
  partitionKeys: [
    { name: 'dataset', type: 'string' },
    { name: 'batch', type: 'string' },
  ],
  location: address({ bucket: config.workBucket, key: 'quarantine/' }),
});

const parquetBelow = async (store: Deps['store'], place: { bucket: string; key: string }) =>
  (await store.list(place.bucket, place.key)).filter((o) => o.key.endsWith('.parquet'));

/** Each object with its folder below `root` and its number within it, in the order of names. */
function numberedByFolder(objects: readonly { key: string; size: number }[], root: string) {
  const counters = new Map<string, number>();
  return objects.map((from) => {
    const folder = `${posix.dirname(from.key.slice(root.length))}/`;
    const number = counters.get(folder) ?? 0;
    counters.set(folder, number + 1);
    return { from, folder, number };
  });
}
