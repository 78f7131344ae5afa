/** Attacks on the ledger and the flow. Each test's name says what must hold. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../src/lib/flow/batch/addresses.ts';
import { dispatch } from '../../../src/lib/flow/dispatch.ts';
import { replay, retry } from '../../../src/lib/flow/operate/again.ts';
import { decide } from '../../../src/lib/flow/operate/decide.ts';
import { recover } from '../../../src/lib/flow/repair/recover.ts';
import { dataset, World } from '../../support/flowWorld.ts';

const many = ['1@06', '2@06', '3@07', '4@07', '5@07'];
const other = ['1@08', '2@08', '6@06', '7@06'];
let world: World;
jest.setTimeout(15_000);

beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const at = '2026-01-05T10:00:00.000Z';
const kindOf = (kind: 'release' | 'reject', reason = 'a test') => ({ kind, reason, at });
const stateOf = async (object: string, version: string) =>
  (await world.deps('test').ledger.file(dataset, { object, version }))?.state;
const batchesIn = async (state: string) =>
  (await world.deps('test').ledger.batches(dataset)).filter((b) => b.state === state);
const running = () => [...world.aws.sfn.executions.values()].filter((e) => e.status === 'RUNNING');

/** Like settle, but bounded: false if the dataset is not idle after this many executions. */
async function rests(most = 15): Promise<boolean> {
  let executions = 0;
  for (let round = 0; round < 6; round++) {
    await world.deliver();
    for (let [next] = running(); next; [next] = running()) {
      if (++executions > most) return false;
      await world.execute(next.arn);
    }
    for (const { arn, input } of world.ended.splice(0))
      await world
        .call('recover', (deps) =>
          recover(deps, { executionArn: arn, name: arn.split(':').at(-1) ?? '', status: 'FAILED', input }),
        )
        .catch(() => {});
    world.aws.clock.advance(300_000);
    await world.sweep();
  }
  const { ledger } = world.deps('test');
  const lease = await ledger.lease(dataset);
  return (
    running().length === 0 &&
    lease?.execution === undefined &&
    (await ledger.openBatches(dataset)).length === 0 &&
    !(await ledger.hasPending(dataset))
  );
}
const lastErrors = () => [...new Set(world.errors.slice(-6))];

test('a failed replay and a failed correction of one object, tried again together', async () => {
  world.put('feed/a', many);
  await world.settle();
  world.breakEngine();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  world.put('feed/a', other);
  await world.settle();
  expect((await world.statesOf('feed/a')).every((s) => s === 'failed' || s === 'held')).toBe(true);
  world.aws.plan = undefined;
  await world.operate((deps) => retry(deps, dataset, {}));
  const isAtRest = await rests();
  expect({ isAtRest, errors: isAtRest ? [] : lastErrors(), rows: world.linesOf('feed/a') }).toEqual({
    isAtRest: true,
    errors: [],
    rows: [...other].sort(),
  });
});

test('a replay whose version is gone, with a copy, after a correction was held', async () => {
  const v1 = world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', ['9@06'].slice(1).concat('bad'));
  await world.settle();
  expect(await world.statesOf('feed/a')).toEqual(['held', 'published', 'same']);
  world.aws.s3.expire('raw', 'feed/a', v1);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  world.put('feed/b', ['1@06']);
  const isAtRest = await rests();
  expect({
    isAtRest,
    errors: isAtRest ? [] : lastErrors(),
    b: world.linesOf('feed/b'),
    a: world.linesOf('feed/a'),
  }).toEqual({
    isAtRest: true,
    errors: [],
    b: ['1@06'],
    a: many,
  });
});

test('a missing file with a copy and then a correction, both noted while its batch runs', async () => {
  const v1 = world.put('feed/a', many);
  await world.deliver();
  world.aws.s3.expire('raw', 'feed/a', v1);
  let isDone = false;
  world.watch('completeBatch', async () => {
    if (isDone) return;
    isDone = true;
    world.put('feed/a', many);
    world.put('feed/a', other);
    await world.deliver();
  });
  world.put('feed/b', ['1@06']);
  const isAtRest = await rests();
  expect({
    isAtRest,
    errors: isAtRest ? [] : lastErrors(),
    b: world.linesOf('feed/b'),
    a: world.linesOf('feed/a'),
  }).toEqual({
    isAtRest: true,
    errors: [],
    b: ['1@06'],
    a: [...other].sort(),
  });
});

