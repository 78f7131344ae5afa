/**
 * Compares a table with the ledger: objects that no committed attempt counts are garbage and go, objects that are missing are
 * told of, and the partitions of the Data Catalog become those that have objects. All in pages: 100,000 partitions are within a
 * Lambda's time.
 */
import { posix } from 'node:path';
import { address } from '../../aws/store.ts';
import { valuesOfPath } from '../../catalog/partitionPath.ts';
import { tableOf } from '../../contract/contract.ts';
import { ObjectMissing } from '../../errors.ts';
import { chunksOf, parallel } from '../../parallel.ts';
import type { Drift, TableFormat } from '../../table/format.ts';
import { dropEmpty } from '../../table/hive/partitions.ts';
import { objectName } from '../../table/objectName.ts';
import { contractOf, type Deps, formatOf } from '../batch/deps.ts';
import { readPlan } from '../batch/manifest.ts';
import { type Live, liveKey, liveOf } from '../batch/published.ts';
import { requireNothingLost } from '../batch/restored.ts';
import { goldenTable, quarantineTable, stagingName } from '../batch/tables.ts';

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
}

/** An object of an attempt that has only just ended may be the ledger's in the next moment, in milliseconds. */
const grace = 3_600_000;

/**
 * Null for a dataset that has published nothing. Partitions of other datasets in the same table are left alone. Objects of batches
 * that no ledger knows stay, unless a person wants them removed: they may be all that is left of a renamed dataset. Throws
 * LedgerRestored while the ledger has lost attempts of this one.
 */
export async function reconcile(
  deps: Pick<
    Deps,
    'config' | 'contracts' | 'store' | 'catalog' | 'formats' | 'ledger' | 'measure' | 'deadline'
  >,
  dataset: string,
  { removesUnknown = false }: { removesUnknown?: boolean } = {},
): Promise<Reconciled | null> {
  const { config, store, ledger } = deps;
  const contract = contractOf(deps, dataset);
  await requireNothingLost(deps, dataset);
  let unused = await dropStaging(deps, dataset);
  const latest = (await ledger.lastBatches(dataset)).at(-1);
  const fence = latest && (await ledger.batch(dataset, latest.batch))?.committed;
  if (!latest || fence === undefined) return null;
  const plan = await readPlan(deps, { dataset, batch: latest.batch, fence });
  const table = goldenTable(plan, config);
  const format = formatOf(deps, plan);
  // States of the table that can still be read may name more than the ledger counts.
  const nameless = await format.orphans(table.name, (...at) => store.list(...at), Date.now() - grace);
  const constants = contract.partitionBy.map((p) => ('constant' in p ? p.constant : null));
  const isOwn = (values: readonly string[]) => constants.every((c, i) => c === null || values[i] === c);
  const prefix = `${tableOf(contract)}/`;
  const sharing = [...deps.contracts.values()].filter((c) => tableOf(c) === tableOf(contract));
  const judge = judgeOf(
    deps,
    dataset,
    sharing.map((c) => c.dataset),
    ({ objects }) => objects.map((o) => o.key),
  );
  const standing = new Map<string, { path: string; values: string[] }>();
  const byVerdict: Record<Verdict, string[]> = { counts: [], open: [], garbage: [], unknown: [] };
  let removed = 0;
  let unknown = 0;
  for await (const page of store.listPages(config.processedBucket, prefix)) {
    deps.deadline?.check();
    const own = page.flatMap((object) => {
      if (!object.key.endsWith('.parquet')) return [];
      const path = object.key.slice(prefix.length, object.key.lastIndexOf('/') + 1);
      const values = valuesOfPath(path);
      return values.length === table.partitionKeys.length && isOwn(values)
        ? [{ ...object, path, values }]
        : [];
    });
    const verdicts = await judge(own);
    const isRemoved = (i: number) =>
      (verdicts[i] === 'garbage' || (removesUnknown && verdicts[i] === 'unknown')) &&
      nameless.has(own[i]?.key ?? '');
    const garbage = own.filter((_, i) => isRemoved(i)).map((o) => o.key);
    await store.delete(config.processedBucket, garbage);
    removed += garbage.length;
    unknown += verdicts.filter((verdict) => verdict === 'unknown').length;
    for (const [i, { key, path, values }] of own.entries()) {
      byVerdict[verdicts[i] ?? 'open'].push(address({ bucket: config.processedBucket, key }));
      if (!isRemoved(i) && !standing.has(path)) standing.set(path, { path, values });
    }
  }
  const missing = await judge.missing();
  const drift = await driftOf(deps, format, dataset, table.name, byVerdict);
  missing.push(...drift.missing);
  unknown += drift.extra.length;
  const quarantine = await reconcileQuarantine(deps, dataset);
  removed += quarantine.removed;
  unused += quarantine.dropped;
  const { added, dropped } = await format.repair(table, [...standing.values()], isOwn);
  if (removed > 0 || unknown > 0 || missing.length > 0)
    deps.measure(dataset, {
      ObjectsRemoved: removed,
      ObjectsUnknown: unknown,
      ObjectsMissing: missing.length,
    });
  return {
    table: table.name,
    partitions: standing.size,
    added,
    dropped,
    unused,
    removed,
    unknown,
    missing,
  };
}

