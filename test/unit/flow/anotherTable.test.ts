/** A dataset that gets another table: its files are replayed into it. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { replay } from '../../../src/lib/flow/operate/again.ts';
import { reconcile } from '../../../src/lib/flow/repair/reconcile.ts';
import { isUnbalanced, type TableFormatName } from '../../../src/lib/model/plan.ts';
import { dataset, type Row, World } from '../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test.each([
  ['hive', 'hive'],
  ['hive', 'iceberg'],
  ['iceberg', 'hive'],
  ['iceberg', 'iceberg'],
] satisfies [TableFormatName, TableFormatName][])(
  'files that are replayed are in the new table once, and those that are not stay in the old one: %s to %s',
  async (from, to) => {
    const world = new World({ format: from });
    world.put('feed/a', ['a1@06', 'a2@07', 'bad']);
    world.put('feed/b', ['b1@06']);
    await world.settle();
    world.put('feed/c', ['c1@06']);
    await world.settle();
    const before = world.stored();
    world.deploy((contract) => ({ ...contract, table: { name: 'other', format: to } }));
    const again = async (prefix: string) => {
      await world.operate((deps) => replay(deps, dataset, { prefix }));
      await world.settle();
    };
    const rowsIn = (table: string) =>
      world
        .stored()
        .filter((key) => key.startsWith(`${table}/`))
        .flatMap((key) => (JSON.parse(world.text('processed', key)) as Row[]).map(({ id }) => id))
        .sort();
    await again('feed/a');
    expect(rowsIn('other')).toEqual(['a1', 'a2']);
    if (from === 'hive') expect(rowsIn('feed')).toEqual(['b1', 'c1']);
    // States of the old table still name its objects.
    else expect(world.stored()).toEqual(expect.arrayContaining(before));
    expect(world.refused().map(({ line }) => line)).toEqual(['bad']);
    await again('feed/b');
    await again('feed/c');
    expect(rowsIn('other')).toEqual(['a1', 'a2', 'b1', 'c1']);
    if (from === 'hive') expect(rowsIn('feed')).toEqual([]);
    const { ledger } = world.deps('test');
    const batches = await ledger.batches(dataset);
    expect(batches.map(({ state }) => state)).toEqual(batches.map(() => 'published'));
    expect(batches.filter(({ tableRows }) => tableRows && isUnbalanced(tableRows))).toEqual([]);
    await world.sweep(true);
    await world.settle();
    expect(await world.call('reconcile', (deps) => reconcile(deps, dataset))).toMatchObject({
      table: 'other',
      missing: [],
      removed: 0,
      unknown: 0,
    });
  },
);
