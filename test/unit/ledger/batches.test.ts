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
  expect(await ledger.failuresInARow(dataset)).toEqual({ failures: 1, outages: 0 });
  expect(await ledger.garbage(dataset)).toHaveLength(1);
  await ledger.commit(dataset, { batch: id, fence });
  for (const rows of [7, 7]) await ledger.closePublished(dataset, fence, id, { rows, files: 1, found: {} });
  expect(await ledger.publishedFiles(dataset)).toBe(1);
  expect(await ledger.lastBatches(dataset)).toEqual([{ batch: id, rows: 7 }]);
  expect(await ledger.failuresInARow(dataset)).toEqual({ failures: 0, outages: 0 });
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

/** A ledger whose items are seen as they are stored, and the lease of it. Its clock stands still. */
async function opened() {
  const aws = createMemoryAws();
  let time = Date.parse('2026-01-05T10:00:00Z');
  const ledger = ledgerOn('ledger', aws.actor('test').documents, {
    clock: () => time,
    patience: { pause: 0 },
  });
  const items = (start: string) =>
    aws.dynamo
      .items('ledger')
      .filter(({ pk, sk }) => pk === dataset && String(sk).startsWith(start))
      .map(({ pk: _, ...item }) => item);
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const claim = (of: string, by: number, more: Partial<Parameters<typeof ledger.claim>[2]> = {}) =>
    ledger.claim(dataset, by, { id: of, files: [], bytes: 5, engine: 'glue', execution: 'arn', ...more });
  const advance = (by: number) => {
    time += by;
  };
  return { aws, ledger, items, fence, claim, advance, record: () => items(`BATCH#${id}`)[0] };
}
const at = (seconds: number) => new Date(Date.parse('2026-01-05T10:00:00Z') + seconds * 1000).toISOString();
const decision: Decision = { kind: 'release', reason: 'seen', at: at(0) };

test('the items of a batch say in each of its states what they should, and nothing more', async () => {
  const { ledger, items, fence, claim, advance, record } = await opened();
  await claim(id, fence, { replay: 'r1' });
  await claim(id, fence, { replay: 'r1', bytes: 6 });
  const base = {
    sk: `BATCH#${id}`,
    batch: id,
    state: 'running',
    fence,
    files: 0,
    bytes: 5,
    engine: 'glue',
    execution: 'arn',
    claimedAt: at(0),
    attempts: 1,
    replay: 'r1',
  };
  expect(record()).toEqual(base);
  expect(items('OPEN#')).toEqual([{ sk: `OPEN#${id}`, batch: id, fence }]);
  expect(items('LOG#')).toEqual([{ sk: `LOG#${at(0)}#${id}`, batch: id }]);
  expect(await ledger.openBatches(dataset)).toEqual([{ batch: id, fence }]);
  expect(await ledger.findOpenBatches(dataset)).toEqual([{ batch: id, fence }]);
  expect((await ledger.findBatch(dataset, id))?.batch).toBe(id);
  expect(await ledger.lease(dataset)).toMatchObject({ batch: id, execution: 'arn' });

  await ledger.annotateBatch(dataset, { batch: id, fence }, { report: 's3://r', expectations: [] });
  await ledger.annotateBatch(dataset, { batch: id, fence: fence - 1 }, { report: 'late' });
  expect(record()).toEqual({ ...base, report: 's3://r', expectations: [] });
  await ledger.setLive(dataset, fence, []);
  await expect(ledger.setLive(dataset, fence, [{ batch: id, live: 'l' }])).rejects.toThrow();

  advance(1000);
  await ledger.giveBack(dataset, fence, { batch: id, fence }, { state: 'held', reason: 'why' }, []);
  const held = { ...base, state: 'held', endedAt: at(1), reason: 'why', report: 's3://r', expectations: [] };
  expect(record()).toEqual(held);
  expect(items('OPEN#')).toEqual([]);
  const due = at(1801);
  expect(items('GARBAGE#')).toEqual([{ sk: `GARBAGE#${due}#${id}#${fence}`, batch: id, fence, due }]);
  expect(await ledger.failuresInARow(dataset)).toEqual({ failures: 1, outages: 0 });
  expect(await ledger.decide(dataset, id, decision)).toEqual(decision);
  expect(await ledger.decide(dataset, 'ef'.repeat(10), decision)).toEqual(decision);
  expect(record()).toEqual({ ...held, decision });

  const second = await ledger.nextBatch(dataset, fence);
  await claim(id, second, { decision });
  const again = { ...base, fence: second, attempts: 2, claimedAt: at(1), decision };
  // The replay of the first try is not this one's.
  expect(record()).toEqual(again);
  expect(items('LOG#')).toHaveLength(1);
  await ledger.commit(dataset, { batch: id, fence: second });
  await ledger.commit(dataset, { batch: id, fence: second });
  expect(record()).toEqual({ ...again, committed: second });
  await ledger.setLive(dataset, second, [{ batch: id, live: 'l' }]);
  advance(1000);
  const found = { partitions: 3, objects: 4 };
  await ledger.closePublished(dataset, second, id, { rows: 7, files: 2, reason: 'cut', found });
  const closed = {
    ...again,
    ...found,
    state: 'published',
    committed: second,
    live: 'l',
    endedAt: at(2),
    reason: 'cut',
  };
  expect(record()).toEqual(closed);
  expect(items('OPEN#')).toEqual([]);
  expect(items('RECENT')).toEqual([{ sk: 'RECENT', batches: [{ batch: id, rows: 7 }] }]);
  expect(items('TOTALS')).toEqual([{ sk: 'TOTALS', published: 2 }]);
  expect(await ledger.batchesLike(dataset, 'ab')).toHaveLength(1);
  expect(await ledger.batchesLike(dataset, 'b')).toEqual([]);
  for (const garbage of await ledger.garbage(dataset)) await ledger.dropGarbage(dataset, garbage);
  expect(items('GARBAGE#')).toEqual([]);
});

