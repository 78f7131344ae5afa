/**
 * Takes rows of persons out of the objects of the table, of the quarantine and of the tombstones. Some objects at a time are rewritten in a batch without
 * files, like a compaction: whoever finds it interrupted ends it.
 */
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { address, type ObjectRef, placeOf } from '../../aws/store.ts';
import type { RecordPlace } from '../../engine/searchRows.ts';
import { ErasureRefused, LeaseLost } from '../../errors.ts';
import type { Attempt } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import type { Deletes, Naming } from '../../table/format.ts';
import { objectName, rewrittenObject } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { beginCompaction, finishCompaction, settleCompaction } from '../batch/compaction.ts';
import { countedKeys } from '../batch/countedKeys.ts';
import { deletesOf, fetchDeletes } from '../batch/deletes.ts';
import { formatOf } from '../batch/deps.ts';
import { unlessGone } from '../batch/manifest.ts';
import { afterRewrite, type Live, liveOf, type Published } from '../batch/published.ts';
import { stagedBy } from '../batch/staged.ts';
import { commitOf } from '../batch/tableCommit.ts';
import { goldenTable } from '../batch/tables.ts';
import { areTombstones } from '../batch/tombstones.ts';
import { leaveNothing } from '../maintain/pack.ts';
import type { Leases } from './leases.ts';
import { type Found, inFolder, type RowsFound } from './search.ts';
import { type EraseDeps, type Erasing, inGroups } from './work.ts';

/** An object that the ledger counts. */
interface Counted extends RowsFound {
  readonly bucket: string;
  /** The batch whose rows it has. */
  readonly rowsOf: string;
}

/** The run of a batch that erases. */
const eraseRun = 'e';

/** A version that is deleted. */
type Stale = RowsFound & { readonly bucket: string };

/** Objects with rows of persons: those that are rewritten, and all others, which are deleted. */
export interface Sorted {
  readonly counted: readonly Counted[];
  readonly stale: readonly Stale[];
  /** Why some cannot be erased. */
  readonly refusals: readonly string[];
  /** See `namingOf`. */
  readonly named: Naming | null;
}

/** What names the objects of the table among the found ones; null if there are none, or nothing could. */
export async function namingOf(
  { config }: Pick<EraseDeps, 'config'>,
  { plan, format }: Pick<Erasing, 'plan' | 'format'>,
  found: Found,
): Promise<Naming | null> {
  const addresses = addressesOf(config, found);
  return format.history && addresses.size > 0 && (await format.isThere(plan.table))
    ? format.history.naming(plan.table, addresses)
    : null;
}

const addressesOf = ({ processedBucket: bucket }: EraseDeps['config'], { table }: Pick<Found, 'table'>) =>
  new Set(table.map(({ key }) => address({ bucket, key })));

/** The found objects with their buckets. */
const withBuckets = (config: EraseDeps['config'], { table, quarantine, tombstones }: Found) => [
  ...table.map((each) => ({ ...each, bucket: config.processedBucket })),
  ...[...quarantine, ...tombstones].map((each) => ({ ...each, bucket: config.workBucket })),
];

/** Compares the found objects with the ledger, and with what readers find. */
export async function sorted(deps: EraseDeps, work: Erasing, found: Found): Promise<Sorted> {
  const { config } = deps;
  const { dataset, plan, columns } = work;
  const keysOf = countedKeys(deps, dataset);
  const named = await namingOf(deps, work, found);
  const current = new Set(named?.current);
  const counted: Counted[] = [];
  const stale: Stale[] = [];
  const refusals: string[] = [];
  if (named !== null && named.branches.length > 0)
    refusals.push(
      `the table ${plan.table} has the branch ${named.branches[0]} with rows of these persons; drop the branch`,
    );
  for (const each of withBuckets(config, found)) {
    const { bucket, key, isLatest } = each;
    const rowsOf = objectName(key)?.rowsOf;
    const place = address({ bucket, key });
    const isRead = current.has(place);
    if (!isLatest && !isRead) {
      stale.push(each);
      continue;
    }
    const list = rowsOf === undefined ? null : await keysOf(rowsOf);
    const folder = columns.find((name) => key.includes(`/${name}=`));
    if (folder !== undefined)
      refusals.push(
        `${place}: an earlier contract has partitioned the table by ${folder}, so the name has the value; replay the files of this partition`,
      );
    else if (rowsOf !== undefined && list?.has(key) && each.unclear.length > 0)
      refusals.push(
        `${place} is older than a column that names the persons, and an earlier erasure has changed the lines of ${each.unclear.join(', ')}: replay these files, then run the same command again`,
      );
    else if (rowsOf !== undefined && list?.has(key)) counted.push({ ...each, rowsOf });
    else if (!isRead && (list !== null || (named !== null && bucket === config.processedBucket)))
      stale.push(each);
    else
      refusals.push(
        `${place} has rows of these persons, and the ledger does not count it: another program has written it, or its batch is unknown; remove these rows or the object by hand, or run reconcile`,
      );
  }
  return { counted, stale, refusals, named };
}

