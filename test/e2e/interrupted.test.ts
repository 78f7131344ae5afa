/**
 * Lambdas are killed, executions aborted, leases stolen, events repeated or lost, files broken. Afterwards every row exists
 * once.
 */
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import type { Fault } from '../../offline/faults.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import {
  abortExecutions,
  dataset,
  denied,
  executionsThat,
  expectWhole,
  killLambda,
  leaveLease,
  ledgerWrite,
  onWarmStage,
  publishCall,
  readingOf,
  setFaults,
  someFile,
  survive,
  untilHit,
  untilSettled,
} from '../support/faults.ts';
import { drop, put, quarantinedFrom, stage } from '../support/stage.ts';
import { sweepNow, takeFinds } from '../support/sweeps.ts';

/** Holds a call, runs `harm` while it hangs, and lets it continue. */
const whileHeld = (harm: () => Promise<void> | void) => async () => {
  await untilHit();
  await harm();
  await setFaults();
};

/** Rows will be published next. */
const publishHeld: Fault = { ...publishCall, mode: 'hold', times: 1 };

onWarmStage();

test.each<[string, Fault]>([
  [
    'transformEmbedded',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded', mode: 'hold', times: 1 },
  ],
  ['publish', publishHeld],
  ['completeBatch', { ...ledgerWrite, function: 'completeBatch', mode: 'hold', times: 1 }],
])(
  'the Lambda of %s is killed in the middle',
  (name, fault) =>
    survive(
      [fault],
      whileHeld(() => killLambda(name)),
    ),
  150_000,
);

test.each<[string, Fault]>([
  ['ClaimBatch', { ...ledgerWrite, function: 'claimBatch', mode: 'hold', times: 1 }],
  ['CheckCrawler', { service: 's3', function: 'checkCrawler', mode: 'hold', times: 1 }],
  [
    'TransformEmbedded',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded', mode: 'hold', times: 1 },
  ],
  ['StartValidation', { service: 'athena', function: 'startValidation', mode: 'hold', times: 1 }],
  ['CheckValidation', { service: 'athena', function: 'checkValidation', mode: 'hold', times: 1 }],
  ['Publish', publishHeld],
  ['RepairPartitions', { service: 'glue', function: 'repairPartitions', mode: 'hold', times: 1 }],
  ['CompleteBatch', { ...ledgerWrite, function: 'completeBatch', mode: 'hold', times: 1 }],
])(
  'the execution is aborted in %s, whose Lambda goes on',
  (_, fault) => survive([fault], whileHeld(abortExecutions)),
  150_000,
);

test('a lease is stolen from a live execution that then publishes: it takes back what it wrote', async () => {
  const steal = async () => {
    await untilHit();
    const lease = await stage.ledger.lease(dataset);
    await stage.ledger.releaseLease(dataset, lease?.fence ?? 0);
    const thief = await stage.ledger.acquireLease(dataset);
    await setFaults();
    await untilNothingRuns();
    await stage.ledger.releaseLease(dataset, thief ?? 0);
    // Nobody works on the batch: the sweep returns its files and starts an execution.
    expect(await swept()).toMatchObject({ batchesRecovered: 1 });
  };
  await survive([publishHeld], steal);
}, 150_000);

test('recover: the ledger answers 5xx, then the answer is lost', async () => {
  const abort = async () => {
    await untilHit();
    await setFaults([
      { ...ledgerWrite, function: 'recover', mode: 'error', times: 2 },
      { ...ledgerWrite, function: 'recover', mode: 'lost', times: 1 },
    ]);
    await abortExecutions();
    await untilHit();
  };
  await survive([publishHeld], abort);
}, 150_000);

test('recover: its first write is cancelled for a conflict, and the next takes effect late', async () => {
  const abort = async () => {
    await untilHit();
    await setFaults([
      { ...ledgerWrite, function: 'recover', mode: 'partial', times: 1 },
      { ...ledgerWrite, function: 'recover', mode: 'stall', after: 2, times: 1 },
    ]);
    await abortExecutions();
    await untilHit();
  };
  await survive([publishHeld], abort);
}, 150_000);

test('an object that no event told of is found by the sweep', async () => {
  const { key, ids, text } = someFile();
  // Its message returns to the queue for longer than this test lasts.
  await setFaults([{ service: 'dynamodb', function: 'dispatch', mode: 'error' }]);
  await put(key, text);
  await untilHit();
  // Until then, files that fail in a transaction of many are tried again one by one.
  expect(await swept()).toMatchObject({ filesFound: 1, started: true });
  await setFaults();
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
}, 150_000);

test('an execution that is gone without a trace gives its lease back to the sweep', async () => {
  const { key, ids, text } = someFile();
  await leaveLease();
  await put(key, text);
  expect(await swept()).toMatchObject({ leaseRecovered: true });
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
}, 150_000);

test('each event comes three times, in any order', async () => {
  const files = [someFile(), someFile(), someFile()];
  const events = await Promise.all(
    files.map(async ({ key, text }) => ({
      detail: {
        bucket: { name: stage.config.rawBucket },
        object: { key, size: text.length, etag: 'x', 'version-id': await put(key, text), sequencer: '1' },
      },
    })),
  );
  for (const event of [...events, ...events.toReversed(), ...events])
    await stage.sqs.send(
      new SendMessageCommand({ QueueUrl: stage.config.queueUrl, MessageBody: JSON.stringify(event) }),
    );
  await untilSettled(
    dataset,
    files.map((f) => f.key),
  );
  const after = someFile();
  await drop(dataset, { [after.key]: after.text });
  await expectWhole(dataset, {
    ids: files.flatMap((f) => f.ids),
    bad: Object.fromEntries(files.map((f) => [f.key, 1])),
  });
}, 150_000);

test('an object that is deleted between its event and its reading is counted, and costs no other file', async () => {
  const gone = someFile();
  const good = someFile();
  await setFaults([{ service: 's3', function: 'checkCrawler', mode: 'hold', times: 1 }]);
  const VersionId = await put(gone.key, gone.text);
  await put(good.key, good.text);
  await untilHit();
  await stage.s3.send(new DeleteObjectCommand({ Bucket: stage.config.rawBucket, Key: gone.key, VersionId }));
  await setFaults();
  await untilSettled(dataset, [gone.key, good.key]);
  await expectWhole(dataset, { ids: good.ids, bad: { [gone.key]: 1, [good.key]: 1 } });
  expect(await quarantinedFrom(gone.key)).toEqual([expect.objectContaining({ reason: 'object_missing' })]);
}, 150_000);

test('a poison file among a hundred good ones stands alone in the end, as failed; all others are published', async () => {
  const poison = someFile();
  const good = Array.from({ length: 100 }, someFile);
  await setFaults([{ ...readingOf(poison.key), ...denied }]);
  await Promise.all([poison, ...good].map(({ key, text }) => put(key, text)));
  // Some twenty batches, one after the other.
  const files = await untilSettled(dataset, [poison.key, ...good.map((f) => f.key)], [], { seconds: 400 });
  expect(files.filter((f) => f.state !== 'published').map((f) => [f.object, f.state])).toEqual([
    [poison.key, 'failed'],
  ]);
  await expectWhole(dataset, { ids: good.flatMap((f) => f.ids), bad: {} });
}, 450_000);

/** The part of the sweep that concerns this dataset, which the test expects. */
async function swept() {
  const all = await sweepNow();
  await takeFinds();
  return all.find((s) => s.dataset === dataset);
}

async function untilNothingRuns(): Promise<void> {
  await waitFor(
    () => executionsThat('RUNNING'),
    (executions) => executions.length === 0,
    60_000,
  );
}