test('a batch is compared with the last twenty', async () => {
  const { ledger, fence, claim } = await opened();
  let holder = fence;
  const ids = Array.from({ length: 22 }, (_, i) => String(i).padStart(20, '0'));
  for (const [rows, of] of ids.entries()) {
    await claim(of, holder);
    await ledger.commit(dataset, { batch: of, fence: holder });
    await ledger.closePublished(dataset, holder, of, { rows, files: 1, found: {} });
    holder = await ledger.nextBatch(dataset, holder);
  }
  expect(await ledger.lastBatches(dataset)).toEqual(ids.slice(2).map((batch, i) => ({ batch, rows: i + 2 })));
  expect(await ledger.publishedFiles(dataset)).toBe(22);
  expect((await ledger.batches(dataset, 2)).map(({ batch }) => batch)).toEqual(ids.slice(-2));
  const none = await Array.fromAsync(ledger.batchPages('other', 2, 'x'));
  expect(none.flatMap(({ batches }) => batches)).toEqual([]);
  expect(await ledger.publishedFiles('other')).toBe(0);
});

test('only one of two holders opens a batch, and only for its own lease', async () => {
  const { aws, ledger, fence, claim, record } = await opened();
  await expect(claim(id, fence + 1)).rejects.toThrow(LeaseLost);
  // A twin of the call has written first.
  let calls = 0;
  aws.plan = ({ operation }) => {
    if (operation === 'TransactWriteItems' && calls++ === 0)
      aws.dynamo.seed('ledger', { pk: dataset, sk: `BATCH#${id}`, ...twin(fence) });
    return undefined;
  };
  await claim(id, fence);
  expect(record()).toMatchObject({ execution: 'twin', attempts: 1 });
  aws.plan = undefined;
  const next = await ledger.nextBatch(dataset, fence);
  calls = 0;
  aws.plan = ({ operation }) => {
    if (operation === 'TransactWriteItems' && calls++ === 0)
      aws.dynamo.seed('ledger', { pk: dataset, sk: `BATCH#${id}`, ...twin(next + 7) });
    return undefined;
  };
  await expect(claim(id, next)).rejects.toThrow();
  aws.plan = undefined;
  // The lease belongs to another batch.
  await claim('cd'.repeat(10), next);
  await expect(claim('ef'.repeat(10), next)).rejects.toThrow(LeaseLost);
});
const twin = (fence: number) => ({
  batch: id,
  state: 'running',
  fence,
  files: 0,
  bytes: 0,
  engine: 'auto',
  execution: 'twin',
  claimedAt: at(0),
  attempts: 1,
});

