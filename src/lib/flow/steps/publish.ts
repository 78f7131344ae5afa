/**
 * Copies rows from staging to the table. An attempt writes only objects with its own names; the commit in the ledger then makes
 * them count. Objects of an attempt without a commit are garbage.
 */
import { posix } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { address, type ObjectRef } from '../../aws/store.ts';
import { folderOf, valuesOfPath } from '../../catalog/partitionPath.ts';
import { LeaseLost, ObjectMissing, TableConflict } from '../../errors.ts';
import { type Plan, rewrittenRows, type Summary, summarySchema } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import type { TableCommit } from '../../table/format.ts';
import { ownObject, rewrittenObject } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { type Deps, formatOf } from '../batch/deps.ts';
import { readFooters, worthwhile } from '../batch/footers.ts';
import { writeLost } from '../batch/lost.ts';
import { readManifest, readPlan, replacesOf } from '../batch/manifest.ts';
import { removeUncounted, writtenBy } from '../batch/objects.ts';
import {
  afterRewrite,
  keysAtWork,
  type Live,
  liveOf,
  type Published,
  publishedSchema,
  readPublished,
  rewritesSchema,
} from '../batch/published.ts';
import type { publishOutput, RunInput } from '../batch/schemas.ts';
import { stagedBy } from '../batch/staged.ts';
import { commitOf, isOfTable } from '../batch/tableCommit.ts';
import { goldenTable, quarantineTable } from '../batch/tables.ts';
import { areTombstones, dayOf } from '../batch/tombstones.ts';

/**
 * Copies staged rows, quarantine, tombstones and rewritten objects, and commits the attempt. It is idempotent. Throws LeaseLost if another
 * execution has taken over, and TableMismatch if the table has a column of another type; then nothing counts.
 */
export async function publish(
  deps: Deps,
  { dataset, batch, run, fence }: RunInput,
): Promise<z.output<typeof publishOutput>> {
  const { config, store, catalog, ledger, deadline } = deps;
  const attempt = { batch, fence };
  const record = places(config).attempt(dataset, attempt).published;
  if ((await ledger.batch(dataset, batch))?.committed === fence)
    return counted(await readPublished(deps, dataset, attempt));
  await ledger.requireLease(dataset, fence);
  const plan = await readPlan(deps, { dataset, ...attempt });
  const table = goldenTable(plan, config);
  const format = formatOf(deps, plan);
  await format.ensure(table, { dataset, fence });
  // Staged rows have the field ids that the plan names.
  if (plan.fieldIds && !isDeepStrictEqual(plan.fieldIds, await format.fieldIds(table)))
    throw new TableConflict(
      `table ${plan.table}: another writer has changed its columns since the batch was planned; the batch is planned again`,
    );
  const { planned, copies, documents } = await planOf(deps, attempt, run, plan);
  // Anything that could prevent the end of the batch is found before its commit.
  if (planned.quarantine.length > 0) await catalog.ensureTable(quarantineTable(config));
  await store.copy(
    places(config).run(dataset, batch, run).summary,
    places(config).attempt(dataset, attempt).summary,
  );
  // A twin of this call, which Step Functions took for lost, may arrive late: the first record stays.
  await parallel(
    documents,
    32,
    ({ key, live }) => store.writeOnce({ bucket: config.workBucket, key }, JSON.stringify(live)),
    deadline,
  );
  await store.writeOnce(places(config).mark(dataset, attempt), '');
  // This is written before any object, so that a process that takes the attempt back knows what to remove.
  const published = await store.writeJsonOnce(record, planned, publishedSchema);
  // Objects that the record does not name would never be found.
  const named = new Set(
    writtenBy(published).flatMap((w) => [...w.objects.map((o) => o.key), ...keysAtWork(w)]),
  );
  if (plan.set.sql.duckdb.lost !== null) await writeLost(deps, dataset, attempt, run);
  const ours = copies.filter(({ to }) => named.has(to.key));
  await parallel(ours, 32, ({ from, to }) => store.copy(from, to), deadline);
  // Readers may see the batch before the ledger counts it. If the ledger never does, the process that takes the attempt back
  // asks the table.
  const commit = commitOf(config, dataset, attempt, plan, published);
  await format.commit(table, await withFooters(deps, commit, plan, attempt, run), deadline);
  try {
    await ledger.commit(dataset, attempt);
  } catch (error) {
    // An object that a state of the table names is not removed here.
    if (error instanceof LeaseLost && !format.history)
      await removeUncounted(deps, dataset, attempt, published);
    throw error;
  }
  return counted(published);
}

