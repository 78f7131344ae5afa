/** The good end of a batch: everyone is told that its rows are out, and what is left of what they replaced goes. */
import type { z } from 'zod';
import { tableOf } from '../contract/contract.ts';
import { contractVersion } from '../contract/version.ts';
import { places, readManifest, readPlan, replayOf, stagingName, stagingPartition } from './batch.ts';
import { type BatchPublished, listedPartitions } from './batchPublished.ts';
import { contractOf, type Deps } from './deps.ts';
import { lineageOf } from './lineage.ts';
import { readPublished } from './publish.ts';
import { forget } from './replacement.ts';
import type { BatchInput, completeOutput } from './schemas.ts';
import { readSummary } from './transform.ts';

/** Sends the event that serving and ML listen to. */
export type Announce = (detailType: 'BatchPublished', detail: BatchPublished) => Promise<void>;

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
  const { config, store, catalog, ledger, announce, measure } = deps;
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
  await catalog.dropPartitions(stagingName(dataset), [[stagingPartition(batch, published.run)]]);
  const at = places(config);
  const now = new Date();
  await store.writeText(
    at.lineage(dataset, batch),
    JSON.stringify(
      lineageOf(
        {
          manifest,
          plan: await readPlan(deps, dataset, batch),
          published,
          rows: summary.published,
          at: now,
        },
        config,
      ),
    ),
  );
  const { rowsRead, quarantined, duplicates } = summary;
  await announce('BatchPublished', {
    version: 1,
    stage: config.stage,
    dataset,
    table: `${config.database}.${tableOf(contract)}`,
    batch,
    contract: contractVersion(contract),
    files: files.length,
    rowsRead,
    published: summary.published,
    quarantined,
    duplicates,
    partitions: {
      count: published.partitions.length,
      values:
        published.partitions.length > listedPartitions ? null : published.partitions.map((p) => p.values),
    },
    objects: {
      count: published.objects.length,
      bytes: published.objects.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    replaced: published.replacement.objects.length,
    manifest: at.published(dataset, batch),
    lineage: at.lineage(dataset, batch),
    report: at.report(dataset, batch).page,
  });
  const claimedAt = (await ledger.batch(dataset, batch))?.claimedAt;
  const landed = manifest.files.flatMap((f) => (f.landedAt === undefined ? [] : [Date.parse(f.landedAt)]));
  const isReplay = replayOf(manifest.files[0]) !== undefined;
  measure(dataset, {
    BatchesPublished: 1,
    FilesPublished: files.length,
    RowsRead: rowsRead,
    RowsPublished: summary.published,
    RowsQuarantined: quarantined,
    RowsDuplicate: duplicates,
    ...(rowsRead === 0 ? {} : { QuarantineShare: (100 * quarantined) / rowsRead }),
    ...(claimedAt === undefined ? {} : { BatchDuration: (now.getTime() - Date.parse(claimedAt)) / 1000 }),
    ...(isReplay || landed.length === 0 ? {} : { Lag: (now.getTime() - Math.min(...landed)) / 1000 }),
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
