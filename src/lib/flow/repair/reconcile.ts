/**
 * Compares a table with the ledger. It removes objects that no committed attempt counts, reports missing objects, and makes
 * the partitions of the Data Catalog match the objects. It works in pages, so 100,000 partitions take less than a Lambda's
 * time.
 */

import { posix } from 'node:path';
import { address, type ListedObject, placeOf } from '../../aws/store.ts';
import { readSegment, valuesOfPath } from '../../catalog/partitionPath.ts';
import { datasetsOfTable, tableOf } from '../../contract/contract.ts';
import { OutOfTime } from '../../errors.ts';
import { parallel } from '../../parallel.ts';
import type { TableFormat } from '../../table/format.ts';
import { dropEmpty } from '../../table/hive/partitions.ts';
import { objectName, withinAttempt } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { contractOf, type Deps, formatOf } from '../batch/deps.ts';
import { readPlan, unlessGone } from '../batch/manifest.ts';
import { type Live, liveKey, liveOf } from '../batch/published.ts';
import { lastClosed, requireNothingLost } from '../batch/restored.ts';
import { goldenTable, quarantineTable, stagingName } from '../batch/tables.ts';
import { grace, judgeOf, namelessOf, type Verdict } from './judge.ts';
import { type Pass, phases, type Stand, startPass, sumOf, withKey } from './pass.ts';
import { isOwnOf, noteDrift, rebuild } from './rebuild.ts';

export interface Reconciled {
  readonly table: string;
  /** Partitions with objects. */
  readonly partitions: number;
  readonly added: number;
  /** Partitions of the table without objects. */
  readonly dropped: number;
  /** Dropped partitions: those of failed runs in the staging table, and those of the quarantine table without a rejected row. */
  readonly unused: number;
  /** Removed objects of attempts that the ledger knows and does not count. */
  readonly removed: number;
  /** Objects of batches that the ledger does not know: of a dataset with another name, or of a lost ledger. */
  readonly unknown: number;
  /**
   * Objects that the ledger counts but S3 does not have or the table does not name: their rows are lost until their files are
   * replayed. Also documents that listed the objects of a batch: without them nobody knows which of its objects count, so
   * none of them is removed.
   */
  readonly missing: readonly string[];
  /** False if the time was up: the figures cover the work until then, and the next call continues. */
  readonly isWhole: boolean;
}

/** The numbers of objects and batches that are compared between two saves of the progress. */
export const reconcileSteps = { objects: 20_000, batches: 500 };

/**
 * Null for a dataset that has published nothing. Partitions of other datasets in the same table stay unchanged. Objects of
 * batches that no ledger knows stay unless a person wants them removed: they may be all that is left of a renamed dataset.
 * `goesOn`: a call whose time is up saves its progress, and the next one continues there. Throws LedgerRestored while the
 * ledger has lost attempts of this dataset, and OutOfTime if the time was too short for any progress.
 */
export async function reconcile(
  deps: ReconcileDeps,
  dataset: string,
  {
    removesUnknown = false,
    goesOn = false,
    steps = reconcileSteps,
  }: { removesUnknown?: boolean; goesOn?: boolean; steps?: typeof reconcileSteps } = {},
): Promise<Reconciled | null> {
  const { config, ledger } = deps;
  await requireNothingLost(deps, dataset);
  const unused = await dropStaging(deps, dataset);
  const latest = await lastClosed({ ledger }, dataset);
  if (!latest) return null;
  const plan = await readPlan(deps, { dataset, ...latest });
  const table = goldenTable(plan, config);
  const format = formatOf(deps, plan);
  // Without a table, found partitions could not be registered.
  if (!(await format.isThere(table.name))) await rebuild(deps, dataset);
  const pass = await startPass(deps, dataset, table.name, goesOn);
  pass.stand.unused += unused;
  const work = { dataset, table, format, removesUnknown, steps, pass };
  const before = pass.noted();
  try {
    for (const phase of phases.slice(phases.indexOf(pass.stand.phase))) {
      deps.deadline?.check();
      if (phase === 'objects') await compareObjects(deps, work);
      if (phase === 'batches') await compareBatches(deps, work);
      if (phase === 'quarantine') await compareQuarantine(deps, work);
      if (phase === 'tombstones') await compareTombstones(deps, work);
      if (phase === 'partitions') await comparePartitions(deps, work);
    }
  } catch (error) {
    const isProgress = pass.noted() !== before;
    if (!(error instanceof OutOfTime && goesOn && isProgress)) throw error;
    return reconciled(pass.noted(), false);
  }
  const result = reconciled(pass.stand, true);
  const { removed, unknown, missing } = result;
  if (removed > 0 || unknown > 0 || missing.length > 0)
    deps.measure(dataset, {
      ObjectsRemoved: removed,
      ObjectsUnknown: unknown,
      ObjectsMissing: missing.length,
    });
  return result;
}

