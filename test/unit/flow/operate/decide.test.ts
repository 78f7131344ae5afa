/** A person's decision about held files determines their result. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { replay, retry } from '../../../../src/lib/flow/operate/again.ts';
import { decide } from '../../../../src/lib/flow/operate/decide.ts';
import { rollback } from '../../../../src/lib/flow/operate/rollback.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

const many = ['1@06', '2@06', '3@07', '4@07', '5@07', '6@06'];
let world: World;

beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const at = '2026-01-05T10:00:00.000Z';
const kindOf = (kind: 'release' | 'reject') => ({ kind, reason: 'a test', at });
const rowsOf = (object: string) => world.rows().filter((r) => r.object === object).length;
const heldBatch = async () =>
  (await world.deps('test').ledger.batches(dataset)).findLast((b) => b.state === 'held')?.batch ?? '';

/** Files whose corrections are held. */
async function held(...keys: string[]): Promise<string> {
  for (const key of keys)
    world.put(
      key,
      many.map((line) => key.at(-1) + line),
    );
  await world.settle();
  for (const key of keys) world.put(key, [`${key.at(-1)}7@06`]);
  await world.settle();
  return heldBatch();
}

test('a rejected correction leaves the rows of the version before', async () => {
  const batch = await held('feed/a');
  await world.call('operator', (deps) => decide(deps, dataset, batch, kindOf('reject')));
  await world.settle();
  expect(rowsOf('feed/a')).toBe(6);
  expect(world.refused()).toMatchObject([{ object: 'feed/a', line: 'a7@06' }]);
  expect(await world.statesOf('feed/a')).toEqual(['published', 'rejected']);
});

test('a released correction replaces them', async () => {
  const batch = await held('feed/a');
  await world.call('operator', (deps) => decide(deps, dataset, batch, kindOf('release')));
  await world.settle();
  expect(rowsOf('feed/a')).toBe(1);
  expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
});

test('of two who decide differently at once one wins, and the other gets an error', async () => {
  const batch = await held('feed/a', 'feed/b');
  const made = await Promise.allSettled(
    (['release', 'reject'] as const).map((kind) =>
      world.call('operator', (deps) => decide(deps, dataset, batch, kindOf(kind))),
    ),
  );
  expect(made.map((m) => m.status).sort()).toEqual(['fulfilled', 'rejected']);
  const loser = made.find((m) => m.status === 'rejected');
  expect(loser?.status === 'rejected' && loser.reason).toMatchObject({ name: 'AlreadyDecided' });
  const isReleased = made[0]?.status === 'fulfilled';
  await world.settle();
  expect([rowsOf('feed/a'), rowsOf('feed/b')]).toEqual(isReleased ? [1, 1] : [6, 6]);
});

test.each(['release', 'reject'] as const)(
  'to %s survives a split after failures, and a correction of another file of the batch',
  async (kind) => {
    const batch = await held('feed/a', 'feed/b', 'feed/c');
    await world.call('operator', (deps) => decide(deps, dataset, batch, kindOf(kind)));
    world.put('feed/c', many.map((line) => `c${line}`).slice(1));
    // Their batch fails until it is split, and one part fails once more.
    let failures = 0;
    world.aws.plan = (call) =>
      call.actor.startsWith('transform') &&
      call.operation === 'HeadObject' &&
      JSON.stringify(call.input).includes('feed/a') &&
      ++failures < 4
        ? { mode: 'fail', error: 'AccessDenied' }
        : undefined;
    await world.settle();
    expect(failures).toBeGreaterThan(3);
    expect([rowsOf('feed/a'), rowsOf('feed/b'), rowsOf('feed/c')]).toEqual(
      kind === 'release' ? [1, 1, 5] : [6, 6, 5],
    );
  },
);

