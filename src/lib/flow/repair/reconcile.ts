/**
 * Compares a table with the ledger: objects that no committed attempt counts are garbage and go, objects that are missing are
 * told of, and the partitions of the Data Catalog become those that have objects. All in pages: 100,000 partitions are within a
 * Lambda's time.
 */
import { posix } from 'node:path';
import { address, type ListedObject } from '../../aws/store.ts';
import { valuesOfPath } from '../../catalog/partitionPath.ts';
import { tableOf } from '../../contract/contract.ts';
import { OutOfTime } from '../../errors.ts';
import { chunksOf, parallel } from '../../parallel.ts';
import type { TableFormat } from '../../table/format.ts';
import { dropEmpty } from '../../table/hive/partitions.ts';
import { objectName, withinAttempt } from '../../table/objectName.ts';
import { contractOf, type Deps, formatOf } from '../batch/deps.ts';
import { readPlan, unlessGone } from '../batch/manifest.ts';
import { type Live, liveKey, liveOf } from '../batch/published.ts';
import { lastClosed, requireNothingLost, unlessUnreadable } from '../batch/restored.ts';
import { goldenTable, quarantineTable, stagingName } from '../batch/tables.ts';
import { type Pass, phases, type Stand, startPass, sumOf, withKey } from './pass.ts';
import { noteDrift, rebuild } from './rebuild.ts';

export interface Reconciled {
  readonly table: string;
  /** Partitions with objects. */
  readonly partitions: number;
  readonly added: number;
  /** Partitions of the table without objects. */
  readonly dropped: number;
  /** Partitions of failed runs in the staging table, and of the quarantine without a refused row: they were dropped. */
  readonly unused: number;
  /** Objects of attempts that the ledger knows and does not count: they were removed. */
  readonly removed: number;
  /** Objects of batches that the ledger does not know: of a dataset of another name, or of a ledger that was lost. */
  readonly unknown: number;
  /**
   * Objects that the ledger counts and S3 does not have, or the table does not name: their rows are lost until their files are replayed. Also documents that
   * listed the objects of a batch: nobody knows any more which of its objects count, so none of them is removed.
   */
  readonly missing: readonly string[];
  /** False when the time was up: the figures are those until then, and the next call goes on behind them. */
  readonly isWhole: boolean;
}

/** So many objects are compared, and so many batches, between two notes of how far the pass has come. */
export const reconcileSteps = { objects: 20_000, batches: 500 };

/** An object of an attempt that has only just ended may be the ledger's in the next moment, in milliseconds. */
const grace = 3_600_000;

/**
 * Null for a dataset that has published nothing. Partitions of other datasets in the same table are left alone. Objects of batches
 * that no ledger knows stay, unless a person wants them removed: they may be all that is left of a renamed dataset. `goesOn`: a call
 * whose time is up notes how far it has come, and the next one goes on there. Throws LedgerRestored while the ledger has lost
 * attempts of this dataset, and OutOfTime when the time was too little for any progress.
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
  // Otherwise it has no place for the partitions that are found.
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

/** Whether a partition is the dataset's: others may publish into the same table. */
function isOwnOf(deps: Pick<Deps, 'contracts'>, dataset: string): (values: readonly string[]) => boolean {
  const constants = contractOf(deps, dataset).partitionBy.map((p) => ('constant' in p ? p.constant : null));
  return (values) => constants.every((c, i) => c === null || values[i] === c);
}

/** Objects of a bucket in their order, from where the pass stands. After each step `settle` has its turn, and the pass is noted. */
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
    if (since < steps.objects) continue;
    await settle();
    await pass.note();
    since = 0;
  }
  await settle();
}

