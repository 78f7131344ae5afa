/** How a batch completes: other systems are informed, and the objects that it replaced are deleted. */

import { goesThrough } from '../../aws/dynamo.ts';
import { tableOf } from '../../contract/contract.ts';
import { contractVersion } from '../../contract/version.ts';
import { accountingSchema, type Summary, summarySchema } from '../../model/plan.ts';
import { type Attempt, type FileId, isClaimedBy, rejectsRows } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { places } from './addresses.ts';
import { type BatchPublished, listedPartitions } from './batchPublished.ts';
import { finishCompaction } from './compaction.ts';
import { type Deps, formatOf } from './deps.ts';
import { replayOf, replayPrefix, restored } from './id.ts';
import { lineageOf } from './lineage.ts';
import { readLosersAgain } from './lost.ts';
import { type Manifest, readContract, readManifest, readPlan } from './manifest.ts';
import { dropReplaced } from './objects.ts';
import { registerPartitions } from './partitions.ts';
import { profileSchema } from './profileRecord.ts';
import { readPublished } from './published.ts';
import { addToReport } from './report.ts';
import { noteUnbalanced, tableAccountOf } from './tableAccount.ts';
import { stagingName, stagingPartition } from './tables.ts';

/** Sends the event for other systems. */
export type Announce = (detailType: 'BatchPublished', detail: BatchPublished) => Promise<void>;

/**
 * Completes a committed batch: registers partitions, marks files, deletes the objects that it has rewritten, and sends the
 * event. It is idempotent and can be interrupted at any point; the holder of the lease then repeats it, under its own `fence`.
 * `reason` says why an earlier try was interrupted. Throws OutOfTime.
 */
export async function finishBatch(
  deps: Deps & { readonly announce: Announce },
  attempt: { readonly dataset: string } & Attempt,
  fence: number,
  reason?: string,
): Promise<void> {
  const { config, store, catalog, ledger, announce, measure, deadline } = deps;
  const { dataset, batch } = attempt;
  const manifest = await readManifest(deps, attempt);
  if (manifest.isCompaction) return finishCompaction(deps, attempt, fence);
  const [published, contract, plan] = await Promise.all([
    readPublished(deps, dataset, attempt),
    readContract(deps, attempt),
    readPlan(deps, attempt),
  ]);
  const at = places(config);
  await store.writeOnce(at.attempt(dataset, attempt).committed, JSON.stringify({ by: fence }));
  await registerPartitions(deps, attempt, plan, published);
  const summary = await store.readJson(at.attempt(dataset, attempt).summary, summarySchema);
  const missing = await missingFiles(deps, attempt, summary);
  const { files: _files, partitions: _partitions, ...totals } = summary;
  const counts = new Map(
    summary.files.map(({ object, version, ...rest }) => [JSON.stringify([object, version]), rest]),
  );
  const replaced = await ledger.read(dataset, manifest.published);
  const before = new Map(
    manifest.published.map(({ object, ...rows }, i) => {
      const file = replaced[i]?.file;
      // The file may itself wait again: to be processed once more, or for a person.
      return [object, { ...rows, isNoted: file !== undefined, place: file?.place }];
    }),
  );
  const files = manifest.files.map((file) => ({
    ...file,
    counts: counts.get(JSON.stringify([file.object, file.version])),
    before: before.get(file.object),
    isRejected: rejectsRows(manifest.decision),
    isRolledBack: manifest.decision === 'rollback',
    // A rejected file is not searched elsewhere.
    isMissing: missing.has(file.object) && !rejectsRows(manifest.decision),
  }));
  // An operator may already replay files that an earlier try has marked.
  const records = await ledger.read(dataset, files);
  const claimed = files.filter((_, i) => isClaimedBy(batch, records[i]?.file));
  await ledger.settlePublished(dataset, fence, batch, claimed, deadline);
  await ledger.setLive(dataset, fence, published.rewritten);
  await dropReplaced(deps, published);
  await readLosersAgain(deps, { manifest, plan, summary });
  await takeCopies(
    deps,
    dataset,
    fence,
    files.filter(({ isMissing }) => isMissing),
  );
  if (manifest.decision === 'rollback') await restoreEarlier(deps, manifest);
  await catalog.dropPartitions(stagingName(dataset), [[stagingPartition(batch, published.run)]]);
  const committed = await formatOf(deps, plan).committed(plan.table, attempt);
  const tableRows = await tableAccountOf(deps, attempt, published, summary, committed);
  if (tableRows !== undefined) await noteUnbalanced(deps, attempt, plan.table, tableRows);
  const now = new Date();
  const lineage = lineageOf({ manifest, plan, published, counts: totals, tableRows, at: now }, config);
  await Promise.all([
    store.writeText(at.lineage(dataset, batch), JSON.stringify(lineage)),
    // The report of a batch that only adds rows has said it all.
    tableRows !== undefined && tableRows.before !== null && addToReport(deps, dataset, batch, tableRows),
  ]);
  const { rowsRead, quarantined, duplicates } = summary;
  await announce('BatchPublished', {
    version: 1,
    stage: config.stage,
    dataset,
    table: `${config.database}.${tableOf(contract)}`,
    batch,
    fence: attempt.fence,
    contract: contractVersion(contract),
    files: files.length,
    ...accountingSchema.parse(summary),
    ...(tableRows === undefined ? {} : { tableRows }),
    partitions: {
      count: published.partitions.length,
      values:
        published.partitions.length > listedPartitions ? null : published.partitions.map((p) => p.values),
    },
    objects: {
      count: published.objects.length,
      bytes: published.objects.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    snapshot: committed.snapshot ?? null,
    replaced: published.rewritten.reduce(
      (sum, { dropped }) => sum + dropped.objects.length + dropped.quarantine.length,
      0,
    ),
    manifest: at.attempt(dataset, attempt).published,
    lineage: at.lineage(dataset, batch),
    report: at.report(dataset, batch).page,
  });
  const claimedAt = (await ledger.batch(dataset, batch))?.claimedAt;
  await ledger.closePublished(dataset, fence, batch, {
    rows: summary.published,
    // A replayed file was published before, and a correction replaces another version. A rolled-back file is no longer published.
    files:
      files.filter((f) => isUnpublished(f.before) && !f.isRejected).length -
      files.filter((f) => f.isRolledBack && f.before?.version === f.version && !isUnpublished(f.before))
        .length,
    reason,
    found: {
      counts: totals,
      ...(tableRows === undefined ? {} : { tableRows }),
      partitions: published.partitions.length,
      objects: published.objects.length,
      contract: contractVersion(contract),
      ...(committed.at === undefined ? {} : { committedAt: committed.at }),
    },
  });
  const landed = manifest.files.reduce(
    (first, { landedAt }) => (landedAt === undefined ? first : Math.min(first, Date.parse(landedAt))),
    Number.POSITIVE_INFINITY,
  );
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
    ...(isReplay || landed === Number.POSITIVE_INFINITY ? {} : { Lag: (now.getTime() - landed) / 1000 }),
  });
}