test('a decision that was interrupted is completed by the same decision, whatever was claimed in between', async () => {
  const keys = Array.from({ length: 80 }, (_, i) => `feed/${String(i).padStart(2, '0')}x`);
  const batch = await held(...keys);
  let moves = 0;
  world.aws.plan = (call) =>
    call.actor.startsWith('operator') && call.operation === 'TransactWriteItems' && ++moves === 2
      ? { mode: 'hang' }
      : undefined;
  await expect(
    world.call('operator', (deps) => decide(deps, dataset, batch, kindOf('reject'))),
  ).rejects.toThrow();
  world.aws.plan = undefined;
  // Files that were moved are processed; the others still wait for the same decision.
  await world.sweep();
  await world.settle();
  const waiting = await world.deps('test').ledger.waiting(dataset, 'held', batch);
  expect(waiting.length).toBeGreaterThan(0);
  expect(waiting.length).toBeLessThan(80);
  await expect(
    world.call('operator', (deps) => decide(deps, dataset, batch, kindOf('release'))),
  ).rejects.toMatchObject({ name: 'AlreadyDecided' });
  // Whoever retries does not decide otherwise.
  for (const which of [{ batch }, {}])
    await expect(world.operate((deps) => retry(deps, dataset, which))).rejects.toThrow(
      /was rejected at .* still wait for it: the command reject goes on with them\. 0 other files put back/,
    );
  expect(await world.deps('test').ledger.waiting(dataset, 'held', batch)).toHaveLength(waiting.length);
  await world.call('operator', (deps) => decide(deps, dataset, batch, kindOf('reject')));
  await world.settle();
  expect(keys.map(rowsOf)).toEqual(keys.map(() => 6));
});

test('a released file that fails for another reason is still released when it is tried again', async () => {
  const batch = await held('feed/a');
  world.aws.plan = ({ actor, operation, input }) =>
    actor.startsWith('publish') && world.isPublishing(operation, input)
      ? { mode: 'fail', error: world.publishingDenied }
      : undefined;
  await world.call('operator', (deps) => decide(deps, dataset, batch, kindOf('release')));
  await world.settle();
  expect(await world.statesOf('feed/a')).toEqual(['failed', 'published']);
  world.aws.plan = undefined;
  await world.call('operator', (deps) => retry(deps, dataset, {}));
  await world.settle();
  expect(rowsOf('feed/a')).toBe(1);
});

test('invariant 7: files about which different things were decided are never one batch', async () => {
  const first = await held('feed/a');
  const second = await held('feed/b');
  const { ledger } = world.deps('test');
  for (const [batch, kind] of [
    [first, 'release'],
    [second, 'reject'],
  ] as const) {
    const files = await ledger.waiting(dataset, 'held', batch);
    expect(await ledger.requeue(dataset, files, { group: 'one', decision: kindOf(kind), batch })).toBe(1);
  }
  await world.settle();
  expect([rowsOf('feed/a'), rowsOf('feed/b')]).toEqual([1, 6]);
});

test('files whose raw version is gone are rejected together: published rows stay, and only others are held any more', async () => {
  const { ledger } = world.deps('test');
  const reject = () => world.call('operator', (deps) => decide(deps, dataset, 'unclaimed', kindOf('reject')));
  await expect(reject()).rejects.toThrow('0 files outside of a batch are held');
  const first = world.put('feed/a', many);
  await world.settle();
  // A correction that is gone, and a replay.
  const second = world.put('feed/b', many);
  await world.settle();
  const third = world.put('feed/b', ['7@06', '8@06']);
  for (const [key, version] of [
    ['feed/a', first],
    ['feed/b', third],
  ] as const)
    world.aws.s3.expire('raw', key, version);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/a' }));
  await world.settle();
  expect((await ledger.waiting(dataset, 'held', 'unclaimed')).map(({ object }) => object).sort()).toEqual([
    'feed/a',
    'feed/b',
  ]);
  await expect(
    world.call('operator', (deps) => decide(deps, dataset, 'unclaimed', kindOf('release'))),
  ).rejects.toThrow('such files are rejected');
  // Another one waits for a person, because its record cannot be read.
  world.put('feed/c', many);
  await world.deliver();
  const own = world.aws.dynamo
    .items('ledger')
    .find(({ sk, object }) => String(sk).startsWith('FILE#') && object === 'feed/c');
  world.aws.dynamo.seed('ledger', { ...own, state: 'unknown' });
  await world.settle();
  expect(await ledger.waiting(dataset, 'held', 'unclaimed')).toHaveLength(3);
  expect(await reject()).toEqual({ batch: 'unclaimed', files: 2, kept: 1 });
  await world.settle();
  expect((await ledger.waiting(dataset, 'held')).map(({ object }) => object)).toEqual(['feed/c']);
  expect([rowsOf('feed/a'), rowsOf('feed/b')]).toEqual([6, 6]);
  expect(await world.statesOf('feed/b')).toEqual(['published', 'rejected']);
  expect(world.rows().find(({ object }) => object === 'feed/b')?.version).toBe(second);
});

