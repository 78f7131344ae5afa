/**
 * The rows that a batch replaces: those of earlier versions of its files, and those that lose to newer rows of the same key. They are in
 * objects of earlier batches, next to rows that stay. Each of these objects is rewritten to staging without the old rows. Publish
 * copies the rest under new names, and the old objects are deleted after the commit.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { address, type ObjectRef, placeOf } from '../../aws/store.ts';
import { asOutOfMemory } from '../../engine/memory.ts';
import type { Removed, Rewriting, Rewritten } from '../../engine/rewrite.ts';
import { EngineOutOfMemory, ObjectMissing, TableConflict } from '../../errors.ts';
import { leavingRows } from '../../model/plan.ts';
import { parallel } from '../../parallel.ts';
import { objectName } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import type { Deps } from '../batch/deps.ts';
import { readManifest, readPlan, replacesOf } from '../batch/manifest.ts';
import { readSummary } from '../batch/plan.ts';
import { type Live, liveOf, packsOf, type Rewrites } from '../batch/published.ts';
import type { RunInput } from '../batch/schemas.ts';
import { stagedBy } from '../batch/staged.ts';

/**
 * The most bytes on the disk at once. The disk has 10 GiB; rewritten objects need the same space again, and DuckDB needs some.
 * S3 accepts at most 5 GB in one request.
 */
export const replaceLimits = { groupBytes: 1024 ** 3, groupObjects: 256, objectBytes: 4 * 1024 ** 3 };
export type ReplaceLimits = Readonly<Record<keyof typeof replaceLimits, number>>;

/**
 * Rewrites the objects that lose rows, a few at a time. `rewrite` is passed in, because only one handler's package has DuckDB's
 * native code.
 */
