/** A service fails at each boundary. Afterwards every row exists once, no dataset is stuck, and no lease is left. */
import { expect, test } from '@jest/globals';
import type { Fault } from '../../offline/faults.ts';
import { depsOf } from '../../src/stage/connect.ts';
import {
  dataset,
  denied,
  expectWhole,
  leaveLease,
  ledgerWrite,
  nextId,
  onWarmStage,
  publishCall,
  publishDenied,
  refused,
  setFaults,
  someFile,
  survive,
  surviveCorrection,
  swap,
  untilHit,
  untilSettled,
  visits,
} from '../support/faults.ts';
import { put, stage, testOnHive } from '../support/stage.ts';
import { reconcileNow, sweepNow, takeFinds } from '../support/sweeps.ts';

onWarmStage(visits);

test.each<[string, Fault]>([
  ['dispatch: the ledger throttles', { ...ledgerWrite, function: 'dispatch', mode: 'throttle', times: 3 }],
  [
    'dispatch: the ledger notes the file, and its answer is lost',
    { ...ledgerWrite, function: 'dispatch', mode: 'lost', times: 1 },
  ],
  [
    'dispatch: the execution starts, and the answer is lost',
    { service: 'states', function: 'dispatch', mode: 'lost', times: 1 },
  ],
  ['claimBatch: the ledger answers 5xx', { ...ledgerWrite, function: 'claimBatch', mode: 'error', times: 3 }],
  [
    'claimBatch: the files are claimed, and the answer is lost',
    { ...ledgerWrite, function: 'claimBatch', mode: 'lost', times: 1, skip: 1 },
  ],
  [
    'claimBatch: the manifest is written, the files are not claimed, and the step is tried again',
    { ...ledgerWrite, function: 'claimBatch', mode: 'error', name: 'InternalServerError', times: 1 },
  ],
  [
    'claimBatch: the manifest is written, and the answer is lost',
    { service: 's3', operation: 'PutObject', function: 'claimBatch', mode: 'lost', times: 1 },
  ],
  [
    'claimBatch: S3 denies the manifest',
    { service: 's3', operation: 'PutObject', function: 'claimBatch', ...denied, times: 1 },
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
    'transformEmbedded: S3 denies the rows',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded', ...denied, times: 1 },
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
    {
      service: 'glue',
      operation: 'BatchCreatePartition',
      function: 'startValidation',
      mode: 'lost',
      times: 1,
    },
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
  ['publish: S3 throttles the copies', { ...publishCall, mode: 'throttle', times: 3 }],
  ['publish: rows are copied, and the answer is lost', { ...publishCall, mode: 'lost', times: 1 }],
  ['publish: S3 is down for longer than its client tries', { ...publishCall, mode: 'error', times: 6 }],
  ['publish: S3 denies a copy', { ...publishDenied, times: 1 }],
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
    'repairPartitions: Glue denies it',
    { service: 'glue', function: 'repairPartitions', ...refused, times: 1 },
  ],
  [
    'completeBatch: the files are marked, and the answer is lost',
    { ...ledgerWrite, function: 'completeBatch', mode: 'lost', times: 1 },
  ],
  [
    'completeBatch: the ledger denies it',
    { ...ledgerWrite, function: 'completeBatch', ...refused, times: 1 },
  ],
  [
    'completeBatch: EventBridge answers 5xx',
    { service: 'events', function: 'completeBatch', mode: 'error', times: 3 },
  ],
])('%s', (_, fault) => survive([fault]), 150_000);

test(
  'dispatch: Step Functions refuses to start for as long as dispatch tries; the sweep starts it',
  () =>
    survive([{ service: 'states', function: 'dispatch', mode: 'error', times: 8 }], undefined, {
      isSweepNeeded: true,
    }),
  150_000,
);

