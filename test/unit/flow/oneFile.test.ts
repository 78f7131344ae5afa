/** One file cannot keep the others of its dataset from being processed. */
import { DeleteCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { readContract } from '../../../src/lib/flow/batch/manifest.ts';
import { retry } from '../../../src/lib/flow/operate/again.ts';
import { fileKey, objectKey } from '../../../src/lib/ledger/keys.ts';
import { dataset, World } from '../../support/flowWorld.ts';

let world: World;

beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

test.each([965, 983, 1024])(
  'a key of %i bytes is processed, fails, and is tried again as any other',
  async (bytes) => {
    const key = `feed/${'ä'.repeat((bytes - 5 - ((bytes - 5) % 2)) / 2)}${'x'.repeat((bytes - 5) % 2)}`;
    expect(Buffer.byteLength(key)).toBe(bytes);
    world.put(key, ['1@06']);
    world.put('feed/b', ['2@06']);
    world.breakEngine(key);
    await world.settle();
    expect(world.rows().map((r) => r.id)).toEqual(['2']);
    const { ledger } = world.deps('test');
    expect(
      (await ledger.file(dataset, { object: key, version: world.aws.s3.versions('raw', key)[0]?.id ?? '' }))
        ?.state,
    ).toBe('failed');
    world.aws.plan = undefined;
    await world.call('operator', (deps) => retry(deps, dataset, {}));
    await world.settle();
    expect(world.rows()).toHaveLength(2);
  },
);

test('a file that the sweep cannot note costs no other file its turn', async () => {
  for (const key of ['feed/a', 'feed/b', 'feed/c']) world.put(key, [`${key.at(-1)}@06`]);
  world.events.length = 0;
  world.aws.plan = (call) =>
    call.actor.startsWith('sweep') &&
    call.operation === 'TransactWriteItems' &&
    JSON.stringify(call.input).includes('feed/b')
      ? { mode: 'fail', error: 'ValidationException' }
      : undefined;
  await world.sweep(true);
  world.aws.plan = undefined;
  await world.executeAll();
  expect(
    world
      .rows()
      .map((r) => r.id)
      .sort(),
  ).toEqual(['a', 'c']);
});

test('a file that breaks its batch ends alone, failed; all others of the batch are published', async () => {
  for (let i = 0; i < 20; i++) world.put(`feed/${String(i).padStart(2, '0')}`, [`${i}@06`]);
  world.breakEngine('feed/07');
  await world.settle();
  expect(world.rows()).toHaveLength(19);
  const { ledger } = world.deps('test');
  expect((await ledger.waiting(dataset, 'failed')).map((f) => f.object)).toEqual(['feed/07']);
});

test('a stray entry of the queue is dropped, and blocks nothing', async () => {
  const { ledger } = world.deps('test');
  const { PutCommand } = await import('@aws-sdk/lib-dynamodb');
  const stray = { object: 'feed/gone', version: 'v', size: 1, sequencer: '1' };
  await world.aws.actor('disaster').documents.send(
    new PutCommand({
      TableName: 'ledger',
      Item: { pk: dataset, sk: 'PENDING#2020#x', queuedAt: '2020-01-01T00:00:00.000Z', ...stray },
    }),
  );
  world.put('feed/a', ['1@06']);
  await world.settle();
  expect(world.rows()).toHaveLength(1);
  expect(await ledger.pending(dataset)).toEqual([]);
});

test('an attempt keeps the contract that it was claimed with, and the next one has the new contract', async () => {
  world.put('feed/a', ['1@06']);
  world.breakEngine('feed/a');
  await world.deliver();
  const versions: number[] = [];
  world.changeContract((contract) => ({ ...contract, columns: contract.columns.slice(0, 1) }), 'transform');
  world.watch('failBatch', async (deps) => {
    for (const open of await deps.ledger.openBatches(dataset))
      versions.push((await readContract(deps, { dataset, ...open })).columns.length);
  });
  await world.settle();
  // Claimed with two columns; retried with the contract of that time.
  expect(versions.slice(0, 2)).toEqual([2, 1]);
});

test('nothing is claimed while an earlier attempt is neither finished nor taken back', async () => {
  world.put('feed/a', ['1@06', '2@06']);
  // CompleteBatch, FailBatch and recover die, and the lease is lost.
  world.aws.plan = (call) =>
    /^(completeBatch|failBatch|recover)/.test(call.actor) && call.operation === 'TransactWriteItems'
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  await world.deliver();
  await world.executeAll();
  const { ledger } = world.deps('test');
  await ledger.releaseLease(dataset, (await ledger.lease(dataset))?.fence ?? 0);
  world.aws.plan = undefined;
  world.ended = [];
  // A correction of a file that is committed but not marked yet.
  world.put('feed/a', ['1@07', '2@07']);
  await world.settle();
  expect(
    world
      .rows()
      .map((r) => `${r.id}@${r.day}`)
      .sort(),
  ).toEqual(['1@07', '2@07']);
});

test('an attempt whose manifest somebody has deleted returns its files all the same', async () => {
  world.put('feed/a', ['1@06']);
  world.aws.plan = (call) => {
    if (!call.actor.startsWith('transform')) return undefined;
    for (const key of world.aws.s3.keys('work', 'manifests/'))
      if (key.endsWith('manifest.json'))
        world.aws.s3.expire('work', key, world.aws.s3.versions('work', key)[0]?.id ?? '');
    world.aws.plan = undefined;
    return { mode: 'fail', error: 'AccessDenied' };
  };
  await world.settle();
  expect(world.rows()).toHaveLength(1);
});

test('the sweep measures since when the oldest file waits, also one that fails again and again', async () => {
  world.put('feed/a', ['1@06']);
  world.breakEngine('feed/a');
  await world.deliver();
  // Its batch has failed once, and waits for its retry.
  await world.execute([...world.aws.sfn.executions.keys()][0] ?? '');
  world.aws.clock.advance(7_200_000);
  await world.sweep();
  expect(world.metrics.get('OldestPendingAge')).toBeGreaterThan(7100);
  world.aws.plan = undefined;
  await world.settle();
  expect(world.metrics.get('OldestPendingAge')).toBe(0);
});

test('an object that cannot be deleted does not keep the sweep from waking the dataset', async () => {
  world.put('feed/a', ['1@06']);
  let failures = 0;
  // The first batch fails in the middle of Publish: its leftovers are due half an hour later.
  world.aws.plan = (call) =>
    call.actor.startsWith('publish') && call.operation === 'TransactWriteItems' && failures++ < 1
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  await world.settle();
  expect(failures).toBeGreaterThan(0);
  world.aws.clock.advance(3_600_000);
  world.aws.plan = (call) =>
    call.actor.startsWith('sweep') && call.operation === 'DeleteObjects'
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  world.put('feed/b', ['2@06']);
  world.events.length = 0;
  await world.sweep(true);
  expect(world.aws.hits.length).toBeGreaterThan(0);
  await world.executeAll();
  expect(
    world
      .rows()
      .map((r) => r.id)
      .sort(),
  ).toEqual(['1', '2']);
});

test.each(['object', 'file'] as const)(
  'a record of an %s that nobody can read keeps no other file waiting',
  async (kind) => {
    world = new World();
    const version = world.put('feed/a', ['1@06']);
    world.put('feed/b', ['2@06']);
    const { documents } = world.aws.actor('disaster');
    await world.deliver();
    const id = { object: 'feed/a', version };
    const { pk, sk } = kind === 'object' ? objectKey(dataset, 'feed/a') : fileKey(dataset, id);
    await documents.send(
      new UpdateCommand({
        TableName: 'ledger',
        Key: { pk, sk },
        UpdateExpression: 'SET #v = :v',
        ExpressionAttributeNames: { '#v': 'version' },
        ExpressionAttributeValues: { ':v': 7 },
      }),
    );
    await world.settle();
    expect(world.errors).toEqual([]);
    expect(world.linesOf('feed/b')).toEqual(['2@06']);
    expect((await world.deps('test').ledger.waiting(dataset, 'held')).map((f) => f.object)).toEqual([
      'feed/a',
    ]);
  },
);

test('the record of an object that somebody has deleted is written anew with its rows', async () => {
  world = new World();
  world.put('feed/a', ['1@06']);
  await world.deliver();
  const { documents } = world.aws.actor('disaster');
  const { pk, sk } = objectKey(dataset, 'feed/a');
  await documents.send(new DeleteCommand({ TableName: 'ledger', Key: { pk, sk } }));
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['1@06']);
  world.put('feed/a', ['3@06']);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['3@06']);
});

