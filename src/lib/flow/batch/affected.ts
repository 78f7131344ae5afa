/**
 * The objects that a batch rewrites: those with rows of earlier versions of its files, with rows that lose to newer rows of the same key, and with
 * versions that are valid until another time now. They are known from documents alone.
 */
import * as z from 'zod';
import { address, type ObjectRef, placeOf } from '../../aws/store.ts';
import type { Removed, Rewriting } from '../../engine/rewrite.ts';
import { isRewritten, type Rewritten } from '../../engine/rewritten.ts';
import { ObjectMissing, TableConflict } from '../../errors.ts';
import { leavingRows, type Plan } from '../../model/plan.ts';
import { parallel } from '../../parallel.ts';
import type { Deletes, TableFormat } from '../../table/format.ts';
import { objectName } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import { deletesOf } from './deletes.ts';
import type { Deps } from './deps.ts';
import type { HiddenObject } from './hiding.ts';
import { readManifest, readPlan, replacesOf } from './manifest.ts';
import { readSummary } from './plan.ts';
import { type Live, liveOf, packsOf, type Rewrites } from './published.ts';
import type { RunInput } from './schemas.ts';
import { stagedBy } from './staged.ts';

/** An object that may lose rows. */
export interface Affected extends Pick<Rewriting, 'columns' | 'replacedAt' | 'changedAt'> {
  /** The batch of its rows. */
  readonly rowsOf: string;
  readonly ref: ObjectRef;
  readonly bytes: number;
  /** The place of its remaining rows. */
  readonly to: ObjectRef;
  /** Rows that have left it. */
  readonly gone?: Deletes | undefined;
}

/** The objects with rows of one batch. */
export interface Holder {
  readonly rowsOf: string;
  /** All rows of these files leave. */
  readonly origins: Removed['origins'];
  readonly objects: readonly Affected[];
}

export interface Rewrite {
  readonly plan: Plan;
  readonly holders: readonly Holder[];
  /** What the table knows of the objects. */
  readonly known: Awaited<ReturnType<TableFormat['deletesOf']>>;
}

type Reading = Pick<Deps, 'config' | 'store' | 'ledger' | 'formats' | 'deadline'>;

/** A replay may have a file of each of many thousand batches, and to find the objects of one takes two small reads. */
const documentsAtOnce = 32;

/** What a run of a batch rewrites; null if no row leaves or changes. Throws TableConflict for an object of nobody. */
export async function rewriteOf(
  deps: Reading,
  { dataset, batch, run, fence }: RunInput,
): Promise<Rewrite | null> {
  const { config } = deps;
  const replaces = replacesOf(await readManifest(deps, { dataset, batch, fence }));
  const at = places(config).run(dataset, batch, run);
  const { replaced, changed } = await expectedOf(deps, { dataset, batch, run });
  if (replaces.length === 0 && replaced + changed === 0) return null;
  const plan = await readPlan(deps, { dataset, batch, fence });
  const staged = stagedBy(deps, plan, { batch, fence }, run);
  const losing = replaced === 0 ? new Map<string, ObjectRef[]>() : await losingObjects(deps, at.replaced);
  const closing = changed === 0 ? new Map<string, ObjectRef[]>() : await losingObjects(deps, at.changed);
  const originsBy = await holdersOf(deps, dataset, replaces);
  const all = [...new Set([...originsBy.keys(), ...losing.keys(), ...closing.keys()])];
  const holderOf = async (rowsOf: string): Promise<Holder> => {
    const origins = originsBy.get(rowsOf) ?? [];
    const addresses = new Set(losing.get(rowsOf)?.map(address));
    const changedAddresses = new Set(closing.get(rowsOf)?.map(address));
    // Each object of the batch may have rows of a file that is replaced.
    const found =
      origins.length > 0
        ? await objectsOf(deps, dataset, rowsOf)
        : tableObjects(config, await liveOf(deps, dataset, rowsOf)).filter(({ ref }) =>
            [addresses, changedAddresses].some((those) => those.has(address(ref))),
          );
    const objects = found.map((object) => {
      const place = address(object.ref);
      return {
        ...object,
        rowsOf,
        to: staged.rewritten(rowsOf, object.ref),
        replacedAt: addresses.has(place) ? place : undefined,
        changedAt: changedAddresses.has(place) ? place : undefined,
      };
    });
    return { rowsOf, origins, objects };
  };
  const holders = await parallel(all, documentsAtOnce, holderOf, deps.deadline);
  const known = await deletesOf(
    deps,
    plan,
    holders.flatMap(({ objects }) => objects),
  );
  const withDeletes = (object: Affected) => ({ ...object, gone: known.get(address(object.ref))?.deletes });
  return {
    plan,
    known,
    holders: holders.map((holder) => ({ ...holder, objects: holder.objects.map(withDeletes) })),
  };
}

