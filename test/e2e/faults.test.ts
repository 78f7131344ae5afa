/** Whatever breaks, and wherever: afterwards every row is there once, no dataset is stuck, and no lease is left. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { ListExecutionsCommand } from '@aws-sdk/client-sfn';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { localClient } from '../../offline/aws.ts';
import type { Fault } from '../../offline/faults.ts';
import { depsOf } from '../../offline/stage.ts';
import { createExecutionStatus } from '../../src/lib/aws/events.ts';
import { sweep } from '../../src/lib/flow/sweep.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import {
  abortExecutions,
  expectWhole,
  killLambda,
  setFaults,
  untilHit,
  untilSettled,
} from '../support/faults.ts';
import { drop, post, put, quarantinedFrom, stage } from '../support/stage.ts';

const dataset = 'social_media';
const lambda = new LambdaClient(localClient(String(stage.endpoint)));
const deps = { ...depsOf(stage), executionStatus: createExecutionStatus(stage.sfn) };
/** Unique on a stage that is kept from run to run, too. */
let next = Date.now() % 1_000_000_000;

/** A file of its own: two good posts and a bad line. */
function someFile() {
  const ids = [next++, next++];
  const key = `social-media-feed/fault-${ids[0]}.json`;
  return { key, ids, text: `${ids.map((id) => post(id)).join('\n')}\n{"id":` };
}

const noHarm = async () => {};

/** Drops a file under faults, lets `during` do its harm, and looks at what is left. */
async function survive(faults: readonly Fault[], during: () => Promise<void> = noHarm) {
  const { key, ids, text } = someFile();
  await setFaults(faults);
  await put(key, text);
  await during();
  const [file] = await untilSettled(dataset, [key]);
  // A fault that hit nothing would prove nothing.
  if (during === noHarm) await untilHit();
  await setFaults();
  expect(file?.state).toBe('published');
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
}

async function surviveOnGlue(faults: readonly Fault[]) {
  await stage.ledger.forceEngine(dataset, 'glue');
  try {
    await survive(faults);
  } finally {
    await stage.ledger.forceEngine(dataset, 'auto');
  }
}

/** A lease whose execution is not there. */
async function leaveLease(): Promise<void> {
  const fence = await stage.ledger.acquireLease(dataset);
  const gone = `${stage.config.stateMachineArn.replace(':stateMachine:', ':execution:')}:gone`;
  await stage.ledger.markLease(dataset, fence ?? 0, gone);
}

/** Holds a call, does harm while it hangs, and lets it go. */
const whileHeld = (harm: () => Promise<void> | void) => async () => {
  await untilHit();
  await harm();
  await setFaults();
};

beforeAll(() => drop(dataset, { [`social-media-feed/before-${next}.json`]: post(next++) }), 60_000);
afterEach(() => setFaults());

const dynamo = { service: 'dynamodb', operation: 'TransactWriteItems' };

