/** A ledger that was restored to an earlier time, beside buckets that have gone on. */
import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import * as z from 'zod';
import { reconcile } from '../../../src/lib/flow/reconcile.ts';
import { dataset, World } from '../../support/flowWorld.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const itemSchema = z.looseObject({ pk: z.string(), sk: z.string() });
const itemsNow = () =>
  structuredClone(world.aws.dynamo.items('ledger')).map((item) => itemSchema.parse(item));

async function restore(items: ReturnType<typeof itemsNow>): Promise<void> {
  const { documents } = world.aws.actor('restore');
  for (const { pk, sk } of itemsNow())
    await documents.send(new DeleteCommand({ TableName: 'ledger', Key: { pk, sk } }));
  for (const Item of items) await documents.send(new PutCommand({ TableName: 'ledger', Item }));
}

test('restored to the middle of a correction that was completed, the ledger takes it to its end again, and no row is lost', async () => {
  world.put('feed/a', ['a1@06']);
  world.put('feed/c', ['c1@06']);
  await world.settle();
  let saved: ReturnType<typeof itemsNow> = [];
  world.watch('publish', async () => {
    saved = itemsNow();
  });
  world.put('feed/a', ['a2@06']);
  await world.settle();
  await restore(saved);
  await world.sweep(true);
  await world.settle();
  await world.cleanUp();
  expect({ a: world.linesOf('feed/a'), c: world.linesOf('feed/c') }).toEqual({ a: ['a2@06'], c: ['c1@06'] });
});

test('restored to a time before batches, objects of batches that it does not know stay until a person removes them', async () => {
  world.put('feed/0', ['0@06']);
  await world.settle();
  const saved = itemsNow();
  for (const key of ['feed/a', 'feed/b']) {
    world.put(key, [`${key.at(-1)}@06`]);
    await world.settle();
  }
  await restore(saved);
  await world.sweep(true);
  await world.settle();
  await world.cleanUp();
  const found = await world.call('reconcile', (deps) => reconcile(deps, dataset, { removesUnknown: true }));
  expect(found?.unknown).toBe(2);
  expect(
    world
      .rows()
      .map((r) => r.id)
      .sort(),
  ).toEqual(['0', 'a', 'b']);
});
