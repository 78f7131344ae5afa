/**
 * A ledger that was restored to an earlier time, while the buckets kept their state. Each attempt leaves a mark in the work
 * bucket before it writes to a table, and its documents have the rest. An attempt that the ledger lost is reopened in it and
 * ends like any other open attempt: it is completed if it was committed, and taken back otherwise.
 */
import { goesThrough } from '../../aws/dynamo.ts';
import { LedgerRestored, RecordUnreadable } from '../../errors.ts';
import { type Attempt, isNewer, type RawFile } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { note } from '../dispatch.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import { replayOf } from './id.ts';
import { manifestSchema } from './manifest.ts';

type Reading = Pick<Deps, 'config' | 'store' | 'ledger'>;

/**
 * Attempts that reached Publish and that the ledger does not know, the oldest first. It lists the marks after the last batch
 * that the ledger has closed, so its cost does not grow with the history.
 */
export async function lostAttempts({ config, store, ledger }: Reading, dataset: string): Promise<Attempt[]> {
  const at = places(config);
  const { bucket, key: prefix } = at.marks(dataset);
  const last = await lastClosed({ ledger }, dataset);
  const marked: Attempt[] = [];
  for await (const page of store.listPages(bucket, prefix, last && at.mark(dataset, last).key))
    for (const { key } of page) {
      const [fence = '', batch = ''] = key.slice(prefix.length).split('-');
      marked.push({ batch, fence: Number(fence) });
    }
  // A few at most: those that have failed since.
  const isLost = await parallel(marked, 16, async (attempt) => {
    const known = await unlessUnreadable(ledger.batch(dataset, attempt.batch));
    if (known === 'unreadable' || (known !== undefined && known.fence >= attempt.fence)) return false;
    // If somebody has deleted its documents, the attempt stays as it is; reconcile reports its objects.
    return store.exists(at.attempt(dataset, attempt).manifest);
  });
  return marked.filter((_, i) => isLost[i]);
}

/** The latest published batch with a readable record. */
export async function lastClosed(
  { ledger }: Pick<Deps, 'ledger'>,
  dataset: string,
): Promise<Attempt | undefined> {
  for (const { batch } of (await ledger.lastBatches(dataset)).toReversed()) {
    const fence = (await ledger.findBatch(dataset, batch))?.committed;
    if (fence !== undefined) return { batch, fence };
  }
  return undefined;
}

/** An unreadable record is neither lost nor garbage. */
export async function unlessUnreadable<T>(record: Promise<T>): Promise<T | 'unreadable'> {
  try {
    return await record;
  } catch (error) {
    if (error instanceof RecordUnreadable) return 'unreadable';
    throw error;
  }
}

/** Throws LedgerRestored while there are lost attempts: work that ignores them would duplicate or remove their rows. */
export async function requireNothingLost(deps: Reading, dataset: string): Promise<void> {
  const lost = await lostAttempts(deps, dataset);
  if (lost.length > 0)
    throw new LedgerRestored(
      `${dataset}: the ledger does not know ${lost.length} attempts of a later time than its own; FailBatch or the sweep opens them anew first`,
      { dataset },
    );
}

/** Reopens a lost attempt, under the lease. Files of a committed one belong to it again; those of any other stay as they are. */
export async function reopen(deps: Reading, dataset: string, fence: number, attempt: Attempt): Promise<void> {
  const { config, store, ledger } = deps;
  const at = places(config).attempt(dataset, attempt);
  const { files } = (await store.findJson(at.manifest, manifestSchema)) ?? { files: [] };
  const isCommitted = await store.exists(at.committed);
  if (isCommitted) {
    const isKnown = await ledger.knows(dataset, files);
    const unknown = files.filter((_, i) => !isKnown[i]);
    const failure = (await note(deps, dataset, unknown)).find((result) => result instanceof Error);
    if (failure) throw failure;
  }
  const replay = replayOf(files[0]);
  const decision = files[0]?.decision;
  await ledger.reopen(dataset, fence, attempt, {
    files: isCommitted ? files : [],
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    replay,
    decision,
  });
  if (isCommitted) await takeLater(deps, dataset, fence, files);
}

/**
 * Versions that came after the lost ones, with the bytes of versions before them: compared with those, they brought nothing new. Their
 * bytes are other ones than those that are published now, so they wait.
 */
async function takeLater(
  { ledger }: Pick<Deps, 'ledger'>,
  dataset: string,
  fence: number,
  files: readonly RawFile[],
): Promise<void> {
  const records = await ledger.read(dataset, files);
  const copied = files.flatMap((file, i) => {
    const known = records[i]?.object;
    return known?.hasCopies ? [{ file, gone: { object: file.object, version: known.version }, known }] : [];
  });
  const newest = await ledger.read(
    dataset,
    copied.map(({ file: { object }, known }) => ({ object, version: known.newest })),
  );
  await parallel(copied, 8, async ({ file, gone }, i) => {
    const copy = newest[i]?.file;
    const isLater = copy?.state === 'same' && isNewer(copy.sequencer, file.sequencer);
    if (!isLater || copy.sameAs === file.version) return;
    // If this fails, another version has arrived in the meantime.
    await goesThrough(ledger.substitute(dataset, fence, gone, copy));
  });
}
