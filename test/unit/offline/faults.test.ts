/** The gateway's fault switch, in front of a simple service. */
import { createServer, type Server } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DynamoDBClient,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  BatchCreatePartitionCommand,
  BatchDeletePartitionCommand,
  BatchGetPartitionCommand,
  GetPartitionsCommand,
  GlueClient,
} from '@aws-sdk/client-glue';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { Fault } from '../../../offline/faults.ts';
import { startGateway } from '../../../offline/gateway.ts';
import { localClient } from '../../../src/stage/localEndpoint.ts';
import { thoroughTest } from '../../support/thorough.ts';

interface Took {
  readonly operation: string;
  readonly body: string;
}

let upstream: Server;
let gateway: Awaited<ReturnType<typeof startGateway>>;
/** Calls that took effect, in order. */
let took: Took[] = [];
/** The service's answer to a JSON call. */
let answer: (body: Record<string, unknown>) => unknown = () => ({});

beforeAll(async () => {
  upstream = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const target = String(request.headers['x-amz-target'] ?? '');
    took.push({ operation: target.split('.').at(-1) || `${request.method} ${request.url}`, body });
    if (target !== '') {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      return void response.end(JSON.stringify(answer(JSON.parse(body))));
    }
    response.writeHead(200, { 'content-type': 'application/xml', etag: '"e"' });
    if (request.method === 'GET') return void response.end('0123456789');
    if (!request.url?.includes('delete')) return void response.end();
    const deleted = [...body.matchAll(/<Key>.*?<\/Key>/g)].map(([key]) => `<Deleted>${key}</Deleted>`);
    response.end(`<?xml version="1.0"?><DeleteResult xmlns="x">${deleted.join('')}</DeleteResult>`);
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const address = upstream.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  gateway = await startGateway({
    port: 0,
    upstream: `http://127.0.0.1:${port}`,
    secret: 's',
    operations: {},
  });
});
afterAll(async () => {
  await gateway.close();
  upstream.close();
  upstream.closeAllConnections();
});
beforeEach(() => {
  took = [];
  answer = () => ({});
});
afterEach(() => setFaults([]));

async function setFaults(faults: readonly Fault[]): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${gateway.port}/_sluice/faults`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(faults),
  });
  if (!response.ok) throw new Error(await response.text());
}

/** Calls that the first fault hit. */
async function hits(): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${gateway.port}/_sluice/faults`);
  return z.array(z.object({ hits: z.number() })).parse(await response.json())[0]?.hits ?? 0;
}

/** One attempt: the SDK's retries do not matter here. */
const settings = () => ({ ...localClient(`http://127.0.0.1:${gateway.port}`), maxAttempts: 1 });
const s3 = () => new S3Client({ ...settings(), forcePathStyle: true });
const dynamodb = () => new DynamoDBClient(settings());
const glue = () => new GlueClient(settings());

const put = { Bucket: 'b', Key: 'k', Body: 'rows' };
const item = (id: string) => ({ id: { S: id } });
const partial = (service: string): Fault => ({ service, mode: 'partial' });

test('twice: a call has its effect twice, and its caller hears of one', async () => {
  await setFaults([{ service: 's3', mode: 'twice', times: 1 }]);
  expect((await s3().send(new PutObjectCommand(put))).ETag).toBe('"e"');
  expect(took.length).toBe(2);
  expect(took[0]?.body).toContain('rows');
  expect(took[1]).toEqual(took[0]);
});

test('lost: a call has its effect, and its caller hears of an error', async () => {
  await setFaults([{ service: 's3', mode: 'lost', times: 1 }]);
  await expect(s3().send(new PutObjectCommand(put))).rejects.toThrow('a fault was set');
  expect(took.length).toBe(1);
});

test('stall: a call fails, and takes effect when the faults are set anew, once', async () => {
  await setFaults([{ service: 's3', mode: 'stall', times: 1 }]);
  await expect(s3().send(new PutObjectCommand(put))).rejects.toThrow('a fault was set');
  expect(took).toEqual([]);
  await setFaults([]);
  expect(took.map((t) => t.operation)).toEqual(['PUT /b/k?x-id=PutObject']);
  await setFaults([]);
  expect(took.length).toBe(1);
});

