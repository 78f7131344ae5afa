/** Rows of one key in several files: the table is the same in whatever order and batches the files come. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { replay } from '../../../src/lib/flow/operate/again.ts';
import { dataset, expectNoOrphans, expectWhole, World } from '../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const files = {
  'feed/a': ['1@06', '2@06', '3@07'],
  'feed/b': ['2@06', '3@06', '3@07'],
  'feed/c': ['1@06', '3@06', '4@08', 'bad'],
};
const orders = [
  ['a', 'b', 'c'],
  ['a', 'c', 'b'],
  ['b', 'a', 'c'],
  ['b', 'c', 'a'],
  ['c', 'a', 'b'],
  ['c', 'b', 'a'],
] as const;

test.each(orders.flatMap((order) => [1, 2, 3].map((size) => [order.join(''), size, order] as const)))(
  'invariant 10: the same files give the same table: %s, %i at a time',
  async (_, size, order) => {
    const world = new World({ isDeduped: true });
    for (let at = 0; at < order.length; at += size) {
      for (const name of order.slice(at, at + size)) world.put(`feed/${name}`, files[`feed/${name}`]);
      await world.settle();
    }
    await expectWhole(world);
    await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
    await world.settle();
    await world.cleanUp();
    await expectWhole(world);
    await expectNoOrphans(world);
  },
);

test('a batch says how many rows left the table for its rows, and its objects have the others', async () => {
  const world = new World({ isDeduped: true });
  world.put('feed/b', files['feed/b']);
  await world.settle();
  world.put('feed/a', files['feed/a']);
  await world.settle();
  const batches = await world.deps('test').ledger.batches(dataset);
  const counts = batches.map((b) => b.counts);
  expect(counts.map((c) => [c?.rowsRead, c?.published, c?.duplicates, c?.replacedRows])).toEqual([
    [3, 3, 0, 0],
    [3, 3, 0, 2],
  ]);
  expect(world.lines()).toEqual(['feed/a 1@06', 'feed/a 2@06', 'feed/a 3@07', 'feed/b 3@06']);
});
