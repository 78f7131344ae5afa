/**
 * Corrections and replays: the rows that a batch takes the place of. They stand in the objects of earlier batches,
 * beside rows of other files that stay: each such object is rewritten without them. First to staging, by the step
 * ReplaceRows; Publish then puts the rewritten objects where the old ones were, which it keeps until the batch is complete.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectRef } from '../aws/store.ts';
import type { Rewriting } from '../engine/rewrite.ts';
import { ObjectMissing } from '../errors.ts';
import { parallel } from '../parallel.ts';
import { places, readManifest } from './batch.ts';
import type { Deps } from './deps.ts';
import { readPublished } from './publish.ts';
import type { Replacement } from './replacement.ts';
import type { RunInput } from './schemas.ts';

/** Rewrites to staging what the batch takes rows from. `rewrite` is DuckDB's: its native code is in one handler's package. */
export async function replaceRows(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  rewrite: (
    rewritings: readonly Rewriting[],
    origins: readonly { object: string; version: string }[],
  ) => Promise<{ kept: number; removed: number }[]>,
  { dataset, batch, run }: RunInput,
): Promise<{ objects: number; rows: number }> {
  const { replaces } = await readManifest({ config, store }, dataset, batch);
  if (replaces.length === 0) return { objects: 0, rows: 0 };
  const at = places(config).run(dataset, batch, run);
  const old = await objectsOf({ config, store }, dataset, [...new Set(replaces.map((r) => r.batch))]);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-replace-'));
  try {
    const found = await parallel(old, 16, async ({ ref, columns }, i) => {
      const from = join(folder, `${i}.parquet`);
      try {
        await store.download(ref, from);
        return [{ ref, from, to: join(folder, `${i}-left.parquet`), columns }];
      } catch (error) {
        // An earlier replacement has left nothing of it.
        if (error instanceof ObjectMissing) return [];
        throw error;
      }
    });
    const rewritings = found.flat();
    const counts = await rewrite(rewritings, replaces);
    const objects: Replacement['objects'] = [];
    for (const [i, { ref, to }] of rewritings.entries()) {
      const { kept = 0, removed = 0 } = counts[i] ?? {};
      if (removed === 0) continue;
      const by = kept === 0 ? null : at.rewritten(i);
      if (by) await store.upload(to, by);
      const keep = places(config).replaced(dataset, batch);
      objects.push({
        at: ref,
        by,
        kept: { bucket: keep.bucket, key: `${keep.key}${ref.bucket}/${ref.key}` },
        removed,
      });
    }
    await store.writeText(at.replacement, JSON.stringify({ objects } satisfies Replacement));
    return { objects: objects.length, rows: objects.reduce((sum, o) => sum + o.removed, 0) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Published objects and quarantine of batches, with the columns that tell where a row came from. */
async function objectsOf(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  batches: readonly string[],
): Promise<{ ref: ObjectRef; columns: Rewriting['columns'] }[]> {
  const records = await parallel(batches, 8, (batch) => readPublished({ config, store }, dataset, batch));
  return records.flatMap(({ objects, quarantine }) => [
    ...objects.map(({ key }) => ({
      ref: { bucket: config.processedBucket, key },
      columns: { object: '_object', version: '_version' },
    })),
    ...quarantine.map((key) => ({
      ref: { bucket: config.workBucket, key },
      columns: { object: 'object', version: 'version' },
    })),
  ]);
}