const reconciled = (
  { table, standing, added, dropped, unused, removed, unknown, missing }: Stand,
  isWhole: boolean,
): Reconciled => ({
  table,
  partitions: standing.length,
  added,
  dropped,
  unused,
  removed,
  unknown,
  missing,
  isWhole,
});

type ReconcileDeps = Pick<
  Deps,
  'config' | 'contracts' | 'store' | 'catalog' | 'formats' | 'ledger' | 'measure' | 'deadline'
>;

interface Work {
  readonly dataset: string;
  readonly table: ReturnType<typeof goldenTable>;
  readonly format: TableFormat;
  readonly removesUnknown: boolean;
  readonly steps: typeof reconcileSteps;
  readonly pass: Pass;
}

/** The same of a folder. It may have the keys of an earlier contract. */
function isOwnPathOf(
  deps: Pick<Deps, 'contracts'>,
  { dataset, table, format }: Pick<Work, 'dataset' | 'table' | 'format'>,
): (path: string) => boolean {
  const isOwn = isOwnOf(deps, dataset);
  const { partitionBy } = contractOf(deps, dataset);
  return (path) => {
    const segments = path.split('/').filter(Boolean).map(readSegment);
    if (!format.keepsOldPartitions)
      return segments.length === table.partitionKeys.length && isOwn(segments.map(({ value }) => value));
    const values = new Map(segments.map(({ name, value }) => [name, value]));
    return partitionBy.every(
      (key) => !('constant' in key) || (values.get(key.name) ?? key.constant) === key.constant,
    );
  };
}

/** Objects of a bucket in order, starting at the saved progress. After each step, `settle` runs and the progress is saved. */
async function eachStep(
  deps: Pick<Deps, 'store' | 'deadline'>,
  { pass, steps }: Work,
  place: { bucket: string; prefix: string },
  compare: (page: readonly ListedObject[]) => Promise<void>,
  settle: () => Promise<void> = async () => {},
): Promise<void> {
  let since = 0;
  for await (const page of deps.store.listPages(place.bucket, place.prefix, pass.stand.after)) {
    deps.deadline?.check();
    await compare(page);
    since += page.length;
    pass.stand.after = page.at(-1)?.key ?? pass.stand.after;
    if (since < steps.objects || !pass.isDue(since)) continue;
    await settle();
    await pass.note();
    since = 0;
  }
  await settle();
}

