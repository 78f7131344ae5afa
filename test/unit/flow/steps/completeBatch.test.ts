/** CompleteBatch, called twice. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('a CompleteBatch whose first answer was lost goes on with the batch that the first has begun', async () => {
  const world = new World();
  world.put('feed/a', ['1@06']);
  const complete = await world.until('completeBatch');
  world.put('feed/b', ['2@06']);
  await world.deliver();
  const first = await complete(world.deps('completeBatch'));
  expect(first).toMatchObject({ morePending: true });
  expect(await complete(world.deps('completeBatch'))).toEqual(first);
  expect(await world.deps('test').ledger.lease(dataset)).toMatchObject({
    fence: (first as { fence: number }).fence,
    execution: expect.stringContaining('execution'),
  });
});

test('a CompleteBatch that is repeated after it has released the lease starts an execution for files that came since', async () => {
  const world = new World();
  world.put('feed/a', ['1@06']);
  const complete = await world.until('completeBatch');
  expect(await complete(world.deps('completeBatch'))).toMatchObject({ morePending: false });
  const before = world.aws.sfn.executions.size;
  const { ledger } = world.deps('test');
  const noted = { object: 'feed/b', version: 'v', size: 1, sequencer: '1', etag: 'e' };
  await ledger.notePending(dataset, [noted], async () => []);
  expect(await complete(world.deps('completeBatch'))).toMatchObject({ morePending: false });
  expect(world.aws.sfn.executions.size).toBe(before + 1);
});
