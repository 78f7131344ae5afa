/**
 * Takes objects that are already in the raw bucket into the ledger, from a listing or from an S3 Inventory report. They wait
 * behind new files. An interrupted backfill continues where it stopped; objects that the ledger knows change nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectRef } from '../../aws/store.ts';
import { isFolderMarker } from '../../aws/versions.ts';
import { InvalidInput } from '../../errors.ts';
import { contractOf } from '../batch/deps.ts';
import { type DispatchDeps, listedFile, note } from '../dispatch.ts';
import { wake } from '../wake.ts';
import type { OperatorDeps } from './again.ts';
import { type InventoryPage, inventoryPages } from './inventory.ts';

export interface BackfillOptions {
  /** Only keys that begin so; the dataset's prefix by default. */
  readonly prefix?: string | undefined;
  /** The manifest of an inventory report. Without it, the bucket is listed. */
  readonly inventory?: ObjectRef | undefined;
  /** The most objects per second. */
  readonly rate: number;
  /** Starts from the beginning, whatever an earlier backfill has done. */
  readonly restarts?: boolean | undefined;
  /** Called after each page. */
  readonly onProgress?: (progress: BackfillProgress) => void;
  /** Objects that are recorded at a time. */
  readonly pageSize?: number;
  /** Waits, in milliseconds. */
  readonly pause?: (milliseconds: number) => Promise<void>;
}

export interface BackfillProgress {
  /** Objects that were looked at, and how many of them the ledger did not know. */
  readonly seen: number;
  readonly noted: number;
  /** Objects that could not be recorded; the sweep tries them again. */
  readonly failed: number;
  /** How many objects there are; undefined until they are counted. */
  readonly total: number | undefined;
  /** Whether an earlier call has begun. */
  readonly isContinued: boolean;
}

const objectsPerPage = 1000;

/** Throws InvalidInput for a prefix outside of the dataset's, and what `inventoryPages` throws. */
export async function backfill(
  deps: OperatorDeps & Pick<DispatchDeps, 'store'>,
  dataset: string,
  options: BackfillOptions,
): Promise<BackfillProgress> {
  const { ledger } = deps;
  const { rate, onProgress = () => {}, pageSize = objectsPerPage, pause = sleep } = options;
  const own = contractOf(deps, dataset).source.prefix;
  const prefix = options.prefix ?? own;
  if (!prefix.startsWith(own))
    throw new InvalidInput(`${dataset}: its files are below ${own}, and the prefix ${prefix} is not`, {
      dataset,
    });
  const { inventory } = options;
  const from = { prefix, inventory, pageSize };
  const source = inventory ? `s3://${inventory.bucket}/${inventory.key} ${prefix}` : prefix;
  const earlier = options.restarts ? undefined : await ledger.backfill(dataset);
  const isContinued = earlier?.source === source && earlier.at !== undefined;
  let { seen, noted, failed } = isContinued ? earlier : { seen: 0, noted: 0, failed: 0 };
  let total: number | undefined;
  let isOver = false;
  // Counting is much faster than recording, so the time that is left is known soon.
  const counting = countedOf(deps, from, () => isOver).then(
    (count) => {
      total = count;
    },
    // The count is for people alone; what is wrong with the source, the recording says.
    () => undefined,
  );
  const startedAt = Date.now();
  let recorded = 0;
  try {
    for await (const { objects, at } of pagesOf(deps, from, isContinued ? earlier.at : undefined)) {
      const results = await note(
        deps,
        dataset,
        objects.map((object) => ({ ...listedFile(object), isBackfill: true })),
      );
      const [first] = results;
      // A single object may be refused; a page of them says that the ledger cannot be written.
      if (first instanceof Error && results.every((result) => result instanceof Error)) throw first;
      seen += objects.length;
      noted += results.filter((result) => result === true).length;
      failed += results.filter((result) => result instanceof Error).length;
      await ledger.noteBackfill(dataset, { source, at, seen, noted, failed });
      await wake(deps, dataset);
      onProgress({ seen, noted, failed, total, isContinued });
      recorded += objects.length;
      const early = startedAt + (recorded / rate) * 1000 - Date.now();
      if (early > 0) await pause(early);
    }
  } finally {
    isOver = true;
    await counting;
  }
  await ledger.noteBackfill(dataset, { source, seen, noted, failed });
  return { seen, noted, failed, total: seen, isContinued };
}

interface Source {
  readonly pageSize: number;
  readonly prefix: string;
  readonly inventory: ObjectRef | undefined;
}

/** The objects of a source in pages, behind a place that an earlier page has named. */
async function* pagesOf(
  { store, config }: Pick<OperatorDeps, 'store' | 'config'>,
  { prefix, inventory, pageSize }: Source,
  after: string | undefined,
): AsyncGenerator<InventoryPage> {
  if (inventory) {
    yield* inventoryPages(store, inventory, { bucket: config.rawBucket, prefix, after });
    return;
  }
  for (let last = after; ; ) {
    const { versions, next } = await store.listVersions(config.rawBucket, prefix, last, pageSize);
    const objects = versions.filter((v) => v.isLatest && !isFolderMarker(v));
    if (next === undefined) {
      // Behind the last key nothing is left, should this page be the last that is recorded.
      yield { objects, at: objects.at(-1)?.key ?? last ?? '' };
      return;
    }
    yield { objects, at: next };
    last = next;
  }
}

/** The number of objects of a source. It stops early if `isOver` says so. */
async function countedOf(
  deps: Pick<OperatorDeps, 'store' | 'config'>,
  source: Source,
  isOver: () => boolean,
): Promise<number | undefined> {
  let count = 0;
  if (source.inventory) {
    for await (const { objects } of pagesOf(deps, source, undefined)) {
      if (isOver()) return undefined;
      count += objects.length;
    }
    return count;
  }
  for await (const page of deps.store.listPages(deps.config.rawBucket, source.prefix)) {
    if (isOver()) return undefined;
    count += page.filter((object) => !isFolderMarker(object)).length;
  }
  return count;
}
