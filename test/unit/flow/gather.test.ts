/** Files of a contract with `gather` wait for others, and each is published in time. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { retry } from '../../../src/lib/flow/operate/again.ts';
import { dataset, expectWhole, World } from '../../support/flowWorld.ts';
import { faultAt } from '../../support/memory/faults.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const minute = 60_000;
const gathering = () => new World({ contract: { gather: { minutes: 5, files: 10 } } });
const batchesOf = (world: World) => [...world.aws.sfn.executions.values()].length;

/** Lets time pass minute by minute: events and reminders arrive, executions run. Nothing sweeps. */
async function pass(world: World, minutes: number, each: (n: number) => void = () => {}): Promise<void> {
  for (let n = 0; n < minutes; n++) {
    each(n);
    await world.deliver();
    await world.executeAll();
    world.aws.clock.advance(minute);
    await world.deliver();
    await world.executeAll();
  }
}

test('a file waits for others, and a reminder ends its wait', async () => {
  const world = gathering();
  world.put('feed/a', ['a1@06']);
  await pass(world, 4);
  expect(batchesOf(world)).toBe(0);
  world.put('feed/b', ['b1@06']);
  await pass(world, 2);
  expect(batchesOf(world)).toBe(1);
  await expectWhole(world);
});

test('enough files are a batch at once', async () => {
  const world = gathering();
  for (let i = 0; i < 10; i++) world.put(`feed/${i}`, [`x${i}@06`]);
  await world.deliver();
  await world.executeAll();
  expect(batchesOf(world)).toBe(1);
  await expectWhole(world);
});

test('a file per minute makes a batch every five minutes, with one reminder each', async () => {
  const world = gathering();
  let reminders = 0;
  const { deps } = world;
  world.deps = (name) => {
    const given = deps.call(world, name);
    return {
      ...given,
      remind: (message, seconds) => {
        reminders++;
        return given.remind(message, seconds);
      },
    };
  };
  await pass(world, 60, (n) => world.put(`feed/${n}`, [`x${n}@06`]));
  await pass(world, 6);
  await expectWhole(world);
  expect(batchesOf(world)).toBeGreaterThanOrEqual(10);
  expect(batchesOf(world)).toBeLessThanOrEqual(13);
  expect(reminders).toBeLessThanOrEqual(batchesOf(world) + 1);
});

test('a file that arrives while a batch runs waits for its own time', async () => {
  const world = gathering();
  world.put('feed/a', ['a1@06']);
  await pass(world, 5);
  expect(batchesOf(world)).toBe(1);
  world.put('feed/b', ['b1@06']);
  await pass(world, 4);
  expect(batchesOf(world)).toBe(1);
  await pass(world, 2);
  expect(batchesOf(world)).toBe(2);
  await expectWhole(world);
});

test('what a person retries does not wait', async () => {
  const world = gathering();
  world.breakEngine();
  world.put('feed/a', ['a1@06']);
  for (let round = 0; round < 8; round++) await pass(world, 6);
  world.aws.plan = undefined;
  const before = batchesOf(world);
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.executeAll();
  expect(batchesOf(world)).toBe(before + 1);
  await expectWhole(world);
});

test.each(['fail', 'lost'] as const)(
  'whatever call of dispatch fails (%s), the file is published in the end',
  async (mode) => {
    for (let nth = 1; ; nth++) {
      const world = gathering();
      world.aws.plan = faultAt({ mode }, { where: ({ actor }) => actor.startsWith('dispatch~'), nth });
      world.put('feed/a', ['a1@06']);
      await world.deliver();
      const isHit = world.aws.hits.length > 0;
      await world.settle();
      await expectWhole(world);
      if (!isHit) return expect(nth).toBeGreaterThan(5);
    }
  },
);

test('a lost reminder is made up for by the sweep', async () => {
  const world = gathering();
  world.put('feed/a', ['a1@06']);
  await world.deliver();
  world.reminders = [];
  await pass(world, 10);
  expect(batchesOf(world)).toBe(0);
  await world.sweep();
  await world.executeAll();
  await expectWhole(world);
});

test('a reminder of a dataset that was removed is ignored', async () => {
  const world = gathering();
  world.events.push({ due: 'removed' });
  await world.deliver();
  expect(world.events).toEqual([]);
});
