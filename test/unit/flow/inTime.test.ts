/** Invariant 3 in the flow: a step ends before its state times out, and its first failure stops the rest. */
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
