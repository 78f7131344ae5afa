/** FailBatch: whose lease it takes, and what it says of the error. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { failBatch } from '../../../../src/lib/flow/steps/failBatch.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test.each([
  ['{"errorMessage":"the message","errorType":"X"}', 'the message'],
  ['{"errorMessage":7}', '7'],
  ['{"other":1}', '{"other":1}'],
  ['"text"', '"text"'],
  ['no JSON {', 'no JSON {'],
])('the cause %j is %j', async (Cause, cause) => {
  const world = new World();
  const failed = { dataset, fence: 1, execution: 'e', error: { Error: 'X', Cause } };
  expect(await failBatch(world.deps('failBatch'), failed)).toEqual({ error: 'X', cause });
});

test('the batch of the failed execution ends and its files go on; while another one has the lease, its batch stays', async () => {
  const world = new World();
  world.put('feed/a', ['1@06']);
  await world.until('transform');
  const deps = world.deps('failBatch');
  const { fence = 0, execution = '' } = (await deps.ledger.lease(dataset)) ?? {};
  const error = { Error: 'Broken', Cause: 'why' };
  await failBatch(deps, { dataset, fence: fence - 1, execution: 'another', error });
  expect(await deps.ledger.openBatches(dataset)).toHaveLength(1);
  await failBatch(deps, { dataset, fence, execution, error });
  expect(await deps.ledger.openBatches(dataset)).toEqual([]);
  const [batch] = await deps.ledger.batches(dataset);
  expect(batch).toMatchObject({ state: 'failed', reason: 'Broken: why' });
  // The lease was released, and an execution started for the file.
  expect(await deps.ledger.lease(dataset)).toMatchObject({ execution: 'starting' });
  expect(world.aws.sfn.executions.size).toBe(2);
});

test('files that wait while nobody has the lease get an execution', async () => {
  const world = new World();
  const deps = world.deps('failBatch');
  const noted = { object: 'feed/a', version: 'v', size: 1, sequencer: '1', etag: 'e' };
  await deps.ledger.notePending(dataset, [noted], async () => []);
  await failBatch(deps, { dataset, fence: 1, execution: 'e', error: { Error: 'X', Cause: '' } });
  expect(world.aws.sfn.executions.size).toBe(1);
});
