/** CompleteBatch, called twice. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { completeBatch } from '../../../../src/lib/flow/steps/completeBatch.ts';
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
  expect(await world.statesOf('feed/a')).toEqual(['published']);
  const before = world.aws.sfn.executions.size;
  const { ledger } = world.deps('test');
  const noted = { object: 'feed/b', version: 'v', size: 1, sequencer: '1', etag: 'e' };
  await ledger.notePending(dataset, [noted], async () => []);
  expect(await complete(world.deps('completeBatch'))).toMatchObject({ morePending: false });
  expect(world.aws.sfn.executions.size).toBe(before + 1);
});

test('a CompleteBatch that is repeated while another execution has the lease ends its own, and takes nothing over', async () => {
  const world = new World();
  world.put('feed/a', ['1@06']);
  const complete = await world.until('completeBatch');
  const { fence } = (await complete(world.deps('completeBatch'))) as { fence: number };
  const { ledger } = world.deps('test');
  await ledger.acquireLease(dataset, 'another');
  const lease = await ledger.lease(dataset);
  expect(lease).toMatchObject({ execution: 'another' });
  expect(await complete(world.deps('completeBatch'))).toEqual({ morePending: false, fence });
  expect(await ledger.lease(dataset)).toEqual(lease);
});

test.each([
  ['few events and little time', 9999, 0, true],
  ['ten thousand events', 10_000, 0, false],
  ['six hours', 0, 6 * 3_600_000 + 1, false],
  ['just less than six hours', 0, 6 * 3_600_000 - 60_000, true],
])(
  'an execution of %s goes on: its next batch is its own or another one’s',
  async (_, events, age, isGoingOn) => {
    const world = new World();
    world.put('feed/a', ['1@06']);
    await world.until('completeBatch');
    world.put('feed/b', ['2@06']);
    await world.deliver();
    const deps = world.deps('completeBatch');
    const { fence = 0, execution = '', batch = '' } = (await deps.ledger.lease(dataset)) ?? {};
    const startedAt = new Date(world.aws.clock.now() - age).toISOString();
    const run = JSON.parse(
      world.text('work', world.aws.s3.keys('work').find((key) => key.endsWith('published.json')) ?? ''),
    ).run as string;
    const of = { dataset, batch, fence, run, execution, startedAt, events };
    const answer = await completeBatch(deps, of);
    expect(answer.morePending).toBe(isGoingOn);
    expect(answer.fence > fence).toBe(isGoingOn);
    expect(world.aws.sfn.executions.size).toBe(isGoingOn ? 1 : 2);
    const lease = await deps.ledger.lease(dataset);
    expect(lease?.execution).toBe(isGoingOn ? execution : 'starting');
  },
);