/** While it is on, each batch is held. */
function holding(): { isOn: boolean } {
  const holds = { isOn: false };
  world.watch('publish', async () => {
    if (holds.isOn) throw Object.assign(new Error('a test'), { name: 'ExpectationFailed' });
  });
  return holds;
}

/** A published file whose next batch, which `again` starts, is held. Gives both batches. */
async function heldAgain(again: (batch: string) => Promise<unknown>): Promise<[string, string]> {
  const holds = holding();
  world.put('feed/a', many);
  await world.settle();
  const first = (await world.deps('test').ledger.batches(dataset)).at(-1)?.batch ?? '';
  holds.isOn = true;
  await again(first);
  await world.settle();
  holds.isOn = false;
  return [first, await heldBatch()];
}
const replayAll = () => world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
const rollBack = (batch: string) =>
  world.operate((deps) => rollback(deps, dataset, batch, { reason: 'a test', at }));
const decideOn = (batch: string, kind: 'release' | 'reject') =>
  world.operate((deps) => decide(deps, dataset, batch, kindOf(kind)));

test('invariant 6: a held rollback that is rejected is over: the rows stay, also when the file is replayed later', async () => {
  const [, held] = await heldAgain(rollBack);
  expect(await decideOn(held, 'reject')).toEqual({ batch: held, files: 1, kept: 1 });
  await world.settle();
  expect(rowsOf('feed/a')).toBe(6);
  await replayAll();
  await world.settle();
  expect(rowsOf('feed/a')).toBe(6);
  expect(await world.statesOf('feed/a')).toEqual(['published']);
});

test('a held rollback is retried or rejected: a release of it could mean both', async () => {
  const [, held] = await heldAgain(rollBack);
  await expect(decideOn(held, 'release')).rejects.toThrow(
    'A retry continues this, and reject keeps the rows',
  );
  expect((await world.deps('test').ledger.batch(dataset, held))?.decision).toBeUndefined();
  await world.operate((deps) => retry(deps, dataset, { batch: held }));
  await world.settle();
  expect(rowsOf('feed/a')).toBe(0);
  expect(await world.statesOf('feed/a')).toEqual(['rejected']);
});

test('invariant 7: a release that has published nothing is over when the replay is rejected', async () => {
  const [, held] = await heldAgain(replayAll);
  const holds = holding();
  holds.isOn = true;
  await decideOn(held, 'release');
  await world.settle();
  holds.isOn = false;
  await decideOn(await heldBatch(), 'reject');
  await replayAll();
  await world.settle();
  const last = (await world.deps('test').ledger.batches(dataset)).at(-1);
  expect(last).toMatchObject({ state: 'published' });
  expect(last?.decision).toBeUndefined();
});

test('a file whose replay is rejected is one of the batch with its rows, and is rolled back with it', async () => {
  const [first, held] = await heldAgain(replayAll);
  await decideOn(held, 'reject');
  await world.settle();
  expect(await rollBack(first)).toMatchObject({ rejected: [{ object: 'feed/a' }] });
  await world.settle();
  expect(rowsOf('feed/a')).toBe(0);
});