test.each<[string, Fault]>([
  ['dispatch: the ledger throttles', { ...dynamo, function: 'dispatch', mode: 'throttle', times: 3 }],
  [
    'dispatch: the ledger notes the file, and its answer is lost',
    { ...dynamo, function: 'dispatch', mode: 'lost', times: 1 },
  ],
  [
    'dispatch: Step Functions refuses to start',
    { service: 'states', function: 'dispatch', mode: 'error', times: 8 },
  ],
  [
    'dispatch: the execution starts, and the answer is lost',
    { service: 'states', function: 'dispatch', mode: 'lost', times: 1 },
  ],
  ['claimBatch: the ledger answers 5xx', { ...dynamo, function: 'claimBatch', mode: 'error', times: 3 }],
  [
    'claimBatch: the files are claimed, and the answer is lost',
    { ...dynamo, function: 'claimBatch', mode: 'lost', times: 1, skip: 1 },
  ],
  [
    'claimBatch: the manifest is written, and the answer is lost',
    { service: 's3', operation: 'PutObject', function: 'claimBatch', mode: 'lost', times: 1 },
  ],
  [
    'claimBatch: S3 is down for longer than a step tries',
    { service: 's3', operation: 'PutObject', function: 'claimBatch', mode: 'error', times: 5 },
  ],
  ['checkCrawler: Glue throttles', { service: 'glue', function: 'checkCrawler', mode: 'throttle', times: 4 }],
  ['checkCrawler: S3 answers 5xx', { service: 's3', function: 'checkCrawler', mode: 'error', times: 3 }],
  [
    'transformEmbedded: S3 throttles',
    { service: 's3', function: 'transformEmbedded', mode: 'throttle', times: 3 },
  ],
  [
    'transformEmbedded: rows are staged, and the answer is lost',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded', mode: 'lost', times: 2, skip: 1 },
  ],
  [
    'transformEmbedded: S3 is down for longer than a step tries',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded', mode: 'error', times: 5 },
  ],
  [
    'startValidation: Athena throttles',
    { service: 'athena', function: 'startValidation', mode: 'throttle', times: 4 },
  ],
  [
    'startValidation: the query starts, and the answer is lost',
    { service: 'athena', function: 'startValidation', mode: 'lost', times: 1 },
  ],
  [
    'startValidation: the partition is made, and the answer is lost',
    { service: 'glue', operation: 'CreatePartition', function: 'startValidation', mode: 'lost', times: 1 },
  ],
  [
    'checkValidation: Athena answers 5xx',
    { service: 'athena', function: 'checkValidation', mode: 'error', times: 3 },
  ],
  [
    'checkValidation: the result cannot be read for some time',
    {
      service: 'athena',
      operation: 'GetQueryResults',
      function: 'checkValidation',
      mode: 'throttle',
      times: 4,
    },
  ],
  [
    'publish: S3 throttles the copies',
    { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'throttle', times: 3 },
  ],
  [
    'publish: rows are copied, and the answer is lost',
    { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'lost', times: 1 },
  ],
  [
    'publish: S3 is down for longer than a step tries',
    { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'error', times: 10 },
  ],
  [
    'repairPartitions: Glue throttles',
    { service: 'glue', function: 'repairPartitions', mode: 'throttle', times: 4 },
  ],
  [
    'repairPartitions: the partitions are registered, and the answer is lost',
    {
      service: 'glue',
      operation: 'BatchCreatePartition',
      function: 'repairPartitions',
      mode: 'lost',
      times: 1,
    },
  ],
  [
    'repairPartitions: Glue is down for longer than its client tries',
    { service: 'glue', function: 'repairPartitions', mode: 'error', times: 6 },
  ],
  [
    'completeBatch: the files are marked, and the answer is lost',
    { ...dynamo, function: 'completeBatch', mode: 'lost', times: 1 },
  ],
  [
    'completeBatch: the ledger is down for longer than a step tries',
    { ...dynamo, function: 'completeBatch', mode: 'error', times: 8 },
  ],
  [
    'completeBatch: EventBridge answers 5xx',
    { service: 'events', function: 'completeBatch', mode: 'error', times: 3 },
  ],
])('%s', (_, fault) => survive([fault]), 150_000);

test.each<[string, Fault]>([
  [
    'transformEmbedded',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded', mode: 'hold', times: 1 },
  ],
  ['publish', { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'hold', times: 1 }],
  ['completeBatch', { ...dynamo, function: 'completeBatch', mode: 'hold', times: 1 }],
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
  ['ClaimBatch', { ...dynamo, function: 'claimBatch', mode: 'hold', times: 1 }],
  ['CheckCrawler', { service: 's3', function: 'checkCrawler', mode: 'hold', times: 1 }],
  [
    'TransformEmbedded',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded', mode: 'hold', times: 1 },
  ],
  ['StartValidation', { service: 'athena', function: 'startValidation', mode: 'hold', times: 1 }],
  ['CheckValidation', { service: 'athena', function: 'checkValidation', mode: 'hold', times: 1 }],
  ['Publish', { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'hold', times: 1 }],
  ['RepairPartitions', { service: 'glue', function: 'repairPartitions', mode: 'hold', times: 1 }],
  ['CompleteBatch', { ...dynamo, function: 'completeBatch', mode: 'hold', times: 1 }],
])(
  'the execution is aborted in %s, whose Lambda goes on',
  (_, fault) => survive([fault], whileHeld(abortExecutions)),
  150_000,
);

test('a lease is stolen from a live execution that then publishes: it takes back what it wrote', async () => {
  const hold: Fault = { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'hold', times: 1 };
  const steal = async () => {
    await untilHit();
    const lease = await stage.ledger.lease(dataset);
    await stage.ledger.releaseLease(dataset, lease?.fence ?? 0);
    const thief = await stage.ledger.acquireLease(dataset);
    await setFaults();
    await untilNothingRuns();
    await stage.ledger.releaseLease(dataset, thief ?? 0);
    // Nobody works on the batch: the sweep gives its files back, and starts anew.
    expect(await sweep(deps, dataset)).toMatchObject({ batchesRecovered: 1, started: true });
  };
  await survive([hold], steal);
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
  const mixed = [...events, ...events, ...events.toReversed()].toSorted(() => 0.5 - Math.random());
  for (const event of mixed)
    await stage.sqs.send(
      new SendMessageCommand({ QueueUrl: stage.config.queueUrl, MessageBody: JSON.stringify(event) }),
    );
  await untilSettled(
    dataset,
    files.map((f) => f.key),
  );
  await drop(dataset, { [`social-media-feed/after-${next}.json`]: post(next++) });
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
  const poison = { key: `social-media-feed/poison-${next}.json`, text: post(next++) };
  const good = Array.from({ length: 100 }, someFile);
  await setFaults([
    { service: 's3', function: 'transformEmbedded', operation: 'GetObject', path: poison.key, mode: 'error' },
  ]);
  await Promise.all([poison, ...good].map(({ key, text }) => put(key, text)));
  const files = await untilSettled(dataset, [poison.key, ...good.map((f) => f.key)]);
  expect(files.filter((f) => f.state !== 'published').map((f) => [f.object, f.state])).toEqual([
    [poison.key, 'failed'],
  ]);
  await expectWhole(dataset, { ids: good.flatMap((f) => f.ids), bad: {} });
}, 240_000);

