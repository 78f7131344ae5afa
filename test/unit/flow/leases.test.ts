/** Who works on a dataset, and that somebody does. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { LeaseLost } from '../../../src/lib/errors.ts';
import { claimBatch } from '../../../src/lib/flow/steps/claimBatch.ts';
import { wake } from '../../../src/lib/flow/wake.ts';
import { dataset, World } from '../../support/flowWorld.ts';
import { interleave } from '../../support/memory/index.ts';

let world: World;

beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const running = () => [...world.aws.sfn.executions.values()].filter((e) => e.status === 'RUNNING');

test('a dataset whose lease was lost goes on at once, with a higher fence than any before', async () => {
  world.put('feed/a', ['1@06']);
  await world.settle();
  const before = (await world.deps('test').ledger.lease(dataset))?.fence ?? 0;
  // The item is lost, as after a restore of the ledger to an earlier time.
  const lost = await world.deps('test').ledger.acquireLease(dataset);
  await world.deps('test').ledger.releaseLease(dataset, lost ?? 0);
  const { DeleteCommand } = await import('@aws-sdk/lib-dynamodb');
  await world.aws
    .actor('disaster')
    .documents.send(new DeleteCommand({ TableName: 'ledger', Key: { pk: dataset, sk: 'LEASE' } }));
  world.put('feed/b', ['2@06']);
  await world.deliver();
  expect(running()).toHaveLength(1);
  await world.executeAll();
  expect(
    world
      .rows()
      .map((r) => r.id)
      .sort(),
  ).toEqual(['1', '2']);
  expect((await world.deps('test').ledger.lease(dataset))?.fence).toBeGreaterThan(before);
});

test('a file that comes while an execution finds nothing to do is not forgotten', async () => {
  // Whenever the file is recorded between two calls of the execution, it is processed afterwards.
  for (let step = 0; step < 40; step++) {
    jest.restoreAllMocks();
    world = new World();
    const fence = (await world.deps('test').ledger.acquireLease(dataset)) ?? 0;
    world.put('feed/a', ['1@06']);
    const choices = [...Array.from({ length: step }, () => 0), 1, ...Array.from({ length: 40 }, () => 0)];
    const idle = world.deps('claim');
    const noting = world.deps('dispatch');
    const { dispatch } = await import('../../../src/lib/flow/dispatch.ts');
    const body = JSON.stringify(world.events.splice(0)[0]);
    await interleave(world.aws, choices, {
      [idle.actor.name]: () => claimBatch(idle, { dataset, fence, execution: 'idle' }),
      [noting.actor.name]: () => dispatch(noting, [{ id: '1', body }]),
    });
    const { ledger } = world.deps('test');
    const claimed = (await ledger.openBatches(dataset)).length;
    expect({ step, works: running().length + claimed }).toEqual({ step, works: 1 });
  }
});

test.each<[string, object, number]>([
  ['goes on with the next batch', {}, 1],
  ['hands over to a new one before Step Functions ends it for its history', { batchEvents: 4000 }, 2],
  ['hands over to a new one after hours', { batchTime: 2.5 * 3_600_000 }, 2],
])('an execution %s', async (_, options, executions) => {
  jest.restoreAllMocks();
  world = new World({ ...options, batchFiles: 1 });
  for (const key of ['a', 'b', 'c', 'd']) world.put(`feed/${key}`, [`${key}@06`]);
  await world.deliver();
  await world.executeAll();
  expect(world.rows()).toHaveLength(4);
  expect(world.aws.sfn.executions.size).toBe(executions);
});

test('a lease whose first answer was lost is known as taken', async () => {
  world.aws.plan = (call) => (call.operation === 'UpdateItem' ? { mode: 'twice' } : undefined);
  const { ledger } = world.deps('claim');
  const fence = await ledger.acquireLease(dataset);
  expect(fence).not.toBeNull();
  expect(await ledger.acquireLease(dataset)).toBeNull();
});

test('a wake-up that cannot start an execution releases the lease', async () => {
  world.put('feed/a', ['1@06']);
  const deps = world.deps('dispatch');
  const { note } = await import('../../../src/lib/flow/dispatch.ts');
  await note(deps, dataset, [{ object: 'feed/a', version: '1', size: 1, sequencer: '1', etag: 'e' }]);
  world.aws.plan = (call) => (call.operation === 'StartExecution' ? { mode: 'fail' } : undefined);
  await expect(wake(deps, dataset)).rejects.toThrow();
  world.aws.plan = undefined;
  expect(await wake(deps, dataset)).toBe(true);
});

test('who was taken over from releases nothing, and commits nothing', async () => {
  const { ledger } = world.deps('test');
  const first = (await ledger.acquireLease(dataset)) ?? 0;
  const second = (await ledger.takeOver(dataset, { execution: 'e', fence: first })) ?? 0;
  await ledger.releaseLease(dataset, first);
  expect(await ledger.lease(dataset)).toMatchObject({ fence: second, execution: 'e' });
  await expect(ledger.requireLease(dataset, first)).rejects.toThrow(LeaseLost);
});

test('each holder has a higher fence than the one before, also when the clock stands still or goes back', async () => {
  const hour = 3_600_000;
  for (const change of [0, -hour]) {
    const { ledger } = world.deps('test');
    const fences = [(await ledger.acquireLease(dataset)) ?? 0];
    world.aws.clock.advance(change);
    fences.push((await ledger.takeOver(dataset, { execution: 'e', fence: fences[0] })) ?? 0);
    fences.push(await ledger.nextBatch(dataset, fences[1] ?? 0));
    await ledger.releaseLease(dataset, fences[2] ?? 0);
    fences.push((await ledger.acquireLease(dataset)) ?? 0);
    await ledger.releaseLease(dataset, fences[3] ?? 0);
    expect(fences).toEqual([...new Set(fences)].sort((a, b) => a - b));
  }
});

test('an execution that has failed takes no lease from the one that was started after it', async () => {
  const { ledger } = world.deps('test');
  const first = (await ledger.acquireLease(dataset)) ?? 0;
  await ledger.releaseLease(dataset, first);
  const second = await ledger.acquireLease(dataset);
  expect(await ledger.takeOver(dataset, { execution: 'failed', fence: first })).toBeNull();
  expect(await ledger.lease(dataset)).toMatchObject({ fence: second });
});

test('a batch that is committed is never claimed again, nor by another fence', async () => {
  const { ledger } = world.deps('test');
  const claimed = { id: 'ab'.repeat(10), files: [], bytes: 0, engine: 'auto', execution: 'e' };
  const first = (await ledger.acquireLease(dataset)) ?? 0;
  await ledger.claim(dataset, first, claimed);
  await ledger.commit(dataset, { batch: claimed.id, fence: first });
  const second = await ledger.nextBatch(dataset, first);
  await expect(ledger.claim(dataset, second, claimed)).rejects.toThrow();
  expect(await ledger.batch(dataset, claimed.id)).toMatchObject({ fence: first, committed: first });
});