thoroughTest('stall: a call takes effect after some seconds by itself, behind what came later', async () => {
  // Longer than the second call takes on a busy machine.
  await setFaults([{ service: 's3', mode: 'stall', after: 2, times: 1 }]);
  await expect(s3().send(new PutObjectCommand({ ...put, Key: 'early' }))).rejects.toThrow('a fault was set');
  await s3().send(new PutObjectCommand({ ...put, Key: 'late' }));
  for (let i = 0; i < 1000 && took.length < 2; i++) await pause(10);
  expect(took.map((t) => t.operation)).toEqual(['PUT /b/late?x-id=PutObject', 'PUT /b/early?x-id=PutObject']);
});

test('stall, silent: a caller that has given up hears nothing, and the call takes effect all the same', async () => {
  await setFaults([{ service: 's3', mode: 'stall', silent: true, times: 1 }]);
  const caller = new AbortController();
  const call = s3().send(new PutObjectCommand(put), { abortSignal: caller.signal });
  // It gives up when its call has arrived.
  while ((await hits()) === 0) await pause(5);
  caller.abort();
  await expect(call).rejects.toThrow();
  expect(took).toEqual([]);
  await setFaults([]);
  expect(took.length).toBe(1);
});

test('partial DeleteObjects: a 200 with Errors, and the keys that it names are left', async () => {
  await setFaults([partial('s3')]);
  const remove = (keys: string[]) =>
    s3().send(new DeleteObjectsCommand({ Bucket: 'b', Delete: { Objects: keys.map((Key) => ({ Key })) } }));
  const { Deleted, Errors } = await remove(['a', 'b & c', 'd']);
  expect(Deleted).toEqual([{ Key: 'a' }]);
  expect(Errors?.map((e) => [e.Key, e.Code])).toEqual([
    ['b & c', 'InternalError'],
    ['d', 'InternalError'],
  ]);
  expect(took.map((t) => t.body.match(/<Key>.*?<\/Key>/g))).toEqual([['<Key>a</Key>']]);
  expect((await remove(['only'])).Errors?.map((e) => e.Key)).toEqual(['only']);
  expect(took.length).toBe(1);
});

test('partial CopyObject and CompleteMultipartUpload: a 200 with an error in its body, and no effect', async () => {
  await setFaults([partial('s3')]);
  const object = { Bucket: 'b', Key: 'k' };
  await expect(s3().send(new CopyObjectCommand({ ...object, CopySource: 'b/x' }))).rejects.toThrow('a fault');
  await expect(
    s3().send(
      new CompleteMultipartUploadCommand({ ...object, UploadId: 'u', MultipartUpload: { Parts: [] } }),
    ),
  ).rejects.toThrow('a fault');
  expect(took).toEqual([]);
});

test('partial GetObject: the connection breaks in the middle', async () => {
  await setFaults([partial('s3')]);
  const { Body, ContentLength } = await s3().send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }));
  expect(ContentLength).toBe(10);
  await expect(Body?.transformToString()).rejects.toThrow('aborted');
});

test('partial lists and queries: pages of one', async () => {
  await setFaults([partial('s3'), partial('dynamodb'), partial('glue')]);
  await s3()
    .send(new ListObjectsV2Command({ Bucket: 'b' }))
    .catch(() => {});
  expect(took.at(-1)?.operation).toContain('max-keys=1');
  await dynamodb().send(new QueryCommand({ TableName: 't' }));
  expect(JSON.parse(String(took.at(-1)?.body))).toEqual({ TableName: 't', Limit: 1 });
  await glue().send(new GetPartitionsCommand({ DatabaseName: 'd', TableName: 't' }));
  expect(JSON.parse(String(took.at(-1)?.body))).toMatchObject({ MaxResults: 1 });
});

test('partial: a call that is done or fails as a whole is not hit', async () => {
  await setFaults([partial('s3')]);
  await s3().send(new PutObjectCommand(put));
  expect(took.length).toBe(1);
});