/** Which objects of the table the ledger counts. What it does not count goes. */
async function compareObjects(deps: ReconcileDeps, work: Work): Promise<void> {
  const { config, store, contracts } = deps;
  const { dataset, table, format, removesUnknown, pass } = work;
  const { stand } = pass;
  // States of the table that can still be read may name more than the ledger counts.
  const nameless = await format.orphans(table.name, (...at) => store.list(...at), Date.now() - grace);
  const isOwn = isOwnOf(deps, dataset);
  const name = tableOf(contractOf(deps, dataset));
  const prefix = `${name}/`;
  const sharing = [...contracts.values()].filter((c) => tableOf(c) === name).map((c) => c.dataset);
  const judge = judgeOf(deps, sharing, ({ objects }) => objects.map((o) => o.key));
  const standing = new Set(stand.standing);
  let byVerdict: Record<Verdict, string[]> = { counts: [], open: [], garbage: [], unknown: [] };
  const compare = async (page: readonly ListedObject[]) => {
    const own = page.flatMap((object) => {
      if (!object.key.endsWith('.parquet')) return [];
      const path = withinAttempt(object.key.slice(prefix.length, object.key.lastIndexOf('/') + 1));
      const values = valuesOfPath(path);
      return values.length === table.partitionKeys.length && isOwn(values) ? [{ ...object, path }] : [];
    });
    const verdicts = await judge(own);
    const isRemoved = (i: number) =>
      (verdicts[i] === 'garbage' || (removesUnknown && verdicts[i] === 'unknown')) &&
      nameless.has(own[i]?.key ?? '');
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

/** What readers of a table find otherwise than the ledger counts it. A batch under way has changed only one of both. */
async function addDrift(
  { ledger }: Pick<Deps, 'ledger'>,
  { dataset, table, format, pass: { stand } }: Work,
  { counts, garbage }: Readonly<Record<Verdict, readonly string[]>>,
): Promise<void> {
  const isBusy = async () => (await ledger.openBatches(dataset)).length > 0;
  const latest = async () => (await ledger.lastBatches(dataset)).at(-1)?.batch;
  const [wasBusy, before] = [await isBusy(), await latest()];
  const uncounted = new Set(garbage);
  const drift = await format.verify(table.name, counts, (object) => uncounted.has(object));
  if (wasBusy || (await isBusy()) || (await latest()) !== before) return;
  stand.missing.push(...drift.missing);
  stand.unknown += drift.extra.length;
}

/** What batches list and the listing did not have; each is looked for once more, since a later batch may have replaced it. */
async function compareBatches(deps: ReconcileDeps, { dataset, pass, steps }: Work): Promise<void> {
  const { ledger, store, config } = deps;
  const { stand } = pass;
  const keysOf = ({ objects }: Live) => objects.map((o) => o.key);
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
    await pass.note();
  }
  await pass.enter('quarantine');
}

/** The same as compareObjects for the quarantine of the dataset, whose partitions a correction may have left without an object. */
async function compareQuarantine(deps: ReconcileDeps, work: Work): Promise<void> {
  const { store, catalog, config } = deps;
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
      const verdicts = await judge(page);
      const garbage = page.filter((_, i) => verdicts[i] === 'garbage').map((o) => o.key);
      await store.delete(config.workBucket, garbage);
      stand.removed += garbage.length;
      for (const [i, { key }] of page.entries())
        if (verdicts[i] !== 'garbage') standing.add(valuesOfPath(posix.dirname(key)).at(-1) ?? '');
    },
    async () => {
      stand.quarantined = [...standing];
    },
  );
  const gone: string[][] = [];
  for await (const page of catalog.partitionPages(quarantineTable(config).name))
    gone.push(...page.filter(([of, batch = '']) => of === dataset && !standing.has(batch)));
  stand.unused += await dropEmpty(deps, quarantineTable(config), gone);
  await pass.enter('partitions');
}

/** The partitions of the Data Catalog become those with objects. */
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

/** Drops partitions of the staging table whose batch is no longer open: those of runs that failed. Gives how many. */
async function dropStaging({ catalog, ledger }: Reconciling, dataset: string): Promise<number> {
  const found: string[][] = [];
  for await (const page of catalog.partitionPages(stagingName(dataset))) found.push(...page);
  // A partition that was listed belongs to a batch that was open by then.
  const open = await ledger.openBatches(dataset);
  const stale = found.filter(([name = '']) => !open.some(({ batch }) => name.startsWith(`${batch}-`)));
  await catalog.dropPartitions(stagingName(dataset), stale);
  return stale.length;
}

interface Known {
  readonly owner: string;
  readonly committed: number | undefined;
}

type Verdict = 'counts' | 'open' | 'garbage' | 'unknown';

/**
 * Holds objects against the ledger. An object counts when its attempt is committed and the batch whose rows it holds lists it.
 * One of an attempt that is open, or younger than an hour, may count yet. `sharing`: datasets of the same table.
 */
function judgeOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  sharing: readonly string[],
  keysOf: (live: Live) => readonly string[],
): (objects: readonly { key: string; modified: number }[]) => Promise<Verdict[]> {
  const { ledger } = deps;
  const records = new Map<string, Known | 'unreadable' | null>();
  const live = new Map<string, Set<string> | null>();
  const recordOf = async (batch: string) => {
    const known = records.get(batch);
    if (known !== undefined) return known;
    for (const owner of sharing) {
      const record = await unlessUnreadable(ledger.batch(owner, batch));
      if (record) {
        const found = record === 'unreadable' ? record : { owner, committed: record.committed };
        records.set(batch, found);
        return found;
      }
    }
    records.set(batch, null);
    return null;
  };
  /** Null when the document that lists them is gone or cannot be read. */
  const listed = async (owner: string, batch: string): Promise<Set<string> | null> => {
    const known = live.get(batch);
    if (known !== undefined) return known;
    const found = await unlessGone(liveOf(deps, owner, batch));
    const objects = found && new Set(keysOf(found));
    live.set(batch, objects);
    return objects;
  };
  const judge = async ({ key, modified }: { key: string; modified: number }): Promise<Verdict> => {
    const name = objectName(key);
    // Not of Sluice; a person may have put it there.
    if (name === null) return 'open';
    const [attempt, rows] = [await recordOf(name.batch), await recordOf(name.rowsOf)];
    if (attempt === 'unreadable' || rows === 'unreadable') return 'open';
    if (attempt === null || rows === null) return modified + grace > Date.now() ? 'open' : 'unknown';
    const isCommitted = attempt.committed === name.fence && rows.committed !== undefined;
    if (isCommitted) {
      const objects = await listed(rows.owner, name.rowsOf);
      if (objects === null) return 'open';
      if (objects.has(key)) return 'counts';
    }
    if (modified + grace > Date.now()) return 'open';
    const open = await ledger.openBatches(attempt.owner);
    if (open.some((o) => o.batch === name.batch && o.fence === name.fence)) return 'open';
    // It may have been committed since it was read.
    const now = await ledger.batch(attempt.owner, name.batch);
    return now?.committed === attempt.committed ? 'garbage' : 'open';
  };
  return async (objects) => {
    const verdicts: Verdict[] = [];
    for (const chunk of chunksOf(objects, 100)) verdicts.push(...(await parallel(chunk, 16, judge)));
    return verdicts;
  };
}