/** What readers of a table find otherwise than the ledger counts it. A batch under way has changed only one of both. */
async function driftOf(
  { ledger }: Pick<Deps, 'ledger'>,
  format: TableFormat,
  dataset: string,
  table: string,
  { counts, garbage }: Readonly<Record<Verdict, readonly string[]>>,
): Promise<Drift> {
  const isBusy = async () => (await ledger.openBatches(dataset)).length > 0;
  const latest = async () => (await ledger.lastBatches(dataset)).at(-1)?.batch;
  const nothing = { missing: [], extra: [] };
  const [wasBusy, before] = [await isBusy(), await latest()];
  const uncounted = new Set(garbage);
  const drift = await format.verify(table, counts, (object) => uncounted.has(object));
  return wasBusy || (await isBusy()) || (await latest()) !== before ? nothing : drift;
}

type Reconciling = Pick<Deps, 'config' | 'store' | 'catalog' | 'ledger'>;

/**
 * The same for the quarantine of a dataset, whose partitions a correction may have left without an object. Gives how many objects
 * were removed, and partitions dropped.
 */
async function reconcileQuarantine(
  deps: Reconciling,
  dataset: string,
): Promise<{ removed: number; dropped: number }> {
  const { store, catalog, config } = deps;
  const judge = judgeOf(deps, dataset, [dataset], ({ quarantine }) => quarantine);
  const standing = new Set<string>();
  let removed = 0;
  for await (const page of store.listPages(config.workBucket, `quarantine/dataset=${dataset}/`)) {
    const verdicts = await judge(page);
    const garbage = page.filter((_, i) => verdicts[i] === 'garbage').map((o) => o.key);
    await store.delete(config.workBucket, garbage);
    removed += garbage.length;
    for (const [i, { key }] of page.entries())
      if (verdicts[i] !== 'garbage') standing.add(valuesOfPath(posix.dirname(key)).at(-1) ?? '');
  }
  const gone: string[][] = [];
  for await (const page of catalog.partitionPages(quarantineTable(config).name))
    gone.push(...page.filter(([of, batch = '']) => of === dataset && !standing.has(batch)));
  return { removed, dropped: await dropEmpty(deps, quarantineTable(config), gone) };
}

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

type Verdict = 'counts' | 'open' | 'garbage' | 'unknown';

/**
 * Holds objects against the ledger. An object counts when its attempt is committed and the batch whose rows it holds lists it.
 * One of an attempt that is open, or younger than an hour, may count yet. `sharing`: datasets of the same table.
 */
function judgeOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  dataset: string,
  sharing: readonly string[],
  keysOf: (live: Live) => readonly string[],
): {
  (objects: readonly { key: string; modified: number }[]): Promise<Verdict[]>;
  missing(): Promise<string[]>;
} {
  const { ledger } = deps;
  const seen = new Set<string>();
  const records = new Map<string, { owner: string; committed: number | undefined } | null>();
  const live = new Map<string, Set<string> | null>();
  const recordOf = async (batch: string) => {
    const known = records.get(batch);
    if (known !== undefined) return known;
    for (const owner of sharing) {
      const record = await ledger.batch(owner, batch);
      if (record) {
        const found = { owner, committed: record.committed };
        records.set(batch, found);
        return found;
      }
    }
    records.set(batch, null);
    return null;
  };
  /** Null when the document that lists them is gone. */
  const listed = async (owner: string, batch: string): Promise<Set<string> | null> => {
    const known = live.get(batch);
    if (known !== undefined) return known;
    const found = await liveUnlessGone(deps, owner, batch);
    const objects = found && new Set(keysOf(found));
    live.set(batch, objects);
    return objects;
  };
  const judge = async ({ key, modified }: { key: string; modified: number }): Promise<Verdict> => {
    const name = objectName(key);
    // Not of Sluice; a person may have put it there.
    if (name === null) return 'open';
    seen.add(key);
    const [attempt, rows] = [await recordOf(name.batch), await recordOf(name.rowsOf)];
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
  return Object.assign(
    async (objects: readonly { key: string; modified: number }[]) => {
      const verdicts: Verdict[] = [];
      for (const chunk of chunksOf(objects, 100)) verdicts.push(...(await parallel(chunk, 16, judge)));
      return verdicts;
    },
    {
      /** What batches list and the listing did not have; read anew, since it may have changed. */
      async missing() {
        const found: string[] = [];
        for (const { batch, committed } of await ledger.batches(dataset)) {
          if (committed === undefined) continue;
          const objects = await listed(dataset, batch);
          if (objects !== null && [...objects].every((key) => seen.has(key))) continue;
          const now = await liveUnlessGone(deps, dataset, batch);
          if (now === null) found.push(await liveKey(deps, dataset, batch));
          for (const key of now ? keysOf(now) : [])
            if (!seen.has(key) && !(await deps.store.exists({ bucket: deps.config.processedBucket, key })))
              found.push(key);
        }
        return found;
      },
    },
  );
}

const liveUnlessGone = (deps: Pick<Deps, 'config' | 'store' | 'ledger'>, dataset: string, batch: string) =>
  liveOf(deps, dataset, batch).catch((error: unknown) => {
    if (error instanceof ObjectMissing) return null;
    throw error;
  });
