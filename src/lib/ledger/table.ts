/** The ledger's table, and what every part of the ledger does with it. */
import * as z from 'zod';
import type { Patience } from '../aws/again.ts';
import { changing } from '../aws/changing.ts';
import {
  type Attributes,
  createItems,
  type Documents,
  type Key,
  reasonsOf,
  type Write,
  writesPerTransaction,
} from '../aws/dynamo.ts';
import type { Deadline } from '../deadline.ts';
import { LeaseLost, RecordUnreadable } from '../errors.ts';
import { type FileId, type FileState, type RawFile, toRawFile } from '../model/records.ts';
import { behind, fileKey, orderIndex, pendingPlace, placeKey } from './keys.ts';

export type Table = ReturnType<typeof openTable>;

export interface TableOptions {
  /** The present time in milliseconds. */
  readonly clock?: () => number;
  /** How a conflicting write is tried again. */
  readonly patience?: Patience;
  /** Called for each item that a list skips because it cannot be read. */
  readonly onUnreadable?: (item: Unreadable) => void;
}

/** An item in an unknown form: an earlier or later version, or a person, has written it. */
export interface Unreadable extends Key {
  readonly dataset: string;
  /** Names the field. */
  readonly fault: string;
}

/** Items by dataset and sort key, transactions, and those under a lease. */
export function openTable(
  table: string,
  db: Documents,
  { clock = Date.now, patience = { attempts: 10, pause: 50 }, onUnreadable = () => {} }: TableOptions = {},
) {
  const items = createItems(table, db, patience);
  const { at } = items;
  const now = (): string => new Date(clock()).toISOString();

  /** Part of every transaction of a holder, which succeeds only while this fence holds the lease. */
  const leaseCheck = (dataset: string, fence: number): Write => ({
    ConditionCheck: {
      ...at({ pk: dataset, sk: 'LEASE' }),
      ConditionExpression: 'fence = :fence AND attribute_exists(#execution)',
      ExpressionAttributeNames: { '#execution': 'execution' },
      ExpressionAttributeValues: { ':fence': fence },
    },
  });

  /** A transaction under the lease, which `check` may change at the same time. Throws LeaseLost. */
  const underLease = async (
    dataset: string,
    fence: number,
    writes: readonly Write[],
    check: Write = leaseCheck(dataset, fence),
  ) => {
    try {
      await items.transact([check, ...writes]);
    } catch (error) {
      throw asLeaseLost(error, dataset, fence);
    }
  };

  /**
   * Many writes under the lease, as many at once as a transaction takes. The items of one thing are never separated. One transaction follows the
   * other, because two that check the same lease at the same time would conflict. Throws OutOfTime between two of them.
   */
  const allUnderLease = async <T>(
    dataset: string,
    fence: number,
    things: readonly T[],
    writesOf: (thing: T) => readonly Write[],
    deadline?: Deadline,
  ): Promise<void> => {
    let writes: Write[] = [];
    if (things.length > 0) deadline?.check();
    for (const thing of things) {
      const next = writesOf(thing);
      // The check of the lease is a part of the transaction.
      if (writes.length + next.length >= writesPerTransaction) {
        await underLease(dataset, fence, writes);
        deadline?.check();
        writes = [];
      }
      writes.push(...next);
    }
    if (writes.length > 0) await underLease(dataset, fence, writes);
  };

  /** An item of a list. If it cannot be read, it is reported to `onUnreadable`, and the result is undefined. */
  const readable = <S extends z.ZodType>(schema: S, item: Attributes): z.output<S> | undefined => {
    const parsed = schema.safeParse(item);
    if (!parsed.success) onUnreadable(unreadable(item, parsed.error));
    return parsed.data;
  };

  /** An item that a decision depends on. Throws RecordUnreadable. */
  const required = <S extends z.ZodType>(schema: S, item: Attributes): z.output<S> => {
    const parsed = schema.safeParse(item);
    if (parsed.success) return parsed.data;
    const { dataset, pk, sk, fault } = unreadable(item, parsed.error);
    throw new RecordUnreadable(
      `${dataset}: the ledger's item ${pk} ${sk} cannot be read: ${fault}. Correct it, or restore the ledger`,
      { dataset, cause: parsed.error },
    );
  };

  /** Throws RecordUnreadable. */
  const get = async <S extends z.ZodType>(key: Key, schema: S): Promise<z.output<S> | undefined> => {
    const item = await items.get(key);
    return item && required(schema, item);
  };

  /** As `get`, but also undefined for an item that cannot be read. For hints, which no decision depends on. */
  const find = async <S extends z.ZodType>(key: Key, schema: S): Promise<z.output<S> | undefined> => {
    const item = await items.get(key);
    return item && readable(schema, item);
  };

  /** Items by their keys; undefined for one that is not there. Throws RecordUnreadable. */
  const getAll = async <S extends z.ZodType>(
    keys: readonly Key[],
    schema: S,
  ): Promise<(z.output<S> | undefined)[]> =>
    (await items.getAll(keys)).map((item) => item && required(schema, item));

  /** As `getAll`, without the items that are not there or cannot be read. */
  const findAll = async <S extends z.ZodType>(keys: readonly Key[], schema: S): Promise<z.output<S>[]> =>
    (await items.getAll(keys)).flatMap((item) => {
      const found = item && readable(schema, item);
      return found === undefined ? [] : [found];
    });

  /** Items whose sort keys begin with `prefix`, in their order, or from the last one: `limit` that can be read. */
  const query = async <S extends z.ZodType>(
    pk: string,
    prefix: string,
    schema: S,
    {
      limit = Number.POSITIVE_INFINITY,
      isBackward = false,
      read = readable,
    }: { limit?: number; isBackward?: boolean; read?: typeof readable } = {},
  ): Promise<z.output<S>[]> => {
    const found: z.output<S>[] = [];
    if (limit <= 0) return found;
    const pages = items.pagesOf(pk, prefix, {
      ScanIndexForward: !isBackward,
      ...(Number.isFinite(limit) ? { Limit: limit } : {}),
    });
    for await (const { Items = [] } of pages) {
      for (const item of Items) {
        const known = read(schema, item);
        if (known !== undefined) found.push(known);
        if (found.length === limit) return found;
      }
    }
    return found;
  };

  /** The same in pages; only the items after the sort key `after`, if it is given. */
  async function* queryPages<S extends z.ZodType>(
    pk: string,
    prefix: string,
    schema: S,
    pageSize: number,
    after?: string,
  ): AsyncGenerator<z.output<S>[]> {
    const options = {
      Limit: pageSize,
      ...(after === undefined ? {} : { ExclusiveStartKey: { pk, sk: after } }),
    };
    for await (const { Items = [] } of items.pagesOf(pk, prefix, options))
      yield Items.flatMap((item) => readable(schema, item) ?? []);
  }

  /** How many items of a partition key have sort keys that begin with `prefix`, up to `limit`. */
  const count = async (pk: string, prefix: string, limit: number): Promise<number> => {
    let found = 0;
    for await (const { Count = 0 } of items.pagesOf(pk, prefix, { Select: 'COUNT', Limit: limit })) {
      found += Count;
      if (found >= limit) break;
    }
    return found;
  };

  /**
   * The items of several partition keys whose sort keys begin with `prefix`, as one list in the order of the sort keys. Of each
   * partition key it reads `pageSize` items ahead, and no more.
   */
  async function* merged<S extends z.ZodType<{ sk: string }>>(
    pks: readonly string[],
    prefix: string,
    schema: S,
    pageSize: number,
  ): AsyncGenerator<z.output<S>> {
    yield* inOrder(
      pks.map((pk) => queryPages(pk, prefix, schema, pageSize)),
      (a, b) => a.sk < b.sk,
    );
  }

  /**
   * Keys of items that the index lists under several of its keys, in pages, in the list's order or from its end. The index follows
   * the table after a moment.
   */
  async function* listedIn(
    lists: readonly string[],
    { range, isBackward = false }: { range: ListRange; isBackward?: boolean },
  ): AsyncGenerator<Key> {
    const { condition, values } = conditionOf(range);
    const pages = lists.map(async function* (list) {
      const query = {
        IndexName: orderIndex,
        KeyConditionExpression: `ix = :list${condition}`,
        ExpressionAttributeValues: { ':list': list, ...values },
        ScanIndexForward: !isBackward,
        Limit: listPage,
      };
      for await (const { Items: found = [] } of items.pages(query))
        yield found.flatMap((item) => readable(listedSchema, item) ?? []);
    });
    yield* inOrder(pages, (a, b) => (isBackward ? a.ik > b.ik : a.ik < b.ik));
  }

  /** Puts a file into the queue, at `place`; a file of a backfill behind all new ones. */
  const enqueued = (dataset: string, file: RawFile, isBackfill = false): { item: Write; place: string } => {
    const noted = now();
    const place = pendingPlace(file, isBackfill ? behind(noted) : noted);
    const Item = { ...placeKey(dataset, file, place), ...toRawFile(file), queuedAt: noted };
    return { place, item: { Put: { TableName: table, Item } } };
  };

  /** Marks a version as replaced by another. `place` is its place in the queue, if it has one; it leaves this place. */
  const replaced = (dataset: string, file: FileId, by: string, place: string | undefined): Write[] => [
    {
      Update: {
        ...at(fileKey(dataset, file)),
        ...changing({
          set: { state: 'replaced' satisfies FileState, replacedBy: by },
          remove: ['place'],
          when: place === undefined ? 'attribute_not_exists(#place)' : '#place = :place',
          values: place === undefined ? {} : { place },
        }),
      },
    },
    ...(place === undefined ? [] : [{ Delete: at(placeKey(dataset, file, place)) }]),
  ];

  return {
    name: table,
    at,
    clock,
    now,
    transact: items.transact,
    update: items.update,
    put: items.put,
    underLease,
    allUnderLease,
    enqueued,
    replaced,
    required,
    get,
    getAll,
    find,
    findAll,
    query,
    count,
    queryPages,
    merged,
    listedIn,
  };
}

