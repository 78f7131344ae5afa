/**
 * Corrections and replays: the rows that a batch replaces. They are in objects of earlier batches, next to rows of other files,
 * which stay. Each of these objects is rewritten to staging without the old rows. Publish copies the rest under new names, and
 * the old objects are deleted after the commit.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { address, type ObjectRef } from '../../aws/store.ts';
import { asOutOfMemory } from '../../engine/memory.ts';
import type { Rewriting } from '../../engine/rewrite.ts';
import { EngineOutOfMemory, ObjectMissing } from '../../errors.ts';
import { parallel } from '../../parallel.ts';
import { places } from '../batch/addresses.ts';
import type { Deps } from '../batch/deps.ts';
import { readManifest, readPlan, replacesOf } from '../batch/manifest.ts';
import { liveOf, packsOf, type Rewrites } from '../batch/published.ts';
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
  rewrite: (
    rewritings: readonly Rewriting[],
    origins: readonly { object: string; version: string }[],
  ) => Promise<{ kept: number; removed: number }[]>,
  { dataset, batch, run, fence }: RunInput,
  limits: ReplaceLimits = replaceLimits,
): Promise<{ objects: number; rows: number }> {
  const { config, store, deadline } = deps;
  const replaces = replacesOf(await readManifest(deps, { dataset, batch, fence }));
  if (replaces.length === 0) return { objects: 0, rows: 0 };
  const at = places(config).run(dataset, batch, run);
  const staged = stagedBy(deps, await readPlan(deps, { dataset, batch, fence }), { batch, fence }, run);
  const rewrites: Rewrites = [];
  let number = 0;
  for (const [rowsOf, origins] of await holdersOf(deps, dataset, replaces)) {
    const objects: Rewrites[number]['objects'] = [];
    for (const group of inGroups(await objectsOf(deps, dataset, rowsOf), limits)) {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-replace-'));
      try {
        const found = await parallel(
          group,
          16,
          async ({ ref, columns }, i) => {
            const from = join(folder, `${i}.parquet`);
            return (await unlessMissing(store.download(ref, from)))
              ? [{ ref, from, to: join(folder, `${i}-left.parquet`), columns }]
              : [];
          },
          deadline,
        );
        const rewritings = found.flat();
        const counts = await rewrite(rewritings, origins);
        const changed = rewritings.flatMap(({ ref, to }, i) => {
          const { kept = 0, removed = 0 } = counts[i] ?? {};
          if (removed === 0) return [];
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

/** Objects with rows of a batch and of its quarantine, with the columns that name the origin of a row. */
async function objectsOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger' | 'deadline'>,
  dataset: string,
  batch: string,
): Promise<OldObject[]> {
  const { config, store, deadline } = deps;
  const { objects, quarantine } = await liveOf(deps, dataset, batch);
  const quarantined = await parallel(
    quarantine,
    16,
    async (key): Promise<OldObject[]> => {
      const ref = { bucket: config.workBucket, key };
      const found = await unlessMissing(store.head(ref, 1));
      return found ? [{ ref, columns: { object: 'object', version: 'version' }, bytes: found[0].size }] : [];
    },
    deadline,
  );
  return [
    ...objects.map(({ key, bytes }) => ({
      ref: { bucket: config.processedBucket, key },
      columns: { object: '_object', version: '_version' },
      bytes,
    })),
    ...quarantined.flat(),
  ];
}

/** The answer, in a list; null if somebody has deleted the object, and with it its rows. Reconcile reports it. */
async function unlessMissing<T>(answer: Promise<T>): Promise<[T] | null> {
  try {
    return [await answer];
  } catch (error) {
    if (error instanceof ObjectMissing) return null;
    throw error;
  }
}
