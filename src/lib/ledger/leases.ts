/** Leases: one holder of a dataset at a time, each with a higher fence than the one before. */
import { randomUUID } from 'node:crypto';
import { changing } from '../aws/changing.ts';
import { goesThrough } from '../aws/dynamo.ts';
import { LeaseLost, LedgerOutdated } from '../errors.ts';
import { type Lease, leaseSchema } from '../model/records.ts';
import type { Table } from './table.ts';

/** The holder of a lease before its execution's first step. */
export const starting = 'starting';

/** The beginning of the name of a holder that is no execution: maintenance, between two batches. */
export const maintaining = 'maintain-';

/**
 * The longest rest of a dataset after an outage, in milliseconds: shorter than the patience of files that are tried again (nextFiles), so that new
 * files go before them, and show whether AWS works.
 */
export const longestRest = 240_000;

/** The layout of the ledger's items. A lease records the layout of its dataset's items. */
const layout = 2;

/** The ledger's operations on leases. */
export function leasesOf({ at, get, update, now, clock }: Table) {
  /** Throws LedgerOutdated for another layout: every file would look new, and would be published twice. */
  const lease = async (dataset: string): Promise<Lease | undefined> => {
    const found = await get({ pk: dataset, sk: 'LEASE' }, leaseSchema);
    if (found !== undefined && found.layout !== layout)
      throw new LedgerOutdated(
        `${dataset}: an earlier version of Sluice wrote this ledger, and its layout is no longer read; nothing was changed. Deploy under another stage name and drop the files there`,
      );
    return found;
  };

  /**
   * Gives the lease a new fence and holder, if it is still as it was read. Fences are times, so a new one is higher than all
   * earlier ones, even after the ledger was lost or restored.
   */
  const take = async (
    dataset: string,
    read: Lease | undefined,
    execution: string,
    { isNextBatch = false }: { isNextBatch?: boolean } = {},
  ): Promise<number | null> => {
    const fence = Math.max((read?.fence ?? 0) + 1, clock());
    const token = randomUUID();
    const isAsRead = [
      read === undefined ? 'attribute_not_exists(pk)' : 'fence = :read',
      read?.execution === undefined ? 'attribute_not_exists(#execution)' : '#execution = :holder',
    ];
    const isTaken = await goesThrough(
      update({
        ...at({ pk: dataset, sk: 'LEASE' }),
        ...changing({
          set: { fence, execution, token, takenAt: now(), layout },
          remove: ['restsUntil', ...(isNextBatch ? ['batch'] : [])],
          when: isAsRead.join(' AND '),
          values: {
            ...(read === undefined ? {} : { read: read.fence }),
            ...(read?.execution === undefined ? {} : { holder: read.execution }),
          },
        }),
      }),
    );
    // If an answer was lost, the SDK sends the request again, which then fails because of its own effect.
    return isTaken || (await lease(dataset))?.token === token ? fence : null;
  };

  return {
    lease,

    /** Whether no execution may start yet: see releaseLease. A clock that was wrong causes no longer rest. */
    isResting({ restsUntil = '' }: Pick<Lease, 'restsUntil'>): boolean {
      const left = Date.parse(restsUntil) - clock();
      return left > 0 && left <= longestRest;
    },

    /** Takes a free lease and returns its new fence; null if the lease is not free. */
    async acquireLease(dataset: string, holder = starting): Promise<number | null> {
      const read = await lease(dataset);
      return read?.execution === undefined ? take(dataset, read, holder) : null;
    },

    /**
     * Takes over the lease of a holder that has ended, with a higher fence: late calls of the holder no longer count. The lease
     * keeps the holder's execution, so that a second try can take over from the first. Null if the lease belongs to another
     * execution.
     */
    async takeOver(
      dataset: string,
      from: { execution: string; fence?: number | undefined },
    ): Promise<number | null> {
      const read = await lease(dataset);
      const isTheirs =
        read?.execution === from.execution || (read?.execution === starting && read.fence === from.fence);
      return isTheirs ? take(dataset, read, from.execution) : null;
    },

    /**
     * The holder continues with another batch under a new fence, so that late calls for the previous batch cannot count. Throws
     * LeaseLost.
     */
    async nextBatch(dataset: string, fence: number): Promise<number> {
      const read = await lease(dataset);
      const next =
        read?.fence === fence && read.execution !== undefined
          ? await take(dataset, read, read.execution, { isNextBatch: true })
          : null;
      if (next === null)
        throw new LeaseLost(`${dataset}: the lease with fence ${fence} is gone`, { dataset });
      return next;
    },

    /** Releases the lease, if this fence still holds it. No execution starts before `rest` milliseconds are over. */
    async releaseLease(dataset: string, fence: number, rest = 0): Promise<void> {
      await goesThrough(
        update({
          ...at({ pk: dataset, sk: 'LEASE' }),
          ...changing({
            set: rest > 0 ? { restsUntil: new Date(clock() + rest).toISOString() } : {},
            remove: ['execution', 'batch', 'token', 'takenAt'],
            when: '#fence = :fence',
            values: { fence },
          }),
        }),
      );
    },

    /** The lease, when this fence holds it. Throws LeaseLost otherwise. */
    async requireLease(dataset: string, fence: number): Promise<Lease> {
      const held = await lease(dataset);
      if (held?.fence !== fence || held.execution === undefined)
        throw new LeaseLost(
          `${dataset}: the lease with fence ${fence} is gone (the ledger has ${held?.fence ?? 'none'}); another execution took over`,
          { dataset },
        );
      return held;
    },
  };
}