test('a missing file with two copies, whose completion is interrupted after the first was taken', async () => {
  const v1 = world.put('feed/a', many);
  await world.deliver();
  world.aws.s3.expire('raw', 'feed/a', v1);
  let isDone = false;
  world.watch('completeBatch', async () => {
    if (isDone) return;
    isDone = true;
    world.put('feed/a', many);
    world.put('feed/a', many);
    await world.deliver();
  });
  let failures = 0;
  world.aws.plan = (call) =>
    call.actor.startsWith('completeBatch') && call.operation === 'PutEvents' && failures++ === 0
      ? { mode: 'fail', error: 'InternalError' }
      : undefined;
  const isAtRest = await rests();
  expect({
    isAtRest,
    failures,
    errors: isAtRest ? [] : lastErrors(),
    a: world.linesOf('feed/a'),
  }).toMatchObject({
    isAtRest: true,
    errors: [],
    a: many,
  });
});

test('a release does not let a later replay with a missing source remove the rows', async () => {
  world.put('feed/a', [...many, '6@06']);
  await world.settle();
  const v2 = world.put('feed/a', ['7@06']);
  await world.settle();
  const [held] = await batchesIn('held');
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('release')));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['7@06']);
  // A year later: a replay, and the version disappears after the claim.
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  world.watch('transform', async () => world.aws.s3.expire('raw', 'feed/a', v2));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['7@06']);
});

test('without the release the same replay is held', async () => {
  const v1 = world.put('feed/a', many);
  await world.settle();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  world.watch('transform', async () => world.aws.s3.expire('raw', 'feed/a', v1));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
});

test('a release does not let a later replay past the expectations', async () => {
  const fail = (isOn: { on: boolean }) =>
    world.watch('publish', async () => {
      if (isOn.on) throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
    });
  const switcher = { on: true };
  fail(switcher);
  const v1 = world.put('feed/a', many);
  await world.settle();
  const [held] = await batchesIn('held');
  switcher.on = false;
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('release')));
  await world.settle();
  await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  const last = (await world.deps('test').ledger.batches(dataset)).at(-1);
  expect({ v1: await stateOf('feed/a', v1), decision: last?.decision }).toEqual({
    v1: 'published',
    decision: undefined,
  });
});

test('a correction that was gone before it was read is processed when it is put again', async () => {
  world.put('feed/a', many);
  await world.settle();
  const v2 = world.put('feed/a', other);
  await world.deliver();
  world.aws.s3.expire('raw', 'feed/a', v2);
  await world.settle();
  expect(await stateOf('feed/a', v2)).toBe('held');
  world.put('feed/a', other);
  await world.settle();
  await world.sweep(true);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
});

test('a failed replay leaves no entry behind when a correction is published', async () => {
  world.put('feed/a', many);
  await world.settle();
  world.breakEngine();
  await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  world.aws.plan = undefined;
  world.put('feed/a', other);
  await world.settle();
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  const { ledger } = world.deps('test');
  expect({ states: await world.statesOf('feed/a'), ...(await ledger.backlog(dataset, 10)) }).toMatchObject({
    states: ['published', 'replaced'],
    held: 0,
    failed: 0,
  });
});

test('a held replay whose object is corrected can be decided about', async () => {
  world.put('feed/a', many);
  await world.settle();
  await world.operate((deps) => replay(deps, dataset, {}));
  const switcher = { on: true };
  world.watch('publish', async () => {
    if (switcher.on) throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
  });
  await world.settle();
  switcher.on = false;
  const [held] = await batchesIn('held');
  world.put('feed/a', other);
  await world.settle();
  const { ledger } = world.deps('test');
  await world
    .operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('reject')))
    .catch((e) => world.errors.push(String(e)));
  await world.settle();
  expect({ errors: lastErrors(), held: (await ledger.backlog(dataset, 10)).held }).toMatchObject({ held: 0 });
});

test('a held correction whose version is gone can be rejected', async () => {
  world.put('feed/a', many);
  await world.settle();
  const v2 = world.put('feed/a', ['bad']);
  await world.settle();
  expect(await stateOf('feed/a', v2)).toBe('held');
  world.aws.s3.expire('raw', 'feed/a', v2);
  const [held] = await batchesIn('held');
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('reject')));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
  expect(await stateOf('feed/a', v2)).not.toBe('held');
});