test('partial BatchWriteItem and BatchGetItem: some are left unprocessed; of one, the call is throttled', async () => {
  await setFaults([partial('dynamodb')]);
  const write = (ids: string[]) =>
    dynamodb().send(
      new BatchWriteItemCommand({
        RequestItems: { t: ids.map((id) => ({ PutRequest: { Item: item(id) } })) },
      }),
    );
  expect((await write(['a', 'b', 'c'])).UnprocessedItems).toEqual({
    t: [{ PutRequest: { Item: item('b') } }, { PutRequest: { Item: item('c') } }],
  });
  expect(JSON.parse(String(took[0]?.body)).RequestItems).toEqual({
    t: [{ PutRequest: { Item: item('a') } }],
  });
  await expect(write(['a'])).rejects.toMatchObject({ name: 'ProvisionedThroughputExceededException' });

  answer = () => ({ Responses: { t: [item('a')] } });
  const Keys = [item('a'), item('b')];
  const got = await dynamodb().send(
    new BatchGetItemCommand({ RequestItems: { t: { Keys, ConsistentRead: true } } }),
  );
  expect(got.Responses).toEqual({ t: [item('a')] });
  expect(got.UnprocessedKeys).toEqual({ t: { Keys: [item('b')], ConsistentRead: true } });
  expect(took.length).toBe(2);
});

test('partial TransactWriteItems: it is cancelled for a conflict, and has no effect; so is a single write', async () => {
  await setFaults([partial('dynamodb')]);
  const Put = { TableName: 't', Item: item('a') };
  await expect(
    dynamodb().send(new TransactWriteItemsCommand({ TransactItems: [{ Put }, { Put }] })),
  ).rejects.toMatchObject({
    name: 'TransactionCanceledException',
    CancellationReasons: [{ Code: 'TransactionConflict' }, { Code: 'None' }],
  });
  await expect(
    dynamodb().send(new UpdateItemCommand({ TableName: 't', Key: item('a') })),
  ).rejects.toMatchObject({ name: 'TransactionConflictException' });
  expect(took).toEqual([]);
});

test('partial PutEvents: some entries fail, as FailedEntryCount says', async () => {
  await setFaults([partial('events')]);
  answer = ({ Entries }) => ({
    FailedEntryCount: 0,
    Entries: (Entries as unknown[]).map(() => ({ EventId: 'e' })),
  });
  const send = (sources: string[]) =>
    new EventBridgeClient(settings()).send(
      new PutEventsCommand({ Entries: sources.map((Source) => ({ Source, DetailType: 'd', Detail: '{}' })) }),
    );
  expect(await send(['a', 'b'])).toMatchObject({
    FailedEntryCount: 1,
    Entries: [{ EventId: 'e' }, { ErrorCode: 'InternalFailure' }],
  });
  expect(await send(['a'])).toMatchObject({
    FailedEntryCount: 1,
    Entries: [{ ErrorCode: 'InternalFailure' }],
  });
  expect(took.length).toBe(1);
});

test('partial batches of partitions: some have errors, or are left unprocessed', async () => {
  await setFaults([partial('glue')]);
  const table = { DatabaseName: 'd', TableName: 't' };
  const values = ['1', '2', '3'].map((value) => ({ Values: [value] }));
  const wanted = [['2'], ['3']].map((PartitionValues) => ({
    PartitionValues,
    ErrorDetail: { ErrorCode: 'InternalServiceException' },
  }));
  expect(
    (await glue().send(new BatchCreatePartitionCommand({ ...table, PartitionInputList: values }))).Errors,
  ).toMatchObject(wanted);
  expect(
    (await glue().send(new BatchDeletePartitionCommand({ ...table, PartitionsToDelete: values }))).Errors,
  ).toMatchObject(wanted);
  expect(
    (await glue().send(new BatchGetPartitionCommand({ ...table, PartitionsToGet: values }))).UnprocessedKeys,
  ).toEqual(values.slice(1));
  expect(took.map((t) => Object.values(JSON.parse(t.body)).at(-1))).toEqual([
    [{ Values: ['1'] }],
    [{ Values: ['1'] }],
    [{ Values: ['1'] }],
  ]);
});
