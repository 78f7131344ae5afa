/** Corrections and replays: the rows of files that are put again, deleted, or retried. */
import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { replay, retry } from '../../../src/lib/flow/operate/again.ts';
import { fileKey } from '../../../src/lib/ledger/keys.ts';
import { dataset, expectCounted, World } from '../../support/flowWorld.ts';

const many = ['1@06', '2@06', '3@07', '4@07', '5@07'];
const other = ['1@08', '2@08', '6@06', '7@06'];
let world: World;

beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('a correction that failed and is tried again, without naming its batch, replaces the old rows', async () => {
  world.put('feed/a', many);
  await world.settle();
  world.breakEngine();
  world.put('feed/a', other);
  await world.settle();
  expect(await world.statesOf('feed/a')).toEqual(['failed', 'published']);
  expect(world.linesOf('feed/a')).toEqual(many);
  world.aws.plan = undefined;
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
  expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
});

test('a replay whose raw version is gone is held, and its rows stay', async () => {
  const version = world.put('feed/a', many);
  world.put('feed/b', many);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', version);
  expect(await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }))).toMatchObject({
    files: 2,
  });
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
  expect(await world.statesOf('feed/a')).toEqual(['held']);
  expect(await world.statesOf('feed/b')).toEqual(['published']);
  const [held] = await world.deps('test').ledger.versionsOf(dataset, 'feed/a');
  expect(held?.reason).toMatch(/ObjectMissing: .*no longer in the raw bucket/);
});

test('a replay whose raw version is gone reads another version with the same bytes', async () => {
  const version = world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', many);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', version);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
  expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
});

test('a file that was deleted before it was read, and dropped again with the same bytes, is processed', async () => {
  const version = world.put('feed/a', many);
  await world.deliver();
  world.aws.s3.expire('raw', 'feed/a', version);
  await world.settle();
  expect(world.refused()).toMatchObject([{ object: 'feed/a', line: 'object_missing' }]);
  world.put('feed/a', many);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
  expect(world.refused()).toEqual([]);
});

test('a file that is dropped again with the same bytes before the first was read, and found missing, is processed', async () => {
  const version = world.put('feed/a', many);
  await world.deliver();
  world.put('feed/a', many);
  await world.deliver();
  world.aws.s3.expire('raw', 'feed/a', version);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(many);
});

test.each<[string, number]>([
  ['waited', 0],
  ['was published of another version', 1],
])(
  'invariant 9: a version that is current again, since its successor was deleted before it was read, is processed: what %s stays or goes with it',
  async (_, before) => {
    if (before > 0) {
      world.put('feed/a', many);
      await world.settle();
    }
    world.put('feed/a', other);
    const late = world.put('feed/a', ['9@09']);
    await world.deliver();
    world.aws.s3.expire('raw', 'feed/a', late);
    await world.settle();
    await world.sweep(true);
    await world.settle();
    expect(world.linesOf('feed/a')).toEqual([...other].sort());
    // No row of the unreadable version is left.
    expect(world.refused().filter((row) => row.version === late)).toEqual([]);
    await world.cleanUp();
    await world.sweep(true);
    await world.settle();
    await expectCounted(world);
  },
);

test('a version whose successor was published and then deleted stays replaced', async () => {
  world.put('feed/a', many);
  await world.settle();
  const later = world.put('feed/a', other);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', later);
  await world.sweep(true);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
});

test('of versions without an event, S3 tells the order: the sweep never brings old rows back', async () => {
  world.put('feed/a', many);
  world.events.length = 0;
  // The sweep found it, and it was corrected before it was processed.
  await world.sweep(true);
  world.put('feed/a', other);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
  // The first version's own event arrives late.
  const [late] = world.aws.s3.events;
  world.events.push(late);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
  expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
});

test('an event that comes after a later version was found without one changes nothing', async () => {
  world.put('feed/a', many);
  const [first] = world.events.splice(0);
  world.put('feed/a', other);
  world.events.length = 0;
  await world.sweep(true);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
  world.events.push(first);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...other].sort());
});

test.each<[string, string[]]>([
  ['empty', []],
  ['garbage', ['<html>', 'error 500', '</html>']],
  ['a small share of it', ['1@06']],
])('a correction that is %s is held, and the rows of its file stay; other files go on', async (_, lines) => {
  world.put('feed/a', [...many, '8@06']);
  await world.settle();
  world.put('feed/a', lines);
  world.put('feed/b', other);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual([...many, '8@06'].sort());
  expect(world.linesOf('feed/b')).toEqual([...other].sort());
  expect(await world.statesOf('feed/a')).toEqual(['held', 'published']);
  const held = (await world.deps('test').ledger.versionsOf(dataset, 'feed/a')).find(
    (f) => f.state === 'held',
  );
  expect(held?.reason).toMatch(/ReplacementDoubtful: it would publish (0 rows|1 row) in place of 6/);
});

test('two replays at once process each file once', async () => {
  for (const key of ['feed/a', 'feed/b', 'feed/c'])
    world.put(
      key,
      many.map((line) => key.at(-1) + line),
    );
  await world.settle();
  const results = await Promise.all(
    [1, 2].map(() => world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }))),
  );
  expect(results.reduce((sum, r) => sum + r.files, 0)).toBe(3);
  await world.settle();
  expect(world.rows()).toHaveLength(15);
});

test('a file that is replayed again and again, beside files that are not, keeps every row once', async () => {
  world.put('feed/a', many);
  world.put('feed/b', other);
  await world.settle();
  for (let i = 0; i < 5; i++) {
    await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/a' }));
    await world.settle();
    await world.cleanUp();
    expect(world.linesOf('feed/a')).toEqual(many);
    expect(world.linesOf('feed/b')).toEqual([...other].sort());
    await expectCounted(world);
  }
});

test('a correction of a version whose record somebody has deleted leaves a ledger that can be read', async () => {
  const version = world.put('feed/a', ['1@06']);
  await world.settle();
  const { pk, sk } = fileKey(dataset, { object: 'feed/a', version });
  const { documents } = world.aws.actor('disaster');
  await documents.send(new DeleteCommand({ TableName: 'ledger', Key: { pk, sk } }));
  world.put('feed/a', ['2@06']);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['2@06']);
  const { ledger } = world.deps('test');
  expect((await ledger.versionsOf(dataset, 'feed/a')).map((f) => f.state)).toEqual(['published']);
});
