import type { Deadline } from './deadline.ts';

/**
 * Runs `work` over all items, at most `limit` at once, and returns the results in the items' order. After the first failure,
 * or when the deadline is near, no further item is started; the call throws when the running ones have ended, so that
 * nothing continues after the call has returned.
 */
export async function parallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
  deadline?: Deadline,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  const queue = items.entries();
  const failures: unknown[] = [];
  await Promise.all(
    Array.from({ length: Math.min(limit, items.length) }, async () => {
      try {
        for (const [index, item] of queue) {
          if (failures.length > 0) return;
          deadline?.check();
          results[index] = await work(item, index);
        }
      } catch (error) {
        failures.push(error);
      }
    }),
  );
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Cuts a list into lists of at most `size` items. */
export const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