/** Calls of the flow that can answer with a success that is not one. */
test.each<[string, Fault]>(
  [
    ['dispatch: a transaction is cancelled for a conflict', { ...ledgerWrite, function: 'dispatch' }],
    ['claimBatch: a transaction is cancelled for a conflict', { ...ledgerWrite, function: 'claimBatch' }],
    [
      'claimBatch: the ledger answers in pages of one',
      { service: 'dynamodb', operation: 'Query', function: 'claimBatch' },
    ],
    ['checkCrawler: the catalog answers in pages of one', { service: 'glue', function: 'checkCrawler' }],
    [
      'checkCrawler: a download breaks off',
      { service: 's3', operation: 'GetObject', function: 'checkCrawler' },
    ],
    [
      'transformEmbedded: a download breaks off',
      { service: 's3', operation: 'GetObject', function: 'transformEmbedded' },
    ],
    [
      'startValidation: Glue makes none of the partitions',
      { service: 'glue', operation: 'BatchCreatePartition', function: 'startValidation' },
    ],
    [
      'checkValidation: the result comes in pages of one',
      { service: 'athena', operation: 'GetQueryResults', function: 'checkValidation' },
    ],
    [
      'publish: a copy answers 200 with an error',
      { service: 's3', operation: 'CopyObject', function: 'publish' },
    ],
    ['publish: S3 lists in pages of one', { service: 's3', operation: 'ListObjectsV2', function: 'publish' }],
    [
      'repairPartitions: Glue makes none of the partitions',
      { service: 'glue', operation: 'BatchCreatePartition', function: 'repairPartitions' },
    ],
    [
      'completeBatch: a transaction is cancelled for a conflict',
      { ...ledgerWrite, function: 'completeBatch' },
    ],
    ['completeBatch: EventBridge takes none of the events', { service: 'events', function: 'completeBatch' }],
  ].map(([name, fault]) => [String(name), { ...(fault as Omit<Fault, 'mode'>), mode: 'partial', times: 2 }]),
)('partial: %s', (_, fault) => survive([fault]), 150_000);

/** A stalled call takes effect during the next try, long after the batch, or while its caller still waits. */
const whens: readonly Partial<Fault>[] = [{ after: 2 }, {}, { silent: true, after: 3 }];
/** Calls that fail for their callers, but take effect late. Here each has one of these times; in memory (everyCall.test.ts) every one. */
const stalled: readonly [string, Omit<Fault, 'mode'>][] = [
  ['dispatch: the ledger notes the file', { ...ledgerWrite, function: 'dispatch' }],
  ['dispatch: the execution starts', { service: 'states', function: 'dispatch' }],
  ['claimBatch: the manifest is written', { service: 's3', operation: 'PutObject', function: 'claimBatch' }],
  ['claimBatch: the files are claimed', { ...ledgerWrite, function: 'claimBatch' }],
  [
    'transformEmbedded: rows are staged',
    { service: 's3', operation: 'PutObject', function: 'transformEmbedded' },
  ],
  ['startValidation: the query starts', { service: 'athena', function: 'startValidation' }],
  ['publish: rows are copied', publishCall],
  ['repairPartitions: partitions are registered', { service: 'glue', function: 'repairPartitions' }],
  ['completeBatch: the files are marked', { ...ledgerWrite, function: 'completeBatch' }],
  ['completeBatch: the event is sent', { service: 'events', function: 'completeBatch' }],
];
test.each(stalled.map(([name, call], i) => ({ name, call, when: whens[i % whens.length] })))(
  'stalled: $name late',
  ({ call, when }) => survive([{ ...call, ...when, mode: 'stall', times: 1 }]),
  240_000,
);
test.each(whens)(
  'stalled: rows are copied late, and files are claimed late: %p',
  async (when) => {
    await survive([{ ...publishCall, ...when, mode: 'stall', times: 1 }]);
    await survive([{ ...ledgerWrite, function: 'claimBatch', ...when, mode: 'stall', times: 1 }]);
  },
  240_000,
);