test('a rejected replay leaves its file published, as its rows are', async () => {
  const v1 = world.put('feed/a', many);
  await world.settle();
  await world.operate((deps) => replay(deps, dataset, {}));
  const switcher = { on: true };
  world.watch('publish', async () => {
    if (switcher.on) throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
  });
  await world.settle();
  switcher.on = false;
  const [held] = await batchesIn('held');
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('reject')));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
  const again = await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  world.put('feed/a', other);
  await world.settle();
  expect({ again, state: await stateOf('feed/a', v1), refused: world.refused().length }).toMatchObject({
    again: { files: 1 },
    refused: 0,
  });
});

test('of three versions with the same bytes the last one that is there is read', async () => {
  const versions: string[] = [];
  for (let i = 0; i < 4; i++) {
    versions.push(world.put('feed/a', many));
    await world.deliver();
  }
  // They expire one after the other, as noncurrent versions do; after each claim another one is gone.
  world.aws.s3.expire('raw', 'feed/a', versions[0] ?? '');
  let n = 0;
  world.watch('transform', async (deps) => {
    if (n++ > 0) return;
    for (const f of await deps.ledger.versionsOf(dataset, 'feed/a'))
      if (f.state === 'claimed') world.aws.s3.expire('raw', 'feed/a', f.version);
  });
  await world.settle();
  await world.sweep(true);
  await world.settle();
  expect({ rows: world.linesOf('feed/a'), left: world.aws.s3.versions('raw', 'feed/a').length }).toEqual({
    rows: many,
    left: 2,
  });
});

test.each([0, 1, 2, 3, 4, 5])(
  'files of a batch whose end was interrupted at write %i can be decided about',
  async (nth) => {
    world.put('feed/a', many);
    let isOn = true;
    world.watch('publish', async () => {
      if (isOn) throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
    });
    let writes = 0;
    world.aws.plan = (call) =>
      isOn && call.actor.startsWith('failBatch') && call.operation === 'TransactWriteItems' && writes++ >= nth
        ? { mode: 'fail', error: 'AccessDenied' }
        : undefined;
    await world.deliver();
    for (const e of running()) await world.execute(e.arn);
    isOn = false;
    world.watch('none', async () => {});
    await world.settle();
    const { ledger } = world.deps('test');
    const waiting = await ledger.waiting(dataset, 'held');
    const batches = await ledger.batches(dataset);
    for (const w of waiting) {
      expect({
        batch: batches.find((b) => b.batch === w.batch)?.state,
        reason: batches.find((b) => b.batch === w.batch)?.reason,
      }).toMatchObject({ batch: 'held' });
      await world.operate((deps) => decide(deps, dataset, w.batch, kindOf('release')));
    }
  },
);

test('a non-empty object whose key ends with a slash is accounted for', async () => {
  world.put('feed/a/', many);
  await world.settle();
  await world.sweep(true);
  await world.settle();
  expect(world.rows().length + world.refused().length).toBeGreaterThan(0);
});

test('an older version without an event does not replace a newer one that is deleted from raw', async () => {
  world.put('feed/a', many);
  world.events.length = 0;
  // S3 only tells seconds.
  world.aws.clock.advance(2000);
  const v2 = world.put('feed/a', other);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
  world.aws.s3.expire('raw', 'feed/a', v2);
  world.aws.clock.advance(2 * 3_600_000);
  await world.sweep(true);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
});

test('a decision with a reason that is too long for its files is refused before anything is decided', async () => {
  world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', []);
  await world.settle();
  const [held] = await batchesIn('held');
  const decided = world.operate((deps) =>
    decide(deps, dataset, held?.batch ?? '', kindOf('release', 'x'.repeat(100_000))),
  );
  await expect(decided).rejects.toMatchObject({ name: 'InvalidInput' });
  expect((await batchesIn('held'))[0]?.decision).toBeUndefined();
});

test('one file that fails in a replay ends up alone after a few attempts, and the others go on', async () => {
  for (const key of ['a', 'b', 'c', 'd']) world.put(`feed/${key}`, [`${key}@06`]);
  await world.settle();
  const before = world.aws.sfn.executions.size;
  world.breakEngine('feed/b');
  await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  const states = Object.fromEntries(
    await Promise.all(['a', 'b', 'c', 'd'].map(async (k) => [k, (await world.statesOf(`feed/${k}`))[0]])),
  );
  expect({ ...states, executions: world.aws.sfn.executions.size - before }).toMatchObject({
    a: 'published',
    b: 'failed',
    c: 'published',
    d: 'published',
  });
});