/** Rewrites the objects. Gives the number of rows that went, and the objects that had them. */
export async function eraseRows(
  deps: EraseDeps,
  work: Erasing,
  leases: Leases,
  counted: readonly Counted[],
  records: readonly RecordPlace[],
): Promise<{ rows: number; rewritten: readonly Counted[] }> {
  let rows = 0;
  const rewritten: Counted[] = [];
  for (const group of inGroups(counted, ({ size }) => size)) {
    await work.beat();
    const rests = await inFolder((folder) => eraseGroup(deps, work, leases, group, records, folder));
    for (const { object, removed } of rests) {
      rows += removed;
      rewritten.push(object);
    }
    work.onProgress(`table: ${rows} rows erased`);
  }
  return { rows, rewritten };
}

async function eraseGroup(
  deps: EraseDeps,
  work: Erasing,
  leases: Leases,
  group: readonly Counted[],
  records: readonly RecordPlace[],
  folder: string,
): Promise<readonly Rest[]> {
  const { store, config } = deps;
  const isTombstone = areTombstones(config, work.dataset);
  const known = await deletesOf(
    deps,
    work.plan,
    group.map((ref) => ({ ref })),
  );
  const goneFrom = ({ bucket, key }: Counted) => known.get(address({ bucket, key }))?.deletes;
  const copies = await parallel(group, 16, async (object, i) => {
    const { bucket, key, version } = object;
    const path = join(folder, `${i}.parquet`);
    await store.download({ bucket, key, version }, path);
    const deletes = await fetchDeletes(deps, goneFrom(object), `${path}-deletes`);
    const isQuarantine = bucket === config.workBucket && !isTombstone(key);
    return { path, deletes, isQuarantine, to: join(folder, `${i}-rest.parquet`) };
  });
  const matches = await work.engine.searchRows(copies, records);
  const rests = group.flatMap((object, i) => {
    const { removed = 0, kept = 0 } = matches[i] ?? {};
    const path = kept === 0 ? null : (copies[i]?.to ?? '');
    return removed === 0 ? [] : [{ object, removed, path, deletes: goneFrom(object) }];
  });
  if (rests.length === 0) return rests;
  const { dataset } = work;
  const batch = randomBytes(10).toString('hex');
  const fence = await leases.renewed(dataset);
  try {
    await commitRests(deps, work, { batch, fence }, leases.holder, rests);
  } catch (error) {
    if (error instanceof LeaseLost) {
      await leaveNothing(deps, work, { dataset, batch, fence });
      throw error;
    }
    // A late call of this attempt no longer counts.
    const higher = await leases.raised(dataset);
    await settleCompaction(deps, { dataset, batch, fence }, higher, error);
    throw error;
  }
  return rests;
}

interface Rest {
  readonly object: Counted;
  readonly removed: number;
  /** The local file with the rows that stay; null for none. */
  readonly path: string | null;
  readonly deletes: Deletes | undefined;
}