/** The rows that the transform has counted. */
async function expectedOf(
  deps: Pick<Deps, 'config' | 'store'>,
  { dataset, batch, run }: Pick<RunInput, 'dataset' | 'batch' | 'run'>,
): Promise<{ replaced: number; changed: number }> {
  const summary = await readSummary(deps, dataset, batch, run);
  return { replaced: leavingRows(summary), changed: summary.changedRows ?? 0 };
}

/** What became of an object; `bytes` of its remaining rows. */
export interface Outcome extends Rewritten {
  readonly bytes: number;
}

/**
 * Checks that exactly the rows were found that the transform counted, and writes the list of rewritten objects for Publish. Throws
 * TableConflict otherwise. An object without an outcome is gone. `hidden`: objects that stay, with a new delete file.
 */
export async function settleRewrite(
  deps: Pick<Deps, 'config' | 'store'>,
  { dataset, batch, run }: Pick<RunInput, 'dataset' | 'batch' | 'run'>,
  results: readonly (Pick<Affected, 'rowsOf' | 'ref' | 'to'> & {
    /** The address of its delete file, whose rows the outcome does not have. */
    readonly deletes: string | undefined;
    readonly outcome: Outcome | null;
  })[],
  hidden: readonly HiddenObject[] = [],
): Promise<{ objects: number; rows: number }> {
  const expected = await expectedOf(deps, { dataset, batch, run });
  const found = results.flatMap(({ outcome, ...object }) =>
    outcome === null ? [] : [{ ...object, ...outcome }],
  );
  const left = hidden.reduce((sum, { removed }) => sum + removed, 0);
  const replaced = found.reduce((sum, each) => sum + each.replaced, left);
  const changed = found.reduce((sum, { changed: n = 0 }) => sum + n, 0);
  if (replaced !== expected.replaced)
    throw new TableConflict(
      `${dataset}: newer rows replace ${expected.replaced} published rows, and ${replaced} of them are in the table: its objects have changed since the batch was transformed, and it is planned again`,
      { dataset, batch },
    );
  if (changed !== expected.changed)
    throw new TableConflict(
      `${dataset}: ${expected.changed} published versions are valid until another time now, and ${changed} of them are in the table: its objects have changed since the batch was transformed, and it is planned again`,
      { dataset, batch },
    );
  const affected = found.filter(({ removed, changed: n = 0 }) => removed + n > 0);
  const all: HiddenObject[] = [
    ...affected.map(({ rowsOf, ref, to, bytes, deletes, ...rows }) => ({
      rowsOf,
      at: ref,
      ...(isRewritten(rows) ? { by: to, bytes } : { by: null, bytes: 0 }),
      removed: rows.removed,
      deletes: deletes === undefined ? undefined : placeOf(deletes).key,
    })),
    ...hidden,
  ];
  const rewrites: Rewrites = [...Map.groupBy(all, ({ rowsOf }) => rowsOf)].map(([rowsOf, objects]) => ({
    batch: rowsOf,
    objects: objects.map(({ rowsOf: _, ...object }) => object),
  }));
  // A twin of this call, or ReplaceRows beside the job, may come late with another list: the first one stays.
  await deps.store.writeOnce(places(deps.config).run(dataset, batch, run).rewrites, JSON.stringify(rewrites));
  return { objects: all.length, rows: all.reduce((sum, { removed }) => sum + removed, 0) };
}

