/** A batch is interrupted between two steps: the test calls its steps itself, on the real ledger and buckets. */
import { afterEach, expect, test } from '@jest/globals';
import { columnSchema } from '../../src/lib/contract/columnSchema.ts';
import { runEmbedded } from '../../src/lib/engine/embedded.ts';
import { endOpenBatches } from '../../src/lib/flow/batch/endOpen.ts';
import { retry } from '../../src/lib/flow/operate/again.ts';
import { claimBatch } from '../../src/lib/flow/steps/claimBatch.ts';
import { completeBatch } from '../../src/lib/flow/steps/completeBatch.ts';
import { failBatch } from '../../src/lib/flow/steps/failBatch.ts';
import { publish } from '../../src/lib/flow/steps/publish.ts';
import { repairPartitions } from '../../src/lib/flow/steps/repairPartitions.ts';
import { transformEmbedded } from '../../src/lib/flow/steps/transformEmbedded.ts';
import { letGo } from '../../src/lib/flow/wake.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { nextId, untilSettled } from '../support/faults.ts';
import {
  athena,
  drop,
  isOnHive,
  parquetOf,
  post,
  publishedFrom,
  put,
  quarantinedFrom,
  stage,
} from '../support/stage.ts';

const flow = depsOf(stage);
const dataset = 'social_media';
/** Keys are unique to this run, so it can be repeated on one stage. */
const stamp = Date.now();

/** Takes the lease before the object exists, so that no execution starts, and runs the batch to the end of the transform. */
async function transformByHand(key: string, text: string, deps = flow) {
  const fence = await waitFor(
    () => stage.ledger.acquireLease(dataset),
    (f) => f !== null,
    10_000,
  );
  if (fence === null) throw new Error('the lease is not free');
  await put(key, text);
  await waitFor(
    () => stage.ledger.pending(dataset),
    (files) => files.length > 0,
    10_000,
  );
  const claim = await claimBatch(deps, { dataset, fence, execution });
  if (claim.outcome !== 'claimed') throw new Error('nothing was claimed');
  const step = { dataset, batch: claim.batch, fence };
  const { run } = await transformEmbedded(deps, runEmbedded, step);
  return { ...step, run, execution, startedAt: new Date().toISOString(), events: 0 };
}

async function publishByHand(key: string, text: string, deps = flow) {
  const step = await transformByHand(key, text, deps);
  await publish(deps, step);
  return step;
}
const stateOf = async (key: string) =>
  (await Array.fromAsync(stage.ledger.files(dataset))).filter((f) => f.object === key).map((f) => f.state);
const execution = 'by hand';
const error = { Error: 'ServiceUnavailable', Cause: 'a test' };

afterEach(async () => {
  expect((await stage.ledger.lease(dataset))?.execution).toBeUndefined();
});

test('a batch that fails after its commit goes forward to its end, and is published once', async () => {
  const key = `social-media-feed/committed-${stamp}.json`;
  const step = await publishByHand(key, `${post(nextId())}\n{"id":`);
  expect(await parquetOf('social_media', step.batch)).toHaveLength(1);
  await failBatch(flow, { ...step, error });
  expect(await stateOf(key)).toEqual(['published']);
  expect(await publishedFrom('social_media', key)).toBe(1);
  expect(await quarantinedFrom(key)).toHaveLength(1);
});

test('a publish that is run twice changes nothing, and so does a second CompleteBatch', async () => {
  const key = `social-media-feed/twice-published-${stamp}.json`;
  const step = await publishByHand(key, post(nextId()));
  await publish(flow, step);
  await repairPartitions(flow, step);
  await repairPartitions(flow, step);
  const events: unknown[] = [];
  const announce = async (_: string, detail: unknown) => {
    events.push(detail);
  };
  expect(await completeBatch({ ...flow, announce }, step)).toMatchObject({ morePending: false });
  expect(await completeBatch({ ...flow, announce }, step)).toMatchObject({ morePending: false });
  expect(events).toEqual([expect.objectContaining({ dataset, batch: step.batch, published: 1 })]);
  expect(await publishedFrom('social_media', key)).toBe(1);
});

test('whoever lost the lease publishes nothing and gives nothing back', async () => {
  const key = `social-media-feed/stolen-${stamp}.json`;
  const step = await transformByHand(key, post(nextId()));
  await stage.ledger.releaseLease(dataset, step.fence);
  const thief = await stage.ledger.acquireLease(dataset);
  if (thief === null) throw new Error('the lease is not free');
  await expect(publish(flow, step)).rejects.toMatchObject({ name: 'LeaseLost' });
  await failBatch(flow, { ...step, error: { Error: 'LeaseLost', Cause: '' } });
  expect(await stateOf(key)).toEqual(['claimed']);
  // In an Iceberg table they are staged where they would stay, and nobody sees them.
  if (isOnHive) expect(await parquetOf('social_media', step.batch)).toEqual([]);
  else expect(await publishedFrom('social_media', key)).toBe(0);
  // The thief finds the open batch and returns its files.
  await endOpenBatches(flow, dataset, thief, { error: 'LeaseLost', cause: 'a test' });
  await letGo(flow, dataset, thief);
  await untilSettled(dataset, [key]);
  expect(await publishedFrom('social_media', key)).toBe(1);
});

test('a contract that gains a column extends the table; old partitions stay readable, and no type changes', async () => {
  const contract = stage.contracts.get(dataset);
  if (!contract) throw new Error('the dataset is gone');
  const grown = (type: string) => {
    const columns = [...contract.columns, columnSchema.parse({ name: 'mood', path: 'mood', type })];
    return { ...flow, contracts: new Map([[dataset, { ...contract, columns }]]) };
  };
  const deps = grown('string');
  const [grownId, plainId] = [nextId(), nextId()];
  await drop(dataset, { [`social-media-feed/plain-${stamp}.json`]: post(plainId) });
  const step = await publishByHand(
    `social-media-feed/grown-${stamp}.json`,
    post(grownId, { mood: 'fine' }),
    deps,
  );
  await repairPartitions(deps, step);
  await completeBatch(deps, step);
  const moods = await athena(
    `SELECT mood, count(*) AS n FROM ${dataset} WHERE id IN (${grownId}, ${plainId}) GROUP BY mood ORDER BY mood`,
  );
  expect(moods).toEqual([
    { mood: 'fine', n: '1' },
    { mood: null, n: '1' },
  ]);
  const changed = `social-media-feed/changed-${stamp}.json`;
  await expect(publishByHand(changed, post(nextId(), { mood: 'fine' }), grown('boolean'))).rejects.toThrow(
    'nothing was claimed',
  );
  const [held] = (await Array.fromAsync(stage.ledger.files(dataset))).filter((f) => f.object === changed);
  expect(held).toMatchObject({ state: 'held', reason: expect.stringMatching(/^TableMismatch: .*mood/) });
  // The deployed contract can read it.
  expect(await retry(depsOf(stage), dataset, { object: changed })).toBe(1);
  await untilSettled(dataset, [changed]);
  expect(await publishedFrom('social_media', changed)).toBe(1);
});
