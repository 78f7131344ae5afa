/** The ledger's rules about versions, and which files it moves: each rule by itself. */
import { expect, test } from '@jest/globals';
import type { VersionOrder } from '../../../src/lib/ledger/files.ts';
import { fileKey, objectKey } from '../../../src/lib/ledger/keys.ts';
import { ledgerOn } from '../../../src/lib/ledger/ledger.ts';
import type { Decision } from '../../../src/lib/model/records.ts';
import { createMemoryAws } from '../../support/memory/index.ts';

const dataset = 'feed';
const version = (name: string, sequencer = '', etag = name) => ({
  object: 'feed/a',
  version: name,
  size: 1,
  sequencer,
  etag,
});

function create() {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('test').documents, { clock: () => aws.clock.now() });
  let asked = 0;
  /** S3's list of the object's versions, the newest first. */
  const listing =
    (...versions: string[]): VersionOrder =>
    async () => {
      asked++;
      return versions.map((v) => ({ version: v, modified: 0 }));
    };
  const note = async (file: ReturnType<typeof version>, order = listing()) =>
    (await ledger.notePending(dataset, [file], order))[0];
  const state = async (name: string) =>
    (await ledger.states(dataset, [{ object: 'feed/a', version: name }]))[0];
  return { aws, ledger, listing, note, state, asked: () => asked };
}

test('invariant 5: sequencers tell the order of versions, and S3 is not asked where they do', async () => {
  const { note, state, asked } = create();
  await note(version('v2', '02'));
  await note(version('v1', '01'));
  await note(version('v3', '03'));
  expect([await state('v1'), await state('v2'), await state('v3')]).toEqual([
    'replaced',
    'pending',
    'pending',
  ]);
  expect(asked()).toBe(0);
});

test('invariant 5: without a sequencer S3’s list tells the order, and a version that is not in it is no later one', async () => {
  const { note, listing, state, asked } = create();
  await note(version('v2'));
  await note(version('v1'), listing('v2', 'v1'));
  await note(version('v0'), listing('v2', 'v1'));
  await note(version('v3'), listing('v3', 'v2', 'v1'));
  expect([await state('v0'), await state('v1'), await state('v3')]).toEqual([
    'replaced',
    'replaced',
    'pending',
  ]);
  expect(asked()).toBe(3);
});

test('the same bytes are processed once, but for a file that has failed', async () => {
  const { ledger, note, state } = create();
  expect(await note(version('v1', '01', 'same'))).toBe(true);
  expect(await note(version('v2', '02', 'same'))).toBe(false);
  expect(await state('v2')).toBe('same');
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const files = await ledger.nextFiles(dataset, 10);
  const attempt = { batch: 'ab'.repeat(10), fence };
  await ledger.claim(dataset, fence, { id: attempt.batch, files, bytes: 1, engine: 'auto', execution: 'e' });
  const returned = files.map((file) => ({ ...file, state: 'failed' as const }));
  await ledger.giveBack(dataset, fence, attempt, { state: 'failed', reason: 'r' }, returned);
  expect(await note(version('v3', '03', 'same'))).toBe(true);
  expect([await state('v1'), await state('v3')]).toEqual(['replaced', 'pending']);
});

test('a version that is noted while another one is looked up stays the latest', async () => {
  const { ledger, note, state } = create();
  await note(version('v1'));
  let isFirst = true;
  // While v2 is recorded, v3 arrives.
  await note(version('v2'), async () => {
    const order = ['v3', 'v2', 'v1'].map((v) => ({ version: v, modified: 0 }));
    if (isFirst) {
      isFirst = false;
      await note(version('v3'), async () => order);
    }
    return order;
  });
  expect([await state('v2'), await state('v3')]).toEqual(['replaced', 'pending']);
  const [found] = await ledger.read(dataset, [version('v3')]);
  expect(found?.object).toMatchObject({ version: 'v3', newest: 'v3' });
});

