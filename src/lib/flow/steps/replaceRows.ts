/**
 * The rows that a batch replaces: those of earlier versions of its files, and those that lose to newer rows of the same key. They are in
 * objects of earlier batches, next to rows that stay. A delete file takes a few rows out of an object of an Iceberg table. Each other object is
 * rewritten to staging without the old rows. Publish copies the rest under new names, and the old objects are deleted after the commit.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { address, type ObjectRef } from '../../aws/store.ts';
import { asOutOfMemory } from '../../engine/memory.ts';
import type { Removed, Rewriting } from '../../engine/rewrite.ts';
import { isRewritten, type Rewritten } from '../../engine/rewritten.ts';
import { parallel } from '../../parallel.ts';
import { places } from '../batch/addresses.ts';
import {
  type Affected,
  type Holder,
  type Outcome,
  rewriteOf,
  settleRewrite,
  unlessMissing,
} from '../batch/affected.ts';
import { fetchDeletes } from '../batch/deletes.ts';
import type { Deps } from '../batch/deps.ts';
import { type Hide, hideReplaced } from '../batch/hiding.ts';
import type { RunInput, replaceOutput } from '../batch/schemas.ts';
import { stagedBy } from '../batch/staged.ts';

/**
 * The most bytes on the disk at once. The disk has 10 GiB; rewritten objects need the same space again, and DuckDB needs some.
 * S3 accepts at most 5 GB in one request. To open an object takes as long as to rewrite `openBytes`.
 */
export const replaceLimits = {
  groupBytes: 1024 ** 3,
  groupObjects: 256,
  objectBytes: 4 * 1024 ** 3,
  openBytes: 1024 ** 2,
  /** Of its rows, so many may have left an object before it is rewritten: readers of the object read them all. */
  hiddenShare: 0.1,
};
export type ReplaceLimits = Readonly<Record<keyof typeof replaceLimits, number>>;

/** What reads and writes rows. It is passed in, because only one handler's package has DuckDB's native code. */
export interface ReplaceEngine {
  readonly rewrite: (rewritings: readonly Rewriting[], removed: Removed) => Promise<Rewritten[]>;
  readonly hide: Hide;
}

/**
 * Takes the rows out of their objects: by delete files where the table can have them. Other objects are rewritten, a few at a time, unless they are
 * too large for a function; then the job rewrites all objects.
 */
export async function replaceRows(
  deps: Pick<Deps, 'config' | 'store' | 'ledger' | 'formats' | 'deadline'>,
  { rewrite, hide }: ReplaceEngine,
  input: RunInput,
  limits: ReplaceLimits = replaceLimits,
): Promise<z.output<typeof replaceOutput>> {
  const { config, store, deadline } = deps;
  const { dataset, batch, run } = input;
  const found = await rewriteOf(deps, input);
  if (found === null) return { status: 'done', objects: 0, rows: 0 };
  const { plan, known } = found;
  const at = places(config).run(dataset, batch, run);
  const hidden = await hideReplaced(
    deps,
    hide,
    found.holders.flatMap(({ origins, objects }) =>
      origins.length > 0 ? [] : objects.filter(({ changedAt }) => changedAt === undefined),
    ),
    {
      known,
      staged: stagedBy(deps, plan, { batch, fence: input.fence }, run),
      share: limits.hiddenShare,
      fetch: (folder) => fetchKeys(deps, at.replaced, folder),
    },
  );
  const holders = found.holders.map((holder) => ({
    ...holder,
    objects: holder.objects.filter(({ ref }) => !hidden.has(address(ref))),
  }));
  const sizes = holders.flatMap(({ objects }) => objects.map(({ bytes }) => bytes));
  if (!fits(sizes, config.rewriteLimitBytes, limits))
    return { status: 'large', objects: sizes.length, bytes: sizes.reduce((sum, n) => sum + n, 0) };
  const { history } = plan.set.dedupe ?? {};
  const results: (Affected & { deletes: string | undefined; outcome: Outcome | null })[] = [];
  for (const { rowsOf, origins, objects } of holders)
    for (const group of inGroups(objects, limits)) {
      const folder = await mkdtemp(join(tmpdir(), 'sluice-replace-'));
      try {
        const downloaded = await parallel(
          group,
          16,
          async (object, i) => {
            const from = join(folder, `${i}.parquet`);
            if (await unlessMissing(store.download(object.ref, from)))
              return [
                {
                  ...object,
                  from,
                  deletes: await fetchDeletes(deps, object.gone, `${from}-deletes`),
                  target: object.to,
                  to: join(folder, `${i}-left.parquet`),
                },
              ];
            results.push({ ...object, deletes: undefined, outcome: null });
            return [];
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
        results.push(
          ...(await parallel(
            rewritings,
            16,
            async ({ target, from: _, to: path, ...object }, i) => {
              const rows = counts[i] ?? { kept: 0, removed: 0, replaced: 0 };
              const bytes = isRewritten(rows) ? await store.uploadOnce(path, target) : 0;
              const outcome = { ...rows, bytes };
              return { ...object, to: target, deletes: object.gone?.address, outcome };
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
  return { status: 'done', ...(await settleRewrite(deps, input, results, [...hidden.values()])) };
}

/** Whether objects of these sizes can be rewritten in the time and on the disk of a function. */
function fits(
  sizes: readonly number[],
  limitBytes: number,
  { objectBytes, openBytes }: ReplaceLimits,
): boolean {
  const work = sizes.reduce((sum, bytes) => sum + bytes + openBytes, 0);
  return work <= limitBytes && sizes.every((bytes) => bytes <= objectBytes);
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

/** Groups of objects that fit on the disk at once, in order; at least one object each. */
function inGroups(objects: Holder['objects'], limits: ReplaceLimits): Affected[][] {
  const groups: Affected[][] = [];
  let room = { bytes: 0, objects: 0 };
  for (const object of objects) {
    if (room.objects === 0 || room.bytes < object.bytes) {
      groups.push([]);
      room = { bytes: limits.groupBytes, objects: limits.groupObjects };
    }
    groups.at(-1)?.push(object);
    room = { bytes: room.bytes - object.bytes, objects: room.objects - 1 };
  }
  return groups;
}
