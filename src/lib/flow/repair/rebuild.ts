/**
 * Restores what somebody has dropped from the Data Catalog: a table, from the plans of its batches, and partitions, from the
 * objects that the ledger counts. It removes nothing, and changes nothing that exists.
 */
import * as z from 'zod';
import { address } from '../../aws/store.ts';
import { pathOfValues, valuesOfPath } from '../../catalog/partitionPath.ts';
import type { CatalogDrift } from '../../ledger/ledger.ts';
import type { OutputColumn } from '../../model/plan.ts';
import type { BatchRecord } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import {
  type KeyObject,
  seenSchema,
  type TableFormat,
  type TablePart,
  type TablePartition,
  type TableShape,
} from '../../table/format.ts';
import { objectName, withinAttempt } from '../../table/objectName.ts';
import { rowsOf } from '../../table/rows.ts';
import { contractOf, type Deps, formatOf } from '../batch/deps.ts';
import { readPlan, unlessGone } from '../batch/manifest.ts';
import { type Live, liveOf } from '../batch/published.ts';
import { lastClosed, requireNothingLost, unlessUnreadable } from '../batch/restored.ts';
import { goldenTable } from '../batch/tables.ts';

export interface Rebuilt {
  readonly table: string;
  /** Whether the Data Catalog did not have the table. */
  readonly isTableMissing: boolean;
  /** Partitions with objects that the ledger counts, which the Data Catalog did not have. */
  readonly partitions: number;
  /** Their rows, or those that other writers have taken out of the table; undefined if nobody has counted them. */
  readonly rows?: number | undefined;
  /** The number of batches that were read. */
  readonly batches: number;
}

type RebuildDeps = Pick<
  Deps,
  'config' | 'contracts' | 'store' | 'catalog' | 'formats' | 'ledger' | 'measure' | 'deadline'
>;

/** The number of batches per page, and per sweep; the next sweep continues after them. */
export const batchesPerPage = 20;

/** The time, in milliseconds, after which the comparison starts again with the first batch. */
const passEvery = 900_000;

/**
 * All batches of the dataset. Null if it has published nothing. Throws LedgerRestored while the ledger has lost attempts, and
 * OutOfTime.
 */
export async function rebuild(deps: RebuildDeps, dataset: string): Promise<Rebuilt | null> {
  await requireNothingLost(deps, dataset);
  const found = await tableOf(deps, dataset);
  return found && noteDrift(deps, dataset, await rebuildAll(deps, dataset, found));
}

/**
 * Compares the table with the last look at it, and with the next page of batches. If the table is gone, with all batches. Null for a
 * dataset that has published nothing.
 */
export async function rebuildNext(deps: RebuildDeps, dataset: string): Promise<Rebuilt | null> {
  const { ledger } = deps;
  await requireNothingLost(deps, dataset);
  const found = await tableOf(deps, dataset);
  if (!found) return null;
  const place = `#catalog-${dataset}`;
  if (!found.isThere) {
    const rebuilt = await rebuildAll(deps, dataset, found);
    await ledger.noteSwept(place, undefined);
    return noteDrift(deps, dataset, rebuilt);
  }
  const gone = await restoreGone(deps, dataset, found);
  const last = await ledger.lastSweep(place);
  const isBetweenPasses = last !== undefined && last.key === undefined;
  if (isBetweenPasses && Date.parse(last.at) + passEvery > Date.now()) return gone;
  const { value: page } = await ledger.batchPages(dataset, batchesPerPage, last?.key).next();
  const batches: readonly BatchRecord[] = page?.batches ?? [];
  const partitions = await register(deps, dataset, found, batches);
  await ledger.noteSwept(place, batches.length < batchesPerPage ? undefined : page?.last);
  if (partitions === 0) return { ...gone, batches: batches.length };
  return noteDrift(deps, dataset, {
    table: found.shape.name,
    isTableMissing: false,
    partitions: gone.partitions + partitions,
    batches: batches.length,
  });
}

/** Each sweep looks at one part of a table, and a person at so many. */
const mostParts = 20;

/** So many partitions are brought back by one sweep, and their rows counted in so many objects. */
const mostRestored = { partitions: 1000, objects: 500 };

/**
 * Brings back partitions of the next part of the table that were there at the last look, if the ledger counts objects in them. After the last
 * part, the first one is the next.
 */
