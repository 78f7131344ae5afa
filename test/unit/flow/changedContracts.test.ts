/** Contracts that change between batches: what earlier batches have left is read under the new one. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { tableOfContract } from '../../../src/lib/flow/batch/tables.ts';
import { decide } from '../../../src/lib/flow/operate/decide.ts';
import { rollback } from '../../../src/lib/flow/operate/rollback.ts';
import type { TableFormatName } from '../../../src/lib/model/plan.ts';
import { columnsIn } from '../../support/changesWorld.ts';
import { dataset, expectCounted, World } from '../../support/flowWorld.ts';
import { realEngine } from '../../support/realEngine.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

type Column = { readonly name: string; readonly path: string; readonly type: string } & Record<
  string,
  unknown
>;

/** Lines are `key,n,gone`. `id`: how the contract reads the key, `n`: the order. */
const contractOf = (
  format: TableFormatName,
  {
    table,
    id,
    n,
    more = {},
  }: { table?: string; id?: Partial<Column>; n?: Partial<Column>; more?: object } = {},
) => {
  const key = { name: 'id', path: 'key', type: 'bigint', required: true, ...id };
  const order = { name: 'n', path: 'n', type: 'bigint', required: true, ...n };
  return parseContract(
    'feed.yml',
    JSON.stringify({
      dataset,
      table: { ...(table === undefined ? {} : { name: table }), format },
      source: { prefix: 'feed/', formats: ['csv'], csv: { header: ['key', 'n', 'gone'] } },
      columns: [key, order, { name: 'gone', path: 'gone', type: 'boolean', publish: false }],
      dedupe: {
        key: [key.name],
        scope: 'table',
        order: [{ column: order.name, direction: 'desc' }],
        deleteWhen: 'gone',
      },
      partitionBy: [{ name: 'source', constant: 'feed' }],
      ...more,
    }),
  );
};

const worldOf = (contract: ReturnType<typeof contractOf>) =>
  new World({ engine: realEngine, format: 'iceberg', contract });

const drop = async (world: World, key: string, ...lines: string[]) => {
  world.putText(key, `${lines.join('\n')}\n`);
  await world.settle();
};
const statesOf = async (world: World) =>
  (await world.deps('test').ledger.batches(dataset)).map(({ state }) => state);

test('a key that was deleted stays deleted when its column gets another name', async () => {
  const world = worldOf(contractOf('iceberg'));
  await drop(world, 'feed/a', '1,1,false', '2,1,false');
  await drop(world, 'feed/b', '1,5,true');
  const renamed = contractOf('iceberg', { id: { name: 'user_id', was: 'id' }, n: { name: 'id', was: 'n' } });
  world.deploy(() => renamed);
  await drop(world, 'feed/c', '1,3,false', '2,3,false');
  await drop(world, 'feed/d', '2,9,true');
  await drop(world, 'feed/e', '2,4,false', '3,1,false');
  expect(await columnsIn(world, 'user_id, id')).toEqual([{ user_id: '3', id: '1' }]);
  expect(new Set(await statesOf(world))).toEqual(new Set(['published']));
});

test.each(['hive', 'iceberg'] as const)(
  'deletes of earlier types of the key and the order fail no batch: %s',
  async (format) => {
    const world = worldOf(contractOf(format));
    await drop(world, 'feed/a', '1,1,false', '2,1,true');
    const time = { type: 'timestamp', formats: ['epoch_s'] };
    world.deploy(() => contractOf(format, { table: 'other', n: time }));
    await drop(world, 'feed/b', '3,2,true', '4,2,false');
    await drop(world, 'feed/c', '3,1,false', '5,2,false');
    world.deploy(() => contractOf(format, { table: 'third', id: { type: 'string' }, n: time }));
    await drop(world, 'feed/d', 'x,1,true', '6,2,false');
    await drop(world, 'feed/e', 'x,0,false', '7,2,false');
    const batches = await world.deps('test').ledger.batches(dataset);
    expect(batches.map(({ state }) => state)).toEqual(batches.map(() => 'published'));
    // In each table, a delete keeps an older row away.
    expect(batches.map(({ counts }) => counts?.duplicates).sort()).toEqual([0, 0, 0, 1, 1]);
  },
);