test('a replay that fails comes to an end while other files are published', async () => {
  world.put('feed/b', ['b@06']);
  await world.settle();
  world.breakEngine('feed/b');
  await world.operate((deps) => replay(deps, dataset, {}));
  let n = 0;
  for (; n < 60 && running().length > 0; n++) {
    for (const e of running()) await world.execute(e.arn);
    world.put(`feed/new${n}`, [`n${n}@06`]);
    await world.deliver();
  }
  expect(await world.statesOf('feed/b')).toEqual(['failed']);
});

test('a rejected file whose bytes are read from a copy stays rejected', async () => {
  let isOn = true;
  world.watch('publish', async () => {
    if (isOn) throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
  });
  const v1 = world.put('feed/a', many);
  await world.settle();
  isOn = false;
  world.put('feed/a', many);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', v1);
  const [held] = await batchesIn('held');
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('reject')));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([]);
});

test('a released file whose bytes are read from a copy is released', async () => {
  world.put('feed/a', [...many, '6@06']);
  await world.settle();
  const v2 = world.put('feed/a', ['7@06']);
  await world.settle();
  world.put('feed/a', ['7@06']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', v2);
  const [held] = await batchesIn('held');
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('release')));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['7@06']);
});

test('a rejected file is not published from a copy that was noted while its batch ran', async () => {
  let isOn = true;
  world.watch('publish', async () => {
    if (isOn) throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
  });
  const v1 = world.put('feed/a', many);
  await world.settle();
  isOn = false;
  world.aws.s3.expire('raw', 'feed/a', v1);
  let isDone = false;
  world.watch('completeBatch', async () => {
    if (isDone) return;
    isDone = true;
    world.put('feed/a', many);
    await world.deliver();
  });
  const [held] = await batchesIn('held');
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', kindOf('reject')));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([]);
});

test('the same bytes put again after a failure are processed', async () => {
  world.breakEngine('feed/a');
  world.put('feed/a', many);
  await world.settle();
  expect(await world.statesOf('feed/a')).toEqual(['failed']);
  world.aws.plan = undefined;
  world.put('feed/a', many);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
});

test('a replayed version waits held, its correction comes, and both are retried', async () => {
  world.put('feed/a', many);
  await world.settle();
  let isOn = true;
  world.watch('publish', async () => {
    if (isOn) throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
  });
  await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  world.put('feed/a', other);
  await world.settle();
  isOn = false;
  await world.operate((deps) => retry(deps, dataset, {}));
  const isAtRest = await rests();
  world.put('feed/c', ['c@06']);
  await rests();
  expect({
    isAtRest,
    errors: isAtRest ? [] : lastErrors(),
    rows: world.linesOf('feed/a'),
    c: world.linesOf('feed/c'),
  }).toEqual({
    isAtRest: true,
    errors: [],
    rows: [...other].sort(),
    c: ['c@06'],
  });
});

test('a CompleteBatch that goes on late does not bring back the list of objects of a batch before', async () => {
  world = new World({ batchFiles: 3, isRetriedWhenFrozen: true });
  for (const k of ['a', 'b', 'c']) world.put(`feed/${k}`, [`${k}1@06`]);
  // All in one call, so they are one batch.
  const messages = world.events.splice(0).map((e, i) => ({ id: String(i), body: JSON.stringify(e) }));
  await world.call('dispatch', (deps) => dispatch(deps, messages));
  await world.settle();
  expect((await world.deps('test').ledger.batches(dataset)).length).toBe(1);
  // The second transaction of the first CompleteBatch of the correction of a: its setLive.
  const frozen = world.freeze(
    2,
    (actor, operation) => actor.startsWith('completeBatch') && operation.includes('TransactWriteItems'),
  );
  // The correction of b arrives while that of a is being completed: one execution does both.
  let n = 0;
  world.watch('completeBatch', async () => {
    n++;
    if (n === 1) world.put('feed/b', ['b2@06']);
    if (n === 3) {
      // The execution continues with a third batch, and the first CompleteBatch with its write.
      world.put('feed/d', ['d1@06']);
      world.watch('transform', async () => world.thaw());
    }
    await world.deliver();
  });
  world.put('feed/a', ['a2@06']);
  await world.deliver();
  await world.executeAll();
  await world.settle();
  expect(
    world
      .rows()
      .map((r) => r.id)
      .sort(),
  ).toEqual(['a2', 'b2', 'c1', 'd1']);
  const live = (await world.deps('test').ledger.batches(dataset))[0]?.live;
  const corrections = (await world.deps('test').ledger.batches(dataset)).slice(1, 3).map((b) => b.batch);
  await world.cleanUp();
  expect({
    isFrozen: frozen.hit !== '',
    byLast: live?.includes(corrections[1] ?? '?'),
    rows: world
      .rows()
      .map((r) => r.id)
      .sort(),
  }).toEqual({
    isFrozen: true,
    byLast: true,
    rows: ['a2', 'b2', 'c1', 'd1'],
  });
});

