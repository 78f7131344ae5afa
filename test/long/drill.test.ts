/**
 * `npm run drill`: ten incidents on a local stage. Each is named by `status` and mended by the commands of docs/operations.md,
 * section "Incidents", as they are typed there. The sweep runs when its turn would come.
 */
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeletePartitionCommand, DeleteTableCommand, GetJobRunsCommand } from '@aws-sdk/client-glue';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { DeleteCommand, DynamoDBDocumentClient, paginateScan } from '@aws-sdk/lib-dynamodb';
import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { waitFor } from '../../src/lib/waitFor.ts';
import { localClient, localEnvironment } from '../../src/stage/localEndpoint.ts';
import { copyCheckout } from '../support/checkout.ts';
import {
  abortExecutions,
  dataset,
  denied,
  nextId,
  readingOf,
  setFaults,
  untilHit,
  untilSettled,
} from '../support/faults.ts';
import { athena, drop, post, publishedFrom, put, quarantinedFrom, sluice, stage } from '../support/stage.ts';
import { sweepNow } from '../support/sweeps.ts';

const ledger = DynamoDBDocumentClient.from(new DynamoDBClient(localClient(String(stage.endpoint))));
const table = { DatabaseName: stage.config.database, TableName: dataset };
const docs = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
const [, incidents = ''] = /\n## Incidents\n(.*?)\n## /s.exec(docs) ?? [];
const [, deployCommand = ''] = /\n(npx sls deploy --stage local)\b/.exec(docs) ?? [];

/** Runs a command as the section has it, with words of the test in the place of its capitals. */
async function mend(command: string, words: Readonly<Record<string, string>> = {}) {
  expect(incidents).toContain(`\`${command}\``);
  const all: Readonly<Record<string, string>> = { D: dataset, TEXT: 'a drill', ...words };
  const done = await sluice(...command.split(' ').map((word) => all[word] ?? word));
  expect({ command, code: done.code, err: done.err }).toEqual({ command, code: 0, err: '' });
  return done.out;
}

/** What `status` says; it has a minute to name the incident. */
const namedBy = async (pattern: RegExp): Promise<void> => {
  const { out } = await waitFor(
    () => sluice('status', '--dataset', dataset),
    (status) => pattern.test(status.out),
    60_000,
  );
  expect(out).toMatch(pattern);
};

const newFile = (fields: object = {}) => {
  const id = nextId();
  return { id, key: `social-media-feed/drill-${id}.json`, text: post(id, { ...fields }) };
};
const rows = async (): Promise<number> =>
  Number((await athena(`SELECT count(*) AS n FROM ${dataset}`))[0]?.n);
const isPublished = async (key: string) => {
  const [file] = await untilSettled(dataset, [key]);
  expect(file?.state).toBe('published');
  expect(await publishedFrom(dataset, key)).toBe(1);
};
/** Waits until the file is noted while the dataset is paused. */
const isWaiting = (key: string) =>
  waitFor(
    () => stage.ledger.pending(dataset),
    (files) => files.some((file) => file.object === key),
    30_000,
  );

beforeAll(async () => {
  const { key, text } = newFile({ timestamp: '2024-01-01T00:00:00Z' });
  await drop(dataset, { [key]: text });
  // The first look at the table.
  await sweepNow();
}, 120_000);
afterEach(async () => {
  await setFaults();
  await sluice('resume', '--dataset', dataset);
});

test('1. a held batch', async () => {
  const { key, text } = newFile({ coordinates: { lat: 48.85, lon: 2.35 } });
  const [file] = await drop(dataset, { [key]: text });
  await namedBy(/1 file held; see/);
  await mend('release --dataset D --reason TEXT BATCH', { BATCH: file?.record.batch?.slice(0, 8) ?? '' });
  await isPublished(key);
});

test('2. a poison file', async () => {
  const { key, text } = newFile();
  await setFaults([{ ...readingOf(key), ...denied }]);
  await put(key, text);
  await untilSettled(dataset, [key]);
  await namedBy(/1 file failed; see/);
  await setFaults();
  await mend('retry --dataset D --object KEY', { KEY: key });
  await isPublished(key);
});

test('3. a dropped table', async () => {
  const before = await rows();
  await stage.glue.send(new DeleteTableCommand({ DatabaseName: table.DatabaseName, Name: dataset }));
  await namedBy(new RegExp(`lacks the table ${dataset}`));
  await mend('reconcile --rebuild --dataset D');
  await namedBy(new RegExp(`lacked the table ${dataset}`));
  expect(await rows()).toBe(before);
});

test('4. a deleted partition', async () => {
  const { key, text } = newFile({ timestamp: '2023-03-17T12:00:00Z' });
  await drop(dataset, { [key]: text });
  await sweepNow();
  const before = await rows();
  await stage.glue.send(
    new DeletePartitionCommand({ ...table, PartitionValues: [dataset, '2023', '03', '17'] }),
  );
  expect(await rows()).toBe(before - 1);
  await namedBy(/lacks 1 partition of \w+ with 1 row/);
  await sweepNow();
  await namedBy(/lacked 1 partition of \w+ with 1 row/);
  expect(await rows()).toBe(before);
});