/** Decides which objects of the table the ledger counts, and removes the others. */
async function compareObjects(deps: ReconcileDeps, work: Work): Promise<void> {
  const { config, store } = deps;
  const { dataset, table, format, removesUnknown, pass } = work;
  const { stand } = pass;
  const name = tableOf(contractOf(deps, dataset));
  const prefix = `${name}/`;
  const sharing = sharingOf(deps, dataset);
  // Readable states of the table may name more objects than the ledger counts.
  const nameless = await namelessOf(deps, format, table.name, sharing, Date.now() - grace);
  const isOwn = isOwnPathOf(deps, work);
  const judge = judgeOf(deps, sharing, ({ objects }) => objects.map((o) => o.key));
  const standing = new Set(stand.standing);
  let byVerdict: Record<Verdict, string[]> = { counts: [], open: [], garbage: [], unknown: [] };
  const compare = async (page: readonly ListedObject[]) => {
    const own = page.flatMap((object) => {
      if (!object.key.endsWith('.parquet')) return [];
      const path = withinAttempt(object.key.slice(prefix.length, object.key.lastIndexOf('/') + 1));
      return isOwn(path) ? [{ ...object, path }] : [];
    });
    const verdicts = await judge(own);
    const isRemoved = (i: number) =>
      (verdicts[i] === 'garbage' || (removesUnknown && verdicts[i] === 'unknown')) &&
      (nameless?.has(own[i]?.key ?? '') ?? true);
    const garbage = own.filter((_, i) => isRemoved(i)).map((o) => o.key);
    await store.delete(config.processedBucket, garbage);
    stand.removed += garbage.length;
    stand.unknown += verdicts.filter((verdict) => verdict === 'unknown').length;
    for (const [i, { key, path }] of own.entries()) {
      const verdict = verdicts[i] ?? 'open';
      byVerdict[verdict].push(address({ bucket: config.processedBucket, key }));
      const rowsOf = objectName(key)?.rowsOf;
      if (verdict === 'counts' && rowsOf !== undefined)
        stand.counted[rowsOf] = withKey(stand.counted[rowsOf], key);
      if (!isRemoved(i)) standing.add(path);
    }
  };
  const settle = async () => {
    await addDrift(deps, work, byVerdict);
    byVerdict = { counts: [], open: [], garbage: [], unknown: [] };
    stand.standing = [...standing];
  };
  await eachStep(deps, work, { bucket: config.processedBucket, prefix }, compare, settle);
  await pass.enter('batches');
}

const sharingOf = ({ contracts }: Pick<Deps, 'contracts'>, dataset: string): readonly string[] =>
  datasetsOfTable(contracts, tableOf(contractOf({ contracts }, dataset)));

/**
 * Differences between what readers of a table find and what the ledger counts. A running batch has changed only one of the
 * two.
 */
async function addDrift(
  deps: ReconcileDeps,
  { dataset, table, format, pass: { stand } }: Work,
  { counts, garbage }: Readonly<Record<Verdict, readonly string[]>>,
): Promise<void> {
  const { ledger } = deps;
  const isBusy = async () => (await ledger.openBatches(dataset)).length > 0;
  const latest = async () => (await ledger.lastBatches(dataset)).at(-1)?.batch;
  const [wasBusy, before] = [await isBusy(), await latest()];
  const uncounted = new Set(garbage);
  const drift = await format.verify(table.name, counts, (object) => uncounted.has(object));
  if (wasBusy || (await isBusy()) || (await latest()) !== before) return;
  // A batch may have replaced them after they were judged, and before the table was read.
  const isCounted = judgeOf(deps, sharingOf(deps, dataset), ({ objects }) => objects.map((o) => o.key));
  const verdicts = await isCounted(drift.missing.map((at) => ({ key: placeOf(at).key, modified: 0 })));
  stand.missing.push(...drift.missing.filter((_, i) => verdicts[i] === 'counts'));
  stand.unknown += drift.extra.length;
}

/** Objects that batches list but the listing did not have. Each is checked again, because a later batch may have replaced it. */
async function compareBatches(deps: ReconcileDeps, { dataset, pass, steps }: Work): Promise<void> {
  const { ledger, store, config } = deps;
  const { stand } = pass;
  const keysOf = ({ objects }: Live) => objects.map((o) => o.key);
  let since = 0;
  for await (const { batches, last } of ledger.batchPages(dataset, steps.batches, stand.after)) {
    deps.deadline?.check();
    const committed = batches.filter((batch) => batch.committed !== undefined);
    const lost = await parallel(committed, 8, async ({ batch }) => {
      const live = await unlessGone(liveOf(deps, dataset, batch));
      if (live === null) return [await liveKey(deps, dataset, batch)];
      const keys = keysOf(live);
      if (sumOf(keys) === (stand.counted[batch] ?? 0)) return [];
      const isThere = await parallel(keys, 8, (key) => store.exists({ bucket: config.processedBucket, key }));
      if (isThere.every(Boolean)) return [];
      const now = new Set(keysOf((await unlessGone(liveOf(deps, dataset, batch))) ?? live));
      return keys.filter((key, i) => !isThere[i] && now.has(key));
    });
    stand.missing.push(...lost.flat());
    stand.after = last;
    since += batches.length;
    if (!pass.isDue(since)) continue;
    await pass.note();
    since = 0;
  }
  await pass.enter('quarantine');
}

