/** What the ledger itself rejects, whoever asks: each write is conditional, so a late or repeated one changes nothing. */
import { expect, test } from '@jest/globals';
import { LeaseLost } from '../../../src/lib/errors.ts';
import { ledgerOn } from '../../../src/lib/ledger/ledger.ts';
import type { Decision } from '../../../src/lib/model/records.ts';
import { createMemoryAws } from '../../support/memory/index.ts';

const dataset = 'feed';
const id = 'ab'.repeat(10);

/** A ledger in which the holder of the lease has claimed a batch of one file. */
async function claimed() {
  const ledger = ledgerOn('ledger', createMemoryAws().actor('test').documents);
  const noted = { object: 'feed/a', version: 'v1', size: 1, sequencer: '1', etag: 'e' };
  await ledger.notePending(dataset, [noted], async () => []);
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const files = await ledger.nextFiles(dataset, 10);
  const batch = { id, files, bytes: 1, engine: 'auto', execution: 'e' };
  await ledger.claim(dataset, fence, batch);
  const [file] = files;
  if (!file) throw new Error('no file waits');
  const settled = { ...file, isRejected: false, isMissing: false };
  const state = async () => (await ledger.file(dataset, file))?.state;
  return { ledger, fence, batch, file, settled, state };
}

test('a batch is committed by the fence that it was claimed under alone', async () => {
  const { ledger, fence } = await claimed();
  const later = await ledger.nextBatch(dataset, fence);
  await expect(ledger.commit(dataset, { batch: id, fence })).rejects.toThrow(LeaseLost);
  await expect(ledger.commit(dataset, { batch: id, fence: later })).rejects.toThrow();
  expect((await ledger.batch(dataset, id))?.committed).toBeUndefined();
});

test('invariant 1: a batch that is committed can no longer be given back', async () => {
  const { ledger, fence } = await claimed();
  await ledger.commit(dataset, { batch: id, fence });
  await ledger.giveBack(dataset, fence, { batch: id, fence }, { state: 'failed', reason: 'r' }, []);
  expect(await ledger.batch(dataset, id)).toMatchObject({ state: 'running', committed: fence });
  expect(await ledger.openBatches(dataset)).toHaveLength(1);
  expect(await ledger.garbage(dataset)).toEqual([]);
});

test('a file that is no longer claimed by a batch is not settled by it', async () => {
  const { ledger, fence, settled, file, state } = await claimed();
  await ledger.commit(dataset, { batch: id, fence });
  await ledger.settlePublished(dataset, fence, id, [settled]);
  await ledger.replay(dataset, [file], 'replay-1');
  expect(await state()).toBe('pending');
  // The earlier call, which was considered lost, arrives late.
  await expect(ledger.settlePublished(dataset, fence, id, [settled])).rejects.toThrow();
  expect(await state()).toBe('pending');
});

test('a batch that is closed once more is counted once, and ends a row of failures', async () => {
  const { ledger, fence } = await claimed();
  const other = 'cd'.repeat(10);
  await ledger.reopen(dataset, fence, { batch: other, fence }, { files: [], bytes: 0 });
  await ledger.giveBack(dataset, fence, { batch: other, fence }, { state: 'failed', reason: 'r' }, []);
  // An earlier try whose answer was lost.
  await ledger.giveBack(dataset, fence, { batch: other, fence }, { state: 'failed', reason: 'r' }, []);
  expect(await ledger.failuresInARow(dataset)).toBe(1);
  expect(await ledger.garbage(dataset)).toHaveLength(1);
  await ledger.commit(dataset, { batch: id, fence });
  for (const rows of [7, 7]) await ledger.closePublished(dataset, fence, id, { rows, files: 1, found: {} });
  expect(await ledger.publishedFiles(dataset)).toBe(1);
  expect(await ledger.lastBatches(dataset)).toEqual([{ batch: id, rows: 7 }]);
  expect(await ledger.failuresInARow(dataset)).toBe(0);
});

test('who has released the lease may write no more under its fence', async () => {
  const { ledger, fence, settled } = await claimed();
  await ledger.releaseLease(dataset, fence);
  await expect(ledger.commit(dataset, { batch: id, fence })).rejects.toThrow(LeaseLost);
  await expect(ledger.settlePublished(dataset, fence, id, [settled])).rejects.toThrow(LeaseLost);
});

test('a batch that is held once more, after a person has decided about it, may be decided about anew', async () => {
  const { ledger, fence, batch, file } = await claimed();
  const hold = (by: number, decision?: Decision) =>
    ledger.giveBack(dataset, by, { batch: id, fence: by }, { state: 'held', reason: 'r' }, [
      { ...file, state: 'held', ...(decision ? { decision } : {}) },
    ]);
  const decisionOf = (kind: Decision['kind']): Decision => ({
    kind,
    reason: 'r',
    at: '2026-01-05T10:00:00Z',
  });
  await hold(fence);
  const release = decisionOf('release');
  expect(await ledger.decide(dataset, id, release)).toEqual(release);
  expect(await ledger.decide(dataset, id, decisionOf('reject'))).toEqual(release);
  await ledger.requeue(dataset, await ledger.waiting(dataset, 'held', id), { group: 'g', decision: release });
  const later = await ledger.nextBatch(dataset, fence);
  const files = await ledger.nextFiles(dataset, 10);
  await ledger.claim(dataset, later, { ...batch, files, decision: release });
  await hold(later, release);
  expect((await ledger.decide(dataset, id, decisionOf('reject'))).kind).toBe('reject');
});