test('5. a stopped execution', async () => {
  const { key, text } = newFile();
  await setFaults([{ ...readingOf(key), mode: 'hold', times: 1 }]);
  await put(key, text);
  await untilHit();
  await namedBy(/batch \w{8} of 1 file runs since/);
  await mend('pause --dataset D --reason TEXT');
  await abortExecutions();
  await setFaults();
  await namedBy(/batch \w{8} failed: \w+: .+/);
  await isWaiting(key);
  await mend('resume --dataset D');
  await isPublished(key);
});

test('6. a wrong drop', async () => {
  const foreign = `social-media-feed/drill-${nextId()}.json`;
  await drop(dataset, { [foreign]: '{"meter":7,"value":1.5}\n{"meter":8,"value":2.5}' });
  await namedBy(/every row of batch \w{8} is in quarantine/);
  const { key, text } = newFile({ text: 'of another company' });
  const [file] = await drop(dataset, { [key]: text });
  await mend('rollback --dataset D --reason TEXT --batch BATCH --object KEY', {
    BATCH: file?.record.batch?.slice(0, 8) ?? '',
    KEY: key,
  });
  await waitFor(
    () => publishedFrom(dataset, key),
    (n) => n === 0,
    60_000,
  );
  expect(await quarantinedFrom(key)).toMatchObject([{ reason: 'rejected' }]);
});

test('7. a broken contract', async () => {
  const copy = copyCheckout();
  const contract = join(copy, 'datasets/social_media.yml');
  const right = readFileSync(contract, 'utf8');
  /** Deploys a contract from the copy to the stage, as the docs say. */
  const deployed = async (text: string) => {
    writeFileSync(contract, text);
    const [program = '', ...args] = deployCommand.split(' ');
    await promisify(execFile)(program, args, {
      cwd: copy,
      env: {
        ...process.env,
        ...localEnvironment,
        AWS_ENDPOINT_URL: stage.endpoint,
        SLS_TELEMETRY_DISABLED: '1',
      },
    });
  };
  try {
    const broken = right.replace(
      'name: text, path: text, type: string',
      'name: text, path: lang, type: bigint',
    );
    expect(broken).not.toBe(right);
    await deployed(broken);
    const { key, text } = newFile();
    await put(key, text);
    const [held] = await untilSettled(dataset, [key]);
    expect(held).toMatchObject({ state: 'held', reason: expect.stringMatching(/^TableMismatch: .*text/) });
    await namedBy(/1 file held; see/);
    await deployed(right);
    await mend('retry --dataset D');
    await isPublished(key);
  } finally {
    rmSync(copy, { recursive: true });
  }
}, 1_200_000);

test('8. a stuck Glue job', async () => {
  const { key, text } = newFile();
  await mend('engine --dataset D glue');
  await setFaults([{ service: 's3', function: 'glueJob', operation: 'GetObject', mode: 'hold' }]);
  await put(key, text);
  await namedBy(/batch \w{8} of 1 file runs since \S+ \(glue\)/);
  const runs = async () =>
    (await stage.glue.send(new GetJobRunsCommand({ JobName: stage.config.job }))).JobRuns ?? [];
  const [run] = await waitFor(runs, ([latest]) => latest?.JobRunState === 'RUNNING', 120_000);
  await mend('engine --dataset D auto');
  await abortExecutions();
  const [ended] = await waitFor(runs, ([latest]) => latest?.JobRunState === 'STOPPED', 60_000);
  expect(ended).toMatchObject({ Id: run?.Id, JobRunState: 'STOPPED' });
  await setFaults();
  await isPublished(key);
}, 400_000);

test('9. a full dead-letter queue', async () => {
  const { key, text } = newFile();
  const fence = await stage.ledger.acquireLease(dataset);
  const version = await put(key, text);
  const event = {
    detail: {
      bucket: { name: stage.config.rawBucket },
      object: { key, size: 1, etag: 'x', 'version-id': version },
    },
  };
  for (let i = 0; i < 12; i++)
    await stage.sqs.send(
      new SendMessageCommand({ QueueUrl: stage.config.deadLettersUrl, MessageBody: JSON.stringify(event) }),
    );
  await namedBy(/12 messages in the dead-letter queue; see/);
  await stage.ledger.releaseLease(dataset, fence ?? 0);
  expect(await mend('redrive')).toContain('12 messages sent back');
  await isPublished(key);
});

test('10. a lost item of the ledger', async () => {
  const { key, text } = newFile();
  await mend('pause --dataset D --reason TEXT');
  await put(key, text);
  await isWaiting(key);
  for await (const { Items = [] } of paginateScan(
    { client: ledger },
    { TableName: stage.config.ledgerTable },
  ))
    for (const { pk, sk, object } of Items)
      if (object === key)
        await ledger.send(new DeleteCommand({ TableName: stage.config.ledgerTable, Key: { pk, sk } }));
  expect(await stage.ledger.pending(dataset)).toEqual([]);
  await sweepNow();
  await namedBy(new RegExp(`next is ${key}`));
  await mend('resume --dataset D');
  await isPublished(key);
});
