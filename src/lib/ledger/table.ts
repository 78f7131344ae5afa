/** The ledger's table, and what every part of the ledger does with it. */
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import {
  DynamoDBDocumentClient,
  paginateQuery,
  TransactWriteCommand,
  type TransactWriteCommandInput,
} from '@aws-sdk/lib-dynamodb';
import { LeaseLost } from '../errors.ts';
import { pendingItem, pendingKey, type RawFile } from './records.ts';

/** DynamoDB takes 100 items in a transaction; each file needs two, the lease one. */
export const filesPerTransaction = 49;

export type Table = ReturnType<typeof openTable>;
type Items = NonNullable<TransactWriteCommandInput['TransactItems']>;

/** Items by dataset and sort key, transactions, and those under a lease. */
export function openTable(table: string, client: DynamoDBClient) {
  const db = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  const at = (dataset: string, sk: string) => ({ TableName: table, Key: { pk: dataset, sk } });

  const transact = async (items: Items) => {
    await db.send(new TransactWriteCommand({ TransactItems: items }));
  };

  /** A transaction that goes through only while this fence holds the lease. Throws LeaseLost. */
  const underLease = async (dataset: string, fence: number, items: Items) => {
    const check = {
      ConditionCheck: {
        ...at(dataset, 'LEASE'),
        ConditionExpression: 'fence = :fence AND attribute_exists(#execution)',
        ExpressionAttributeNames: { '#execution': 'execution' },
        ExpressionAttributeValues: { ':fence': fence },
      },
    };
    try {
      await transact([check, ...items]);
    } catch (error) {
      throw asLeaseLost(error, dataset, fence);
    }
  };

  /** Moves the files of a batch under the lease, some at a time. A file that is there already stays. */
  const moveFiles = async <F extends RawFile>(
    dataset: string,
    fence: number,
    files: readonly F[],
    move: (file: F) => Items,
  ) => {
    for (let i = 0; i < files.length; i += filesPerTransaction)
      await underLease(dataset, fence, files.slice(i, i + filesPerTransaction).flatMap(move));
  };

  /** Puts a file into the queue. */
  const enqueued = (dataset: string, file: RawFile) => ({
    Put: { TableName: table, Item: { pk: dataset, sk: pendingKey(file), ...pendingItem(file) } },
  });

  const query = async <T>(dataset: string, prefix: string, limit?: number): Promise<T[]> => {
    const found: T[] = [];
    const pages = paginateQuery(
      { client: db },
      {
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
        ExpressionAttributeValues: { ':pk': dataset, ':prefix': prefix },
        ...(limit === undefined ? {} : { Limit: limit }),
      },
    );
    for await (const page of pages) {
      found.push(...((page.Items ?? []) as T[]));
      if (limit !== undefined && found.length >= limit) break;
    }
    return limit === undefined ? found : found.slice(0, limit);
  };

  return { name: table, db, at, transact, underLease, moveFiles, enqueued, query };
}

/** Why a transaction was cancelled, item by item; empty for another error. */
export const reasonsOf = (error: unknown): string[] =>
  error instanceof TransactionCanceledException
    ? (error.CancellationReasons ?? []).map((reason) => reason.Code ?? '')
    : [];

/** A failed check of the lease (always the first item) is LeaseLost; anything else stays what it is. */
export function asLeaseLost(error: unknown, dataset: string, fence: number): unknown {
  const isLost =
    error instanceof ConditionalCheckFailedException || reasonsOf(error)[0] === 'ConditionalCheckFailed';
  return isLost
    ? new LeaseLost(`${dataset}: the lease with fence ${fence} is gone; another execution took over`, {
        cause: error as Error,
      })
    : error;
}
