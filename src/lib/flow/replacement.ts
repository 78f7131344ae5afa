/** The exchange of published objects for others, which can be undone until the batch is complete. */
import * as z from 'zod';
import { parallel } from '../parallel.ts';
import type { Deps } from './deps.ts';

const objectSchema = z.object({ bucket: z.string(), key: z.string() });

/** What becomes of the objects of earlier batches. */
export const replacementSchema = z.object({
  objects: z.array(
    z.object({
      /** Where it stands. */
      at: objectSchema,
      /** What takes its place; null when nothing of it is left. */
      by: objectSchema.nullable(),
      /** Where it is kept until the batch is complete. */
      kept: objectSchema,
      removed: z.number(),
    }),
  ),
});
export type Replacement = z.output<typeof replacementSchema>;

/** Puts the rewritten objects in the place of the old ones, which are kept. May be run twice, or be cut anywhere. */
export async function exchange(store: Deps['store'], { objects }: Replacement): Promise<void> {
  await parallel(objects, 16, async ({ at, kept }) => {
    if ((await store.list(kept.bucket, kept.key)).length === 0) await store.copy(at, kept);
  });
  await parallel(objects, 16, async ({ at, by }) => {
    if (by) await store.copy(by, at);
    else await store.delete(at.bucket, [at.key]);
  });
}

/** Puts the old objects back. */
export async function restore(store: Deps['store'], { objects }: Replacement): Promise<void> {
  await parallel(objects, 16, async ({ at, kept }) => {
    if ((await store.list(kept.bucket, kept.key)).length === 0) return;
    await store.copy(kept, at);
    await store.delete(kept.bucket, [kept.key]);
  });
}

/** Drops what was kept. */
export async function forget(store: Deps['store'], { objects }: Replacement): Promise<void> {
  for (const bucket of new Set(objects.map((o) => o.kept.bucket)))
    await store.delete(
      bucket,
      objects.filter((o) => o.kept.bucket === bucket).map((o) => o.kept.key),
    );
}
