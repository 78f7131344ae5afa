/**
 * Corrections and replays: the rows that a batch takes the place of. They stand in the objects of earlier batches, beside rows of
 * other files that stay: each such object is rewritten without them, to staging. Publish gives what is left a name of its own,
 * and the old objects go when the batch is committed.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectRef } from '../aws/store.ts';
import type { Rewriting } from '../engine/rewrite.ts';
import { ObjectMissing } from '../errors.ts';
import { parallel } from '../parallel.ts';
import { places, readManifest, replacesOf } from './batch.ts';
import type { Deps } from './deps.ts';
import { liveOf, type Rewrites } from './published.ts';
import type { RunInput } from './schemas.ts';

/** Rewrites what the batch takes rows from. `rewrite` is DuckDB's: its native code is in one handler's package. */
export async function replaceRows(
  deps: Pick<Deps, 'config' | 'store' | 'ledger' | 'deadline'>,
  rewrite: (
    rewritings: readonly Rewriting[],
    origins: readonly { object: string; version: string }[],
  ) => Promise<{ kept: number; removed: number }[]>,
  { dataset, batch, run, fence }: RunInput,
): Promise<{ objects: number; rows: number }> {
  const { config, store, deadline } = deps;
  const replaces = replacesOf(await readManifest(deps, { dataset, batch, fence }));
  if (replaces.length === 0) return { objects: 0, rows: 0 };
  const at = places(config).run(dataset, batch, run);
  const rewrites: Rewrites = [];
  let number = 0;
  for (const rowsOf of new Set(replaces.map((r) => r.batch))) {
    const old = await objectsOf(deps, dataset, rowsOf);
    const folder = await mkdtemp(join(tmpdir(), 'sluice-replace-'));
    try {
      const found = await parallel(
        old,
        16,
        async ({ ref, columns }, i) => {
          const from = join(folder, `${i}.parquet`);
          try {
            await store.download(ref, from);
            return [{ ref, from, to: join(folder, `${i}-left.parquet`), columns }];
          } catch (error) {
            // Somebody has deleted it by hand, and with it the rows that were to go. Reconcile tells of it.
            if (error instanceof ObjectMissing) return [];
            throw error;
          }
        },
        deadline,
      );
      const rewritings = found.flat();
      const counts = await rewrite(
        rewritings,
        replaces.filter((r) => r.batch === rowsOf),
      );
      const objects: Rewrites[number]['objects'] = [];
      for (const [i, { ref, to }] of rewritings.entries()) {
        const { kept = 0, removed = 0 } = counts[i] ?? {};
        if (removed === 0) continue;
        const by = kept === 0 ? null : at.rewritten(number++);
        if (by) await store.upload(to, by);
        objects.push({ at: ref, by, bytes: by === null ? 0 : (await stat(to)).size, removed });
      }
      if (objects.length > 0) rewrites.push({ batch: rowsOf, objects });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  await store.writeText(at.rewrites, JSON.stringify(rewrites));
  const changed = rewrites.flatMap((r) => r.objects);
  return { objects: changed.length, rows: changed.reduce((sum, o) => sum + o.removed, 0) };
}

/** Objects with rows of a batch, and of its quarantine, with the columns that tell where a row came from. */
async function objectsOf(
  deps: Pick<Deps, 'config' | 'store' | 'ledger'>,
  dataset: string,
  batch: string,
): Promise<{ ref: ObjectRef; columns: Rewriting['columns'] }[]> {
  const { objects, quarantine } = await liveOf(deps, dataset, batch);
  return [
    ...objects.map(({ key }) => ({
      ref: { bucket: deps.config.processedBucket, key },
      columns: { object: '_object', version: '_version' },
    })),
    ...quarantine.map((key) => ({
      ref: { bucket: deps.config.workBucket, key },
      columns: { object: 'object', version: 'version' },
    })),
  ];
}