const keySchema = z.object({ pk: z.string().catch('?'), sk: z.string().catch('?') });

function unreadable(item: Attributes, error: z.ZodError): Unreadable {
  const { pk, sk } = keySchema.parse(item);
  const [issue] = error.issues;
  const fault = `${issue?.path.join('.') || 'the item'}: ${issue?.message ?? 'unknown'}`;
  return { dataset: pk.split('#')[0] ?? pk, pk, sk, fault };
}

/** Keys per page of the index. Small pages make a short look at a list cheap. */
const listPage = 100;

/** Selects items of a list: those whose order has a prefix, or lies between two values (the second one excluded). */
export type ListRange = { readonly prefix: string } | { readonly from: string; readonly to: string };

function conditionOf(range: ListRange): { condition: string; values: Record<string, string> } {
  if (!('prefix' in range))
    return { condition: ' AND ik BETWEEN :from AND :to', values: { ':from': range.from, ':to': range.to } };
  return range.prefix === ''
    ? { condition: '', values: {} }
    : { condition: ' AND begins_with(ik, :prefix)', values: { ':prefix': range.prefix } };
}

const listedSchema = z.object({ pk: z.string(), sk: z.string(), ik: z.string() });

/** Merges pages of sorted items into one sorted list. Pages that are needed at the same time are read in parallel. */
async function* inOrder<T>(
  sources: readonly AsyncIterator<readonly T[]>[],
  isBefore: (a: T, b: T) => boolean,
): AsyncGenerator<T> {
  const heads = sources.map((source) => ({ source, items: [] as readonly T[], at: 0, isOver: false }));
  for (;;) {
    await Promise.all(
      heads.map(async (head) => {
        while (!head.isOver && head.at === head.items.length) {
          const { value, done } = await head.source.next();
          head.isOver = done === true;
          if (!head.isOver) Object.assign(head, { items: value, at: 0 });
        }
      }),
    );
    let first: { item: T; head: (typeof heads)[number] } | undefined;
    for (const head of heads) {
      const item = head.items[head.at];
      if (item !== undefined && (first === undefined || isBefore(item, first.item))) first = { item, head };
    }
    if (first === undefined) return;
    first.head.at++;
    yield first.item;
  }
}

/** A failed check of the lease (always the first item) becomes LeaseLost; other errors stay. */
function asLeaseLost(error: unknown, dataset: string, fence: number): unknown {
  if (reasonsOf(error)[0] !== 'ConditionalCheckFailed') return error;
  return new LeaseLost(`${dataset}: the lease with fence ${fence} is gone; another execution took over`, {
    dataset,
    cause: error,
  });
}
