/** Publish, called too late, twice, or concurrently. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { LeaseLost, ObjectMissing } from '../../../../src/lib/errors.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

let world: World;

beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('invariant 2: who has lost the lease before Publish begins writes no object', async () => {
  world.put('feed/a', ['1@06']);
  const publish = await world.until('publish');
  const { ledger } = world.deps('test');
  await ledger.nextBatch(dataset, (await ledger.lease(dataset))?.fence ?? 0);
  const before = [world.aws.s3.keys('processed'), world.aws.calls('s3.CopyObject')];
  await expect(publish(world.deps('publish'))).rejects.toThrow(LeaseLost);
  expect([world.aws.s3.keys('processed'), world.aws.calls('s3.CopyObject')]).toEqual(before);
});

test('invariant 2: a second try of Publish publishes what the record of the first says, and nothing else', async () => {
  world.put('feed/a', ['1@06']);
  const publish = await world.until('publish');
  world.aws.plan = (call) =>
    call.operation === 'TransactWriteItems' ? { mode: 'fail', error: 'AccessDenied' } : undefined;
  await expect(publish(world.deps('publish'))).rejects.toThrow();
  world.aws.plan = undefined;
  const [record = ''] = world.aws.s3.keys('work').filter((key) => key.endsWith('/published.json'));
  const before = world.text('work', record);
  const [bucket, keys] =
    world.format === 'iceberg'
      ? (['processed', world.stored()] as const)
      : (['work', world.aws.s3.keys('work').filter((key) => key.includes('/data/'))] as const);
  // Somebody has put another object next to the staged ones.
  world.aws.s3.seed(bucket, keys[0]?.replace(/[^/]*$/, 'zzz.parquet') ?? '', '[]');
  await publish(world.deps('publish'));
  expect(world.text('work', record)).toBe(before);
  expect(world.objects()).toHaveLength(1);
});

test('a Publish that was taken for lost, and goes on when its batch is closed, removes no row of it', async () => {
  world = new World({ isRetriedWhenFrozen: true });
  const frozen = world.freeze(
    1,
    (actor, operation, input) => actor.startsWith('publish') && world.isPublishing(operation, input),
  );
  world.put('feed/a', ['1@06']);
  await world.deliver();
  await world.executeAll();
  await world.settle();
  world.put('feed/b', ['2@06']);
  await world.settle();
  await world.thaw();
  expect(frozen.hit).not.toBe('');
  expect(world.lines()).toHaveLength(2);
});

/** Objects that the run has staged. */
const staged = (part: string) => [
  ...(world.format === 'iceberg' && part === 'data' ? world.stored().map((key) => ['processed', key]) : []),
  ...world.aws.s3
    .keys('work')
    .filter((key) => key.includes(`/${part}/`))
    .map((key) => ['work', key]),
];
const remove = (bucket: string, key: string) =>
  world.aws.s3.expire(bucket, key, world.aws.s3.versions(bucket, key)[0]?.id ?? '');

test('staged rows and deletes that somebody has removed are told of, and nothing of the batch is published', async () => {
  for (const part of ['data', 'tombstones']) {
    world = new World({ isDeduped: true });
    world.put('feed/a', ['1@06', '2@07', '-9@08']);
    const publish = await world.until('publish');
    const [[bucket = '', key = ''] = []] = staged(part);
    remove(bucket, key);
    await expect(publish(world.deps('publish'))).rejects.toThrow(ObjectMissing);
    expect(world.objects()).toEqual([]);
    expect(world.aws.s3.keys('work').filter((name) => name.endsWith('/published.json'))).toEqual([]);
  }
});

test('a Publish that is repeated behind its commit gives the same answer, also when the lease has moved on', async () => {
  world.put('feed/a', ['1@06', '2@07']);
  const publish = await world.until('publish');
  const first = await publish(world.deps('publish'));
  expect(first).toEqual({ objects: 2, partitions: 2 });
  const { ledger } = world.deps('test');
  await ledger.takeOver(dataset, { execution: 'next' });
  const before = world.aws.calls('s3.CopyObject');
  expect(await publish(world.deps('publish'))).toEqual(first);
  expect(world.aws.calls('s3.CopyObject')).toBe(before);
});