type Origin = { readonly object: string; readonly version: string; readonly batch: string };

/** Whose objects have the replaced rows: their batches, and compactions, each once with all rows that it loses. */
async function holdersOf(
  deps: Reading,
  dataset: string,
  replaces: readonly Origin[],
): Promise<Map<string, Origin[]>> {
  const byBatch = [...Map.groupBy(replaces, (r) => r.batch)];
  const packs = await parallel(
    byBatch,
    documentsAtOnce,
    ([batch]) => packsOf(deps, dataset, batch),
    deps.deadline,
  );
  const holders = new Map<string, Origin[]>();
  // A compaction may have rows of all of the batches.
  for (const [i, [batch, origins]] of byBatch.entries())
    for (const holder of [batch, ...(packs[i] ?? [])]) {
      const known = holders.get(holder) ?? [];
      for (const origin of origins) known.push(origin);
      holders.set(holder, known);
    }
  return holders;
}

/** The objects of the table whose rows newer ones replace or change, by the batch of their rows. Throws TableConflict for an object of nobody. */
async function losingObjects(
  { store }: Pick<Deps, 'store'>,
  replaced: ObjectRef,
): Promise<ReadonlyMap<string, ObjectRef[]>> {
  const paths = await store.readJson(
    { ...replaced, key: `${replaced.key}objects.json` },
    z.array(z.string()),
  );
  return Map.groupBy(paths.map(placeOf), (ref) => {
    const name = objectName(ref.key);
    if (name === null)
      throw new TableConflict(
        `${address(ref)} has rows that newer ones replace or change, and was written by another program: Sluice rewrites only its own objects. Remove these rows, or dedupe with scope batch`,
      );
    return name.rowsOf;
  });
}

type OldObject = Pick<Affected, 'ref' | 'columns' | 'bytes'>;

/** Objects with rows of a batch, of its quarantine and of its tombstones, with the columns that name the origin of a row. */
async function objectsOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger' | 'deadline'>,
  dataset: string,
  batch: string,
): Promise<OldObject[]> {
  const { config, store, deadline } = deps;
  const live = await liveOf(deps, dataset, batch);
  const atWork = await parallel(
    [
      ...live.quarantine.map((key) => ({ key, columns: { object: 'object', version: 'version' } })),
      ...(live.tombstones ?? []).map((key) => ({ key, columns: ofRow })),
    ],
    16,
    async ({ key, columns }): Promise<OldObject[]> => {
      const ref = { bucket: config.workBucket, key };
      const found = await unlessMissing(store.head(ref, 1));
      return found ? [{ ref, columns, bytes: found[0].size }] : [];
    },
    deadline,
  );
  return [...tableObjects(config, live), ...atWork.flat()];
}

/** The origin of a row of the table, and of a tombstone. */
const ofRow = { object: '_object', version: '_version' };

/** The objects of the table among those of a batch. */
const tableObjects = (
  { processedBucket }: Pick<Deps['config'], 'processedBucket'>,
  { objects }: Live,
): OldObject[] =>
  objects.map(({ key, bytes }) => ({
    ref: { bucket: processedBucket, key },
    columns: ofRow,
    bytes,
  }));

/** The answer, in a list; null if somebody has deleted the object, and with it its rows. Reconcile reports it. */
export async function unlessMissing<T>(answer: Promise<T>): Promise<[T] | null> {
  try {
    return [await answer];
  } catch (error) {
    if (error instanceof ObjectMissing) return null;
    throw error;
  }
}
