/** The two ends of a batch: complete, or failed with its files in a state that a person can act on. */
import type { z } from 'zod';
import { contractVersion } from '../contract/load.ts';
import { tableOf } from '../contract/schema.ts';
import type { FileState } from '../ledger/records.ts';
import { parallel } from '../parallel.ts';
import {
  batchId,
  type Manifest,
  places,
  readManifest,
  replayOf,
  stagingName,
  stagingPartition,
} from './batch.ts';
import { contractOf, type Deps } from './deps.ts';
import { type DispatchDeps, wake } from './dispatch.ts';
import { readPublished, unpublish } from './publish.ts';
import { forget } from './replacement.ts';
import { afterFailure } from './retry.ts';
import type { completeOutput, failInput, failOutput, RunInput } from './schemas.ts';
import { readSummary } from './transform.ts';

/** Sends the event that serving and ML listen to. */
export type Announce = (detailType: string, detail: unknown) => Promise<void>;

/** Errors that a person has to answer: the files wait, held, until the contract or the feed was mended. */
const holdingErrors = [
  'ExpectationFailed',
  'AccountingMismatch',
  'SchemaMismatch',
  'TableMismatch',
  'ReferenceRefused',
];

/** Marks files and batch published, tells the world, and says whether more files wait. Gives the lease up if not. */
export async function completeBatch(
  deps: Deps,
  announce: Announce,
  { dataset, batch, run, fence }: RunInput,
): Promise<z.output<typeof completeOutput>> {
  const { config, store, catalog, ledger } = deps;
  const contract = contractOf(deps, dataset);
  // A repeated call after the lease was given up: all is done.
  if (await isOver(ledger, dataset, batch, fence)) return { morePending: false, fence };
  const summary = await readSummary(deps, dataset, batch, run);
  const published = await readPublished(deps, dataset, batch);
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
  const manifest = await readManifest(deps, dataset, batch);
  await ledger.settle(
    dataset,
    fence,
    { id: batch, state: 'published' },
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
  await catalog.dropPartition(stagingName(dataset), [stagingPartition(batch, run)]);
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
  return nextOrRelease(deps, dataset, fence);
}

/** Gives files and lease back. Its result is what the execution fails with. */
export async function failBatch(
  deps: Deps,
  start: DispatchDeps['start'],
  { dataset, fence, error, ...input }: z.output<typeof failInput>,
): Promise<z.output<typeof failOutput>> {
  const { ledger } = deps;
  const failure = { error: error.Error, cause: messageOf(error.Cause) };
  // Whoever took the lease over also has the files.
  if (error.Error === 'LeaseLost') return failure;
  // A claim that broke off has left its batch in the lease.
  const batch = input.batch ?? (await ledger.lease(dataset))?.batch ?? null;
  if (batch !== null) await giveBackBatch(deps, dataset, fence, batch, failure);
  await ledger.releaseLease(dataset, fence);
  if (batch !== null) await wake({ ledger, start }, dataset);
  return failure;
}

/** Ends a batch under a lease: its rows are taken back and its files take their next state, or it goes forward. */
export async function giveBackBatch(
  deps: Deps,
  dataset: string,
  fence: number,
  batch: string,
  failure: z.output<typeof failOutput>,
): Promise<void> {
  const { ledger } = deps;
  const { files } = await readManifest(deps, dataset, batch);
  const records = await parallel(files, 16, (file) => ledger.file(dataset, file));
  const reason = `${failure.error}: ${failure.cause}`.slice(0, 2000);
  // CompleteBatch broke off: the rows are out, and some files are marked. There is only forward.
  if (records.some((r) => r?.state === 'published' && r.batch === batch))
    return ledger.settle(
      dataset,
      fence,
      { id: batch, state: 'published', reason },
      files.map((file) => ({ ...file, state: 'published' })),
    );
  await unpublish(deps, dataset, batch);
  // A claim that broke off has taken only some of them.
  const claimed = files.filter((_, i) => records[i]?.state === 'claimed' && records[i]?.batch === batch);
  await nextStates(ledger, dataset, fence, batch, claimed, failure.error, reason);
}

/** Each file of a failed batch takes its next state. */
async function nextStates(
  ledger: Deps['ledger'],
  dataset: string,
  fence: number,
  batch: string,
  files: Manifest['files'],
  error: string,
  reason: string,
): Promise<void> {
  const replay = replayOf(files[0]);
  const plain = files.map(({ group: _, ...file }) => file);
  const all = (state: FileState) => plain.map((file) => ({ ...file, state }));
  if (holdingErrors.includes(error))
    return ledger.settle(dataset, fence, { id: batch, state: 'held', reason }, all('held'));
  const attempts = Number((await ledger.batch(dataset, batch))?.attempts ?? 1);
  const verdict = afterFailure(plain, attempts, await ledger.noteFailure(dataset));
  switch (verdict.kind) {
    case 'hold':
      return ledger.settle(
        dataset,
        fence,
        { id: batch, state: 'held', reason: `${reason}; ${verdict.why}` },
        all('held'),
      );
    case 'fail':
      return ledger.settle(dataset, fence, { id: batch, state: 'failed', reason }, all('failed'));
    case 'retry':
      return ledger.settle(
        dataset,
        fence,
        { id: batch, state: 'failed', reason },
        verdict.groups.flatMap((group, i) => {
          const name = replay === undefined ? batchId(group) : `${replay}.${i}`;
          return group.map((file) => ({ ...file, state: 'pending' as const, group: name }));
        }),
      );
  }
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

/** A Lambda's Cause is JSON with errorMessage; a state's own is plain text. */
function messageOf(cause: string): string {
  try {
    const parsed: unknown = JSON.parse(cause);
    if (typeof parsed === 'object' && parsed !== null && 'errorMessage' in parsed)
      return String(parsed.errorMessage);
  } catch {
    return cause;
  }
  return cause;
}