test('files that are tried again have their turn after ten minutes, as a whole group, also while new ones come', async () => {
  const { aws, ledger, note } = create();
  const order: VersionOrder = async () => [];
  for (const object of ['feed/b', 'feed/c'])
    await ledger.notePending(dataset, [{ ...version('v1', '01'), object }], order);
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const files = await ledger.nextFiles(dataset, 10);
  const attempt = { batch: 'ab'.repeat(10), fence };
  await ledger.claim(dataset, fence, { id: attempt.batch, files, bytes: 1, engine: 'auto', execution: 'e' });
  const returned = files.map((file, i) => ({ ...file, state: 'pending' as const, group: `g${i}` }));
  await ledger.giveBack(dataset, fence, attempt, { state: 'failed', reason: 'r' }, returned);
  await note(version('v1', '01'));
  expect((await ledger.nextFiles(dataset, 10)).map((f) => f.object)).toEqual(['feed/a']);
  aws.clock.advance(601_000);
  const due = await ledger.nextFiles(dataset, 10);
  expect(due.map((f) => f.group)).toEqual(['g0']);
});

test('only files that wait for a person are moved back into the queue, and only published ones are replayed', async () => {
  const { ledger, note, state } = create();
  await note(version('v1', '01'));
  expect(await ledger.requeue(dataset, [version('v1')])).toBe(0);
  expect(await ledger.replay(dataset, [version('v1')], 'replay-1')).toBe(0);
  expect(await ledger.pending(dataset)).toHaveLength(1);
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const files = await ledger.nextFiles(dataset, 10);
  await ledger.claim(dataset, fence, {
    id: 'ab'.repeat(10),
    files,
    bytes: 1,
    engine: 'auto',
    execution: 'e',
  });
  expect(await ledger.requeue(dataset, [version('v1')])).toBe(0);
  expect(await state('v1')).toBe('claimed');
});

test('lists come whole, however many pages they have', async () => {
  const aws = createMemoryAws({ pages: { items: 2 } });
  const ledger = ledgerOn('ledger', aws.actor('test').documents);
  const files = Array.from({ length: 25 }, (_, i) => ({ ...version('v1', '01'), object: `feed/${i}` }));
  await ledger.notePending(dataset, files, async () => []);
  expect(await ledger.pending(dataset)).toHaveLength(25);
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  for (let i = 0; i < 5; i++)
    await ledger.reopen(dataset, fence, { batch: `${i}`.repeat(20), fence }, { files: [], bytes: 0 });
  expect(await ledger.openBatches(dataset)).toHaveLength(5);
  expect(await ledger.batches(dataset)).toHaveLength(5);
  const pages: string[] = [];
  let after: string | undefined;
  for await (const page of ledger.batchPages(dataset, 2)) {
    pages.push(...page.batches.map(({ batch }) => batch));
    if (pages.length === 2) after = page.last;
  }
  const rest: string[] = [];
  for await (const page of ledger.batchPages(dataset, 3, after))
    rest.push(...page.batches.map(({ batch }) => batch));
  expect(pages).toHaveLength(5);
  expect(rest).toEqual(pages.slice(2));
});

test('a file that another has moved between the look and the write stays where that one has put it', async () => {
  const { aws, ledger, note, state } = create();
  await note(version('v1', '01'));
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const files = await ledger.nextFiles(dataset, 10);
  const attempt = { batch: 'ab'.repeat(10), fence };
  await ledger.claim(dataset, fence, { id: attempt.batch, files, bytes: 1, engine: 'auto', execution: 'e' });
  await ledger.commit(dataset, attempt);
  const settled = files.map((file) => ({ ...file, isRejected: false, isMissing: false }));
  await ledger.settlePublished(dataset, fence, attempt.batch, settled);
  const [record] = aws.dynamo.items('ledger').filter(({ state: of }) => of === 'published');
  // Somebody else has replayed it, and a batch has claimed it, which leaves it without a place, as before.
  aws.plan = ({ operation }) => {
    if (operation === 'TransactWriteItems') aws.dynamo.seed('ledger', { ...record, state: 'claimed' });
    return undefined;
  };
  expect(await ledger.replay(dataset, [version('v1')], 'replay-1')).toBe(0);
  aws.plan = undefined;
  expect(await state('v1')).toBe('claimed');
  expect(await ledger.pending(dataset)).toEqual([]);
});

