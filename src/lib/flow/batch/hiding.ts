/**
 * Takes rows out of objects that stay: their positions go to a delete file for each object, which Publish commits. An object from which too many
 * rows have left is rewritten instead. See docs/decisions/position-deletes.md.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { address, type ObjectRef, placeOf } from '../../aws/store.ts';
import type { Hidden, Hiding } from '../../engine/deletes.ts';
import { asOutOfMemory } from '../../engine/memory.ts';
import { chunksOf, parallel } from '../../parallel.ts';
import type { TableFormat } from '../../table/format.ts';
import { fetchDeletes } from './deletes.ts';
import type { Deps } from './deps.ts';
import type { Rewrites } from './published.ts';
import type { Staged } from './staged.ts';

/** Writes delete files: see engine/deletes.ts. */
export type Hide = (hidings: readonly Hiding[], replaced: readonly string[]) => Promise<(Hidden | null)[]>;

/** An object of the table that loses rows to newer ones, and nothing else. */
export interface Losing {
  readonly rowsOf: string;
  readonly ref: ObjectRef;
}

/** What becomes of an object, with the batch of its rows. */
export type HiddenObject = Rewrites[number]['objects'][number] & { readonly rowsOf: string };

/** Delete files that are written at once. */
const atOnce = 256;

/**
 * Gives what becomes of the objects that lose rows by a delete file, by their addresses. `fetch`: downloads the rows that newer ones replace to
 * a folder. `share`: of the rows of an object, the most that may have left it.
 */
export async function hideReplaced(
  deps: Pick<Deps, 'store' | 'deadline'>,
  hide: Hide,
  objects: readonly Losing[],
  {
    known,
    staged,
    share,
    fetch,
  }: {
    readonly known: Awaited<ReturnType<TableFormat['deletesOf']>>;
    readonly staged: Staged;
    readonly share: number;
    readonly fetch: (folder: string) => Promise<readonly string[]>;
  },
): Promise<ReadonlyMap<string, HiddenObject>> {
  const { store, deadline } = deps;
  const hidden = new Map<string, HiddenObject>();
  const possible = objects.flatMap((object) => {
    const { rows = 0, deletes } = known.get(address(object.ref)) ?? {};
    const most = Math.floor(rows * share);
    return most > (deletes?.rows ?? 0) ? [{ ...object, rows, most, deletes }] : [];
  });
  if (possible.length === 0) return hidden;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-hide-'));
  try {
    const replaced = await fetch(join(folder, 'replaced'));
    for (const some of chunksOf(possible, atOnce)) {
      const hidings = await parallel(
        some,
        16,
        async ({ ref, rows, most, deletes }, i) => ({
          at: address(ref),
          rows,
          most,
          before: await fetchDeletes({ store }, deletes, join(folder, `${i}-before`)),
          to: join(folder, `${i}-deletes.parquet`),
        }),
        deadline,
      );
      const found = await hide(hidings, replaced);
      await parallel(
        some,
        16,
        async ({ rowsOf, ref, deletes }, i) => {
          const [of, hiding] = [found[i], hidings[i]];
          if (!of || !hiding) return;
          const by = staged.deletes(rowsOf, ref);
          hidden.set(hiding.at, {
            rowsOf,
            at: ref,
            by,
            bytes: await store.uploadOnce(hiding.to, by),
            removed: of.removed,
            deletes: deletes && placeOf(deletes.address).key,
            hidden: of.hidden,
          });
        },
        deadline,
      );
    }
    return hidden;
  } catch (error) {
    throw asOutOfMemory(error, 'the positions of rows that leave');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