test('a batch that the ledger has lost is opened again with its files, from wherever they are, and committed', async () => {
  const { aws, ledger, items, fence, advance, record } = await opened();
  const raw = (object: string) => ({ object, version: 'v1', size: 1, sequencer: '1' });
  const [a, b, c] = ['feed/a', 'feed/b', 'feed/c'].map(raw);
  if (!a || !b || !c) throw new Error('no files');
  await ledger.notePending(dataset, [{ ...a, etag: 'e' }], async () => []);
  advance(1000);
  await ledger.notePending(dataset, [{ ...b, etag: 'e' }], async () => []);
  const [waiting] = await ledger.pending(dataset);
  if (!waiting) throw new Error('nothing waits');
  await ledger.hold(dataset, fence, waiting, 'gone');
  const attempt = { batch: id, fence: fence - 5 };
  const claimed = { files: [a, b], bytes: 9, replay: 'r1', decision };
  for (let i = 0; i < 2; i++) await ledger.reopen(dataset, fence, attempt, claimed);
  const again = {
    sk: `BATCH#${id}`,
    batch: id,
    state: 'running',
    fence: fence - 5,
    files: 2,
    bytes: 9,
    engine: 'auto',
    execution: '',
    claimedAt: at(1),
    attempts: 2,
    replay: 'r1',
    decision,
  };
  expect(record()).toEqual(again);
  expect(items('OPEN#')).toEqual([{ sk: `OPEN#${id}`, ...attempt }]);
  expect(items('LOG#')).toHaveLength(1);
  expect([items('HELD#'), await ledger.pending(dataset)]).toEqual([[], []]);
  for (const file of [a, b]) {
    const found = await ledger.file(dataset, file);
    expect(found).toMatchObject({ state: 'claimed', batch: id });
    for (const gone of ['place', 'reason', 'group', 'replacedBy', 'sameAs'])
      expect(found).not.toHaveProperty(gone);
  }
  // A file that the ledger does not know at all is not invented.
  await expect(ledger.reopen(dataset, fence, attempt, { files: [c], bytes: 1 })).rejects.toThrow();
  // An open attempt whose record is lost is in the log already.
  aws.dynamo.remove('ledger', { pk: dataset, sk: `BATCH#${id}` });
  advance(1000);
  await ledger.reopen(dataset, fence, attempt, { files: [a, b], bytes: 9 });
  expect(items('LOG#')).toHaveLength(1);
  expect(record()).toMatchObject({ attempts: 1, claimedAt: at(2) });
  for (const absent of ['replay', 'decision']) expect(record()).not.toHaveProperty(absent);
  await expect(ledger.recommit(dataset, fence, { batch: id, fence })).rejects.toThrow();
  await ledger.recommit(dataset, fence, attempt);
  expect(record()).toMatchObject({ committed: fence - 5 });
  await expect(ledger.reopen(dataset, fence, attempt, { files: [], bytes: 0 })).rejects.toThrow();
});