/** Whether no version of the object was published: its rows were never in the table, or a person rejected them. */
const isUnpublished = (rows: { readonly isRejected?: boolean | undefined } | undefined): boolean =>
  rows === undefined || rows.isRejected === true;

/**
 * The versions that the rolled-back files had replaced wait again, behind the rest of the rollback. A version that came in the meantime
 * stays the latest one.
 */
async function restoreEarlier(
  { ledger }: Pick<Deps, 'ledger'>,
  { dataset, batch, files }: Pick<Manifest, 'dataset' | 'batch' | 'files'>,
): Promise<void> {
  const earlier = files.flatMap(({ object, version, decision, group }) =>
    decision?.restores === undefined
      ? []
      : [{ object, version: decision.restores, instead: version, of: group ?? `${replayPrefix}${batch}` }],
  );
  const records = await ledger.read(dataset, earlier);
  await parallel(earlier, 8, async ({ instead, of }, i) => {
    const file = records[i]?.file;
    if (file !== undefined) await ledger.revive(dataset, file, instead, `${of}${restored}`);
  });
}

/** Objects of the batch that were gone from S3 before they could be read: each is one quarantined row. */
async function missingFiles(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  attempt: { readonly dataset: string } & Attempt,
  { reasons }: Summary,
): Promise<Set<string>> {
  if (reasons.object_missing === undefined) return new Set();
  const { files } = await store.readJson(
    places(config).attempt(attempt.dataset, attempt).profile,
    profileSchema,
  );
  return new Set(files.flatMap((f) => (f.fault === 'object_missing' ? [f.object] : [])));
}

/** Objects that were put again with the same bytes before they were found missing: those versions wait now. */
async function takeCopies(
  { ledger, deadline }: Pick<Deps, 'ledger' | 'deadline'>,
  dataset: string,
  fence: number,
  files: readonly FileId[],
): Promise<void> {
  const take = async ({ object, version }: FileId) => {
    const versions = await ledger.versionsOf(dataset, object);
    const own = versions.find((f) => f.version === version);
    const copy = versions.findLast((f) => f.state === 'same' && f.etag === own?.etag);
    // If this fails, other bytes have arrived in the meantime and replace it.
    if (copy) await goesThrough(ledger.substitute(dataset, fence, { object, version }, copy));
  };
  await parallel(files, 16, take, deadline);
}
