/** Reads and writes of DynamoDB that answer only in part, or conflict with others. */
import { expect, test } from '@jest/globals';
import { createItems, goesThrough } from '../../../src/lib/aws/dynamo.ts';
import { faultAt } from '../../support/memory/faults.ts';
import { createMemoryAws } from '../../support/memory/index.ts';

const patience = { attempts: 3, pause: 0 };

function openWorld() {
  const aws = createMemoryAws({});
  return { aws, items: createItems('ledger', aws.actor('a').documents, patience) };
}

test('invariant 4: keys that DynamoDB leaves unread are asked for again', async () => {
  const { aws, items } = openWorld();
  const keys = [1, 2, 3].map((n) => ({ pk: 'd', sk: `${n}` }));
  for (const key of keys) await items.put(key);
  aws.plan = faultAt({ mode: 'partial', mask: 2 }, { operation: 'BatchGetItem' });
  expect(await items.getAll([...keys, { pk: 'd', sk: '4' }])).toEqual([...keys, undefined]);
  expect(aws.hits).toHaveLength(1);
});

test('invariant 4: keys that stay unread are KeysUnread', async () => {
  const { aws, items } = openWorld();
  await items.put({ pk: 'd', sk: '1' });
  aws.plan = faultAt({ mode: 'partial', mask: 1 }, { operation: 'BatchGetItem', times: patience.attempts });
  await expect(items.getAll([{ pk: 'd', sk: '1' }])).rejects.toMatchObject({ name: 'KeysUnread' });
});

test('a failed condition is not tried again, and the transaction writes nothing', async () => {
  const { aws, items } = openWorld();
  await items.put({ pk: 'd', sk: '1' });
  const isNew = { TableName: 'ledger', ConditionExpression: 'attribute_not_exists(pk)' };
  const writes = [
    { Put: { ...isNew, Item: { pk: 'd', sk: '2' } } },
    { Put: { ...isNew, Item: { pk: 'd', sk: '1', later: true } } },
  ];
  expect(await goesThrough(items.transact(writes))).toBe(false);
  expect(aws.calls('dynamodb.TransactWriteItems')).toBe(1);
  expect(aws.dynamo.items('ledger')).toEqual([{ pk: 'd', sk: '1' }]);
});

test('a transaction that conflicts at every try is LedgerBusy', async () => {
  const { aws, items } = openWorld();
  aws.plan = faultAt(
    { mode: 'partial', mask: 1 },
    { operation: 'TransactWriteItems', times: patience.attempts },
  );
  const writes = [{ Put: { TableName: 'ledger', Item: { pk: 'd', sk: '1' } } }];
  await expect(items.transact(writes)).rejects.toMatchObject({ name: 'LedgerBusy' });
  expect(aws.calls('dynamodb.TransactWriteItems')).toBe(patience.attempts);
});
