/** What a person pins stays, and what cannot be pinned is said by name. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { snapshots, stateOrBatch, tag, untag } from '../../../../src/lib/flow/operate/history.ts';
import { expireSnapshots } from '../../../../src/lib/table/iceberg/maintenance.ts';
import { dataset, World } from '../../../support/flowWorld.ts';
import { depsOf } from '../../../support/iceberg.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

async function twoBatches(): Promise<World> {
  const world = new World({ format: 'iceberg' });
  world.put('feed/a', ['a1@06']);
  await world.settle();
  world.put('feed/b', ['b1@06']);
  await world.settle();
  return world;
}

test('the current snapshot, one by its id, or that of another tag is pinned', async () => {
  const world = await twoBatches();
  const deps = world.deps('person');
  const [first, second] = await snapshots(deps, dataset);
  expect([first?.standing, second?.standing]).toEqual(['earlier', 'current']);
  expect(second?.attempt?.batch).toBe((await deps.ledger.batches(dataset)).at(-1)?.batch);
  expect((await tag(deps, dataset, 'now', undefined)).id).toBe(second?.id);
  expect((await tag(deps, dataset, 'before', first?.id)).id).toBe(first?.id);
  expect((await tag(deps, dataset, 'same', 'before')).tags).toEqual(['before', 'same']);
  expect(await untag(deps, dataset, 'before')).toBe(true);
  expect((await snapshots(deps, dataset)).map((s) => s.tags)).toEqual([['same'], ['now']]);
});

test('batches go on beside a tag', async () => {
  const world = await twoBatches();
  await tag(world.deps('person'), dataset, 'model', undefined);
  world.put('feed/a', ['a2@06']);
  await world.settle();
  await world.cleanUp();
  expect(world.lines()).toEqual(['feed/a a2@06', 'feed/b b1@06']);
  expect(
    (await snapshots(world.deps('person'), dataset)).filter((s) => s.tags.includes('model')),
  ).toHaveLength(1);
});

test('a tag has a name that no id and no time can have', async () => {
  const deps = (await twoBatches()).deps('person');
  for (const name of ['1', '2025-10-06', '', '-x', 'a b', 'a/b', '__proto__', 'x'.repeat(129), 'ä']) {
    await expect(tag(deps, dataset, name, undefined)).rejects.toThrow('a tag begins with a letter');
    await expect(untag(deps, dataset, name)).rejects.toThrow('a tag begins with a letter');
  }
});

test('a Hive table keeps no snapshots, and an Iceberg table has none before its first batch', async () => {
  const hive = new World({ format: 'hive' }).deps('person');
  await expect(snapshots(hive, dataset)).rejects.toThrow('is a Hive table, which keeps no snapshots');
  await expect(tag(hive, dataset, 'model', undefined)).rejects.toThrow('is a Hive table');
  jest.restoreAllMocks();
  const iceberg = new World({ format: 'iceberg' }).deps('person');
  await expect(snapshots(iceberg, dataset)).rejects.toThrow('does not exist; publish a file first');
  jest.restoreAllMocks();
  const started = (await twoBatches()).deps('person');
  await expect(tag(started, dataset, 'model', '12')).rejects.toThrow('has no snapshot or tag 12');
});

test('two states differ in the partitions with other objects, and a batch stands for the state after it', async () => {
  const world = await twoBatches();
  world.put('feed/c', ['c1@07']);
  world.put('feed/b', ['b2@06', 'b3@08']);
  await world.settle();
  const deps = world.deps('person');
  const [first, second, third] = await snapshots(deps, dataset);
  const { history } = deps.formats.iceberg;
  const partitions = async (from = '', to = '') =>
    (await history?.difference(dataset, from, to))?.partitions?.map(({ day }) => day).sort();
  expect(await partitions(first?.id, second?.id)).toEqual(['06']);
  expect(await partitions(third?.id, second?.id)).toEqual(['06', '07', '08']);
  expect(await history?.difference(dataset, second?.id ?? '', second?.id ?? '')).toEqual({
    columns: expect.arrayContaining([{ from: 'day', to: 'day' }]),
    onlyFrom: [],
    onlyTo: [],
    isSame: true,
    partitions: [],
  });
  await expect(history?.difference(dataset, '5', second?.id ?? '')).rejects.toThrow('has no snapshot 5');

  const state = async (which = '') => (await stateOrBatch(deps, dataset, which)).id;
  expect(await state(second?.attempt?.batch.slice(0, 8))).toBe(second?.id);
  expect(await state(third?.id)).toBe(third?.id);
  expect(await state(first?.at)).toBe(first?.id);
  await expect(state('abcd')).rejects.toThrow('no snapshot or tag abcd');
  await expect(state('2025-02-30')).rejects.toThrow('no snapshot or tag 2025-02-30');
  await expireSnapshots(depsOf(world.aws.actor('upkeep'), world.aws), dataset, {
    olderThan: world.aws.clock.now(),
    keepLast: 1,
  });
  await expect(state(first?.attempt?.batch)).rejects.toThrow('has no snapshot of the batch');
});
