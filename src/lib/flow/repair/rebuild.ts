/**
 * Restores what somebody has dropped from the Data Catalog: a table, from the plans of its batches, and partitions, from the
 * objects that the ledger counts. It removes nothing, and changes nothing that exists.
 */
import { address } from '../../aws/store.ts';
import { valuesOfPath } from '../../catalog/partitionPath.ts';
import type { CatalogDrift } from '../../ledger/ledger.ts';
import type { OutputColumn } from '../../model/plan.ts';
import type { BatchRecord } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import type { TableFormat, TablePartition, TableShape } from '../../table/format.ts';
import { withinAttempt } from '../../table/objectName.ts';
import { type Deps, formatOf } from '../batch/deps.ts';
import { readPlan, unlessGone } from '../batch/manifest.ts';
import { type Live, liveOf } from '../batch/published.ts';
import { lastClosed, requireNothingLost } from '../batch/restored.ts';
import { goldenTable } from '../batch/tables.ts';

export interface Rebuilt {
  readonly table: string;
  /** Whether the Data Catalog did not have the table. */
  readonly isTableMissing: boolean;
  /** Partitions with objects that the ledger counts, which the Data Catalog did not have. */
  readonly partitions: number;
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

/** The next page of batches, on a schedule; all batches if the table is missing. Null if no page is due. */
export async function rebuildNext(deps: RebuildDeps, dataset: string): Promise<Rebuilt | null> {
  const { ledger } = deps;
  const place = `#catalog-${dataset}`;
  const last = await ledger.lastSweep(place);
  const isBetweenPasses = last !== undefined && last.key === undefined;
  if (isBetweenPasses && Date.parse(last.at) + passEvery > Date.now()) return null;
  await requireNothingLost(deps, dataset);
  const found = await tableOf(deps, dataset);
  if (!found) return null;
  if (!found.isThere) {
    const rebuilt = await rebuildAll(deps, dataset, found);
    await ledger.noteSwept(place, undefined);
    return noteDrift(deps, dataset, rebuilt);
  }
  const { value: page } = await ledger.batchPages(dataset, batchesPerPage, last?.key).next();
  const batches: readonly BatchRecord[] = page?.batches ?? [];
  const partitions = await register(deps, dataset, found, batches);
  await ledger.noteSwept(place, batches.length < batchesPerPage ? undefined : page?.last);
  const { shape } = found;
  return noteDrift(deps, dataset, {
    table: shape.name,
    isTableMissing: false,
    partitions,
    batches: batches.length,
  });
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

/** Reports to the alarm and to `status` what was missing. */
export async function noteDrift<T extends Omit<CatalogDrift, 'at'>>(
  deps: Pick<Deps, 'ledger' | 'measure'>,
  dataset: string,
  drift: T,
): Promise<T> {
  const { table, isTableMissing, partitions } = drift;
  if (!isTableMissing && partitions === 0) return drift;
  deps.measure(dataset, { CatalogDrift: Number(isTableMissing) + partitions });
  await deps.ledger.noteDrift(dataset, { table, isTableMissing, partitions });
  return drift;
}