test.each(['pending', 'published'])(
  'invariant 9: a %s file whose record somebody has deleted is processed when the sweep finds it',
  async (state) => {
    world = new World();
    const version = world.put('feed/a', ['1@06', '2@07']);
    if (state === 'published') await world.settle();
    else await world.deliver();
    const { documents } = world.aws.actor('disaster');
    const { pk, sk } = fileKey(dataset, { object: 'feed/a', version });
    await documents.send(new DeleteCommand({ TableName: 'ledger', Key: { pk, sk } }));
    // The entry of the queue is a stray now.
    await world.executeAll();
    await world.sweep(true);
    await world.settle();
    expect(world.linesOf('feed/a')).toEqual(['1@06', '2@07']);
    expect(await world.statesOf('feed/a')).toEqual(['published']);
    expect(await world.deps('test').ledger.publishedFiles(dataset)).toBe(1);
  },
);

test('a copy of a version whose record somebody has deleted is processed in its place', async () => {
  world = new World();
  const version = world.put('feed/a', ['1@06']);
  await world.settle();
  const { documents } = world.aws.actor('disaster');
  const { pk, sk } = fileKey(dataset, { object: 'feed/a', version });
  await documents.send(new DeleteCommand({ TableName: 'ledger', Key: { pk, sk } }));
  world.put('feed/a', ['1@06']);
  await world.settle();
  expect(world.linesOf('feed/a')).toEqual(['1@06']);
  expect(await world.statesOf('feed/a')).toEqual(['published']);
});
