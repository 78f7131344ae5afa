/** DynamoDB: a table whose items have the keys `pk` and `sk`, both strings. */
import { randomUUID } from 'node:crypto';
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  TransactionCanceledException,
  TransactionConflictException,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
  type UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb';
import { KeysUnread, LedgerBusy } from '../errors.ts';
import { chunksOf, parallel } from '../parallel.ts';
import { again, type Patience } from './again.ts';

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** An item as the document client returns it. */
export type Attributes = Record<string, unknown>;

/** A write of a transaction. */
export type Write = NonNullable<TransactWriteCommandInput['TransactItems']>[number];

/** A client that takes and returns plain values. */
export type Documents = DynamoDBDocumentClient;

/** DynamoDB's limit of writes in a transaction. */
export const writesPerTransaction = 100;

export const createDocuments = (client: DynamoDBClient = new DynamoDBClient({ maxAttempts: 8 })): Documents =>
  DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });

/** The items of a table. `patience`: how conflicting writes and incomplete reads are tried again. All reads are consistent. */
export function createItems(table: string, db: Documents, patience: Patience) {
  /** The table and key of an item, in the form of a write. */
  const at = ({ pk, sk }: Key) => ({ TableName: table, Key: { pk, sk } });

  /** Throws LedgerBusy if the write conflicts with others at every try. */
  const unlessBusy = async <T>(write: () => Promise<T>): Promise<T> => {
    try {
      return await again(write, isConflict, patience);
    } catch (error) {
      if (!isConflict(error)) throw error;
      throw new LedgerBusy(
        `the ledger's items are written by others again and again: ${error instanceof Error ? error.message : error}`,
        { cause: error },
      );
    }
  };

  /**
   * Writes all items or none. After a conflict or throttling the transaction is tried again, which the SDK does not do. After a
   * failed condition it is not. Throws LedgerBusy.
   */
  const transact = async (writes: readonly Write[]): Promise<void> => {
    // The same token makes a repeated request the same transaction.
    const ClientRequestToken = randomUUID();
    await unlessBusy(() =>
      db.send(new TransactWriteCommand({ TransactItems: [...writes], ClientRequestToken })),
    );
  };

  /** Updates one item; tries again after a conflict with a transaction. Throws LedgerBusy. */
  const update = (input: UpdateCommandInput) => unlessBusy(() => db.send(new UpdateCommand(input)));

  /** Puts an item, whatever it was before. */
  const put = async (Item: Attributes & Key): Promise<void> => {
    await db.send(new PutCommand({ TableName: table, Item }));
  };

  const get = async (key: Key): Promise<Attributes | undefined> =>
    (await db.send(new GetCommand({ ...at(key), ConsistentRead: true }))).Item;

  /** Items by their keys; undefined for a missing one. Throws KeysUnread if DynamoDB leaves some unread at every try. */
  const getAll = async (keys: readonly Key[]): Promise<(Attributes | undefined)[]> => {
    const found = new Map<string, Attributes>();
    const different = new Map(keys.map((key) => [idOf(key), { pk: key.pk, sk: key.sk }]));
    await parallel(chunksOf([...different.values()], 100), 4, async (chunk) => {
      let wanted: Attributes[] = chunk;
      const read = async () => {
        const { Responses, UnprocessedKeys } = await db.send(
          new BatchGetCommand({ RequestItems: { [table]: { Keys: wanted, ConsistentRead: true } } }),
        );
        for (const item of Responses?.[table] ?? [])
          found.set(idOf({ pk: String(item.pk), sk: String(item.sk) }), item);
        wanted = UnprocessedKeys?.[table]?.Keys ?? [];
        if (wanted.length > 0)
          throw new KeysUnread(`the ledger left ${wanted.length} keys unread; it is overloaded`);
      };
      await again(read, (error) => error instanceof KeysUnread, patience);
    });
    return keys.map((key) => found.get(idOf(key)));
  };

  /** Pages of a query, which names its keys and values itself. */
  async function* pages(query: Omit<QueryCommandInput, 'TableName'>) {
    let start: Attributes | undefined = query.ExclusiveStartKey;
    do {
      const page = await db.send(
        new QueryCommand({ ...query, TableName: table, ...(start ? { ExclusiveStartKey: start } : {}) }),
      );
      yield page;
      start = page.LastEvaluatedKey;
    } while (start);
  }

  /** Pages of the items of a partition key whose sort keys begin with `prefix`. */
  const pagesOf = (pk: string, prefix: string, options: Partial<QueryCommandInput>) =>
    pages({
      ...options,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
      ExpressionAttributeValues: { ':pk': pk, ':prefix': prefix },
    });

  return { table, at, transact, update, put, get, getAll, pages, pagesOf };
}

const idOf = ({ pk, sk }: Key): string => JSON.stringify([pk, sk]);

/** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html */
const transientReasons = new Set(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);

/** Why a transaction was cancelled, item by item; empty for another error. */
export const reasonsOf = (error: unknown): string[] =>
  error instanceof TransactionCanceledException
    ? (error.CancellationReasons ?? []).map((reason) => reason.Code ?? 'None')
    : [];

/** Whether a write failed only because of another write to the same item, or of throttling. */
function isConflict(error: unknown): boolean {
  if (error instanceof TransactionConflictException) return true;
  const reasons = reasonsOf(error);
  return (
    reasons.some((reason) => transientReasons.has(reason)) &&
    reasons.every((reason) => reason === 'None' || transientReasons.has(reason))
  );
}

/** Whether a condition of a write did not hold. */
const isConditionFailed = (error: unknown): boolean =>
  error instanceof ConditionalCheckFailedException || reasonsOf(error).includes('ConditionalCheckFailed');

/** Whether a write succeeded; false if one of its conditions did not hold. */
export async function goesThrough(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (!isConditionFailed(error)) throw error;
    return false;
  }
}