test('a file that was published before and is retried without its replay is given up after a few attempts', async () => {
  world.put('feed/b', ['b@06']);
  await world.settle();
  world.watch('publish', async () => {
    throw Object.assign(new Error('x'), { name: 'ExpectationFailed' });
  });
  await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  world.watch('none', async () => {});
  world.breakEngine('feed/b');
  const before = world.aws.sfn.executions.size;
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  expect({ state: await world.statesOf('feed/b'), few: world.aws.sfn.executions.size - before < 6 }).toEqual({
    state: ['failed'],
    few: true,
  });
});

test('what an attempt has left and cannot be removed keeps no file without an event waiting', async () => {
  world.put('feed/a', many);
  let isOn = true;
  world.aws.plan = (call) =>
    isOn && call.actor.startsWith('publish') && call.operation === 'TransactWriteItems'
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  await world.deliver();
  for (const e of running()) await world.execute(e.arn);
  isOn = false;
  world.aws.plan = undefined;
  await world.settle();
  expect((await world.deps('test').ledger.garbage(dataset)).length).toBeGreaterThan(0);
  world.aws.plan = (call) =>
    call.actor.startsWith('sweep') && call.operation === 'DeleteObjects'
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  world.put('feed/b', ['b@06']);
  world.events.length = 0;
  world.aws.clock.advance(2 * 3_600_000);
  await world.sweep(true);
  await world.executeAll();
  expect(world.linesOf('feed/b')).toEqual(['b@06']);
});

test('what one attempt has left and cannot be removed keeps the sweep from nothing that others have left', async () => {
  const { ledger, store, config } = world.deps('test');
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const key = (batch: string) => `feed/source=feed/day=06/${batch}-f${fence}-0.parquet`;
  const batches = ['aa'.repeat(10), 'bb'.repeat(10)];
  for (const id of batches) {
    const attempt = { batch: id, fence };
    await ledger.reopen(dataset, fence, attempt, { files: [], bytes: 0 });
    const live = { objects: [{ key: key(id), bytes: 1 }], quarantine: [] };
    const published = { ...live, format: 'hive', run: 'r', partitions: [], rewritten: [] };
    await store.writeText(places(config).attempt(dataset, attempt).published, JSON.stringify(published));
    await ledger.giveBack(dataset, fence, attempt, { state: 'failed', reason: 'r' }, []);
    // A call that was under way when it was taken back.
    world.aws.s3.seed('processed', key(id), '[]');
  }
  await ledger.releaseLease(dataset, fence);
  world.aws.clock.advance(2 * 3_600_000);
  let calls = 0;
  world.aws.plan = (call) =>
    call.operation === 'DeleteObjects' && calls++ === 0 ? { mode: 'fail', error: 'AccessDenied' } : undefined;
  await world.sweep().catch(() => {});
  expect(world.aws.s3.keys('processed')).toEqual([key(batches[0] ?? '')]);
  expect(await ledger.garbage(dataset)).toHaveLength(1);
  world.aws.plan = undefined;
  await world.sweep();
  expect(world.aws.s3.keys('processed')).toEqual([]);
});

test('the first Publish, going on late under the same lease, brings no replaced rows back', async () => {
  world = new World({ isRetriedWhenFrozen: true });
  const frozen = world.freeze(
    1,
    (actor, operation, input) => actor.startsWith('publish') && world.isPublishing(operation, input),
  );
  let n = 0;
  world.watch('completeBatch', async () => {
    n++;
    if (n === 1) world.put('feed/a', ['a2@06']);
    if (n === 2) {
      world.put('feed/d', ['d1@06']);
      world.watch('transform', async () => world.thaw());
    }
    await world.deliver();
  });
  world.put('feed/a', ['a1@06']);
  await world.deliver();
  await world.executeAll();
  await world.settle();
  expect({
    isFrozen: frozen.hit !== '',
    rows: world
      .rows()
      .map((r) => r.id)
      .sort(),
  }).toEqual({ isFrozen: true, rows: ['a2', 'd1'] });
});