async function restoreGone(
  deps: RebuildDeps,
  dataset: string,
  { shape, format }: Found,
): Promise<Rebuilt & { isTableMissing: false }> {
  const { ledger } = deps;
  const place = `#seen-${dataset}`;
  const part = partAt((await ledger.lastSweep(place))?.key);
  const { before, seen, next, own, partitions, rows } = await goneFrom(
    deps,
    dataset,
    { shape, format },
    part,
  );
  const found = {
    table: shape.name,
    isTableMissing: false,
    partitions: partitions.length,
    batches: 0,
    rows,
  } as const;
  // First told, then mended: a sweep that ends in between finds them again.
  await noteDrift(deps, dataset, found);
  const names = shape.partitionKeys.map(({ name }) => name);
  if (partitions.length > 0)
    await format.register(
      shape,
      partitions.map((values) => ({ path: `${pathOfValues(names, values)}/`, values })),
    );
  // Before the part is written, so that a sweep that ends in between reaches the parts behind it.
  if (seen.isMore) await ledger.noteSwept(place, positionOf({ number: part.number + 1, from: next }));
  else if (part.number > 0) await ledger.noteSwept(place, undefined);
  const left = own.slice(mostRestored.partitions);
  const now = seen.partitions && { ...seen, partitions: [...seen.partitions, ...partitions, ...left] };
  const text = JSON.stringify({ table: shape.name, seen: now ?? seen });
  if (text !== JSON.stringify({ table: shape.name, seen: before }))
    await deps.store.writeText(lookedAt(deps, dataset, part), text);
  return found;
}

const firstPart: TablePart = { number: 0 };

/** A part as the position of a sweep. */
const positionOf = ({ number, from = '' }: TablePart): string => `${number} ${from}`;

function partAt(position: string | undefined): TablePart {
  const [, number, from = ''] = /^(\d+) (.*)$/s.exec(position ?? '') ?? [];
  return number === undefined ? firstPart : { number: Number(number), from: from === '' ? undefined : from };
}

/** What the Data Catalog lacks at the moment, until the sweep brings it back. Changes nothing; null if it has everything. */
export async function findLost(deps: RebuildDeps, dataset: string): Promise<Omit<CatalogDrift, 'at'> | null> {
  const found = await tableOf(deps, dataset);
  if (!found) return null;
  const table = found.shape.name;
  if (!found.isThere) return { table, isTableMissing: true, partitions: 0 };
  let [partitions, rows, isCounted] = [0, 0, true];
  let part: TablePart = firstPart;
  for (let isMore = true; isMore && part.number < mostParts; ) {
    const lost = await goneFrom(deps, dataset, found, part);
    partitions += lost.partitions.length;
    rows += lost.rows ?? 0;
    isCounted &&= lost.rows !== undefined;
    isMore = lost.seen.isMore === true;
    part = { number: part.number + 1, from: lost.next };
  }
  return partitions === 0 && rows === 0
    ? null
    : { table, isTableMissing: false, partitions, ...(isCounted && rows > 0 ? { rows } : {}) };
}

/** Where the last look at a part of a dataset's table is. */
const lookedAt = (
  { config }: Pick<RebuildDeps, 'config'>,
  dataset: string,
  { number }: Pick<TablePart, 'number'>,
) => ({
  bucket: config.workBucket,
  key: number === 0 ? `seen/${dataset}.json` : `seen/${dataset}/${number}.json`,
});

/** Compares a part of an existing table with the last look at it. */
async function goneFrom(
  deps: RebuildDeps,
  dataset: string,
  { shape, format }: Omit<Found, 'isThere'>,
  part: TablePart,
) {
  const { store } = deps;
  // What cannot be read is as good as nothing.
  const last = await store.findJson(lookedAt(deps, dataset, part), seenOf(shape.name).nullable().catch(null));
  const before = last?.seen;
  const { seen, gone, rows, next } = await format.observe(shape, before, part);
  /** Partitions of this dataset that were registered at the last look. */
  const own = gone.filter(isOwnOf(deps, dataset));
  const counted = await objectsCounted(deps, dataset, format, shape, own.slice(0, mostRestored.partitions));
  /** Those of them with rows that the ledger counts. */
  const partitions = [...new Map(counted.map(({ values }) => [JSON.stringify(values), values])).values()];
  return {
    before,
    seen,
    next,
    own,
    partitions,
    rows: partitions.length === 0 ? rows : await rowsOfAll(store, counted),
  };
}

const seenOf = (table: string) => z.object({ table: z.literal(table), seen: seenSchema });

/** The objects in these partitions whose rows the ledger counts. */
async function objectsCounted(
  deps: RebuildDeps,
  dataset: string,
  format: TableFormat,
  shape: TableShape,
  partitions: readonly (readonly string[])[],
): Promise<readonly KeyObject[]> {
  if (partitions.length === 0) return [];
  const objects = await format.objectsIn(shape, partitions);
  const batches = [...new Set(objects.flatMap(({ address }) => objectName(address)?.rowsOf ?? []))];
  const live = await parallel(batches, 16, async (batch) =>
    unlessUnreadable(unlessGone(liveOf(deps, dataset, batch))),
  );
  const bucket = deps.config.processedBucket;
  const counted = new Set(
    live.flatMap((of) =>
      of === null || of === 'unreadable' ? [] : of.objects.map(({ key }) => address({ bucket, key })),
    ),
  );
  // Read after the objects: the partitions of an open batch are its own steps to register.
  const open = new Set((await deps.ledger.openBatches(dataset)).map(({ batch }) => batch));
  const isOver = (at: string) => !open.has(objectName(at)?.batch ?? '');
  return objects.filter((object) => counted.has(object.address) && isOver(object.address));
}