async function commitRests(
  deps: EraseDeps,
  { dataset, plan }: Erasing,
  attempt: Attempt,
  execution: string,
  rests: readonly Rest[],
): Promise<void> {
  const { config, store, ledger } = deps;
  const { fence } = attempt;
  const format = formatOf(deps, plan);
  const at = places(config).attempt(dataset, attempt);
  const isTombstone = areTombstones(config, dataset);
  const staged = stagedBy(deps, plan, attempt, eraseRun);
  const placed = rests.map(({ object, path, deletes }, n) => {
    const { bucket, key, rowsOf } = object;
    const isInPlace = bucket === config.processedBucket && format.isInPlace;
    const to: ObjectRef | null =
      path === null
        ? null
        : isInPlace
          ? staged.rewritten(rowsOf, { bucket, key })
          : { bucket, key: `${posix.dirname(key)}/${rewrittenObject(attempt, rowsOf, n)}` };
    return { ...object, path, to, bytes: 0, deletes };
  });
  const uploads = await parallel(placed, 16, async (each) => ({
    ...each,
    bytes: each.path === null ? 0 : await sizeOf(each.path),
  }));
  const byBatch = [...Map.groupBy(uploads, ({ rowsOf }) => rowsOf)];
  const rewritten = await parallel(byBatch, 16, async ([rowsOf, of]) => {
    const before = await liveOf(deps, dataset, rowsOf);
    const inTable = of.filter(({ bucket }) => bucket === config.processedBucket);
    const atWork = of.filter(({ bucket }) => bucket !== config.processedBucket);
    const graves = atWork.filter(({ key }) => isTombstone(key));
    const refused = atWork.filter(({ key }) => !isTombstone(key));
    const newKeys = (some: typeof atWork) => some.flatMap(({ to }) => (to ? [to.key] : []));
    const dropped: Live = {
      objects: inTable.map(({ key, deletes }) => ({
        key,
        bytes: 0,
        deletes: deletes && placeOf(deletes.address).key,
      })),
      quarantine: refused.map(({ key }) => key),
      tombstones: graves.map(({ key }) => key),
    };
    const added: Live = {
      objects: inTable.flatMap(({ key, to, bytes }) => (to ? [{ key: to.key, bytes, restOf: key }] : [])),
      quarantine: newKeys(refused),
      tombstones: newKeys(graves),
    };
    const live = afterRewrite(before, dropped, added);
    return { live, document: { batch: rowsOf, dropped, added, live: at.live(rowsOf).key } };
  });
  const published: Published = {
    format: plan.format,
    run: eraseRun,
    objects: [],
    quarantine: [],
    partitions: [],
    rewritten: rewritten.map(({ document }) => document),
  };
  const lives = new Map(rewritten.map(({ live, document }) => [document.batch, live]));
  await beginCompaction(deps, { dataset, ...attempt }, plan, published, lives, {
    bytes: uploads.reduce((sum, each) => sum + each.bytes, 0),
    engine: 'erasure',
    execution,
  });
  await parallel(uploads, 16, async ({ path, to }) => {
    if (path !== null && to !== null) await store.uploadOnce(path, to);
  });
  // The quarantine alone is in no table.
  if (rewritten.some(({ document }) => document.dropped.objects.length > 0))
    await format.commit(goldenTable(plan, config), commitOf(config, dataset, attempt, plan, published));
  await ledger.commit(dataset, attempt);
  await finishCompaction(deps, { dataset, ...attempt }, fence);
}

const sizeOf = async (path: string): Promise<number> => (await stat(path)).size;

/** Throws ErasureRefused for all reasons at once: nothing was changed. */
export function requireNone(refusals: readonly string[]): void {
  if (refusals.length > 0)
    throw new ErasureRefused(`nothing was changed:\n${refusals.map((refusal) => `- ${refusal}`).join('\n')}`);
}

/** Deletes versions of objects that nothing counts any more, with the earlier states and metadata files of the table that name them. */
export async function eraseHistory(
  deps: EraseDeps,
  work: Erasing,
  stale: readonly Stale[],
): Promise<{ snapshots: number; tags: readonly string[]; objects: number; metadata: number }> {
  const { store, config } = deps;
  const { plan, format } = work;
  const bucket = config.processedBucket;
  const addresses = addressesOf(config, { table: stale.filter((each) => each.bucket === bucket) });
  let states: { snapshots: number; tags: readonly string[] } = { snapshots: 0, tags: [] };
  let metadata: { key: string; version: string }[] = [];
  const { history } = format;
  if (history && addresses.size > 0 && (await format.isThere(plan.table))) {
    await work.beat();
    states = await history.forget(plan.table, addresses);
    metadata = await metadataNaming(deps, work, addresses);
    await store.deleteVersions(bucket, metadata);
  }
  await work.beat();
  // They come last: as long as they are there, the next search finds what names them.
  for (const [of, versions] of Map.groupBy(stale, (each) => each.bucket))
    await store.deleteVersions(of, versions);
  return { ...states, objects: stale.length, metadata: metadata.length };
}

/** Metadata files, of any time, that name one of the addresses: they have bounds of its values. */
async function metadataNaming(
  { store, config }: Pick<EraseDeps, 'store' | 'config'>,
  { plan, format, beat }: Erasing,
  addresses: ReadonlySet<string>,
): Promise<{ key: string; version: string }[]> {
  const bucket = config.processedBucket;
  const found: { key: string; version: string }[] = [];
  for await (const page of store.everyVersion(bucket, `${plan.table}/metadata/`)) {
    await beat();
    const files = page.filter(({ key, isMarker }) => !isMarker && key.endsWith('.avro'));
    const isNaming = await parallel(files, 16, async ({ key, version }) => {
      const bytes = await unlessGone(store.readBytes({ bucket, key, version }));
      return bytes !== null && (format.history?.namedBy(bytes).some((path) => addresses.has(path)) ?? false);
    });
    found.push(...files.filter((_, i) => isNaming[i]));
  }
  return found;
}