/** The commit with the ends of its objects, as far as the run has staged them. */
async function withFooters(
  deps: Deps,
  commit: TableCommit,
  plan: Plan,
  attempt: Attempt,
  run: string,
): Promise<TableCommit> {
  if (!formatOf(deps, plan).isInPlace || commit.add.length < worthwhile) return commit;
  const find = await readFooters(deps, places(deps.config).run(plan.dataset, attempt.batch, run).footers);
  const root = address(stagedBy(deps, plan, attempt, run).data);
  return {
    ...commit,
    add: commit.add.map((object) =>
      object.address.startsWith(root)
        ? { ...object, end: find(object.address.slice(root.length), object.bytes) }
        : object,
    ),
  };
}

const counted = ({ objects, partitions }: Published): z.output<typeof publishOutput> => ({
  objects: objects.length,
  partitions: partitions.length,
});

interface Copy {
  readonly from: { readonly bucket: string; readonly key: string };
  readonly to: { readonly bucket: string; readonly key: string };
}

/** What Publish will do, as data: the record, the copies, and the objects of earlier batches afterwards. */
async function planOf(
  deps: Deps,
  attempt: Attempt,
  run: string,
  plan: Plan,
): Promise<{ planned: Published; copies: Copy[]; documents: { key: string; live: Live }[] }> {
  const { config, store } = deps;
  const { dataset, table, format } = plan;
  const at = places(config);
  const staged = at.run(dataset, attempt.batch, run);
  const { data } = stagedBy(deps, plan, attempt, run);
  const copies: Copy[] = [];
  const copy = (from: { bucket: string; key: string }, bucket: string, key: string): string => {
    copies.push({ from, to: { bucket, key } });
    return key;
  };
  /** The final place of the table's rows: their present place, if they were staged where they stay. */
  const settle = (from: { bucket: string; key: string }, key: string): string =>
    formatOf(deps, plan).isInPlace ? from.key : copy(from, config.processedBucket, key);
  const rows = await parquetBelow(store, data);
  const found = numberedByFolder(rows, data.key);
  const summary = await store.readJson(staged.summary, summarySchema);
  requireStaged(summary, found);
  const objects = found.map(({ from, folder, number }) => ({
    key: settle({ bucket: data.bucket, key: from.key }, `${table}/${folder}${ownObject(attempt, number)}`),
    folder,
    bytes: from.size,
  }));
  const refused = await parquetBelow(store, staged.quarantine);
  const quarantine = refused.map(({ key }, number) =>
    copy(
      { bucket: config.workBucket, key },
      config.workBucket,
      `${at.quarantine(dataset, attempt.batch).key}${ownObject(attempt, number)}`,
    ),
  );
  const graves = summary.deletes === undefined ? [] : await parquetBelow(store, staged.tombstones);
  if (graves.length === 0 && (summary.deletes ?? 0) > 0)
    throw new ObjectMissing('the staged tombstones are gone; the batch is transformed again');
  // The day of the run, not of this call: a call that is repeated on the next day has the same names.
  const tombstones = graves.map(({ key, modified }, number) =>
    copy(
      { bucket: config.workBucket, key },
      config.workBucket,
      `${at.tombstones(dataset).key}${dayOf(modified)}/${ownObject(attempt, number)}`,
    ),
  );
  const replaces = replacesOf(await readManifest(deps, { dataset, ...attempt }));
  const hasRewrites = replaces.length > 0 || rewrittenRows(summary) > 0;
  const rewrites = !hasRewrites ? [] : await store.readJson(staged.rewrites, rewritesSchema);
  const isTombstone = areTombstones(config, dataset);
  const documents: { key: string; live: Live }[] = [];
  const isOwn = (old: ObjectRef) => old.bucket === config.processedBucket && isOfTable(table, old.key);
  const rewrittenOf = async ({ batch, objects: changed }: (typeof rewrites)[number]) => {
    const before = await liveOf(deps, dataset, batch);
    const dropped = {
      objects: [] as Live['objects'],
      quarantine: [] as string[],
      tombstones: [] as string[],
    };
    const added: typeof dropped = { objects: [], quarantine: [], tombstones: [] };
    const hidden: NonNullable<Published['rewritten'][number]['hidden']> = [];
    for (const [number, { at: old, by, bytes, deletes, hidden: rows }] of changed.entries()) {
      const isData = old.bucket === config.processedBucket;
      if (rows !== undefined && by !== null) {
        // It is staged where it stays.
        hidden.push({ key: old.key, by: { key: by.key, bytes, rows }, replaces: deletes });
        continue;
      }
      if (isData) dropped.objects.push({ key: old.key, bytes: 0, deletes });
      else (isTombstone(old.key) ? dropped.tombstones : dropped.quarantine).push(old.key);
      if (by === null) continue;
      const name = `${posix.dirname(old.key)}/${rewrittenObject(attempt, batch, number)}`;
      const key = isOwn(old) ? settle(by, name) : copy(by, old.bucket, name);
      if (isData) added.objects.push({ key, bytes, restOf: old.key });
      else (isTombstone(old.key) ? added.tombstones : added.quarantine).push(key);
    }
    const key = at.attempt(dataset, attempt).live(batch).key;
    documents.push({ key, live: afterRewrite(before, dropped, added) });
    return { batch, dropped, added, ...(hidden.length === 0 ? {} : { hidden }), live: key };
  };
  const rewritten = await parallel(rewrites, 32, rewrittenOf, deps.deadline);
  const leaving = rewrites
    .flatMap((rewrite) => rewrite.objects)
    .reduce((sum, { at: old, removed }) => sum + (isOwn(old) ? removed : 0), 0);
  const folders = [...new Set(objects.map((o) => o.folder))].sort();
  const planned = {
    format,
    run,
    objects: objects.map(({ key, bytes }) => ({ key, bytes })),
    quarantine,
    ...(summary.deletes === undefined ? {} : { tombstones }),
    partitions: folders.map((path) => ({ path, values: valuesOfPath(path) })),
    rewritten,
    leaving,
  };
  return { planned, copies, documents };
}

/** Throws ObjectMissing if rows were counted for a partition without a staged object: somebody has deleted it. */
function requireStaged({ partitions }: Summary, found: readonly { folder: string }[]): void {
  const staged = new Set(found.map(({ folder }) => JSON.stringify(valuesOfPath(folder))));
  const missing = partitions.find((p) => p.rows > 0 && !staged.has(JSON.stringify(p.values)));
  if (missing)
    throw new ObjectMissing(
      `the staged rows of the partition ${missing.values.join('/')} are gone; they are transformed again`,
    );
}

const parquetBelow = async (store: Deps['store'], place: { bucket: string; key: string }) =>
  (await store.list(place.bucket, place.key)).filter((o) => o.key.endsWith('.parquet'));

/** Each object with its folder below `root` and its number within it, in the order of names. */
function numberedByFolder(objects: readonly { key: string; size: number }[], root: string) {
  const counters = new Map<string, number>();
  return objects.map((from) => {
    const folder = folderOf(from.key.slice(root.length));
    const number = counters.get(folder) ?? 0;
    counters.set(folder, number + 1);
    return { from, folder, number };
  });
}
