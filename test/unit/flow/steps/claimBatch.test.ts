/** ClaimBatch: which of the waiting files become a batch, and what becomes of the others. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { replay, retry } from '../../../../src/lib/flow/operate/again.ts';
import { claimBatch } from '../../../../src/lib/flow/steps/claimBatch.ts';
import { fileKey, objectKey } from '../../../../src/lib/ledger/keys.ts';
import { type Deps, dataset, World } from '../../../support/flowWorld.ts';

let world: World;
let deps: Deps;
let fence: number;

beforeEach(async () => {
  world = new World();
  deps = world.deps('claimBatch');
  fence = (await deps.ledger.acquireLease(dataset)) ?? 0;
});
afterEach(() => {
  jest.restoreAllMocks();
});

const claim = () => claimBatch(deps, { dataset, fence, execution: 'e' });
const note = async (...files: readonly (readonly [object: string, version: string, etag?: string])[]) => {
  for (const [object, version, etag = version] of files) {
    await deps.ledger.notePending(
      dataset,
      [{ object: `feed/${object}`, version, etag, size: 5, sequencer: version }],
      async () => [],
    );
  }
};
const item = (object: string, version?: string) => {
  const key =
    version === undefined
      ? objectKey(dataset, `feed/${object}`)
      : fileKey(dataset, { object: `feed/${object}`, version });
  return world.aws.dynamo.items('ledger').find(({ pk, sk }) => pk === key.pk && sk === key.sk) ?? {};
};
const change = (found: Record<string, unknown>, more: object) =>
  world.aws.dynamo.seed('ledger', { ...found, ...more });
const manifest = () => {
  const [key = ''] = world.aws.s3.keys('work').filter((name) => name.endsWith('/manifest.json'));
  return JSON.parse(world.text('work', key)) as {
    files: { object: string; version: string }[];
    published: unknown;
  };
};
const queued = async (object: string, version: string) => {
  const found = (await deps.ledger.nextFiles(dataset, 100)).find(
    (file) => file.object === `feed/${object}` && file.version === version,
  );
  if (!found) throw new Error(`${object} does not wait`);
  return found;
};
const stateOf = async (object: string, version: string) =>
  (await deps.ledger.file(dataset, { object: `feed/${object}`, version }))?.state;

test('a claim gives what the next states need, and a repeated one gives the same', async () => {
  await note(['a', '1'], ['b', '1']);
  const first = await claim();
  expect(first).toMatchObject({ outcome: 'claimed', engine: 'auto', files: 2, bytes: 10, replaces: 0 });
  await note(['c', '1']);
  expect(await claim()).toEqual(first);
  expect(
    manifest()
      .files.map(({ object }) => object)
      .sort(),
  ).toEqual(['feed/a', 'feed/b']);
});

test('an operator’s engine is that of the batch', async () => {
  await note(['a', '1']);
  await deps.ledger.chooseEngine(dataset, 'glue');
  expect(await claim()).toMatchObject({ engine: 'glue' });
});

test('a paused dataset claims nothing and releases its lease; a batch that has begun goes on', async () => {
  await note(['a', '1']);
  await deps.ledger.pause(dataset, 'lunch');
  expect(await claim()).toEqual({ outcome: 'idle' });
  expect((await deps.ledger.lease(dataset))?.execution).toBeUndefined();
  await deps.ledger.resume(dataset);
  fence = (await deps.ledger.acquireLease(dataset)) ?? 0;
  const claimed = await claim();
  await deps.ledger.pause(dataset, 'again');
  expect(await claim()).toEqual(claimed);
});

test('while an earlier batch is open, none is claimed', async () => {
  const other = 'cd'.repeat(10);
  await deps.ledger.reopen(dataset, fence, { batch: other, fence }, { files: [], bytes: 0 });
  await note(['a', '1']);
  await expect(claim()).rejects.toMatchObject({ name: 'BatchOpen', batch: other, dataset });
  expect(await stateOf('a', '1')).toBe('pending');
});

test('of an object of which two versions wait, only the latest is in the batch', async () => {
  await note(['a', '1'], ['a', '2'], ['b', '1']);
  // The earlier one has rows in the table and is replayed, so it is not replaced at once.
  change(item('a'), { rows: { version: '1', batch: 'cd'.repeat(10), published: 1 } });
  world.aws.s3.seed('raw', 'feed/a', 'x');
  const exists = { ...deps.store, exists: async () => true };
  deps = { ...deps, store: exists };
  expect(await claim()).toMatchObject({ files: 2, replaces: 1 });
  expect(
    manifest()
      .files.map(({ object, version }) => [object, version])
      .sort(),
  ).toEqual([
    ['feed/a', '2'],
    ['feed/b', '1'],
  ]);
  expect(manifest().published).toEqual([
    { object: 'feed/a', version: '1', batch: 'cd'.repeat(10), published: 1 },
  ]);
  expect(await stateOf('a', '1')).toBe('pending');
});

test('a version with rows in the table is replayed alone while its successor does not wait', async () => {
  await note(['a', '1'], ['a', '2']);
  change(item('a'), { rows: { version: '1', batch: 'cd'.repeat(10), published: 1 } });
  await deps.ledger.hold(dataset, fence, await queued('a', '2'), 'a person looks at it');
  deps = { ...deps, store: { ...deps.store, exists: async () => true } };
  expect(await claim()).toMatchObject({ files: 1, replaces: 1 });
  expect(manifest().files).toMatchObject([{ object: 'feed/a', version: '1' }]);
  expect(await stateOf('a', '2')).toBe('held');
});

test('a file of which the record cannot be read is held and keeps no other waiting, and an outage is not taken for one', async () => {
  await note(['a', '1'], ['b', '1']);
  const failing = { ...deps.ledger, read: async () => Promise.reject(new TypeError('an outage')) };
  await expect(claimBatch({ ...deps, ledger: failing }, { dataset, fence, execution: 'e' })).rejects.toThrow(
    'an outage',
  );
  expect(await deps.ledger.pending(dataset)).toHaveLength(2);
  change(item('a', '1'), { size: 'a text' });
  expect(await claim()).toMatchObject({ files: 1 });
  expect(manifest().files).toMatchObject([{ object: 'feed/b' }]);
  expect(item('a', '1')).toMatchObject({ state: 'held' });
});

test('a file that a later version has replaced leaves the queue, and so does an entry that is not its file’s place', async () => {
  await note(['a', '1'], ['a', '2'], ['b', '1'], ['c', '1']);
  change(item('b', '1'), { place: 'PENDING#elsewhere' });
  expect(await claim()).toMatchObject({ files: 2 });
  expect([await stateOf('a', '1'), await stateOf('a', '2'), await stateOf('b', '1')]).toEqual([
    'replaced',
    'claimed',
    'pending',
  ]);
  expect(await deps.ledger.pending(dataset)).toEqual([]);
});

test('files with different decisions are in different batches, and a batch has the decision of its files', async () => {
  await note(['a', '1'], ['b', '1'], ['c', '1']);
  const decision = { kind: 'reject', reason: 'r', at: '2026-01-01T00:00:00Z', restores: '0' };
  change(item('a', '1'), { decision });
  change(item('c', '1'), { decision: { ...decision, kind: 'release' } });
  const claimed = await claim();
  if (claimed.outcome !== 'claimed') throw new Error('nothing was claimed');
  const [first] = manifest().files;
  expect(manifest().files).toHaveLength(1);
  const record = await deps.ledger.batch(dataset, claimed.batch);
  if (first?.object === 'feed/b') expect(record).not.toHaveProperty('decision');
  else expect(record?.decision).toMatchObject({ reason: 'r' });
  expect(record?.decision).not.toHaveProperty('restores');
  expect(await deps.ledger.pending(dataset)).toHaveLength(2);
});

test('a file whose source is gone is held while rows of its object are published, or a copy takes its place', async () => {
  await note(['a', '1', 'x'], ['a', '2', 'x'], ['b', '1'], ['c', '1']);
  change(item('b'), { rows: { version: '0', batch: 'cd'.repeat(10), published: 1 } });
  const there = new Set(['feed/a 2']);
  const asked: string[] = [];
  deps = {
    ...deps,
    store: {
      ...deps.store,
      exists: async (ref) => {
        const { key, version } = { version: '', ...ref };
        if (ref.bucket === 'raw') asked.push(`${key} ${version}`);
        return ref.bucket === 'raw' ? there.has(`${key} ${version}`) : world.deps('test').store.exists(ref);
      },
    },
  };
  // Without published rows and copies nobody looks: the transform finds out.
  expect(await claim()).toMatchObject({ files: 1 });
  expect(asked.sort()).toEqual(['feed/a 1', 'feed/a 2', 'feed/b 1']);
  expect([await stateOf('a', '1'), await stateOf('a', '2'), await stateOf('b', '1')]).toEqual([
    'replaced',
    'pending',
    'held',
  ]);
  expect((await deps.ledger.file(dataset, { object: 'feed/b', version: '1' }))?.reason).toMatch(
    /^ObjectMissing: version 1 is no longer in the raw bucket/,
  );
});

test('files that were published as this batch before are a new batch', async () => {
  await note(['a', '1']);
  const first = await claim();
  if (first.outcome !== 'claimed') throw new Error('nothing was claimed');
  await deps.ledger.commit(dataset, { batch: first.batch, fence });
  const file = {
    object: 'feed/a',
    version: '1',
    size: 5,
    sequencer: '1',
    isRejected: false,
    isMissing: false,
  };
  await deps.ledger.settlePublished(dataset, fence, first.batch, [file]);
  await deps.ledger.closePublished(dataset, fence, first.batch, { rows: 1, files: 1, found: {} });
  change(item('a', '1'), { state: 'held', place: 'HELD#x#1' });
  await deps.ledger.requeue(dataset, [file]);
  change(item('a'), { rows: undefined });
  fence = await deps.ledger.nextBatch(dataset, fence);
  const second = await claim();
  expect(second).toMatchObject({ outcome: 'claimed', files: 1 });
  expect(second).not.toMatchObject({ batch: first.batch });
});

test('invariant 8: files that are published again and again as the same batch are another one each time', async () => {
  const world = new World();
  let isHeld = false;
  world.watch('publish', async () => {
    if (isHeld) throw Object.assign(new Error('a test'), { name: 'ExpectationFailed' });
  });
  world.put('feed/a', ['1@06']);
  await world.settle();
  for (let i = 0; i < 3; i++) {
    isHeld = true;
    await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
    await world.settle();
    isHeld = false;
    // Without the batch, they wait like new files.
    await world.operate((deps) => retry(deps, dataset, {}));
    await world.settle();
    expect(world.linesOf('feed/a')).toEqual(['1@06']);
  }
  const published = (await world.deps('test').ledger.batches(dataset)).filter((b) => b.state === 'published');
  expect(published).toHaveLength(4);
});
