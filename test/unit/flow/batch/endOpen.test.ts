/** When a batch fails: the state of each of its files. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { endOpenBatches } from '../../../../src/lib/flow/batch/endOpen.ts';
import { replay } from '../../../../src/lib/flow/operate/again.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

let world: World;

beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('a batch of which an interrupted call has held files is held, whatever ends that call', async () => {
  const keys = Array.from({ length: 80 }, (_, i) => `feed/${i}`);
  for (const key of keys) world.put(key, ['1@06']);
  await world.until('transform');
  const { ledger, ...deps } = world.deps('failBatch');
  const fence = (await ledger.lease(dataset))?.fence ?? 0;
  const [open] = await ledger.openBatches(dataset);
  let moves = 0;
  world.aws.plan = (call) =>
    call.actor.startsWith('failBatch') && call.operation === 'TransactWriteItems' && ++moves === 2
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  const end = (error: string) =>
    endOpenBatches({ ...deps, ledger }, dataset, fence, { error, cause: 'a test' });
  await expect(end('ExpectationFailed')).rejects.toThrow();
  world.aws.plan = undefined;
  expect(await end('ExecutionGone')).toBe(1);
  expect(await ledger.batch(dataset, open?.batch ?? '')).toMatchObject({
    state: 'held',
    reason: 'ExpectationFailed: a test',
  });
  expect((await ledger.waiting(dataset, 'held', open?.batch)).length).toBeGreaterThan(10);
});

test('of a batch with a doubtful correction the others go on at once', async () => {
  const many = ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06'];
  world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', ['1@06']);
  world.put('feed/b', ['7@06']);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
  expect(world.errors.filter((error) => error.startsWith('failBatch'))).toEqual([]);
  expect(world.linesOf('feed/b')).toEqual(['7@06']);
  expect(await world.statesOf('feed/a')).toEqual(['held', 'published']);
});

test('invariant 2: whoever takes a publish back removes its quarantine at once, not only the sweep', async () => {
  world.put('feed/a', ['1@06', 'bad']);
  const publish = await world.until('publish');
  world.aws.plan = ({ operation }) =>
    operation === 'TransactWriteItems' ? { mode: 'fail', error: 'AccessDenied' } : undefined;
  await expect(publish(world.deps('publish'))).rejects.toThrow();
  world.aws.plan = undefined;
  const left = () => world.aws.s3.keys('work', 'quarantine/');
  expect(left()).toHaveLength(1);
  const { ledger, ...deps } = world.deps('failBatch');
  const fence = (await ledger.lease(dataset))?.fence ?? 0;
  await endOpenBatches({ ...deps, ledger }, dataset, fence, { error: 'Aborted', cause: 'a test' });
  expect(left()).toEqual([]);
});

test('a replay that fails is tried again as it was, then in two parts, whose files then stand alone', async () => {
  world.put('feed/a', ['1@06']);
  world.put('feed/b', ['2@06']);
  await world.settle();
  world.breakEngine();
  await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  world.aws.plan = undefined;
  const tried = (await world.deps('test').ledger.batches(dataset)).flatMap((b) => b.replay ?? []).sort();
  const [whole = ''] = tried;
  expect(tried).toEqual([whole, `${whole}.0`, `${whole}.1`]);
  const { ledger } = world.deps('test');
  expect((await ledger.waiting(dataset, 'failed')).map(({ object }) => object).sort()).toEqual([
    'feed/a',
    'feed/b',
  ]);
  // What was published stays.
  expect(world.lines()).toEqual(['feed/a 1@06', 'feed/b 2@06']);
});

test('the files of a batch whose manifest somebody has deleted go back all the same, and no others', async () => {
  world.put('feed/z', ['9@06']);
  await world.settle();
  world.put('feed/a', ['1@06']);
  world.put('feed/b', ['2@06']);
  await world.until('transform');
  const { ledger, store, config, ...deps } = world.deps('failBatch');
  const fence = (await ledger.lease(dataset))?.fence ?? 0;
  const [open = { batch: '', fence: 0 }] = await ledger.openBatches(dataset);
  const { bucket, key } = places(config).attempt(dataset, open).manifest;
  await world.deps('somebody').store.delete(bucket, [key]);
  const error = { error: 'Aborted', cause: 'x'.repeat(3000) };
  expect(await endOpenBatches({ ...deps, config, store, ledger }, dataset, fence, error)).toBe(1);
  const waiting = (await ledger.pending(dataset)).map(({ object }) => object).sort();
  expect(waiting).toEqual(['feed/a', 'feed/b']);
  expect(await world.statesOf('feed/z')).toEqual(['published']);
  expect((await ledger.batch(dataset, open.batch))?.reason).toBe(`Aborted: ${'x'.repeat(1991)}`);
  expect(world.metrics.get('BatchesFailed')).toBe(1);
});