test.each<[string, Omit<Fault, 'mode'>]>([
  ['dispatch: the ledger notes the file', { ...ledgerWrite, function: 'dispatch' }],
  ['claimBatch: the files are claimed', { ...ledgerWrite, function: 'claimBatch' }],
  ['publish: rows are copied', publishCall],
  ['completeBatch: the files are marked', { ...ledgerWrite, function: 'completeBatch' }],
])('twice: %s', (_, call) => survive([{ ...call, mode: 'twice', times: 2 }]), 150_000);

test('a copy that takes effect after its batch was taken back leaves no row of it behind', async () => {
  await survive([
    { ...publishCall, mode: 'stall', times: 1 },
    // The same copy is denied again in the retry, so the batch is taken back.
    { ...publishDenied, times: 1 },
  ]);
}, 150_000);

testOnHive(
  'objects that S3 does not remove when their batch is taken back are never read beside those of the next try',
  () =>
    survive([
      // Only one of rows and quarantine is copied.
      { ...publishDenied, skip: 1, times: 1 },
      { service: 's3', operation: 'DeleteObjects', function: 'failBatch', mode: 'partial', times: 1 },
    ]),
  150_000,
);

test('failBatch: the ledger is down, first for some time, then for longer than a step tries', async () => {
  const publishFails: Fault = { ...publishDenied, times: 1 };
  await survive([publishFails, { ...ledgerWrite, function: 'failBatch', mode: 'lost', times: 3 }]);
  await survive([
    publishFails,
    { ...ledgerWrite, function: 'failBatch', mode: 'error', name: 'AccessDeniedException', times: 8 },
  ]);
}, 240_000);

test(
  'a correction: downloads and deletions are done in part, and what is rewritten is stored late',
  () =>
    surviveCorrection([
      { service: 's3', operation: 'GetObject', function: 'replaceRows', mode: 'partial', times: 2 },
      { service: 's3', operation: 'PutObject', function: 'replaceRows', mode: 'stall', after: 2, times: 1 },
      { service: 's3', operation: 'DeleteObjects', function: 'completeBatch', mode: 'partial', times: 1 },
    ]),
  150_000,
);

test('sweep: what breaks off in its Lambda, the next one does', async () => {
  const { key, ids, text } = someFile();
  // Before there is anything to do, and for every call: the scheduled sweep may run just now.
  await setFaults([{ service: 'states', function: 'sweep', mode: 'error' }]);
  await leaveLease();
  await put(key, text);
  await expect(sweepNow()).rejects.toThrow('the sweep failed');
  await untilHit();
  await setFaults();
  await sweepNow();
  expect((await takeFinds()).map((found) => found.leaseRecovered)).toContain(true);
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
}, 150_000);

test('the Glue job waits for its turn; is started, and the answer is lost; then its state cannot be read for some time', async () => {
  await stage.ledger.chooseEngine(dataset, 'glue');
  try {
    const faults: readonly Fault[] = [
      {
        service: 'glue',
        operation: 'StartJobRun',
        mode: 'error',
        name: 'ConcurrentRunsExceededException',
        times: 2,
      },
      { service: 'glue', operation: 'StartJobRun', mode: 'lost', times: 1 },
      { service: 'glue', operation: 'GetJobRun', function: 'checkGlueJob', mode: 'throttle', times: 2 },
      { service: 's3', operation: 'GetObject', function: 'checkGlueJob', mode: 'error', times: 2 },
    ];
    // Other tests run Spark at the same time.
    await survive(faults, undefined, { seconds: 280 });
  } finally {
    await stage.ledger.chooseEngine(dataset, 'auto');
  }
}, 320_000);