export async function replaceRows(
  deps: Pick<Deps, 'config' | 'store' | 'ledger' | 'formats' | 'deadline'>,
  rewrite: (rewritings: readonly Rewriting[], removed: Removed) => Promise<Rewritten[]>,
  { dataset, batch, run, fence }: RunInput,
  limits: ReplaceLimits = replaceLimits,
): Promise<{ objects: number; rows: number }> {
  const { config, store, deadline } = deps;
  const replaces = replacesOf(await readManifest(deps, { dataset, batch, fence }));
  const at = places(config).run(dataset, batch, run);
  const summary = await readSummary(deps, dataset, batch, run);
  const [replaced, changing] = [leavingRows(summary), summary.changedRows ?? 0];
  if (replaces.length === 0 && replaced + changing === 0) return { objects: 0, rows: 0 };
  const plan = await readPlan(deps, { dataset, batch, fence });
  const staged = stagedBy(deps, plan, { batch, fence }, run);
  const rewrites: Rewrites = [];
  let number = 0;
  let found = 0;
  let foundChanged = 0;
  const losing = replaced === 0 ? new Map<string, ObjectRef[]>() : await losingObjects(deps, at.replaced);
  const closing = changing === 0 ? new Map<string, ObjectRef[]>() : await losingObjects(deps, at.changed);
  const { history } = plan.set.dedupe ?? {};
  const holders = await holdersOf(deps, dataset, replaces);
  for (const rowsOf of new Set([...holders.keys(), ...losing.keys(), ...closing.keys()])) {
    const origins = holders.get(rowsOf) ?? [];
    const addresses = new Set(losing.get(rowsOf)?.map(address));
    const changedAddresses = new Set(closing.get(rowsOf)?.map(address));
    // Each object of the batch may have rows of a file that is replaced.
    const affected =
      origins.length > 0
        ? await objectsOf(deps, dataset, rowsOf)
        : tableObjects(config, await liveOf(deps, dataset, rowsOf)).filter(({ ref }) =>
            [addresses, changedAddresses].some((those) => those.has(address(ref))),
          );
    const objects: Rewrites[number]['objects'] = [];
    for (const group of inGroups(affected, limits)) {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-replace-'));
      try {
        const downloaded = await parallel(
          group,
          16,
          async ({ ref, columns }, i) => {
            const from = join(folder, `${i}.parquet`);
            return (await unlessMissing(store.download(ref, from)))
              ? [
                  {
                    ref,
                    from,
                    to: join(folder, `${i}-left.parquet`),
                    columns,
                    replacedAt: addresses.has(address(ref)) ? address(ref) : undefined,
                    changedAt: changedAddresses.has(address(ref)) ? address(ref) : undefined,
                  },
                ]
              : [];
          },
          deadline,
        );
        const rewritings = downloaded.flat();
        const keys = rewritings.some((r) => r.replacedAt !== undefined)
          ? await fetchKeys(deps, at.replaced, join(folder, 'replaced'))
          : [];
        const changes =
          history !== undefined && rewritings.some((r) => r.changedAt !== undefined)
            ? {
                files: await fetchKeys(deps, at.changed, join(folder, 'changed')),
                validTo: history.validTo,
                current: history.current,
              }
            : undefined;
        const counts = await rewrite(rewritings, {
          origins,
          replaced: keys,
          ...(changes === undefined ? {} : { changed: changes }),
          ids: plan.fieldIds,
        });
        found += counts.reduce((sum, c) => sum + c.replaced, 0);
        foundChanged += counts.reduce((sum, { changed: n = 0 }) => sum + n, 0);
        const changed = rewritings.flatMap(({ ref, to }, i) => {
          const { kept = 0, removed = 0, changed: n = 0 } = counts[i] ?? {};
          if (removed === 0 && n === 0) return [];
          return [{ ref, to, removed, by: kept === 0 ? null : staged.rewritten(rowsOf, ref, number++) }];
        });
        objects.push(
          ...(await parallel(
            changed,
            16,
            async ({ ref, to, removed, by }) => {
              return { at: ref, by, bytes: by === null ? 0 : await store.uploadOnce(to, by), removed };
            },
            deadline,
          )),
        );
      } catch (error) {
        throw asOutOfMemory(error, `what is left of the batch ${rowsOf} of ${dataset}`);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
    if (objects.length > 0) rewrites.push({ batch: rowsOf, objects });
  }
  if (found !== replaced)
    throw new TableConflict(
      `${dataset}: newer rows replace ${replaced} published rows, and ${found} of them are in the table: its objects have changed since the batch was transformed, and it is planned again`,
      { dataset, batch },
    );
  if (foundChanged !== changing)
    throw new TableConflict(
      `${dataset}: ${changing} published versions are valid until another time now, and ${foundChanged} of them are in the table: its objects have changed since the batch was transformed, and it is planned again`,
      { dataset, batch },
    );
  await store.writeText(at.rewrites, JSON.stringify(rewrites));
  const changed = rewrites.flatMap((r) => r.objects);
  return { objects: changed.length, rows: changed.reduce((sum, o) => sum + o.removed, 0) };
}

type Origin = { readonly object: string; readonly version: string; readonly batch: string };

/** Whose objects have the replaced rows: their batches, and compactions, each once with all rows that it loses. */
async function holdersOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  dataset: string,
  replaces: readonly Origin[],
): Promise<Map<string, Origin[]>> {
  const holders = new Map<string, Origin[]>();
  const add = (holder: string, origins: readonly Origin[]) =>
    holders.set(holder, [...(holders.get(holder) ?? []), ...origins]);
  for (const [batch, origins] of Map.groupBy(replaces, (r) => r.batch)) {
    add(batch, origins);
    for (const pack of await packsOf(deps, dataset, batch)) add(pack, origins);
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

/** Downloads the keys of the rows that newer ones replace, or whose validity they change. */
async function fetchKeys(
  { store, deadline }: Pick<Deps, 'store' | 'deadline'>,
  replaced: ObjectRef,
  folder: string,
): Promise<string[]> {
  await mkdir(folder);
  const listed = await store.list(replaced.bucket, replaced.key);
  return parallel(
    listed.filter(({ key }) => key.endsWith('.parquet')),
    8,
    async ({ key }, i) => {
      const path = join(folder, `replaced-${i}.parquet`);
      await store.download({ bucket: replaced.bucket, key }, path);
      return path;
    },
    deadline,
  );
}

interface OldObject {
  readonly ref: ObjectRef;
  readonly columns: Rewriting['columns'];
  readonly bytes: number;
}

/**
 * Groups of objects that fit on the disk at once, in order; at least one object each. Throws EngineOutOfMemory for an object
 * that alone is too large.
 */
function inGroups(objects: readonly OldObject[], limits: ReplaceLimits): OldObject[][] {
  const groups: OldObject[][] = [];
  let room = { bytes: 0, objects: 0 };
  for (const object of objects) {
    if (object.bytes > limits.objectBytes)
      throw new EngineOutOfMemory(
        `${address(object.ref)} has ${object.bytes} bytes: rows are taken out of objects of up to ${limits.objectBytes} bytes`,
      );
    if (room.objects === 0 || room.bytes < object.bytes) {
      groups.push([]);
      room = { bytes: limits.groupBytes, objects: limits.groupObjects };
    }
    groups.at(-1)?.push(object);
    room = { bytes: room.bytes - object.bytes, objects: room.objects - 1 };
  }
  return groups;
}

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
async function unlessMissing<T>(answer: Promise<T>): Promise<[T] | null> {
  try {
    return [await answer];
  } catch (error) {
    if (error instanceof ObjectMissing) return null;
    throw error;
  }
}
