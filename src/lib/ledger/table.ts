/** The ledger's table, and what every part of the ledger does with it. */
import { randomUUID } from 'node:crypto';
import {
  ConditionalCheckFailedException,
  TransactionCanceledException,
  TransactionConflictException,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
  type UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb';
import type { z } from 'zod';
import { again, type Patience } from '../aws/again.ts';
import { KeysUnread, LeaseLost, LedgerBusy } from '../errors.ts';
import { chunksOf } from '../parallel.ts';
import { fileKey, pendingKey } from './keys.ts';
import { type FileId, type FileState, type RawFile, toRawFile } from './records.ts';

/** DynamoDB takes at most so many items in a transaction; the lease is one of them. */
const itemsPerTransaction = 100;

export type Table = ReturnType<typeof openTable>;
export type Items = NonNullable<TransactWriteCommandInput['TransactItems']>;
export type Item = Items[number];

export interface TableOptions {
  /** The present time in milliseconds. */
  readonly clock?: () => number;
  /** How a write that met another one is tried again. */
  readonly patience?: Patience;
}

/** Items by dataset and sort key, transactions, and those under a lease. */
export function openTable(
  table: string,
  db: DynamoDBDocumentClient,
  { clock = Date.now, patience = { attempts: 10, pause: 50 } }: TableOptions = {},
) {
  const at = (dataset: string, sk: string) => ({ TableName: table, Key: { pk: dataset, sk } });
  const now = (): string => new Date(clock()).toISOString();

  /**
   * All or nothing. A transaction that met another one, or DynamoDB's throttling, is tried again, which neither the SDK nor
   * anybody else does; one whose condition failed is not.
   */
  const transact = async (items: Items): Promise<void> => {
    // The same token makes a repeated request the same transaction.
    const ClientRequestToken = randomUUID();
    await unlessBusy(() => db.send(new TransactWriteCommand({ TransactItems: items, ClientRequestToken })));
  };

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

  /** Updates one item, again when a transaction was at work on it. */
  const update = (input: UpdateCommandInput) => unlessBusy(() => db.send(new UpdateCommand(input)));

  /** Goes into every transaction of a holder: it goes through only while this fence holds the lease. */
  const leaseCheck = (dataset: string, fence: number): Item => ({
    ConditionCheck: {
      ...at(dataset, 'LEASE'),
      ConditionExpression: 'fence = :fence AND attribute_exists(#execution)',
      ExpressionAttributeNames: { '#execution': 'execution' },
      ExpressionAttributeValues: { ':fence': fence },
    },
  });

  /** A transaction under the lease, which `check` may change at the same time. Throws LeaseLost. */
  const underLease = async (
    dataset: string,
    fence: number,
    items: Items,
    check: Item = leaseCheck(dataset, fence),
  ) => {
    try {
      await transact([check, ...items]);
    } catch (error) {
      throw asLeaseLost(error, dataset, fence);
    }
  };

  /** Many under the lease, as many at once as a transaction takes. What one gives is never parted. */
  const allUnderLease = async <T>(
    dataset: string,
    fence: number,
    things: readonly T[],
    itemsOf: (thing: T) => Items,
  ): Promise<void> => {
    let items: Items = [];
    for (const thing of things) {
      const next = itemsOf(thing);
      if (items.length + next.length >= itemsPerTransaction) {
        await underLease(dataset, fence, items);
        items = [];
      }
      items.push(...next);
    }
    if (items.length > 0) await underLease(dataset, fence, items);
  };

  const get = async <S extends z.ZodType>(
    dataset: string,
    sk: string,
    schema: S,
  ): Promise<z.output<S> | undefined> => {
    const { Item } = await db.send(new GetCommand({ ...at(dataset, sk), ConsistentRead: true }));
    return Item === undefined ? undefined : schema.parse(Item);
  };

  /** Items by their sort keys; those that are not there are left out. */
  const getAll = async (
    dataset: string,
    keys: readonly string[],
  ): Promise<Map<string, Record<string, unknown>>> => {
    const found = new Map<string, Record<string, unknown>>();
    for (const chunk of chunksOf([...new Set(keys)], 100)) {
      let wanted: Record<string, unknown>[] = chunk.map((sk) => ({ pk: dataset, sk }));
      const read = async () => {
        const { Responses, UnprocessedKeys } = await db.send(
          new BatchGetCommand({ RequestItems: { [table]: { Keys: wanted, ConsistentRead: true } } }),
        );
        for (const item of Responses?.[table] ?? []) found.set(String(item.sk), item);
        wanted = UnprocessedKeys?.[table]?.Keys ?? [];
        if (wanted.length > 0)
          throw new KeysUnread(
            `the ledger leaves ${wanted.length} keys of ${dataset} unread; it is overloaded`,
          );
      };
      await again(read, (error) => error instanceof KeysUnread, patience);
    }
    return found;
  };

  /** Pages of the items whose sort keys begin with `prefix`, until `limit` items have come. */
  async function* pagesOf(
    dataset: string,
    prefix: string,
    limit: number,
    options: Partial<QueryCommandInput>,
  ) {
    let found = 0;
    let start: Record<string, unknown> | undefined;
    do {
      const page = await db.send(
        new QueryCommand({
          ...options,
          TableName: table,
          ConsistentRead: true,
          KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
          ExpressionAttributeValues: { ':pk': dataset, ':prefix': prefix },
          ...(Number.isFinite(limit) ? { Limit: limit - found } : {}),
          ...(start ? { ExclusiveStartKey: start } : {}),
        }),
      );
      yield page;
      found += page.Count ?? 0;
      start = page.LastEvaluatedKey;
    } while (start && found < limit);
  }

  /** Items whose sort keys begin with `prefix`, in their order, or from the last one. */
  const query = async <S extends z.ZodType>(
    dataset: string,
    prefix: string,
    schema: S,
    { limit = Number.POSITIVE_INFINITY, isBackward = false }: { limit?: number; isBackward?: boolean } = {},
  ): Promise<z.output<S>[]> => {
    const found: z.output<S>[] = [];
    for await (const { Items = [] } of pagesOf(dataset, prefix, limit, { ScanIndexForward: !isBackward }))
      for (const item of Items) found.push(schema.parse(item));
    return found;
  };

  /** How many items have sort keys that begin with `prefix`, up to `limit`. */
  const count = async (dataset: string, prefix: string, limit: number): Promise<number> => {
    let found = 0;
    for await (const { Count = 0 } of pagesOf(dataset, prefix, limit, { Select: 'COUNT' })) found += Count;
    return found;
  };

  /** Puts a file among those that wait for a batch. `place` is its sort key. */
  const enqueued = (dataset: string, file: RawFile): { item: Item; place: string } => {
    const noted = now();
    const place = pendingKey(file, noted);
    const Item = { pk: dataset, sk: place, ...toRawFile(file), queuedAt: noted };
    return { place, item: { Put: { TableName: table, Item } } };
  };

  /** A version that another one has taken the place of. `place` is where it waits, if it does: it leaves that. */
  const replaced = (dataset: string, file: FileId, by: string, place: string | undefined): Item[] => [
    {
      Update: {
        ...at(dataset, fileKey(file)),
        UpdateExpression: 'SET #state = :replaced, replacedBy = :by REMOVE place',
        ConditionExpression: place === undefined ? 'attribute_not_exists(place)' : 'place = :place',
        ExpressionAttributeNames: { '#state': 'state' },
        ExpressionAttributeValues: {
          ':replaced': 'replaced' satisfies FileState,
          ':by': by,
          ...(place === undefined ? {} : { ':place': place }),
        },
      },
    },
    ...(place === undefined ? [] : [{ Delete: at(dataset, place) }]),
  ];

  return {
    name: table,
    db,
    at,
    clock,
    now,
    transact,
    update,
    underLease,
    allUnderLease,
    enqueued,
    replaced,
    get,
    getAll,
    query,
    count,
  };
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html */
const transientReasons = new Set(['TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded']);

/** Why a transaction was cancelled, item by item; empty for another error. */
export const reasonsOf = (error: unknown): string[] =>
  error instanceof TransactionCanceledException
    ? (error.CancellationReasons ?? []).map((reason) => reason.Code ?? 'None')
    : [];

/** Nothing was wrong with the write but that another one was at work on the same item, or too many at once. */
function isConflict(error: unknown): boolean {
  if (error instanceof TransactionConflictException) return true;
  const reasons = reasonsOf(error);
  return (
    reasons.some((reason) => transientReasons.has(reason)) &&
    reasons.every((reason) => reason === 'None' || transientReasons.has(reason))
  );
}

/** Whether a condition of a transaction did not hold. */
const isConditionFailed = (error: unknown): boolean =>
  error instanceof ConditionalCheckFailedException || reasonsOf(error).includes('ConditionalCheckFailed');

/** Whether a write went through; false when a condition of it did not hold. */
export async function goesThrough(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (!isConditionFailed(error)) throw error;
    return false;
  }
}

/** A failed check of the lease (always the first item) is LeaseLost; anything else stays what it is. */
function asLeaseLost(error: unknown, dataset: string, fence: number): unknown {
  if (reasonsOf(error)[0] !== 'ConditionalCheckFailed') return error;
  return new LeaseLost(`${dataset}: the lease with fence ${fence} is gone; another execution took over`, {
    cause: error,
  });
}