test('two datasets break at once and both come through', async () => {
  const { key, ids, text } = someFile();
  await setFaults([{ ...publishDenied, times: 2 }]);
  const status = {
    id: nextId(),
    created_at: 'Sun Aug 31 00:29:15 +0000 2014',
    text: 'x',
    user: { id: 1, screen_name: 'a' },
  };
  const tweets = `tweets/fault-${status.id}.json`;
  await Promise.all([put(key, text), put(tweets, JSON.stringify({ statuses: [status] }))]);
  await untilSettled(dataset, [key]);
  await untilSettled('tweets', [tweets]);
  await setFaults();
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
  await expectWhole('tweets', { ids: [status.id], bad: {} });
}, 150_000);

testOnHive(
  'sweep and reconcile: lists come in pages of one, a write meets another one, and partitions are made in part',
  async () => {
    const { key, ids, text } = someFile();
    await leaveLease();
    await setFaults([
      { service: 'dynamodb', operation: 'UpdateItem', function: 'sweep', mode: 'partial', times: 1 },
      { service: 's3', operation: 'ListObjectVersions', function: 'sweep', mode: 'partial', times: 2 },
      { service: 's3', operation: 'ListObjectsV2', function: 'reconcile', mode: 'partial', times: 3 },
      {
        service: 'glue',
        operation: 'BatchCreatePartition',
        function: 'reconcile',
        mode: 'partial',
        times: 1,
      },
    ]);
    await put(key, text);
    await sweepNow();
    expect((await takeFinds()).map((found) => found.leaseRecovered)).toContain(true);
    await untilSettled(dataset, [key]);
    // Somebody has dropped the partition of these rows.
    await depsOf(stage).catalog.dropPartitions(dataset, [['social_media', '2025', '11', '01']]);
    expect(await reconcileNow(dataset)).toMatchObject({ added: 1, removed: 0, missing: [] });
    await untilHit();
    await setFaults();
    await expectWhole(dataset, { ids, bad: { [key]: 1 } });
  },
  150_000,
);

const onIceberg = { on: visits };

test(
  'Iceberg: the swap of the pointer is throttled, answered with an error, and then made without an answer',
  () =>
    survive(
      [
        { ...swap, mode: 'throttle', times: 1 },
        { ...swap, mode: 'error', times: 1 },
        { ...swap, mode: 'lost', times: 1 },
      ],
      undefined,
      onIceberg,
    ),
  150_000,
);

test('Iceberg: the swap arrives twice, late beside its next try, or without any answer', async () => {
  await survive([{ ...swap, mode: 'twice', times: 1 }], undefined, onIceberg);
  await survive([{ ...swap, mode: 'stall', after: 2, times: 1 }], undefined, onIceberg);
  await survive([{ ...swap, mode: 'stall', silent: true, after: 3, times: 1 }], undefined, onIceberg);
}, 240_000);

test(
  'Iceberg: the swap is denied, the batch is taken back and published by its next try',
  () => survive([{ ...swap, ...refused, times: 1 }], undefined, onIceberg),
  150_000,
);

test(
  'Iceberg: each function loses the answer of a write',
  () =>
    survive(
      [
        { ...ledgerWrite, function: 'dispatch', mode: 'lost', times: 1 },
        { ...ledgerWrite, function: 'claimBatch', mode: 'lost', times: 1 },
        { service: 's3', operation: 'PutObject', function: 'transformEmbedded', mode: 'lost', times: 1 },
        { service: 'athena', function: 'startValidation', mode: 'lost', times: 1 },
        { service: 's3', operation: 'PutObject', function: 'publish', mode: 'lost', times: 1 },
        { ...swap, mode: 'lost', times: 1 },
        { ...ledgerWrite, function: 'completeBatch', mode: 'lost', times: 1 },
      ],
      undefined,
      onIceberg,
    ),
  150_000,
);

test(
  'Iceberg: a correction whose objects are stored late, and whose swap is lost',
  () =>
    surviveCorrection(
      [
        { service: 's3', operation: 'PutObject', function: 'replaceRows', mode: 'stall', after: 2, times: 1 },
        { ...swap, mode: 'lost', times: 1 },
      ],
      visits,
    ),
  150_000,
);
