/** Items of the ledger and documents that an earlier version, a later one, or a person wrote in an unknown form. */
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { statusOf } from '../../../src/cli/status.ts';
import { reconcile } from '../../../src/lib/flow/repair/reconcile.ts';
import { queueShards } from '../../../src/lib/ledger/keys.ts';
import { dataset, World } from '../../support/flowWorld.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const ledger = () => world.deps('test').ledger;
const write = (Item: Record<string, unknown>) =>
  world.aws.actor('somebody').documents.send(new PutCommand({ TableName: 'ledger', Item }));

/** Breaks an attribute of every item with this prefix of the sort key. Returns their number. */
async function spoil(sk: string, attribute: string): Promise<number> {
  const items = world.aws.dynamo.items('ledger').filter((item) => String(item.sk).startsWith(sk));
  for (const item of items) await write({ ...item, [attribute]: { not: 'known' } });
  return items.length;
}

const publishOne = async (key: string) => {
  world.put(key, ['a@06']);
  await world.settle();
};

test('records that cannot be read are skipped and told of; new files are published, and no row is removed', async () => {
  await publishOne('feed/a');
  expect(await spoil('BATCH#', 'state')).toBe(1);
  expect(await spoil('FILE#', 'attempts')).toBe(1);
  expect(await spoil('SWEEP', 'at')).toBeGreaterThanOrEqual(0);
  const [shard = ''] = queueShards(dataset);
  await write({ pk: shard, sk: 'PENDING#0#x', object: 5 });
  await write({ pk: dataset, sk: 'RETRY#g#x', object: 5 });
  await write({ pk: dataset, sk: 'HELD#b#x', object: 5 });

  // No readable file waits, so nothing is started again and again.
  expect(await ledger().hasPending(dataset)).toBe(false);
  expect(await ledger().pending(dataset, 10)).toEqual([]);
  expect(await ledger().waiting(dataset, 'held')).toEqual([]);

  await publishOne('feed/b');
  world.aws.clock.advance(7_200_000);
  await world.sweep(true);
  expect(world.linesOf('feed/a')).toEqual(['a@06']);
  expect(world.linesOf('feed/b')).toEqual(['a@06']);
  expect(await statusOf(ledger(), dataset)).toMatchObject({ lastBatch: { state: 'published' } });
  expect((await Array.fromAsync(ledger().files(dataset))).map((file) => file.object)).toEqual(['feed/b']);
  expect(await ledger().batches(dataset)).toHaveLength(1);
  const compared = await world.call('reconcile', (deps) => reconcile(deps, dataset));
  expect(compared).toMatchObject({ removed: 0, missing: [] });
  expect(world.linesOf('feed/a')).toEqual(['a@06']);
  expect(world.unreadable).toContainEqual(
    expect.objectContaining({ dataset, sk: 'RETRY#g#x', fault: expect.stringContaining('object') }),
  );
});

test('an open attempt that cannot be read stops its dataset by name: nobody knows what it has done', async () => {
  await write({ pk: dataset, sk: 'OPEN#b', batch: 'b', fence: 'x' });
  await expect(ledger().openBatches(dataset)).rejects.toMatchObject({
    name: 'RecordUnreadable',
    dataset,
    message: expect.stringContaining('OPEN#b'),
  });
  expect(await statusOf(ledger(), dataset)).toMatchObject({ claimed: 0 });
});

test('reconcile tells of a document that cannot be read, and removes nothing of its batch', async () => {
  await publishOne('feed/a');
  await publishOne('feed/b');
  const [document = ''] = world.aws.s3.keys('work').filter((key) => key.endsWith('/published.json'));
  world.aws.s3.seed('work', document, '{"objects": 5');
  world.aws.clock.advance(7_200_000);
  const compared = await world.call('reconcile', (deps) => reconcile(deps, dataset));
  expect(compared).toMatchObject({ removed: 0, missing: [document] });
});
