/** Items of the ledger that cannot be read, lists, and what a transaction takes. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { LeaseLost, RecordUnreadable } from '../../../src/lib/errors.ts';
import { openTable, type Unreadable } from '../../../src/lib/ledger/table.ts';
import { createMemoryAws } from '../../support/memory/index.ts';

const schema = z.object({ sk: z.string(), n: z.number() });

function create(options: Parameters<typeof createMemoryAws>[0] = {}) {
  const aws = createMemoryAws(options);
  const skipped: Unreadable[] = [];
  const table = openTable('ledger', aws.actor('test').documents, {
    clock: () => 1_800_000_000_000,
    patience: { pause: 0 },
    onUnreadable: (item) => skipped.push(item),
  });
  const seed = (...items: { pk: string; sk: string; [name: string]: unknown }[]) => {
    for (const item of items) aws.dynamo.seed('ledger', item);
  };
  return { aws, table, seed, skipped };
}

test('a list skips what cannot be read and says so; what a decision depends on stops it', async () => {
  const { table, seed, skipped } = create();
  seed({ pk: 'd#pending-1', sk: 'A#1', n: 1 }, { pk: 'd#pending-1', sk: 'A#2', n: 'x' });
  expect(await table.query('d#pending-1', 'A#', schema)).toEqual([{ sk: 'A#1', n: 1 }]);
  const fault = expect.stringMatching(/^n: .+/);
  expect(skipped).toEqual([{ dataset: 'd', pk: 'd#pending-1', sk: 'A#2', fault }]);
  const key = { pk: 'd#pending-1', sk: 'A#2' };
  expect(await table.find(key, schema)).toBeUndefined();
  expect(await table.findAll([key, { ...key, sk: 'A#1' }, { ...key, sk: 'A#3' }], schema)).toEqual([
    { sk: 'A#1', n: 1 },
  ]);
  expect(skipped).toHaveLength(3);
  const named = expect.objectContaining({
    dataset: 'd',
    message: expect.stringMatching(/^d: the ledger's item d#pending-1 A#2 cannot be read: n: .+\. Correct/),
  });
  await expect(table.get(key, schema)).rejects.toEqual(named);
  await expect(table.getAll([key], schema)).rejects.toThrow(RecordUnreadable);
  await expect(table.query(key.pk, 'A#', schema, { read: table.required })).rejects.toThrow(RecordUnreadable);
  expect(await table.get({ ...key, sk: 'A#3' }, schema)).toBeUndefined();
  expect(await table.getAll([{ ...key, sk: 'A#3' }], schema)).toEqual([undefined]);
  // A union has no path.
  await table.find({ ...key, sk: 'A#1' }, z.never());
  expect(skipped.at(-1)?.fault).toMatch(/^the item: .+/);
});

test('a list ends at its limit, in either order, whatever cannot be read before', async () => {
  const { aws, table, seed } = create({ pages: { items: 2 } });
  seed(...[1, 2, 3, 4, 5, 6].map((n) => ({ pk: 'd', sk: `A#${n}`, n: n % 3 === 0 ? 'x' : n })));
  seed({ pk: 'd', sk: 'B#1', n: 9 });
  const numbers = async (options: object) =>
    (await table.query('d', 'A#', schema, options)).map(({ n }) => n);
  expect(await numbers({})).toEqual([1, 2, 4, 5]);
  expect(await numbers({ limit: 3 })).toEqual([1, 2, 4]);
  expect(await numbers({ limit: 2, isBackward: true })).toEqual([5, 4]);
  const before = aws.calls('dynamodb.Query');
  expect([await numbers({ limit: 0 }), await numbers({ limit: -1 })]).toEqual([[], []]);
  expect(aws.calls('dynamodb.Query')).toBe(before);
  const pages = async (after?: string) =>
    (await Array.fromAsync(table.queryPages('d', 'A#', schema, 2, after))).flat().map(({ n }) => n);
  expect([await pages(), await pages('A#2')]).toEqual([
    [1, 2, 4, 5],
    [4, 5],
  ]);
});

test('items are counted up to a limit, and no further pages are read', async () => {
  const { aws, table, seed } = create({ pages: { items: 2 } });
  seed(...[1, 2, 3, 4, 5, 6].map((n) => ({ pk: 'd', sk: `A#${n}` })));
  const read: object[] = [];
  aws.plan = ({ operation, input }) => {
    if (operation === 'Query') read.push(input);
    return undefined;
  };
  expect(await table.count('d', 'A#', 4)).toBe(4);
  expect(read).toHaveLength(2);
  expect(read[0]).toMatchObject({ Select: 'COUNT', Limit: 4 });
  expect(await table.count('d', 'A#', 100)).toBe(6);
  expect(await table.count('d', 'C#', 100)).toBe(0);
});

test('several keys are one list in the order of the sort keys', async () => {
  const { table, seed } = create();
  seed(
    { pk: 'a', sk: 'A#2', n: 2 },
    { pk: 'b', sk: 'A#1', n: 1 },
    { pk: 'b', sk: 'A#4', n: 4 },
    { pk: 'c', sk: 'A#3', n: 3 },
    { pk: 'a', sk: 'A#5', n: 5 },
  );
  const found = await Array.fromAsync(table.merged(['a', 'b', 'c', 'none'], 'A#', schema, 1));
  expect(found.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
});

test('a list of the index has a range, a beginning, or all, and either order', async () => {
  const { table, seed } = create();
  seed(...['a1', 'a2', 'b1', 'b2'].map((ik, i) => ({ pk: `f${i}`, sk: 'FILE', ix: `list-${i % 2}`, ik })));
  const keys = async (range: Parameters<typeof table.listedIn>[1]['range'], isBackward = false) =>
    (await Array.fromAsync(table.listedIn(['list-0', 'list-1'], { range, isBackward })))
      .flat()
      .map((key) => ('ik' in key ? key.ik : key.pk));
  expect(await keys({ prefix: '' })).toEqual(['a1', 'a2', 'b1', 'b2']);
  expect(await keys({ prefix: 'b' })).toEqual(['b1', 'b2']);
  expect(await keys({ from: 'a2', to: 'b1' })).toEqual(['a2', 'b1']);
  expect(await keys({ from: '0', to: '~' }, true)).toEqual(['b2', 'b1', 'a2', 'a1']);
});

test('writes under a lease go in as few transactions as DynamoDB takes, and the items of one thing stay together', async () => {
  const { aws, table, seed } = create();
  seed({ pk: 'd', sk: 'LEASE', fence: 7, execution: 'e' });
  const sizes: number[] = [];
  aws.plan = ({ operation, input }) => {
    if (operation === 'TransactWriteItems' && 'TransactItems' in input && Array.isArray(input.TransactItems))
      sizes.push(input.TransactItems.length);
    return undefined;
  };
  const three = (n: number) =>
    [0, 1, 2].map((i) => ({ Put: { TableName: 'ledger', Item: { pk: 'd', sk: `X#${n}#${i}` } } }));
  const things = (count: number) => Array.from({ length: count }, (_, n) => n);
  await table.allUnderLease('d', 7, things(34), three);
  expect(sizes).toEqual([100, 4]);
  await table.allUnderLease('d', 7, things(33), three);
  await table.allUnderLease('d', 7, [], three);
  expect(sizes).toEqual([100, 4, 100]);
  await expect(table.allUnderLease('d', 8, things(1), three)).rejects.toThrow(LeaseLost);
  await expect(table.underLease('other', 7, three(1))).rejects.toThrow(LeaseLost);
  // Another item's condition is not the lease's.
  const taken = {
    Put: { ...three(0)[0]?.Put, TableName: 'ledger', ConditionExpression: 'attribute_not_exists(pk)' },
  };
  const error: unknown = await table
    .underLease('d', 7, [{ ...taken, Put: { ...taken.Put, Item: { pk: 'd', sk: 'X#0#0' } } }])
    .catch((e: unknown) => e);
  expect(error).toMatchObject({ name: 'TransactionCanceledException' });
});

test('a version that leaves the queue is marked as replaced only where it was read, and its place goes', async () => {
  const { aws, table, seed } = create();
  const file = { object: 'feed/a', version: 'v1', size: 1, sequencer: '1' };
  const { item, place } = table.enqueued('d', file);
  expect(place).toMatch(/^PENDING#2027-01-15T08:00:00.000Z#[0-9a-f]{20}$/);
  expect(table.enqueued('d', file, true).place).toMatch(/^PENDING#~2027-/);
  await table.transact([item]);
  const queued = () => aws.dynamo.items('ledger').filter(({ sk }) => String(sk).startsWith('PENDING#'));
  expect(queued()).toMatchObject([{ object: 'feed/a', version: 'v1', queuedAt: '2027-01-15T08:00:00.000Z' }]);
  const { fileKey } = await import('../../../src/lib/ledger/keys.ts');
  const record = () => aws.dynamo.items('ledger').find(({ sk }) => sk === fileKey('d', file).sk);
  seed({ ...fileKey('d', file), state: 'pending', place });
  await expect(table.transact(table.replaced('d', file, 'v2', undefined))).rejects.toThrow();
  await expect(table.transact(table.replaced('d', file, 'v2', 'elsewhere'))).rejects.toThrow();
  await table.transact(table.replaced('d', file, 'v2', place));
  expect([record(), queued()]).toEqual([{ ...fileKey('d', file), state: 'replaced', replacedBy: 'v2' }, []]);
  await table.transact(table.replaced('d', file, 'v3', undefined));
  expect(record()).toMatchObject({ replacedBy: 'v3' });
});
