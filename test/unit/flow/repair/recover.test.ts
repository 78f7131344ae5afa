/** An execution that has ended: its batch and its lease end, if they are still its own. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { executionName } from '../../../../src/lib/flow/batch/execution.ts';
import { executionEnded, recover } from '../../../../src/lib/flow/repair/recover.ts';
import { type Deps, dataset, World } from '../../../support/flowWorld.ts';

let world: World;
let deps: Deps;
let fence: number;
let arn: string;

beforeEach(async () => {
  world = new World();
  world.put('feed/a', ['1@06']);
  await world.until('transform');
  deps = world.deps('recover');
  ({ fence = 0, execution: arn = '' } = (await deps.ledger.lease(dataset)) ?? {});
});
afterEach(() => {
  jest.restoreAllMocks();
});

const ended = (more: object = {}) =>
  executionEnded.parse({
    detail: {
      executionArn: arn,
      name: arn.split(':').at(-1),
      status: 'ABORTED',
      input: JSON.stringify({ dataset, fence }),
      ...more,
    },
  }).detail;
const reason = async () => (await deps.ledger.batches(dataset)).map((batch) => batch.reason);

test('the batch of an execution that was stopped fails, and its files are tried again', async () => {
  expect(await recover(deps, ended())).toEqual({ dataset, recovered: true });
  expect(await reason()).toEqual([`ExecutionABORTED: the execution ${arn.split(':').at(-1)} ended ABORTED`]);
  expect((await deps.ledger.lease(dataset))?.fence).toBeGreaterThan(fence);
  expect(await world.statesOf('feed/a')).toEqual(['pending']);
  // The same event again.
  expect(await recover(deps, ended())).toEqual({ dataset, recovered: false });
});

test('the error that ended it is that of its batch', async () => {
  expect(
    await recover(deps, ended({ status: 'FAILED', error: 'States.Runtime', cause: 'a typo' })),
  ).toMatchObject({
    recovered: true,
  });
  expect(await reason()).toEqual(['States.Runtime: a typo']);
});

test('an execution that no longer holds the lease changes nothing', async () => {
  const before = await deps.ledger.lease(dataset);
  expect(await recover(deps, ended({ executionArn: `${arn}-other`, name: 'other' }))).toEqual({
    dataset,
    recovered: false,
  });
  // Its name counts only until it has written itself into the lease.
  const name = executionName(dataset, fence);
  expect(await recover(deps, ended({ executionArn: 'arn:other', name }))).toMatchObject({ recovered: false });
  expect(await deps.ledger.lease(dataset)).toEqual(before);
  expect(await recover(deps, ended({ input: JSON.stringify({ dataset: 'none', fence }) }))).toEqual({
    dataset: 'none',
    recovered: false,
  });
  await expect(recover(deps, ended({ input: null }))).rejects.toThrow();
});

test('an execution that ends before its first step is known by its name', async () => {
  await deps.ledger.releaseLease(dataset, fence);
  const next = (await deps.ledger.acquireLease(dataset)) ?? 0;
  const named = (of: number) => ended({ executionArn: 'arn:new', name: executionName(dataset, of) });
  expect(named(fence).name).not.toBe(named(next).name);
  expect(await recover(deps, named(fence))).toMatchObject({ recovered: false });
  expect(await recover(deps, named(next))).toMatchObject({ recovered: true });
});