/** Undefined if there are too many objects, or one that cannot be read. */
async function rowsOfAll(store: Deps['store'], objects: readonly KeyObject[]): Promise<number | undefined> {
  if (objects.length > mostRestored.objects) return undefined;
  try {
    const rows = await parallel(objects, 16, (object) => rowsOf(store, object));
    return rows.reduce((sum, n) => sum + n, 0);
  } catch {
    return undefined;
  }
}

interface Found {
  readonly shape: TableShape;
  readonly format: TableFormat;
  readonly isThere: boolean;
}

async function tableOf(deps: RebuildDeps, dataset: string): Promise<Found | null> {
  const latest = await lastClosed(deps, dataset);
  if (!latest) return null;
  const plan = await readPlan(deps, { dataset, ...latest });
  const format = formatOf(deps, plan);
  const shape = goldenTable(plan, deps.config);
  return { shape, format, isThere: await format.isThere(shape.name) };
}

async function rebuildAll(deps: RebuildDeps, dataset: string, found: Found): Promise<Rebuilt> {
  // The table is created with all its columns at once, because a later call that finds it only looks for partitions.
  const shape = found.isThere ? found.shape : await withEarlierColumns(deps, dataset, found.shape);
  if (!found.isThere) await found.format.register(shape, []);
  let [partitions, batches] = [0, 0];
  for await (const page of deps.ledger.batchPages(dataset, batchesPerPage)) {
    deps.deadline?.check();
    batches += page.batches.length;
    partitions += await register(deps, dataset, { ...found, shape }, page.batches);
  }
  return { table: shape.name, isTableMissing: !found.isThere, partitions, batches };
}

/** Columns that only earlier batches had: a table never loses a column. */
async function withEarlierColumns(
  deps: RebuildDeps,
  dataset: string,
  shape: TableShape,
): Promise<TableShape> {
  const names = new Set([...shape.columns, ...shape.partitionKeys].map(({ name }) => name));
  const earlier: OutputColumn[] = [];
  for await (const { batches } of deps.ledger.batchPages(dataset, batchesPerPage)) {
    deps.deadline?.check();
    const plans = await parallel(batches, 16, async ({ batch, committed }) =>
      committed === undefined ? null : unlessGone(readPlan(deps, { dataset, batch, fence: committed })),
    );
    for (const plan of plans)
      for (const column of plan?.table === shape.name ? plan.columns : [])
        if (!names.has(column.name)) {
          names.add(column.name);
          earlier.push(column);
        }
  }
  return { ...shape, columns: [...shape.columns, ...earlier] };
}

/** Registers the partitions of closed batches. Returns the number of missing ones. */
async function register(
  deps: RebuildDeps,
  dataset: string,
  { shape, format }: Found,
  batches: readonly BatchRecord[],
): Promise<number> {
  // Read after the batches: a batch that is committed and not open has registered its partitions.
  const open = new Set((await deps.ledger.openBatches(dataset)).map(({ batch }) => batch));
  const over = batches.filter(({ batch, committed }) => committed !== undefined && !open.has(batch));
  // Reconcile reports unreadable documents. Here they must not stop the rest.
  const live = await parallel(over, 16, ({ batch }) => unlessGone(liveOf(deps, dataset, batch)));
  const partitions = partitionsOf(deps, shape, live);
  return partitions.length === 0 ? 0 : format.register(shape, partitions);
}

function partitionsOf(
  { config }: Pick<RebuildDeps, 'config'>,
  { location, partitionKeys }: TableShape,
  live: readonly (Live | null)[],
): TablePartition[] {
  const paths = new Set<string>();
  for (const { key } of live.flatMap((of) => of?.objects ?? [])) {
    const at = address({ bucket: config.processedBucket, key });
    // A dataset whose contract named another table earlier also has objects there.
    if (at.startsWith(location)) paths.add(withinAttempt(at.slice(location.length, at.lastIndexOf('/') + 1)));
  }
  return [...paths]
    .map((path) => ({ path, values: valuesOfPath(path) }))
    .filter(({ values }) => values.length === partitionKeys.length);
}

/** Whether a partition belongs to the dataset: others may publish into the same table. */
export function isOwnOf(
  deps: Pick<Deps, 'contracts'>,
  dataset: string,
): (values: readonly string[]) => boolean {
  const constants = contractOf(deps, dataset).partitionBy.map((p) => ('constant' in p ? p.constant : null));
  return (values) => constants.every((c, i) => c === null || values[i] === c);
}

/** Reports to the alarm and to `status` what was missing. */
export async function noteDrift<T extends Omit<CatalogDrift, 'at'>>(
  deps: Pick<Deps, 'ledger' | 'measure'>,
  dataset: string,
  drift: T,
): Promise<T> {
  const { table, isTableMissing, partitions, rows } = drift;
  if (!isTableMissing && partitions === 0 && (rows ?? 0) === 0) return drift;
  // Rows without partitions are one find.
  deps.measure(dataset, { CatalogDrift: Number(isTableMissing) + partitions || 1 });
  await deps.ledger.noteDrift(dataset, { table, isTableMissing, partitions, ...(rows ? { rows } : {}) });
  return drift;
}