test('an object that no event told of is found by the sweep', async () => {
  const { key, ids, text } = someFile();
  // Its message goes back to the queue, for longer than this test lasts.
  await setFaults([{ service: 'dynamodb', function: 'dispatch', mode: 'error' }]);
  await put(key, text);
  await untilHit(8);
  await setFaults();
  expect(await sweep(deps, dataset, { isListingDue: true })).toMatchObject({ filesFound: 1, started: true });
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
}, 150_000);

test('an execution that is gone without a trace gives its lease back to the sweep', async () => {
  const { key, ids, text } = someFile();
  await leaveLease();
  await put(key, text);
  expect(await sweep(deps, dataset)).toMatchObject({ leaseRecovered: true });
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
}, 150_000);

test('failBatch: the ledger is down, first for some time, then for longer than a step tries', async () => {
  const publishFails: Fault = {
    service: 's3',
    operation: 'CopyObject',
    function: 'publish',
    mode: 'error',
    times: 10,
  };
  await survive([publishFails, { ...dynamo, function: 'failBatch', mode: 'lost', times: 3 }]);
  await survive([publishFails, { ...dynamo, function: 'failBatch', mode: 'error', name: 'Down', times: 8 }]);
}, 240_000);

test('recover: the ledger answers 5xx, then the answer is lost', async () => {
  const hold: Fault = { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'hold', times: 1 };
  const abort = async () => {
    await untilHit();
    await setFaults([
      { ...dynamo, function: 'recover', mode: 'error', times: 2 },
      { ...dynamo, function: 'recover', mode: 'lost', times: 1 },
    ]);
    await abortExecutions();
    await untilHit();
  };
  await survive([hold], abort);
}, 150_000);

test('sweep: what breaks off in its Lambda, the next one does', async () => {
  const { key, ids, text } = someFile();
  await leaveLease();
  await put(key, text);
  await setFaults([{ service: 'states', function: 'sweep', mode: 'error', times: 6 }]);
  expect(await invoke('sweep')).toBe('failed');
  await untilHit();
  await setFaults();
  expect(await invoke('sweep')).toBe('done');
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
}, 150_000);

test('the Glue job is started, and the answer is lost; then its state cannot be read for some time', async () => {
  await surviveOnGlue([
    { service: 'glue', operation: 'StartJobRun', mode: 'lost', times: 1 },
    { service: 'glue', operation: 'GetJobRun', function: 'checkGlueJob', mode: 'throttle', times: 2 },
    { service: 's3', operation: 'GetObject', function: 'checkGlueJob', mode: 'error', times: 2 },
  ]);
}, 240_000);

test('the Glue job runs as often as it may: the batch waits for its turn', async () => {
  const name = 'ConcurrentRunsExceededException';
  await surviveOnGlue([{ service: 'glue', operation: 'StartJobRun', mode: 'error', name, times: 2 }]);
}, 150_000);

test('two datasets break at once and both come through', async () => {
  const fault: Fault = {
    service: 's3',
    operation: 'CopyObject',
    function: 'publish',
    mode: 'error',
    times: 12,
  };
  const { key, ids, text } = someFile();
  const tweets = `tweets/fault-${next}.json`;
  await setFaults([fault]);
  const status = {
    id: next++,
    created_at: 'Sun Aug 31 00:29:15 +0000 2014',
    text: 'x',
    user: { id: 1, screen_name: 'a' },
  };
  await Promise.all([put(key, text), put(tweets, JSON.stringify({ statuses: [status] }))]);
  await untilSettled(dataset, [key]);
  await untilSettled('tweets', [tweets]);
  await setFaults();
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
  await expectWhole('tweets', { ids: [status.id], bad: {} });
}, 150_000);

/** Calls a function as its schedule does. */
async function invoke(name: string): Promise<'done' | 'failed'> {
  const { FunctionError } = await lambda.send(new InvokeCommand({ FunctionName: `sluice-local-${name}` }));
  return FunctionError === undefined ? 'done' : 'failed';
}

async function untilNothingRuns(): Promise<void> {
  await waitFor(
    () =>
      stage.sfn.send(
        new ListExecutionsCommand({
          stateMachineArn: stage.config.stateMachineArn,
          statusFilter: 'RUNNING',
        }),
      ),
    ({ executions }) => executions?.length === 0,
    60_000,
  );
}
