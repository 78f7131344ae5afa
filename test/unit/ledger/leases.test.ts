/** Who may take a lease, and what a lease remembers. */
import { expect, test } from '@jest/globals';
import { LeaseLost, LedgerOutdated } from '../../../src/lib/errors.ts';
import { longestRest } from '../../../src/lib/ledger/leases.ts';
import { ledgerOn } from '../../../src/lib/ledger/ledger.ts';
import { createMemoryAws } from '../../support/memory/index.ts';

const dataset = 'feed';

function create() {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('test').documents, {
    clock: () => aws.clock.now(),
    patience: { pause: 0 },
  });
  const seed = (lease: object) => aws.dynamo.seed('ledger', { pk: dataset, sk: 'LEASE', ...lease });
  /** Another one writes the lease just before the next write. */
  const overtake = (lease: object) => {
    aws.plan = ({ operation }) => {
      if (operation !== 'UpdateItem') return undefined;
      aws.plan = undefined;
      seed(lease);
      return undefined;
    };
  };
  const batch = (fence: number) =>
    ledger.claim(dataset, fence, {
      id: 'ab'.repeat(10),
      files: [],
      bytes: 0,
      engine: 'auto',
      execution: 'e',
    });
  return { aws, ledger, seed, overtake, batch };
}

const other = { layout: 2, token: 'another', takenAt: '2026-01-01T00:00:00Z' }; // pragma: allowlist secret

test('a lease that another one takes first is not taken', async () => {
  const { ledger, overtake } = create();
  overtake({ ...other, fence: 5, execution: 'other' });
  expect(await ledger.acquireLease(dataset)).toBeNull();
  expect(await ledger.lease(dataset)).toMatchObject({ fence: 5, execution: 'other' });
});

test('a free lease that another one has held in the meantime is not taken, nor one whose holder has changed', async () => {
  const { ledger, overtake } = create();
  const first = (await ledger.acquireLease(dataset)) ?? 0;
  await ledger.releaseLease(dataset, first);
  overtake({ ...other, fence: first + 1 });
  expect(await ledger.acquireLease(dataset)).toBeNull();
  const held = (await ledger.acquireLease(dataset, 'e')) ?? 0;
  overtake({ ...other, fence: held, execution: 'other' });
  expect(await ledger.takeOver(dataset, { execution: 'e' })).toBeNull();
  expect(await ledger.lease(dataset)).toMatchObject({ execution: 'other' });
});

test('a lease whose answer was lost, and that is asked for again, is known as taken', async () => {
  const { aws, ledger } = create();
  aws.plan = ({ operation }) => (operation === 'UpdateItem' ? { mode: 'twice' } : undefined);
  const fence = await ledger.acquireLease(dataset);
  expect(await ledger.lease(dataset)).toMatchObject({ fence });
});

test('a lease that is held is not taken, and is taken over only from its holder', async () => {
  const { ledger } = create();
  expect(await ledger.takeOver(dataset, { execution: 'e' })).toBeNull();
  const fence = (await ledger.acquireLease(dataset, 'e')) ?? 0;
  expect(await ledger.acquireLease(dataset)).toBeNull();
  expect(await ledger.takeOver(dataset, { execution: 'f', fence })).toBeNull();
  expect(await ledger.takeOver(dataset, { execution: 'e', fence: fence - 1 })).toBeGreaterThan(fence);
});

test('a lease whose execution has not begun is taken over from the fence that it was started with', async () => {
  const { ledger } = create();
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  expect(await ledger.takeOver(dataset, { execution: 'e', fence: fence - 1 })).toBeNull();
  const next = await ledger.takeOver(dataset, { execution: 'e', fence });
  expect(await ledger.lease(dataset)).toMatchObject({ fence: next, execution: 'e' });
});

test('a lease keeps its batch when it is taken over, and has none when its holder goes on or releases it', async () => {
  const { ledger, batch } = create();
  const first = (await ledger.acquireLease(dataset)) ?? 0;
  await batch(first);
  expect(await ledger.lease(dataset)).toMatchObject({ batch: 'ab'.repeat(10), execution: 'e' });
  const second = (await ledger.takeOver(dataset, { execution: 'e' })) ?? 0;
  expect((await ledger.lease(dataset))?.batch).toBe('ab'.repeat(10));
  const third = await ledger.nextBatch(dataset, second);
  expect((await ledger.lease(dataset))?.batch).toBeUndefined();
  await ledger.releaseLease(dataset, third);
  const { execution, batch: id, token, takenAt, fence } = (await ledger.lease(dataset)) ?? {};
  expect([execution, id, token, takenAt, fence]).toEqual([undefined, undefined, undefined, undefined, third]);
});

test('only the fence that holds a lease goes on with it', async () => {
  const { ledger, overtake } = create();
  await expect(ledger.nextBatch(dataset, 1)).rejects.toMatchObject({ name: 'LeaseLost', dataset });
  await expect(ledger.requireLease(dataset, 1)).rejects.toThrow('the ledger has none');
  const fence = (await ledger.acquireLease(dataset, 'e')) ?? 0;
  expect(await ledger.requireLease(dataset, fence)).toMatchObject({ execution: 'e' });
  await expect(ledger.requireLease(dataset, fence - 1)).rejects.toThrow(`the ledger has ${fence}`);
  await expect(ledger.nextBatch(dataset, fence - 1)).rejects.toThrow(LeaseLost);
  overtake({ ...other, fence: fence + 1, execution: 'other' });
  await expect(ledger.nextBatch(dataset, fence)).rejects.toThrow(LeaseLost);
  await ledger.releaseLease(dataset, fence + 1);
  await expect(ledger.requireLease(dataset, fence + 1)).rejects.toThrow(LeaseLost);
  await expect(ledger.nextBatch(dataset, fence + 1)).rejects.toThrow(LeaseLost);
});

test('a ledger of an earlier layout is not read', async () => {
  const { ledger, seed } = create();
  seed({ ...other, fence: 1, layout: 1 });
  await expect(ledger.lease(dataset)).rejects.toThrow(LedgerOutdated);
});

test('a dataset rests as long as its last holder says, and longer neither after a clock was wrong nor once it was taken', async () => {
  const { aws, ledger } = create();
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  await ledger.releaseLease(dataset, fence, longestRest);
  const isResting = async () => ledger.isResting((await ledger.lease(dataset)) ?? {});
  expect(await isResting()).toBe(true);
  // Each call takes some of the time.
  aws.clock.advance(longestRest - 1000);
  expect(await isResting()).toBe(true);
  aws.clock.advance(1000);
  expect(await isResting()).toBe(false);
  expect(ledger.isResting({ restsUntil: new Date(aws.clock.now() + longestRest + 1).toISOString() })).toBe(
    false,
  );
  await ledger.acquireLease(dataset);
  expect((await ledger.lease(dataset))?.restsUntil).toBeUndefined();
});