test('a batch of a contract that is no longer deployed is processed again under the new one instead of being held', async () => {
  const before = contractOf('iceberg');
  const after = contractOf('iceberg', { id: { name: 'user_id', was: 'id' } });
  const world = worldOf(before);
  await drop(world, 'feed/a', '1,1,false');
  world.changeContract(() => after, 'publish');
  // Another dataset of the table is faster, and renames its column.
  world.watch('publish', async ({ formats, config }) => {
    world.watch('none', async () => {});
    await formats.iceberg.ensure(tableOfContract(after, config), { dataset: 'other', fence: 1 });
  });
  await drop(world, 'feed/b', '2,1,false');
  const batches = await world.deps('test').ledger.batches(dataset);
  expect(world.errors).toEqual([expect.stringContaining('TableMismatch')]);
  expect(batches.map(({ state }) => state)).toEqual(['published', 'published']);
  expect(await columnsIn(world, 'user_id')).toContainEqual({ user_id: '2' });
  // A contract that is deployed, and does not fit, holds its files.
  world.deploy(() => before);
  world.changeContract(() => before, 'publish');
  await drop(world, 'feed/c', '3,1,false');
  expect((await world.deps('test').ledger.waiting(dataset, 'held')).map(({ object }) => object)).toEqual([
    'feed/c',
  ]);
});

test('a dataset that is removed completes its batch, and starts no other; its files wait until it is added again', async () => {
  const world = new World({ batchFiles: 1 });
  world.put('feed/a', ['a@06']);
  world.put('feed/b', ['b@06']);
  let claims = 0;
  world.watch('repairPartitions', async () => {
    world.isRemoved = true;
    world.watch('claimBatch', async () => {
      // If it went on for ever, so would this test.
      if (++claims === 10) world.isRemoved = false;
    });
  });
  await world.deliver();
  await world.executeAll();
  const { ledger } = world.deps('test');
  expect(claims).toBe(0);
  expect((await ledger.batches(dataset)).map(({ state }) => state)).toEqual(['published']);
  expect((await ledger.lease(dataset))?.execution).toBeUndefined();
  world.isRemoved = false;
  await world.settle();
  expect((await ledger.batches(dataset)).map(({ state }) => state)).toEqual(['published', 'published']);
  await expectCounted(world);
});

test('published rows are compared with those of a contract whose types are narrower again', async () => {
  const world = worldOf(contractOf('iceberg', { n: { type: 'decimal(12,2)' } }));
  await drop(world, 'feed/a', '1,1,false', '3000000000,1,false', '2,3000000000,false', '4,3000000000,true');
  world.deploy(() => contractOf('iceberg', { id: { type: 'int' }, n: { type: 'decimal(9,2)' } }));
  await drop(world, 'feed/b', '1,2,false', '2,1,false', '3,1,false', '4,1,false');
  expect((await columnsIn(world, 'id, n')).map(({ id, n }) => `${id} ${n}`).sort()).toEqual([
    '1 2.00',
    '2 3000000000.00',
    '3 1.00',
    '3000000000 1.00',
  ]);
});

test('a batch is rejected, or rolled back, also when the table that its contract looks up is gone', async () => {
  const enrich = [{ kind: 'lookup', table: 'users', on: { id: 'id' }, columns: { country: 'country' } }];
  const world = worldOf(contractOf('iceberg'));
  await drop(world, 'feed/a', '1,1,false');
  world.deploy(() => contractOf('iceberg', { more: { enrich } }));
  await drop(world, 'feed/b', '2,1,false');
  const { ledger } = world.deps('test');
  const [published, held] = (await ledger.batches(dataset)).sort((a, b) => b.state.localeCompare(a.state));
  expect(held).toMatchObject({ state: 'held', reason: expect.stringContaining('ReferenceRefused') });
  const reason = { reason: 'a test', at: new Date().toISOString() };
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', { kind: 'reject', ...reason }));
  await world.operate((deps) => rollback(deps, dataset, published?.batch ?? '', reason));
  await world.settle();
  expect(await ledger.waiting(dataset, 'held')).toEqual([]);
  expect(await columnsIn(world, 'id')).toEqual([]);
});