/** Removes the objects of a page in the work bucket that the ledger does not count, and gives the others. */
async function removeGarbage<T extends { readonly key: string; readonly modified: number }>(
  { store, config }: Pick<ReconcileDeps, 'store' | 'config'>,
  { stand }: Work['pass'],
  judge: ReturnType<typeof judgeOf>,
  page: readonly T[],
): Promise<T[]> {
  const verdicts = await judge(page);
  const garbage = page.filter((_, i) => verdicts[i] === 'garbage').map(({ key }) => key);
  await store.delete(config.workBucket, garbage);
  stand.removed += garbage.length;
  return page.filter((_, i) => verdicts[i] !== 'garbage');
}

/** Like compareObjects, for the quarantine of the dataset, whose partitions may be empty after a correction. */
async function compareQuarantine(deps: ReconcileDeps, work: Work): Promise<void> {
  const { catalog, config } = deps;
  const { dataset, pass } = work;
  const { stand } = pass;
  const judge = judgeOf(deps, [dataset], ({ quarantine }) => quarantine);
  const standing = new Set(stand.quarantined);
  const place = { bucket: config.workBucket, prefix: `quarantine/dataset=${dataset}/` };
  await eachStep(
    deps,
    work,
    place,
    async (page) => {
      for (const { key } of await removeGarbage(deps, pass, judge, page))
        standing.add(valuesOfPath(posix.dirname(key)).at(-1) ?? '');
    },
    async () => {
      stand.quarantined = [...standing];
    },
  );
  const gone: string[][] = [];
  for await (const page of catalog.partitionPages(quarantineTable(config).name))
    gone.push(...page.filter(([of, batch = '']) => of === dataset && !standing.has(batch)));
  stand.unused += await dropEmpty(deps, quarantineTable(config), gone);
  await pass.enter('tombstones');
}

/** The same for tombstones, which no reader sees and which expire by themselves. */
async function compareTombstones(deps: ReconcileDeps, work: Work): Promise<void> {
  const { dataset, pass } = work;
  const judge = judgeOf(deps, [dataset], ({ tombstones = [] }) => tombstones);
  const { bucket, key: prefix } = places(deps.config).tombstones(dataset);
  await eachStep(deps, work, { bucket, prefix }, async (page) => {
    await removeGarbage(deps, pass, judge, page);
  });
  await pass.enter('partitions');
}

/** Makes the partitions of the Data Catalog match those with objects. */
async function comparePartitions(deps: ReconcileDeps, { dataset, table, format, pass }: Work): Promise<void> {
  const { stand } = pass;
  const standing = stand.standing.map((path) => ({ path, values: valuesOfPath(path) }));
  const { added, dropped } = await format.repair(table, standing, isOwnOf(deps, dataset));
  await noteDrift(deps, dataset, { table: table.name, isTableMissing: false, partitions: added });
  stand.added += added;
  stand.dropped += dropped;
  await pass.end();
}

type Reconciling = Pick<Deps, 'config' | 'store' | 'catalog' | 'ledger'>;

/** Drops partitions of the staging table whose batch is no longer open, which belong to failed runs. Returns their number. */
async function dropStaging({ catalog, ledger }: Reconciling, dataset: string): Promise<number> {
  const found: string[][] = [];
  for await (const page of catalog.partitionPages(stagingName(dataset))) found.push(...page);
  // A listed partition belongs to a batch that was open at that time.
  const open = await ledger.openBatches(dataset);
  const stale = found.filter(([name = '']) => !open.some(({ batch }) => name.startsWith(`${batch}-`)));
  await catalog.dropPartitions(stagingName(dataset), stale);
  return stale.length;
}
