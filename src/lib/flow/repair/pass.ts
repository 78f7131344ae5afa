/**
 * The progress of a reconcile. A table may need more time than a function has: the progress is saved in the work bucket after
 * each step, and the next call continues there.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Deps } from '../batch/deps.ts';

/** In order. */
export const phases = ['objects', 'batches', 'quarantine', 'tombstones', 'partitions'] as const;

/** The age, in milliseconds, at which saved progress is too old to be useful. The pass then starts again. */
const keptFor = 7 * 86_400_000;

/** A save is due when as many objects or batches were compared as it has thousands of characters. */
const charactersPerItem = 1000;

const standSchema = z.object({
  table: z.string(),
  /** ISO 8601. */
  begun: z.iso.datetime(),
  phase: z.enum(phases),
  /** The last key, or entry of the log, that the phase has completed. */
  after: z.string().optional(),
  /** Folders of partitions with objects, and batches with quarantine. */
  standing: z.array(z.string()),
  quarantined: z.array(z.string()),
  /** By batch: `sumOf` the keys with its rows that the listing had and the ledger counts. */
  counted: z.record(z.string(), z.number()),
  missing: z.array(z.string()),
  added: z.number(),
  dropped: z.number(),
  unused: z.number(),
  removed: z.number(),
  unknown: z.number(),
});
export type Stand = z.output<typeof standSchema>;

export interface Pass {
  /** The current progress; the comparing code changes it. */
  readonly stand: Stand;
  /** The progress that was saved last. */
  noted(): Stand;
  note(): Promise<void>;
  /**
   * Whether so many objects or batches are worth a save. It writes all of the progress, so its cost must not be that of the whole history
   * for every few of them.
   */
  isDue(compared: number): boolean;
  /** Starts a phase. */
  enter(phase: Stand['phase']): Promise<void>;
  /** The next call starts from the beginning. */
  end(): Promise<void>;
}

/** The pass over a dataset's table. `goesOn`: progress is saved, and the pass continues with saved progress, if there is any. */
export async function startPass(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  table: string,
  goesOn: boolean,
): Promise<Pass> {
  const at = { bucket: config.workBucket, key: `reconcile/${dataset}.json` };
  const fresh = (): Stand => ({
    table,
    begun: new Date(Date.now()).toISOString(),
    phase: 'objects',
    standing: [],
    quarantined: [],
    counted: {},
    missing: [],
    added: 0,
    dropped: 0,
    unused: 0,
    removed: 0,
    unknown: 0,
  });
  // Unreadable progress counts as none: the pass starts again.
  const noted = goesOn ? await store.findJson(at, standSchema.nullable().catch(null)) : null;
  const isUsable = noted && noted.table === table && Date.parse(noted.begun) + keptFor > Date.now();
  const stand = isUsable ? noted : fresh();
  let last = structuredClone(stand);
  let length = 0;
  const note = async (next: Stand | null) => {
    last = structuredClone(stand);
    const text = JSON.stringify(next);
    length = text.length;
    if (goesOn) await store.writeText(at, text);
  };
  return {
    stand,
    noted: () => last,
    note: () => note(stand),
    isDue: (compared) => compared * charactersPerItem >= length,
    async enter(phase) {
      stand.phase = phase;
      delete stand.after;
      await note(stand);
    },
    end: () => note(null),
  };
}

/** In practice, two sets of keys have the same sum only if they are equal. */
export const sumOf = (keys: readonly string[]): number => keys.reduce(withKey, 0);

/** The sum with one more key. */
export const withKey = (sum: number | undefined, key: string): number =>
  ((sum ?? 0) + createHash('sha256').update(key).digest().readUIntBE(0, 6)) % 2 ** 48;