test('a settled file replaces the rows of the version before it, unless a person has rejected it', async () => {
  const { aws, ledger, fence } = await opened();
  const raw = { object: 'feed/a', version: 'v2', size: 1, sequencer: '2' };
  const objectOf = () => aws.dynamo.items('ledger').find(({ sk }) => sk === 'OBJECT');
  const earlier = { version: 'v1', batch: 'cd'.repeat(10), published: 4, isNoted: true };
  const counts = { rowsRead: 1, published: 1, quarantined: 0, duplicates: 0 };
  const run = async (settled: object, batch: string, by: number) => {
    await ledger.reopen(dataset, by, { batch, fence: by }, { files: [raw], bytes: 1 });
    await ledger.settlePublished(dataset, by, batch, [
      { ...raw, isRejected: false, isMissing: false, ...settled },
    ]);
    const states = await ledger.states(
      dataset,
      ['v1', 'v2'].map((version) => ({ object: 'feed/a', version })),
    );
    return { states, rows: objectOf()?.rows, etag: objectOf()?.etag };
  };
  const note = (version: string, sequencer: string) =>
    ledger.notePending(dataset, [{ ...raw, version, sequencer, etag: version }], async () => []);
  await note('v1', '1');
  const [place] = await ledger.pending(dataset);
  await note('v2', '2');
  const placed = { ...earlier, place: place?.sk };
  // Rejected: the rows before it stay.
  expect(await run({ isRejected: true, before: placed }, '1'.repeat(20), fence)).toEqual({
    states: ['pending', 'rejected'],
    rows: undefined,
    etag: 'v2',
  });
  // Rejected without rows before it: there are none from now on.
  expect(await run({ isRejected: true }, '2'.repeat(20), fence)).toEqual({
    states: ['pending', 'rejected'],
    rows: { version: 'v2', batch: '2'.repeat(20), published: 0, isRejected: true },
    etag: 'v2',
  });
  expect(await run({ isMissing: true, counts }, '3'.repeat(20), fence)).toEqual({
    states: ['pending', 'published'],
    rows: { version: 'v2', batch: '3'.repeat(20), published: 1 },
    etag: '',
  });
  // Its own rows are not those of another version.
  expect(await run({ before: { ...placed, version: 'v2' } }, '4'.repeat(20), fence)).toMatchObject({
    states: ['pending', 'published'],
  });
  expect(await run({ before: { ...placed, isNoted: false } }, '5'.repeat(20), fence)).toMatchObject({
    states: ['pending', 'published'],
  });
  expect(await run({ before: placed, counts }, '6'.repeat(20), fence)).toMatchObject({
    states: ['replaced', 'published'],
  });
  expect(await ledger.pending(dataset)).toEqual([]);
  const rolledBack = { isRejected: true, isRolledBack: true, before: { ...earlier, isNoted: false } };
  expect(await run(rolledBack, '7'.repeat(20), fence)).toEqual({
    states: ['replaced', 'rejected'],
    rows: { version: 'v2', batch: '7'.repeat(20), published: 0, isRejected: true },
    etag: '',
  });
  // A deleted record of the object is written anew.
  aws.dynamo.remove('ledger', { pk: objectOf()?.pk, sk: 'OBJECT' });
  await run({ counts }, '8'.repeat(20), fence);
  expect(objectOf()).toMatchObject({
    object: 'feed/a',
    version: 'v2',
    newest: 'v2',
    sequencer: '2',
    etag: '',
    ix: 'feed#objects-2',
    ik: 'feed/a',
    rows: { version: 'v2', batch: '8'.repeat(20), published: 1 },
  });
});

test('a compaction counts neither as a batch to compare with nor as a failure', async () => {
  const { ledger, items, fence, claim, advance, record } = await opened();
  await claim(id, fence);
  advance(1000);
  for (let i = 0; i < 2; i++)
    await ledger.giveBackCompaction(dataset, fence, { batch: id, fence }, 'interrupted');
  expect(record()).toMatchObject({ state: 'failed', reason: 'interrupted', endedAt: at(1) });
  expect([items('OPEN#'), items('GARBAGE#').length, items('RECENT')]).toEqual([[], 1, []]);
  const next = await ledger.nextBatch(dataset, fence);
  await claim(id, next);
  await ledger.commit(dataset, { batch: id, fence: next });
  for (let i = 0; i < 2; i++) await ledger.closeCompaction(dataset, next, id, { objects: 2 + i });
  expect(record()).toMatchObject({ state: 'published', objects: 2, endedAt: at(1) });
  expect([items('OPEN#'), items('RECENT'), items('TOTALS')]).toEqual([[], [], []]);
});
