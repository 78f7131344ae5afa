/** Who works on a dataset: one holder at a time, each with a higher fence than the one before. */
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { LeaseLost } from '../errors.ts';
import { type Lease, now } from './records.ts';
import { asLeaseLost, type Table } from './table.ts';

/** What the ledger knows and does of leases. */
export function leasesOf({ db, at }: Table) {
  const lease = async (dataset: string): Promise<Lease | undefined> => {
    const { Item } = await db.send(new GetCommand({ ...at(dataset, 'LEASE'), ConsistentRead: true }));
    return Item as Lease | undefined;
  };
  return {
    /** Takes a free lease and gives its new fence; null when somebody holds it. */
    async acquireLease(dataset: string): Promise<number | null> {
      try {
        const { Attributes } = await db.send(
          new UpdateCommand({
            ...at(dataset, 'LEASE'),
            UpdateExpression: 'SET #execution = :starting, takenAt = :now ADD fence :one',
            ConditionExpression: 'attribute_not_exists(#execution)',
            ExpressionAttributeNames: { '#execution': 'execution' },
            ExpressionAttributeValues: { ':starting': 'starting', ':one': 1, ':now': now() },
            ReturnValues: 'ALL_NEW',
          }),
        );
        return Number(Attributes?.fence);
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return null;
        throw error;
      }
    },

    /** Gives the lease up, if this fence still holds it. */
    async releaseLease(dataset: string, fence: number): Promise<void> {
      try {
        await db.send(
          new UpdateCommand({
            ...at(dataset, 'LEASE'),
            UpdateExpression: 'REMOVE #execution, #batch, takenAt',
            ConditionExpression: 'fence = :fence',
            ExpressionAttributeNames: { '#execution': 'execution', '#batch': 'batch' },
            ExpressionAttributeValues: { ':fence': fence },
          }),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },

    /** Writes the execution, and the batch once there is one, into a held lease. Throws LeaseLost. */
    async markLease(dataset: string, fence: number, execution: string, batch?: string): Promise<void> {
      try {
        await db.send(
          new UpdateCommand({
            ...at(dataset, 'LEASE'),
            UpdateExpression: `SET #execution = :execution${batch === undefined ? ' REMOVE #batch' : ', #batch = :batch'}`,
            ConditionExpression: 'fence = :fence AND attribute_exists(#execution)',
            ExpressionAttributeNames: { '#execution': 'execution', '#batch': 'batch' },
            ExpressionAttributeValues: {
              ':fence': fence,
              ':execution': execution,
              ...(batch === undefined ? {} : { ':batch': batch }),
            },
          }),
        );
      } catch (error) {
        throw asLeaseLost(error, dataset, fence);
      }
    },

    lease,

    /** The lease, when this fence holds it. Throws LeaseLost otherwise. */
    async requireLease(dataset: string, fence: number): Promise<Lease> {
      const held = await lease(dataset);
      if (held?.fence !== fence || held.execution === undefined)
        throw new LeaseLost(
          `${dataset}: the lease with fence ${fence} is gone (the ledger has ${held?.fence ?? 'none'}); another execution took over`,
        );
      return held;
    },
  };
}