/** A ledger whose items are seen as they are stored. Its clock stands still. */
function opened() {
  const aws = createMemoryAws();
  let time = Date.parse('2026-01-05T10:00:00Z');
  const ledger = ledgerOn('ledger', aws.actor('test').documents, {
    clock: () => time,
    patience: { pause: 0 },
  });
  const items = (start: string) =>
    aws.dynamo
      .items('ledger')
      .filter(({ sk }) => String(sk).startsWith(start))
      .map(({ pk: _, sk: __, ...item }) => item);
  /** Where files wait. */
  const places = () =>
    aws.dynamo
      .items('ledger')
      .map(({ sk }) => String(sk))
      .filter((sk) => /^(PENDING|RETRY|HELD|FAILED)#/.test(sk))
      .map((sk) => sk.replace(/#[0-9a-f]{20}$/, '').replace('2026-01-05T', ''))
      .sort();
  return {
    aws,
    ledger,
    places,
    advance: (by: number) => {
      time += by;
    },
    file: (name = 'v1') => items('FILE#').find((item) => item.version === name),
    object: () => items('OBJECT')[0],
  };
}
const decision: Decision = { kind: 'release', reason: 'seen', at: '2026-01-05T11:00:00Z' };
const batch = 'ab'.repeat(10);

test('the items of a file say in each of its states what they should, and nothing more', async () => {
  const { ledger, file, object, places, advance } = opened();
  const notedAt = '2026-01-05T10:00:00.000Z';
  const raw = { object: 'feed/a', version: 'v1', size: 1, sequencer: '01' };
  await ledger.notePending(
    dataset,
    [{ ...raw, etag: 'e1', landedAt: '2026-01-05T09:59:00Z' }],
    async () => [],
  );
  const base = {
    ...raw,
    landedAt: '2026-01-05T09:59:00Z',
    notedAt,
    etag: 'e1',
    ix: 'feed#files-2',
    ik: notedAt,
  };
  const place = expect.stringMatching(/^PENDING#2026-01-05T10:00:00.000Z#/);
  expect(file()).toEqual({ ...base, state: 'pending', attempts: 0, place });
  const known = {
    object: 'feed/a',
    version: 'v1',
    newest: 'v1',
    etag: 'e1',
    sequencer: '01',
    ix: 'feed#objects-2',
    ik: 'feed/a',
  };
  expect(object()).toEqual(known);
  expect(places()).toEqual(['PENDING#10:00:00.000Z']);
  expect(await ledger.backlog(dataset, 10)).toEqual({ pending: 1, held: 0, failed: 0, since: notedAt });

  const claim = async (by: number, more: object = {}) => {
    const files = await ledger.nextFiles(dataset, 10);
    await ledger.claim(dataset, by, { id: batch, files, bytes: 1, engine: 'auto', execution: 'e', ...more });
    return files;
  };
  const first = (await ledger.acquireLease(dataset)) ?? 0;
  const claimed = await claim(first);
  expect(file()).toEqual({ ...base, state: 'claimed', attempts: 0, batch });
  expect([places(), await ledger.hasPending(dataset)]).toEqual([[], false]);
  expect(await ledger.waitsSince(dataset)).toBeUndefined();

  advance(1000);
  await ledger.giveBack(dataset, first, { batch, fence: first }, { state: 'held', reason: 'why' }, [
    ...claimed.map((one) => ({ ...one, state: 'held' as const })),
  ]);
  const settledAt = '2026-01-05T10:00:01.000Z';
  const held = { ...base, state: 'held', attempts: 1, batch, settledAt, reason: 'why' };
  expect(file()).toEqual({ ...held, place: expect.stringMatching(/^HELD#/) });
  expect(places()).toEqual([`HELD#${batch}`]);
  expect(await ledger.backlog(dataset, 10)).toMatchObject({ pending: 0, held: 1, failed: 0 });
  expect(await ledger.waiting(dataset, 'held')).toHaveLength(1);
  expect(await ledger.waiting(dataset, 'held', 'cd'.repeat(10))).toEqual([]);
  expect(await ledger.waiting(dataset, 'failed')).toEqual([]);

  expect(
    await ledger
      .requeue(dataset, [raw], { group: 'g', decision, batch: 'cd'.repeat(10) })
      .catch(({ name }) => name),
  ).toBe('AlreadyDecided');
  expect(await ledger.requeue(dataset, [raw], { group: 'g', decision, batch })).toBe(1);
  const { reason: _, ...released } = held;
  const decided = { ...decision, isReplacement: false };
  expect(file()).toEqual({
    ...released,
    state: 'pending',
    group: 'g',
    decision: decided,
    place: expect.stringMatching(/^RETRY#g#/),
  });
  expect(places()).toEqual(['RETRY#g']);
  expect(await ledger.backlog(dataset, 10)).toMatchObject({ pending: 1, since: notedAt });

  const second = await ledger.nextBatch(dataset, first);
  const [again] = await claim(second, { decision: decided });
  expect(again).toMatchObject({ group: 'g', decision: decided });
  await ledger.commit(dataset, { batch, fence: second });
  advance(1000);
  const counts = { rowsRead: 3, published: 2, quarantined: 1, duplicates: 0 };
  const published = { ...raw, counts, isRejected: false, isMissing: false };
  await ledger.settlePublished(dataset, second, batch, [published]);
  const end = {
    ...base,
    state: 'published',
    attempts: 2,
    batch,
    settledAt: '2026-01-05T10:00:02.000Z',
    counts,
  };
  expect(file()).toEqual(end);
  expect(object()).toEqual({ ...known, rows: { version: 'v1', batch, published: 2 } });

  expect(await ledger.replay(dataset, [raw], 'replay-1')).toBe(1);
  expect(await ledger.replay(dataset, [raw], 'replay-2')).toBe(0);
  expect(file()).toEqual({
    ...end,
    state: 'pending',
    group: 'replay-1',
    place: expect.stringMatching(/^RETRY#replay-1#/),
  });
  expect(places()).toEqual(['RETRY#replay-1']);

  // The replay is held, and then retried alone.
  const third = await ledger.nextBatch(dataset, second);
  const other = 'cd'.repeat(10);
  const files = await ledger.nextFiles(dataset, 10);
  await ledger.claim(dataset, third, {
    id: other,
    files,
    bytes: 1,
    engine: 'auto',
    execution: 'e',
    replay: 'replay-1',
  });
  await ledger.giveBack(dataset, third, { batch: other, fence: third }, { state: 'held', reason: 'no' }, [
    { ...raw, state: 'held', reason: 'ReplacementDoubtful: most of its rows' },
  ]);
  expect(file()).toMatchObject({
    state: 'held',
    reason: 'ReplacementDoubtful: most of its rows',
    attempts: 3,
  });
  expect(file()).not.toHaveProperty('group');
  await ledger.requeue(dataset, [raw], { decision });
  expect(file()).toMatchObject({ state: 'pending', decision: { isReplacement: true } });
  expect(places()).toEqual(['PENDING#10:00:02.000Z']);
  const [waiting] = await ledger.pending(dataset);
  if (!waiting) throw new Error('nothing waits');
  await ledger.hold(dataset, third, waiting, 'ObjectMissing: gone');
  expect(file()).toMatchObject({
    state: 'held',
    reason: 'ObjectMissing: gone',
    place: expect.stringMatching(/^HELD#unclaimed#/),
  });
  expect(object()).toMatchObject({ etag: '' });
  const [alone] = await ledger.waiting(dataset, 'held');
  expect(alone).toMatchObject({ ...raw, batch: 'unclaimed' });
  if (!alone) throw new Error('nothing waits');
  const kept = { ...alone, rowsIn: 'with its rows' };
  expect(await ledger.keepPublished(dataset, [kept, kept])).toBe(1);
  expect(file()).toMatchObject({ state: 'published', batch: 'with its rows' });
  for (const gone of ['place', 'reason', 'group', 'decision']) expect(file()).not.toHaveProperty(gone);
  expect(places()).toEqual([]);
});

test('an older version, the same bytes, and a newer version are noted as what they are', async () => {
  const { ledger, file, object, places } = opened();
  const note = async (name: string, sequencer: string, etag: string) =>
    (await ledger.notePending(dataset, [version(name, sequencer, etag)], async () => []))[0];
  expect([await note('v2', '0200', 'e2'), await note('v2', '0200', 'e2')]).toEqual([true, false]);
  expect(await note('v1', '01', 'e1')).toBe(true);
  expect(file('v1')).toMatchObject({
    state: 'replaced',
    replacedBy: 'v2',
    attempts: 0,
    ik: expect.any(String),
  });
  expect(file('v1')).not.toHaveProperty('place');
  expect(object()).toMatchObject({ version: 'v2', newest: 'v2', etag: 'e2', sequencer: '0200' });
  expect(await note('v3', '03', 'e2')).toBe(false);
  expect(file('v3')).toMatchObject({ state: 'same', sameAs: 'v2' });
  for (const absent of ['place', 'ix', 'ik', 'replacedBy']) expect(file('v3')).not.toHaveProperty(absent);
  expect(object()).toMatchObject({
    version: 'v2',
    newest: 'v3',
    etag: 'e2',
    sequencer: '03',
    hasCopies: true,
  });
  expect(await ledger.file(dataset, { object: 'feed/a', version: 'v3' })).toMatchObject({ version: 'v2' });
  expect(await note('v4', '04', 'e4')).toBe(true);
  expect(file('v4')).toMatchObject({ state: 'pending', place: expect.any(String) });
  expect(file('v4')).not.toHaveProperty('sameAs');
  expect(object()).toMatchObject({
    version: 'v4',
    newest: 'v4',
    etag: 'e4',
    sequencer: '04',
    hasCopies: true,
  });
  // Bytes without an ETag are not known to be the same.
  expect([await note('v5', '05', ''), await note('v6', '06', '')]).toEqual([true, true]);
  expect(places()).toHaveLength(4);
  expect(
    await ledger.states(
      dataset,
      ['v1', 'v9'].map((v) => ({ object: 'feed/a', version: v })),
    ),
  ).toEqual(['replaced', undefined]);
  expect(
    await ledger.knows(
      dataset,
      ['v1', 'v9'].map((v) => ({ object: 'feed/a', version: v })),
    ),
  ).toEqual([true, false]);
});

test('a version that S3’s list no longer has is compared by the second in which it was put', async () => {
  const order =
    (modified: number): VersionOrder =>
    async () => [{ version: 'v2', modified }];
  const put = Date.parse('2026-01-05T10:00:00Z');
  for (const [landedAt, modified, state] of [
    ['2026-01-05T10:00:00.900Z', put, 'pending'],
    ['2026-01-05T10:00:00.900Z', put - 1000, 'replaced'],
    ['2026-01-05T10:00:01Z', put, 'replaced'],
    // Without the event's time, that of the ledger counts.
    [undefined, put, 'pending'],
    [undefined, put - 1000, 'replaced'],
  ] as const) {
    const { ledger, file } = opened();
    await ledger.notePending(dataset, [{ ...version('v1'), ...(landedAt ? { landedAt } : {}) }], order(0));
    await ledger.notePending(dataset, [version('v2')], order(modified));
    expect([landedAt, modified - put, file('v2')?.state]).toEqual([landedAt, modified - put, state]);
  }
});

test('files are noted many at once, and each of them also where one cannot be', async () => {
  const { aws, ledger } = opened();
  const files = Array.from({ length: 40 }, (_, i) => ({ ...version('v1', '01'), object: `feed/${i}` }));
  const [one = files[0], two = files[0]] = files;
  if (!one || !two) throw new Error('no files');
  await ledger.notePending(dataset, [one], async () => []);
  await ledger.notePending(dataset, [version('w1', '01', 'w')], async () => []);
  const before = aws.calls('dynamodb.TransactWriteItems');
  const more = [...files, { ...version('v2', '02'), object: 'feed/1' }, version('w2', '02', 'x')];
  expect(await ledger.notePending(dataset, more, async () => [])).toEqual(more.map((_, i) => i !== 0));
  // Two chunks, the first of them again without the known file, the second without the known object, and the two further versions.
  expect(aws.calls('dynamodb.TransactWriteItems') - before).toBe(6);
  let calls = 0;
  aws.plan = ({ operation }) =>
    operation === 'TransactWriteItems' && calls++ === 0 ? { mode: 'fail', error: 'AccessDenied' } : undefined;
  const others = ['x', 'y'].map((object) => ({ ...version('v1', '01'), object }));
  expect(await ledger.notePending(dataset, others, async () => [])).toEqual([true, true]);
  aws.plan = ({ operation }) =>
    operation === 'TransactWriteItems' ? { mode: 'fail', error: 'AccessDenied' } : undefined;
  const [error] = await ledger.notePending(
    dataset,
    [{ ...version('v1', '01'), object: 'z' }],
    async () => [],
  );
  expect(error).toMatchObject({ name: 'AccessDenied' });
});

test('a version comes back, and a copy takes the place of one that is gone, only while nothing newer has come', async () => {
  const { aws, ledger, file, object, places, advance } = opened();
  const note = (name: string, sequencer: string, etag: string) =>
    ledger.notePending(dataset, [version(name, sequencer, etag)], async () => []);
  await note('v1', '01', 'e1');
  advance(1000);
  await note('v2', '02', 'e2');
  await note('v3', '03', 'e2');
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const [first, second] = await ledger.pending(dataset);
  if (!first || !second) throw new Error('nothing waits');
  await ledger.markReplaced(dataset, fence, first, 'v2');
  expect(file('v1')).toMatchObject({ state: 'replaced', replacedBy: 'v2' });
  const copy = (await ledger.versionsOf(dataset, 'feed/a')).find(({ version: name }) => name === 'v3');
  const earlier = (await ledger.versionsOf(dataset, 'feed/a')).find(({ version: name }) => name === 'v1');
  if (!copy || !earlier) throw new Error('a version is missing');
  // v2 was not found missing yet.
  expect(await ledger.revive(dataset, earlier, 'v2')).toBe(false);
  await ledger.substitute(dataset, fence, second, copy, { ...second, decision });
  expect(file('v2')).toMatchObject({ state: 'replaced', replacedBy: 'v3' });
  expect(file('v3')).toMatchObject({
    state: 'pending',
    decision,
    ik: expect.any(String),
    ix: 'feed#files-2',
  });
  expect(file('v3')).not.toHaveProperty('sameAs');
  expect(object()).toMatchObject({ version: 'v3', etag: 'e2' });
  expect(await ledger.file(dataset, { object: 'feed/a', version: 'v3' })).toMatchObject({ version: 'v3' });
  await expect(ledger.substitute(dataset, fence, second, copy)).rejects.toThrow();
  const [waiting] = await ledger.pending(dataset);
  if (!waiting) throw new Error('nothing waits');
  await ledger.hold(dataset, fence, waiting, 'r');
  // Its bytes could not be read, so the earlier version is the latest one again.
  expect(await ledger.revive(dataset, earlier, 'v2')).toBe(false);
  expect(await ledger.revive(dataset, earlier, 'v3', 'g')).toBe(true);
  expect(await ledger.revive(dataset, earlier, 'v3', 'g')).toBe(false);
  expect(file('v1')).toMatchObject({
    state: 'pending',
    group: 'g',
    place: expect.stringMatching(/^RETRY#g#/),
  });
  expect(file('v1')).not.toHaveProperty('replacedBy');
  expect(object()).toMatchObject({ version: 'v1', etag: 'e1' });
  expect(places()).toEqual(['HELD#unclaimed', 'RETRY#g']);
  const { place: _, ...again } = file('v1') ?? {};
  aws.dynamo.seed('ledger', { ...fileKey(dataset, earlier), ...again, state: 'replaced' });
  aws.dynamo.seed('ledger', { ...objectKey(dataset, 'feed/a'), ...object(), version: 'v9', etag: '' });
  expect(await ledger.revive(dataset, earlier, 'v9')).toBe(true);
  expect(file('v1')).not.toHaveProperty('group');
  expect(places()).toEqual(['HELD#unclaimed', 'PENDING#10:00:01.000Z', 'RETRY#g']);
  const [, stray] = await ledger.pending(dataset);
  if (!stray) throw new Error('nothing waits');
  await ledger.dropStray(dataset, fence, stray);
  expect(places()).toEqual(['HELD#unclaimed', 'PENDING#10:00:01.000Z']);
});

test('lists of files and published versions have an order, a range and a beginning', async () => {
  const { ledger, advance } = opened();
  for (const name of ['a', 'b', 'c']) {
    await ledger.notePending(dataset, [{ ...version('v1', '01'), object: `feed/${name}` }], async () => []);
    advance(1000);
  }
  const objects = async (list: AsyncIterable<{ object: string }>) =>
    (await Array.fromAsync(list)).map(({ object }) => object.slice(5)).join('');
  expect(await objects(ledger.files(dataset))).toBe('abc');
  expect(await objects(ledger.files(dataset, { isBackward: true }))).toBe('cba');
  expect(await objects(ledger.files(dataset, { from: '2026-01-05T10:00:01.000Z' }))).toBe('bc');
  expect(await objects(ledger.files(dataset, { to: '2026-01-05T10:00:01.000Z' }))).toBe('ab');
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const files = await ledger.nextFiles(dataset, 2);
  expect(files.map(({ object }) => object)).toEqual(['feed/a', 'feed/b']);
  await ledger.claim(dataset, fence, { id: batch, files, bytes: 1, engine: 'auto', execution: 'e' });
  await ledger.commit(dataset, { batch, fence });
  const settled = files.map((file) => ({ ...file, isRejected: false, isMissing: false }));
  await ledger.settlePublished(dataset, fence, batch, settled);
  expect(await objects(ledger.published(dataset, ''))).toBe('ab');
  expect(await objects(ledger.published(dataset, 'feed/b'))).toBe('b');
  expect(await ledger.newFiles(dataset, 10)).toEqual({ waited: 1000, files: 1, hasOthers: false });
  await ledger.replay(dataset, [{ object: 'feed/a', version: 'v1' }], 'r');
  expect(await ledger.newFiles(dataset, 10)).toEqual({ waited: 1000, files: 1, hasOthers: true });
  expect((await ledger.pending(dataset)).map(({ object }) => object)).toEqual(['feed/c', 'feed/a']);
  expect(await ledger.pending(dataset, 1)).toHaveLength(1);
  expect(await ledger.waitsSince(dataset)).toBe('2026-01-05T10:00:00.000Z');
  const backfill = { ...version('v1', '01'), object: 'feed/old', isBackfill: true };
  const other = opened();
  await other.ledger.notePending(dataset, [backfill], async () => []);
  expect(await other.ledger.waitsSince(dataset)).toBeUndefined();
  expect(await other.ledger.hasPending(dataset)).toBe(true);
});
