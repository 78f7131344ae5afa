/** Which objects a compaction rewrites together. Pure rules. */
import type { Deletes } from '../../table/format.ts';

export interface SmallObject {
  readonly key: string;
  readonly bytes: number;
  readonly partition: string;
  /** Rows that have left it do not go with it. */
  readonly deletes?: Deletes | undefined;
}

export interface CompactionLimits {
  /** The size of a new object. */
  readonly targetBytes: number;
  /** With fewer small objects, a partition is not rewritten. */
  readonly minObjects: number;
}

/** Each object may be of another batch, whose document is written anew under the lease. */
const mostObjects = 500;

/** How much larger it is. */
const growth = 2;

/**
 * Groups of objects of one partition, each up to the target. The group with the most objects comes first. The smallest objects go together,
 * and an object that is much larger than all of them is not rewritten for their sake: each time that a byte is rewritten, its object grows by
 * half at least.
 */
export function planCompaction<T extends SmallObject>(
  objects: readonly T[],
  { targetBytes, minObjects }: CompactionLimits,
): T[][] {
  const small = objects.filter(({ bytes }) => bytes * 4 < targetBytes * 3);
  return [...Map.groupBy(small, ({ partition }) => partition).values()]
    .flatMap((of) => packed(of, targetBytes))
    .filter((group) => group.length >= minObjects)
    .sort((a, b) => b.length - a.length);
}

function packed<T extends SmallObject>(objects: readonly T[], target: number): T[][] {
  const sorted = [...objects].sort((a, b) => a.bytes - b.bytes || (a.key < b.key ? -1 : 1));
  const groups: T[][] = [];
  let sum = 0;
  for (const object of sorted) {
    const last = groups.at(-1);
    const isOutgrown = object.bytes > growth * sum;
    const isFull = last !== undefined && (last.length >= mostObjects || sum + object.bytes > target);
    if (last === undefined || isFull || isOutgrown) {
      groups.push([object]);
      sum = object.bytes;
    } else {
      last.push(object);
      sum += object.bytes;
    }
  }
  return groups;
}
