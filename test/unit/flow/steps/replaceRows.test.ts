/** ReplaceRows holds a limited number of objects on its disk, however large the batch is that loses rows. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { replaceLimits } from '../../../../src/lib/flow/steps/replaceRows.ts';
import { World } from '../../../support/flowWorld.ts';

const lines = ['06', '07', '08', '09'].map((day) => `1@${day}`);
afterEach(() => {
  jest.restoreAllMocks();
});

/** A file of four days with a bad line is put, and then again with one row: five objects lose rows of it. */
async function correctedUnder(limits: Partial<typeof replaceLimits>): Promise<World> {
  const world = new World({ replaceLimits: { ...replaceLimits, ...limits } });
  world.put('feed/a', [...lines, 'bad']);
  await world.settle();
  world.put('feed/a', ['2@06']);
  await world.settle();
  return world;
}

test.each([
  [{ groupObjects: 2 }, [2, 2, 1]],
  [{ groupBytes: 1 }, [1, 1, 1, 1, 1]],
  [{}, [5]],
])('objects of an old batch are on the disk as many at a time as fit: %j', async (limits, onDisk) => {
  const world = await correctedUnder(limits);
  expect(world.onDisk).toEqual(onDisk);
  expect(world.linesOf('feed/a')).toEqual(['2@06']);
  expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
});

test.each([
  ['an object does not fit on the disk', { objectBytes: 10 }],
  ['there are more objects than there is time for', { openBytes: 2 ** 30 }],
])('the Glue job rewrites the objects if %s', async (_, limits) => {
  const world = await correctedUnder(limits);
  expect(world.onDisk).toEqual([1, 1, 1, 1, 1].map(() => expect.any(Number)));
  expect([...world.aws.glue.jobRuns.values()].map(({ state }) => state)).toEqual(['SUCCEEDED']);
  expect(world.linesOf('feed/a')).toEqual(['2@06']);
  expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
  expect(world.errors).toEqual([]);
});
