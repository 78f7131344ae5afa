/** Invariant 3 in the flow: a step ends before its state times out, and its first failure stops the rest. */
import type { TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb';
import { afterEach, expect, jest, test } from '@jest/globals';
import { deadlineAfter } from '../../../src/lib/deadline.ts';
import { dataset, expectWhole, World } from '../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** More objects than the 32 that Publish copies at once. */
const days = 100;
const lines = Array.from({ length: days }, (_, i) => `a${i}@d${i}`);

/** A stage on which the first call of a function has time for this many pieces of work. */
function worldWithTime(name: string, pieces: number): World {
  let calls = 0;
  return new World({
    deadlineOf: (actor) => {
      if (actor !== name || calls++ > 0) return undefined;
      let left = 15_000 + pieces;
      return deadlineAfter(() => left--);
    },
  });
}

test('invariant 3: a Publish whose time is nearly up looks at no further object and commits nothing, and its batch is published by another', async () => {
  const world = worldWithTime('publish', 40);
  world.put('feed/a', lines);
  let committed: unknown;
  world.watch('failBatch', async ({ ledger }) => {
    const [open] = await ledger.openBatches(dataset);
    committed = (await ledger.batch(dataset, open?.batch ?? ''))?.committed ?? 'nothing';
  });
  await world.settle();
  expect(world.errors.filter((e) => e.includes('OutOfTime'))).toHaveLength(1);
  expect(committed).toBe('nothing');
  expect(world.linesOf('feed/a')).toHaveLength(days);
  const objects = world.format === 'hive' ? world.aws.calls('s3.CopyObject') : world.described;
  // The objects of the second Publish, both summaries, and the few objects for which the first had time.
  expect(objects).toBeGreaterThan(days + 20);
  expect(objects).toBeLessThan(days + 60);
  await expectWhole(world);
});

test('invariant 3: a ReplaceRows whose time is nearly up changes nothing that readers see, and the Glue job does its work', async () => {
  const world = worldWithTime('replaceRows', 10);
  world.put('feed/a', lines);
  await world.settle();
  world.put('feed/a', ['a1@08', ...lines.slice(0, 90)]);
  let seen: string[] = [];
  world.watch('startRewriting', async () => {
    seen = world.linesOf('feed/a');
  });
  await world.settle();
  expect(world.errors).toEqual([expect.stringContaining('OutOfTime')]);
  expect(seen).toEqual([...lines].sort());
  await expectWhole(world);
});

/** A transaction under the lease takes 49 of them. */
const many = Array.from({ length: 160 }, (_, i) => `feed/${String(i).padStart(3, '0')}`);

/** How often files went into a state, and out of the executions' sight: each transition of a file is one write of its record. */
function transitions(world: World, state: string) {
  const counts = new Map<string, number>();
  world.aws.plan = ({ operation, input }) => {
    if (operation !== 'TransactWriteItems') return undefined;
    for (const { Update } of (input as TransactWriteCommandInput).TransactItems ?? []) {
      const values = Update?.ExpressionAttributeValues ?? {};
      const key = String(Update?.Key?.pk);
      if (values[':state'] === state && String(Update?.Key?.sk).startsWith('FILE#'))
        counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return undefined;
  };
  return counts;
}

const calls = (world: World, name: string) => {
  let n = 0;
  world.watch(name, async () => {
    n++;
  });
  return () => n;
};

test.each([
  ['claimBatch', many.length + 1, 'claimed'],
  ['completeBatch', 2, 'published'],
] as const)(
  'invariant 3: a %s whose time is nearly up is called again, and goes on with the files that are left',
  async (name, pieces, state) => {
    const world = worldWithTime(name, pieces);
    for (const key of many) world.put(key, ['a@01']);
    const changed = transitions(world, state);
    const count = calls(world, name);
    await world.settle();
    expect(world.errors).toEqual([expect.stringContaining('WorkLeft')]);
    expect(count()).toBe(2);
    expect([...changed.values()]).toEqual(many.map(() => 1));
    expect(world.aws.bus.entries).toHaveLength(1);
    expect([...world.aws.sfn.executions.values()].map(({ status }) => status)).toEqual(['SUCCEEDED']);
    await expectWhole(world);
  },
);

test('invariant 3: a FailBatch whose time is nearly up is called again, and returns the files that are left', async () => {
  const world = worldWithTime('failBatch', 2);
  for (const key of many) world.put(key, ['a@01']);
  const returned = transitions(world, 'pending');
  const count = world.aws.plan;
  let isBroken = true;
  world.aws.plan = (call) =>
    isBroken && call.actor.startsWith('transform') && call.operation === 'PutObject'
      ? { mode: 'fail', error: 'AccessDenied' }
      : count?.(call);
  const failures = calls(world, 'failBatch');
  await world.deliver();
  const [execution] = world.aws.sfn.executions.values();
  await world.execute(execution?.arn ?? '');
  isBroken = false;
  expect(world.errors).toEqual([
    expect.stringContaining('AccessDenied'),
    expect.stringContaining('WorkLeft'),
  ]);
  expect(failures()).toBe(2);
  expect([...returned.values()]).toEqual(many.map(() => 1));
  await world.settle();
  await expectWhole(world);
});

test('invariant 8: a batch that a step cannot do in all of its calls counts as tried, and is split', async () => {
  const world = new World({
    deadlineOf: (name) => {
      // The batch, and three files.
      let left = 15_000 + 4;
      return name === 'checkCrawler' ? deadlineAfter(() => left--) : undefined;
    },
  });
  for (let i = 0; i < 8; i++) world.put(`feed/${i}`, ['a@01']);
  await world.settle();
  expect(world.errors.length).toBeGreaterThan(0);
  expect(world.errors.filter((error) => !error.includes('WorkLeft'))).toEqual([]);
  const batches = await world.deps('test').ledger.batches(dataset);
  expect(batches.map(({ attempts }) => attempts)).not.toContain(3);
  await expectWhole(world);
});

test('invariant 3: after the first copy that fails, Publish starts none of the rest', async () => {
  const world = new World({ format: 'hive' });
  world.put('feed/a', lines);
  let copies = 0;
  world.aws.plan = (call) =>
    call.actor.startsWith('publish') && call.operation === 'CopyObject' && ++copies === 5
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  let atFailure = 0;
  world.watch('failBatch', async () => {
    atFailure = copies;
  });
  await world.settle();
  expect(atFailure).toBeGreaterThan(4);
  expect(atFailure).toBeLessThanOrEqual(5 + 32);
  await expectWhole(world);
});
