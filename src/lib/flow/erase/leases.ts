/** The leases of an erasure: those of its dataset, and of all datasets that share files or the table with it. */
import { ErasureIncomplete, LeaseLost } from '../../errors.ts';
import { maintaining } from '../../ledger/leases.ts';
import { requireNothingLost } from '../batch/restored.ts';
import { takeTurn } from '../maintain/turn.ts';
import { letGo } from '../wake.ts';
import type { EraseDeps } from './work.ts';

export interface Leases {
  readonly holder: string;
  fenceOf(dataset: string): number;
  /** Renews the leases if they are old: the sweep takes the lease of a holder that is silent. Throws LeaseLost. */
  beat(): Promise<void>;
  /** A new fence for a batch. */
  renewed(dataset: string): Promise<number>;
  /** A higher fence, after which late calls of earlier ones do not count. */
  raised(dataset: string): Promise<number>;
  /** Releases all. An execution starts for files that wait. */
  release(): Promise<void>;
}

/** Milliseconds. The sweep waits for five minutes. */
const renewAfter = 60_000;

/** Throws ErasureIncomplete if a dataset gives no turn within five minutes, or must end an earlier batch first. */
export async function holdLeases(deps: EraseDeps, datasets: readonly string[], id: string): Promise<Leases> {
  const { ledger } = deps;
  const holder = `${maintaining}erase-${id}`;
  const held = new Map<string, { fence: number; at: number }>();
  const fenceOf = (dataset: string): number => {
    const fence = held.get(dataset)?.fence;
    if (fence === undefined)
      throw new LeaseLost(`${dataset}: the erasure does not hold its lease`, { dataset });
    return fence;
  };
  const renewed = async (dataset: string): Promise<number> => {
    const fence = await ledger.nextBatch(dataset, fenceOf(dataset));
    held.set(dataset, { fence, at: Date.now() });
    return fence;
  };
  const leases: Leases = {
    holder,
    fenceOf,
    renewed,
    async beat() {
      for (const [dataset, { at }] of held) if (at + renewAfter < Date.now()) await renewed(dataset);
    },
    async raised(dataset) {
      const fence = await ledger.takeOver(dataset, { execution: holder });
      if (fence === null) throw new LeaseLost(`${dataset}: another execution took over`, { dataset });
      held.set(dataset, { fence, at: Date.now() });
      return fence;
    },
    async release() {
      for (const [dataset, { fence }] of held) await letGo(deps, dataset, fence);
      held.clear();
    },
  };
  try {
    // Always in one order, so that two erasures do not wait for each other.
    for (const dataset of [...datasets].sort()) {
      const fence = await takeTurn(deps, dataset, holder);
      if (fence === null)
        throw new ErasureIncomplete(
          `${dataset}: its batches gave no turn within five minutes; run the same command again`,
          {
            dataset,
          },
        );
      held.set(dataset, { fence, at: Date.now() });
      await ledger.endTurn(dataset);
      await requireSettled(deps, dataset);
    }
    return leases;
  } catch (error) {
    await leases.release();
    throw error;
  }
}

/** A commit is recognized by its snapshot, and snapshots are about to go: every batch must have ended. */
async function requireSettled(deps: EraseDeps, dataset: string): Promise<void> {
  await requireNothingLost(deps, dataset);
  const [open] = await deps.ledger.openBatches(dataset);
  if (open === undefined) return;
  throw new ErasureIncomplete(
    `${dataset}: the batch ${open.batch} is open; the sweep ends it within minutes, then run the same command again`,
    { dataset, batch: open.batch },
  );
}
