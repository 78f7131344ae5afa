/** A table keeps its format: files of a contract that the table cannot follow wait for a person, and nothing else changes. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { deadlineAfter } from '../../../src/lib/deadline.ts';
import { retry } from '../../../src/lib/flow/operate/again.ts';
import { reconcile } from '../../../src/lib/flow/repair/reconcile.ts';
import type { TableFormatName } from '../../../src/lib/model/plan.ts';
import { dataset, expectCounted, expectWhole, World } from '../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const other: Record<TableFormatName, TableFormatName> = { hive: 'iceberg', iceberg: 'hive' };

test.each(['hive', 'iceberg'] as const)(
  'files of a contract that asks a %s table for another format are held before they are claimed',
  async (format) => {
    const world = new World({ format });
    world.put('feed/a', ['1@06']);
    await world.settle();
    const { ledger } = world.deps('test');
    const before = (await ledger.batches(dataset)).length;
    world.changeContract((contract) => ({ ...contract, table: { format: other[format] } }), 'claimBatch');
    world.put('feed/a', ['2@06']);
    world.put('feed/b', ['3@07']);
    await world.settle();
    const held = await ledger.waiting(dataset, 'held');
    expect(held.map(({ object }) => object).sort()).toEqual(['feed/a', 'feed/b']);
    const [record] = await ledger.read(dataset, held);
    expect(record?.file?.reason).toMatch(/^TableMismatch: table db\.feed: .*keeps its format/);
    expect((await ledger.batches(dataset)).length).toBe(before);
    expect(world.lines()).toEqual(['feed/a 1@06']);
    world.changeContract((contract) => contract, 'claimBatch');
    await world.operate((deps) => retry(deps, dataset, {}));
    await world.settle();
    await expectWhole(world);
  },
);

test('many files that a table cannot take are held, a few dozen in a transaction, also if a claim has no time for all of them', async () => {
  let claims = 0;
  const world = new World({
    format: 'hive',
    deadlineOf: (name) => {
      // The queue, 100 files, and two transactions.
      let left = 15_000 + 103;
      return name === 'claimBatch' && claims++ === 1 ? deadlineAfter(() => left--) : undefined;
    },
  });
  world.put('feed/a', ['1@06']);
  await world.settle();
  world.deploy((contract) => ({ ...contract, table: { format: 'iceberg' } }));
  for (let i = 0; i < 100; i++) world.put(`feed/${i}`, ['1@06']);
  await world.deliver();
  const before = world.aws.calls('dynamodb.TransactWriteItems');
  await world.settle();
  const { ledger } = world.deps('test');
  expect(await ledger.waiting(dataset, 'held')).toHaveLength(100);
  expect(world.errors).toEqual([expect.stringContaining('WorkLeft')]);
  expect(claims).toBeGreaterThan(2);
  expect(world.aws.calls('dynamodb.TransactWriteItems') - before).toBeLessThan(8);
});

test('a column of another type is refused before a claim, a wider one is taken where the format can', async () => {
  const held = async (format: TableFormatName, from: 'int' | 'bigint', to: 'int' | 'bigint' | 'string') => {
    const world = new World({ format });
    const columnOf =
      (type: 'int' | 'bigint' | 'string') =>
      (contract: Parameters<Parameters<World['changeContract']>[0]>[0]) => ({
        ...contract,
        derive: [{ name: 'n', type, expression: type === 'string' ? "'1'" : '1' }],
      });
    world.changeContract(columnOf(from), 'claimBatch');
    world.put('feed/a', ['1@06']);
    await world.settle();
    world.changeContract(columnOf(to), 'claimBatch');
    world.put('feed/b', ['2@06']);
    await world.settle();
    return (await world.deps('test').ledger.waiting(dataset, 'held')).length;
  };
  expect(await held('hive', 'int', 'bigint')).toBe(1);
  expect(await held('iceberg', 'int', 'bigint')).toBe(0);
  expect(await held('iceberg', 'bigint', 'string')).toBe(1);
});

test.each(['hive', 'iceberg'] as const)(
  'a %s table without partitions is published, corrected and reconciled',
  async (format) => {
    const world = new World({ format, contract: { partitionBy: [] } });
    world.put('feed/a', ['1@06', '2@07', 'bad']);
    world.put('feed/b', ['3@06']);
    await world.settle();
    await expectWhole(world);
    world.put('feed/a', ['4@08']);
    await world.settle();
    await expectWhole(world);
    const folders = new Set(world.objects().map((key) => key.split('/').length));
    expect([...folders]).toEqual([format === 'hive' ? 2 : 3]);
    const found = await world.operate((deps) => reconcile(deps, dataset));
    expect(found).toMatchObject({ added: 0, dropped: 0, missing: [], isWhole: true });
    await expectCounted(world);
  },
);
