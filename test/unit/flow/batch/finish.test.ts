/** When a batch succeeds, also if the execution that committed it does not complete it. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('the partitions of a batch whose execution ends behind its commit are registered all the same', async () => {
  // The partitions of an Iceberg table are in its metadata.
  const world = new World({ format: 'hive' });
  world.aws.plan = (call) =>
    call.actor.startsWith('repairPartitions') ? { mode: 'fail', error: 'AccessDenied' } : undefined;
  world.put('feed/a', ['1@06', '2@07', 'bad']);
  await world.settle();
  expect(world.aws.glue.partitions('db', 'feed')).toHaveLength(2);
  expect(world.aws.glue.partitions('db', 'quarantine')).toHaveLength(1);
});
