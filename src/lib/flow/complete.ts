/** The good end of a batch: everyone is told that its rows are out, and what is left of what they replaced goes. */
import type { z } from 'zod';
import { contractVersion } from '../contract/load.ts';
import { tableOf } from '../contract/schema.ts';
import { places, readManifest, stagingName, stagingPartition } from './batch.ts';
import { contractOf, type Deps } from './deps.ts';
import { readPublished } from './publish.ts';
import { forget } from './replacement.ts';
import type { BatchInput, completeOutput } from './schemas.ts';
import { readSummary } from './transform.ts';

/** Sends the event that serving and ML listen to. */
export type Announce = (detailType: string, detail: unknown) => Promise<void>;

/** Finishes the batch, and says whether more files wait. Gives the lease up if not. */
export async function completeBatch(
  deps: Deps & { readonly announce: Announce },
  { dataset, batch, fence }: BatchInput,
): Promise<z.output<typeof completeOutput>> {
  // A repeated call after the lease was given up: all is done.
  if (await isOver(deps.ledger, dataset, batch, fence)) return { morePending: false, fence };
  await finishBatch(deps, { dataset, batch, fence });
  return nextOrRelease(deps, dataset, fence);
}

/**
 * Marks files and batch published, what they replaced as replaced, and tells the world. It may break off anywhere and be
 * run again, by whoever has the lease by then. `reason` is why the first try broke off.
 */
export async function finishBatch(
  deps: Deps & { readonly announce: Announce },
  { dataset, batch, fence }: BatchInput,
  reason?: string,
): Promise<void> {
  const { config, store, catalog, ledger, announce } = deps;
  const contract = contractOf(deps, dataset);
  const [manifest, published] = await Promise.all([
    readManifest(deps, dataset, batch),
    readPublished(deps, dataset, batch),
  ]);
  const summary = await readSummary(deps, dataset, batch, published.run);
  const counts = new Map(
    summary.files.map(({ object, version, ...rest }) => [JSON.stringify([object, version]), rest]),
  );
  const { files, partitions: _, ...totals } = summary;
  await ledger.annotateBatch(dataset, batch, {
    counts: totals,
    partitions: published.partitions.length,
    objects: published.objects.length,
    contract: contractVersion(contract),
  });
  await ledger.settle(
    dataset,
    fence,
    { id: batch, state: 'published', ...(reason === undefined ? {} : { reason }) },
    manifest.files.map((file) => {
      const counted = counts.get(JSON.stringify([file.object, file.version]));
      return { ...file, state: 'published' as const, ...(counted ? { counts: counted } : {}) };
    }),
  );
  await forget(store, published.replacement);
  const own = new Set(manifest.files.map((file) => JSON.stringify([file.object, file.version])));
  for (const { object, version } of manifest.replaces)
    if (!own.has(JSON.stringify([object, version])))
      await ledger.markReplaced(dataset, { object, version }, batch);
  await ledger.noteBatch(dataset, batch, summary.published);
  await catalog.dropPartition(stagingName(dataset), [stagingPartition(batch, published.run)]);
  await announce('BatchPublished', {
    version: 1,
    dataset,
    table: `${config.database}.${tableOf(contract)}`,
    batch,
    contract: contractVersion(contract),
    files: files.length,
    rowsRead: summary.rowsRead,
    published: summary.published,
    quarantined: summary.quarantined,
    duplicates: summary.duplicates,
    manifest: places(config).published(dataset, batch),
  });
}

async function isOver(
  ledger: Deps['ledger'],
  dataset: string,
  batch: string,
  fence: number,
): Promise<boolean> {
  const [record, lease] = await Promise.all([ledger.batch(dataset, batch), ledger.lease(dataset)]);
  const isHeld = lease?.fence === fence && lease.execution !== undefined;
  return record?.state === 'published' && record.fence === fence && !isHeld;
}

/** The lease is given up before the ledger is looked at for the last time, so no file is overlooked. */
async function nextOrRelease(
  { ledger }: Pick<Deps, 'ledger'>,
  dataset: string,
  fence: number,
): Promise<z.output<typeof completeOutput>> {
  const hasPending = async () => (await ledger.pending(dataset, 1)).length > 0;
  const lease = await ledger.lease(dataset);
  if (await hasPending()) {
    await ledger.markLease(dataset, fence, lease?.execution ?? 'unknown');
    return { morePending: true, fence };
  }
  await ledger.releaseLease(dataset, fence);
  if (!(await hasPending())) return { morePending: false, fence };
  const again = await ledger.acquireLease(dataset);
  return again === null ? { morePending: false, fence } : { morePending: true, fence: again };
}
