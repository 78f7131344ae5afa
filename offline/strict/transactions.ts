/**
 * DynamoDB's transactions in progress. Like AWS, they reject a request for one of their items.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
 */
import * as z from 'zod';
import { Refusal } from './refusal.ts';

/** The names of a table's key attributes; undefined if the table does not exist. */
export type KeysOf = (table: string) => Promise<readonly string[] | undefined>;

const attributesSchema = z.record(z.string(), z.unknown());
const onKeySchema = z.object({ TableName: z.string(), Key: attributesSchema });
const putSchema = z.object({ TableName: z.string(), Item: attributesSchema });
const transactionSchema = z.object({
  ClientRequestToken: z.string().optional(),
  TransactItems: z.array(
    z.object({
      ConditionCheck: onKeySchema.optional(),
      Put: putSchema.optional(),
      Delete: onKeySchema.optional(),
      Update: onKeySchema.optional(),
      Get: onKeySchema.optional(),
    }),
  ),
});

export interface Transactions {
  /**
   * Throws Refusal if a transaction in progress has one of the request's items. A writing transaction is in progress from now on, until
   * the returned function is called.
   */
  begin(operation: string, input: unknown): Promise<() => void>;
}

const nothing = () => {};

export function createTransactions(keysOf: KeysOf): Transactions {
  /** Items of transactions, and items of single writes, which conflict with reading transactions only. */
  const locked = new Map<string, number>();
  const written = new Map<string, number>();
  const tokens = new Set<string>();
  const itemOf = async (table: string, attributes: Readonly<Record<string, unknown>>) => {
    const keys = await keysOf(table);
    return keys && JSON.stringify([table, ...keys.map((key) => attributes[key])]);
  };
  const hold = (items: readonly (string | undefined)[], among: Map<string, number>, token?: string) => {
    for (const item of items) if (item !== undefined) among.set(item, (among.get(item) ?? 0) + 1);
    if (token !== undefined) tokens.add(token);
    return () => {
      for (const item of items) {
        if (item === undefined) continue;
        const count = (among.get(item) ?? 1) - 1;
        if (count > 0) among.set(item, count);
        else among.delete(item);
      }
      if (token !== undefined) tokens.delete(token);
    };
  };
  return {
    async begin(operation, input) {
      switch (operation) {
        case 'PutItem':
        case 'UpdateItem':
        case 'DeleteItem': {
          const { TableName, ...own } =
            operation === 'PutItem' ? putSchema.parse(input) : onKeySchema.parse(input);
          const item = await itemOf(TableName, 'Item' in own ? own.Item : own.Key);
          if (item !== undefined && locked.has(item))
            throw new Refusal('TransactionConflictException', 'Transaction is ongoing for the item');
          return hold([item], written);
        }
        case 'TransactWriteItems':
        case 'TransactGetItems': {
          const { TransactItems, ClientRequestToken: token } = transactionSchema.parse(input);
          const items = await Promise.all(
            TransactItems.map(({ Put, ...others }) => {
              if (Put) return itemOf(Put.TableName, Put.Item);
              const own = others.ConditionCheck ?? others.Delete ?? others.Update ?? others.Get;
              return own && itemOf(own.TableName, own.Key);
            }),
          );
          const isRead = operation === 'TransactGetItems';
          if (token !== undefined && tokens.has(token))
            throw new Refusal(
              'TransactionInProgressException',
              'The transaction with the given request token is already in progress.',
            );
          const isBusy = (item = '') => locked.has(item) || (isRead && written.has(item));
          if (items.some(isBusy)) throw cancelled(items.map(isBusy));
          return isRead ? nothing : hold(items, locked, token);
        }
        default:
          return nothing;
      }
    },
  };
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors */
function cancelled(busy: readonly boolean[]): Refusal {
  const reasons = busy.map((isBusy) =>
    isBusy
      ? { Code: 'TransactionConflict', Message: 'Transaction is ongoing for the item' }
      : { Code: 'None' },
  );
  return new Refusal(
    'TransactionCanceledException',
    `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map(({ Code }) => Code).join(', ')}]`,
    { CancellationReasons: reasons },
  );
}
