/** The ledger's rules about versions, and which files it moves: each rule by itself. */
import { expect, test } from '@jest/globals';
import type { VersionOrder } from '../../../src/lib/ledger/files.ts';
import { ledgerOn } from '../../../src/lib/ledger/ledger.ts';
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
