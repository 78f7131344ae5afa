/** Events of many files make each file pending once, with few calls, and no file delays another. */
import { afterEach, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { dispatch } from '../../../src/lib/flow/dispatch.ts';
import { dataset, World } from '../../support/flowWorld.ts';
import { thoroughTest } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const messagesOf = (events: readonly unknown[]) =>
  events.map((event, i) => ({ id: String(i), body: JSON.stringify(event) }));

/** One invocation with all waiting events, `times` each: its result, and its calls by operation. */
async function invocation(world: World, times = 1) {
  const messages = messagesOf(world.events.flatMap((event) => Array.from({ length: times }, () => event)));
  let counts: Readonly<Record<string, number>> = {};
  const result = await world.call('dispatch', async (deps) => {
    const dispatched = await dispatch(deps, messages);
    counts = deps.actor.counts;
    return dispatched;
  });
  return { result, counts };
}

const burst = (files: number): World => {
  const world = new World();
  for (let i = 0; i < files; i++) world.put(`feed/${i}`, [`${i}@06`]);
  return world;
};

test('a hundred events of one invocation are noted in four transactions', async () => {
  const world = burst(100);
  const { result, counts } = await invocation(world);
  expect(result).toMatchObject({ noted: 100, duplicates: 0, started: [dataset], failed: [] });
  expect(counts).toEqual({
    'dynamodb.TransactWriteItems': 4,
    // Reads whether the lease is free, whether the dataset is paused, and the lease itself; a query finds what waits.
    'dynamodb.GetItem': 3,
    'dynamodb.Query': 9,
    'dynamodb.UpdateItem': 1,
    'states.StartExecution': 1,
  });
});

test('while somebody works on the dataset, an invocation writes its files and reads the lease, and no more', async () => {
  const world = burst(10);
  await world.call('test', (deps) => deps.ledger.acquireLease(dataset));
  const { counts } = await invocation(world);
  expect(counts).toEqual({ 'dynamodb.TransactWriteItems': 1, 'dynamodb.GetItem': 1 });
});

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html */
const unitsOfPartition = 1000;

thoroughTest(
  '3,000 files a second of one dataset are within what DynamoDB writes to a partition key',
  async () => {
    const files = 1000;
    const world = burst(files);
    await invocation(world);
    // A write in a transaction costs two units per KB; the index costs one per item.
    const units = new Map<string, number>();
    const spend = (key: unknown, cost: number) =>
      units.set(String(key), (units.get(String(key)) ?? 0) + cost);
    for (const item of world.aws.dynamo.items('ledger')) {
      const kilobytes = Math.ceil(JSON.stringify(item).length / 1024);
      if (item.sk === 'LEASE') continue;
      spend(item.pk, 2 * kilobytes);
      if (item.ix !== undefined) spend(`index ${item.ix}`, 1);
    }
    const busiest = Math.max(...units.values());
    expect((busiest / files) * 3000).toBeLessThanOrEqual(unitsOfPartition);
    // Three items of a transaction, and two entries of the index.
    expect([...units.values()].reduce((sum, n) => sum + n, 0)).toBe(8 * files);
  },
);

test('events that come twice, in one invocation or in two, are counted as duplicates and note nothing', async () => {
  const world = burst(40);
  const first = await invocation(world, 2);
  expect(first.result).toMatchObject({ noted: 40, duplicates: 40, failed: [] });
  world.put('feed/new', ['1@06']);
  const second = await invocation(world);
  expect(second.result).toMatchObject({ noted: 1, duplicates: 40, failed: [] });
  // Files that the ledger knows are left out, and one more transaction writes the rest.
  expect(second.counts['dynamodb.TransactWriteItems']).toBeLessThanOrEqual(4);
  expect(await world.deps('test').ledger.pending(dataset)).toHaveLength(41);
});

test('a file that the ledger refuses goes back to the queue alone', async () => {
  const world = burst(40);
  world.aws.plan = ({ operation, input }) =>
    operation === 'TransactWriteItems' && JSON.stringify(input).includes('"feed/7"')
      ? { mode: 'fail', error: 'ValidationException' }
      : undefined;
  const { result } = await invocation(world);
  expect(result).toMatchObject({ noted: 39, started: [dataset] });
  expect(result.failed.map(({ id }) => id)).toEqual(['7']);
});

test('a message that cannot be read, and a folder marker, keep no file of the invocation from being noted', async () => {
  const world = burst(2);
  world.put('elsewhere/a', ['1@06']);
  world.aws.s3.seed('raw', 'feed/folder/', '');
  world.events.push(...world.aws.s3.events.slice(-1));
  const { result } = await invocation(world);
  expect(result).toMatchObject({ noted: 2, ignored: 1 });
  expect(result.failed).toEqual([
    { id: '2', error: expect.objectContaining({ message: expect.stringContaining('elsewhere/a') }) },
  ]);
});

test('property: versions of objects in any order, in any invocations, two at once: the newest is published, once', async () => {
  const events = fc.shuffledSubarray(
    Array.from({ length: 12 }, (_, i) => i),
    { minLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(events, fc.integer({ min: 1, max: 12 }), async (order, size) => {
      const world = new World();
      for (let version = 1; version <= 3; version++)
        for (const object of ['a', 'b', 'c', 'd']) world.put(`feed/${object}`, [`${object}${version}@06`]);
      const told = world.events;
      world.events = [];
      for (let start = 0; start < order.length; start += size) {
        const messages = messagesOf(order.slice(start, start + size).map((i) => told[i]));
        await Promise.all(
          [1, 2].map(() =>
            world.call('dispatch', async (deps) => {
              expect((await dispatch(deps, messages)).failed).toEqual([]);
            }),
          ),
        );
      }
      await world.settle();
      expect(world.lines()).toEqual(['a', 'b', 'c', 'd'].map((o) => `feed/${o} ${o}3@06`));
      jest.restoreAllMocks();
    }),
    { numRuns: 25 },
  );
});

test('a ledger of an earlier layout is neither read nor written by a batch', async () => {
  const world = burst(1);
  world.aws.dynamo.seed('ledger', { pk: dataset, sk: 'LEASE', fence: 7 });
  const { result } = await invocation(world);
  expect(result.started).toEqual([]);
  expect(result.failed).toEqual([{ id: '0', error: expect.objectContaining({ name: 'LedgerOutdated' }) }]);
});

test('a batch takes the files that have waited longest, whatever partition keys they wait under', async () => {
  const world = new World();
  const names = Array.from({ length: 60 }, (_, i) => `feed/${String(i).padStart(2, '0')}`);
  for (const name of names) {
    world.put(name, ['1@06']);
    await world.deliver();
    world.aws.clock.advance(1000);
  }
  const { ledger } = world.deps('test');
  for (const limit of [1, 7, 59])
    expect((await ledger.nextFiles(dataset, limit)).map((f) => f.object)).toEqual(names.slice(0, limit));
  expect((await ledger.pending(dataset)).map((f) => f.object)).toEqual(names);
});

test('a file of a prefix that feeds several datasets waits for each of them, once', async () => {
  const world = burst(2);
  const messages = messagesOf([...world.events, ...world.events]);
  const result = await world.call('dispatch', async (deps) => {
    const [own] = deps.contracts.values();
    if (own === undefined) throw new TypeError('the world has a contract');
    const other = { ...own, dataset: 'other', when: "k = 'x'" };
    const contracts = new Map([own, other].map((contract) => [contract.dataset, contract]));
    const dispatched = await dispatch({ ...deps, contracts }, messages);
    return { dispatched, pending: await Array.fromAsync(world.deps('test').ledger.files('other')) };
  });
  expect(result.dispatched).toMatchObject({ noted: 4, duplicates: 4, failed: [] });
  expect([...result.dispatched.started].sort()).toEqual([dataset, 'other'].sort());
  expect(result.pending).toHaveLength(2);
});
