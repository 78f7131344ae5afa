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
import type { RawFile } from './records.ts';

/** DynamoDB takes 100 items in a transaction; each file needs two, the lease one. */
export const filesPerTransaction = 49;

export type Table = ReturnType<typeof openTable>;

/** Items by dataset and sort key, transactions, and the check of a lease that goes with them. */
export function openTable(table: string, client: DynamoDBClient) {
  const db = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  const at = (dataset: string, sk: string) => ({ TableName: table, Key: { pk: dataset, sk } });

  const transact = async (items: NonNullable<TransactWriteCommandInput['TransactItems']>) => {
    await db.send(new TransactWriteCommand({ TransactItems: items }));
  };

  const leaseCheck = (dataset: string, fence: number) => ({
    ConditionCheck: {
      ...at(dataset, 'LEASE'),
      ConditionExpression: 'fence = :fence AND attribute_exists(#execution)',
      ExpressionAttributeNames: { '#execution': 'execution' },
      ExpressionAttributeValues: { ':fence': fence },
    },
  });

  /** Moves the files of a batch under the lease, some at a time. A file that is there already stays. */
  const moveFiles = async <F extends RawFile>(
    dataset: string,
    fence: number,
    files: readonly F[],
    move: (file: F) => NonNullable<TransactWriteCommandInput['TransactItems']>,
  ) => {
    for (let i = 0; i < files.length; i += filesPerTransaction)
      try {
        await transact([
          leaseCheck(dataset, fence),
          ...files.slice(i, i + filesPerTransaction).flatMap(move),
        ]);
      } catch (error) {
        throw asLeaseLost(error, dataset, fence);
      }
  };

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

  return { name: table, db, at, transact, leaseCheck, moveFiles, query };
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
