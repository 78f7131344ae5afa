/** A table that needs more time than a function has: reconcile continues where it stopped. */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, expect, jest, test } from '@jest/globals';
import { deadlineAfter } from '../../../../src/lib/deadline.ts';
import { OutOfTime } from '../../../../src/lib/errors.ts';
import { reconcile } from '../../../../src/lib/flow/repair/reconcile.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const steps = { objects: 2, batches: 2 };
const note = `reconcile/${dataset}.json`;

/** A stage with twelve objects in six batches: some lost, rejected, replaced, or never counted. */
async function drifted() {
  const world = new World({ pages: { keys: 2, items: 2 } });
  for (let i = 0; i < 6; i++) {
    world.put(`feed/${i}`, [`${i}@0${i + 1}`, `${i}@1${i}`, `bad ${i}`]);
    await world.settle();
  }
  world.put('feed/5', ['5@06']);
  await world.settle();
  const keys = world.objects();
  const { s3, glue } = world.aws.actor('stranger');
  // Garbage in several places, and a partition without objects.
  for (const key of [keys[1], keys[8]])
    await s3.send(
      new PutObjectCommand({
        Bucket: 'processed',
        Key: key?.replace('0.parquet', '9.parquet'),
        Body: '[]',
      }),
    );
  for (const key of [keys[0] ?? '', keys[6] ?? ''])
    world.aws.s3.expire('processed', key, world.aws.s3.versions('processed', key)[0]?.id ?? '');
  world.aws.clock.advance(2 * 3_600_000);
  return { world, glue };
}

/** Objects of the table that are still in the bucket. */
const standing = (world: World) => world.objects().filter((key) => world.stored().includes(key));
const readable = (world: World) => standing(world).flatMap((key) => JSON.parse(world.text('processed', key)));
/** Partitions that readers find. */
const partitions = (world: World) =>
  world.format === 'iceberg'
    ? [...new Set(standing(world).map((key) => /day=(\d+)/.exec(key)?.[1]))].sort()
    : world.aws.glue.partitions('db', 'feed').map(({ values }) => values[1]);

/** Calls reconcile as its schedule does, each time with time for this many reads of the clock, until a pass is complete. */
async function inCalls(world: World, looks: number) {
  for (let calls = 1; ; calls++) {
    let left = looks;
    const deadline = deadlineAfter(() => (left-- > 0 ? 60_000 : 0));
    const found = await world.call('reconcile', (deps) =>
      reconcile({ ...deps, deadline }, dataset, { goesOn: true, steps }),
    );
    if (found?.isWhole !== false) return { calls, found };
    if (calls > 100) throw new Error('no call comes to the end');
  }
}

test('a pass that takes several calls finds and mends what one call does, and each call goes on behind the one before', async () => {
  const { world: whole } = await drifted();
  const wanted = await whole.call('reconcile', (deps) => reconcile(deps, dataset));
  expect(wanted).toMatchObject({
    removed: 2,
    missing: [expect.any(String), expect.any(String)],
    isWhole: true,
  });
  let most = 0;
  for (const looks of [3, 4, 6, 9]) {
    const { world } = await drifted();
    const { calls, found } = await inCalls(world, looks);
    most = Math.max(most, calls);
    expect({ looks, ...found, missing: found?.missing.length }).toEqual({
      looks,
      ...wanted,
      missing: wanted?.missing.length,
    });
    expect(partitions(world)).toEqual(partitions(whole));
    // The next pass starts again, and only reports missing objects.
    const { found: again } = await inCalls(world, looks);
    expect(again).toMatchObject({ removed: 0, added: 0, dropped: 0 });
    expect(again?.missing).toHaveLength(2);
  }
  expect(most).toBeGreaterThan(3);
});

test('a call without time for any progress says so; a note that is old, or cannot be read, is not gone on from', async () => {
  const { world } = await drifted();
  const late = (looks: number) =>
    world.call('reconcile', (deps) => {
      let left = looks;
      const deadline = deadlineAfter(() => (left-- > 0 ? 60_000 : 0));
      return reconcile({ ...deps, deadline }, dataset, { goesOn: true, steps });
    });
  await expect(late(1)).rejects.toThrow(OutOfTime);
  expect(await late(4)).toMatchObject({ isWhole: false });
  const stand = () => JSON.parse(world.text('work', note));
  const { begun } = stand();
  world.aws.clock.advance(8 * 86_400_000);
  expect(await late(4)).toMatchObject({ isWhole: false });
  expect(stand().begun > begun).toBe(true);
  world.aws.s3.seed('work', note, '{"phase":"sleeping"}');
  expect((await inCalls(world, 100)).found).toMatchObject({ isWhole: true });
  expect(stand()).toBeNull();
});

test('what changes between two calls is neither lost nor told of as missing', async () => {
  const { world } = await drifted();
  const before = (await inCalls((await drifted()).world, 100)).found?.missing.length ?? 0;
  let left = 4;
  const deadline = deadlineAfter(() => (left-- > 0 ? 60_000 : 0));
  await world.call('reconcile', (deps) => reconcile({ ...deps, deadline }, dataset, { goesOn: true, steps }));
  // A correction rewrites objects that the first call has listed, and adds one after and one before them.
  world.put('feed/2', ['2@01', '2@28']);
  await world.settle();
  const rows = readable(world);
  const { found } = await inCalls(world, 4);
  expect(found?.missing).toHaveLength(before);
  expect(readable(world)).toEqual(rows);
  expect(partitions(world)).toEqual(
    expect.arrayContaining(['01', '28'].map((day) => expect.stringContaining(day))),
  );
});
