/** The strict gateway in front of a service that accepts everything: what it lets through, and the messages of its rejections. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { connectUpstream } from '../../../../offline/aws.ts';
import { startGateway } from '../../../../offline/gateway.ts';
import { createStrict, type Strict, strictPath } from '../../../../offline/strict/check.ts';
import { type Model, modelSchema } from '../../../../offline/strict/model.ts';
import { waitFor } from '../../../../src/lib/waitFor.ts';

const operation = (method: string, requestUri: string, shape: string) => ({
  http: { method, requestUri },
  input: { shape },
});
const text = (location: string, locationName: string) => ({ shape: 'Text', location, locationName });
const object = { Bucket: text('uri', 'Bucket'), Key: text('uri', 'Key') };
const models: Readonly<Record<string, Model>> = {
  dynamodb: modelSchema.parse({
    metadata: { protocol: 'json', jsonVersion: '1.0', targetPrefix: 'DynamoDB_20120810' },
    operations: {
      PutItem: {
        ...operation('POST', '/', 'PutItem'),
        output: { shape: 'Put' },
        errors: [{ shape: 'TransactionConflictException' }],
      },
      TransactWriteItems: { http: { method: 'POST', requestUri: '/' } },
    },
    shapes: {
      Text: { type: 'string', max: 255 },
      PutItem: {
        type: 'structure',
        required: ['TableName'],
        members: { TableName: { shape: 'Text' }, Item: { shape: 'Item' } },
      },
      Put: { type: 'structure', members: { Attributes: { shape: 'Item' } } },
      TransactionConflictException: { type: 'structure', exception: true, members: {} },
      Item: { type: 'map', key: { shape: 'Text' }, value: { shape: 'Value' } },
      Value: { type: 'structure', members: { S: { shape: 'Text' }, M: { shape: 'Item' } } },
    },
  }),
  s3: modelSchema.parse({
    metadata: { protocol: 'rest-xml' },
    operations: {
      PutObject: operation('PUT', '/{Bucket}/{Key+}', 'Put'),
      HeadObject: operation('HEAD', '/{Bucket}/{Key+}', 'Put'),
      CopyObject: operation('PUT', '/{Bucket}/{Key+}', 'Copy'),
    },
    shapes: {
      Text: { type: 'string' },
      Body: { type: 'blob' },
      Put: {
        type: 'structure',
        required: ['Bucket', 'Key'],
        payload: 'Body',
        members: { ...object, Body: { shape: 'Body' } },
      },
      Copy: {
        type: 'structure',
        required: ['Bucket', 'Key', 'CopySource'],
        members: { ...object, CopySource: text('header', 'x-amz-copy-source') },
      },
    },
  }),
  lambda: modelSchema.parse({
    metadata: { protocol: 'rest-json' },
    operations: { GetFunction: operation('GET', '/functions/{Name}', 'Get') },
    shapes: {
      Text: { type: 'string', max: 3 },
      Get: { type: 'structure', required: ['Name'], members: { Name: text('uri', 'Name') } },
    },
  }),
};

const folder = mkdtempSync(join(tmpdir(), 'sluice-strict-'));
const log = join(folder, 'wrong');
/** Requests that reached the service behind the gateway. */
let passed: string[] = [];
/** Lets a running transaction end. */
let finish = () => {};
let service: Server;
let gateway: Awaited<ReturnType<typeof startGateway>>;

beforeAll(async () => {
  service = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      const target = String(request.headers['x-amz-target'] ?? '');
      if (target.endsWith('DescribeTable'))
        return response.end(JSON.stringify({ Table: { KeySchema: [{ AttributeName: 'pk' }] } }));
      passed.push(`${request.method} ${request.url} ${bytes}`);
      if (!target.endsWith('TransactWriteItems')) return response.end(request.headers['x-answer'] ?? '');
      finish = () => response.end();
    });
  });
  await new Promise<void>((done) => service.listen(0, '127.0.0.1', done));
  const address = service.address();
  const upstream = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  gateway = await startGateway({
    port: 0,
    upstream,
    secret: 'secret',
    operations: {},
    strict: (recorder): Strict =>
      createStrict((name) => models[name], connectUpstream(upstream), recorder, log),
  });
});

afterAll(async () => {
  await gateway.close();
  service.close();
  service.closeAllConnections();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  passed = [];
});

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly error: string | undefined;
  readonly body: string;
}

const send = (
  of: string,
  method: string,
  path: string,
  body: string | Buffer = '',
  headers: Record<string, string> = {},
): Promise<Answer> =>
  new Promise((done, fail) => {
    const authorization = `AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/${of}/aws4_request, Signature=0`;
    const asked = httpRequest(
      { host: '127.0.0.1', port: gateway.port, method, path, headers: { authorization, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          done({
            status: response.statusCode,
            type: response.headers['content-type'],
            error: response.headers['x-amzn-errortype']?.toString(),
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    asked.on('error', fail);
    asked.end(body);
  });
const put = (body: string, headers: Record<string, string> = {}) =>
  send('dynamodb', 'POST', '/', body, { 'x-amz-target': 'DynamoDB_20120810.PutItem', ...headers });

test('what fits goes through, with its body', async () => {
  expect(await put('{"TableName":"t","Item":{}}')).toMatchObject({ status: 200 });
  expect(await send('s3', 'PUT', '/b/a%20b', Buffer.alloc(3_000_000))).toMatchObject({ status: 200 });
  expect(passed).toContain('POST / 27');
  expect(passed).toContain('PUT /b/a%20b 3000000');
});

test('a service that nobody has a model of goes through', async () => {
  expect(await send('sns', 'POST', '/', 'Action=Publish')).toMatchObject({ status: 200 });
});

test('JSON: the error is named in the body, and nothing reaches the service', async () => {
  const { status, type, body } = await put('{}');
  expect({ status, type }).toEqual({ status: 400, type: 'application/x-amz-json-1.0' });
  const message =
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null";
  expect(JSON.parse(body)).toEqual({
    __type: 'com.amazon.coral.validate#ValidationException',
    message,
    Message: message,
  });
  expect(passed).toEqual([]);
});

const deep = `${'{"M":{"a":'.repeat(50_000)}{}${'}}'.repeat(50_000)}`;

test.each([
  ['no JSON', '{'],
  ['no object', '[]'],
  ['a wrong type', '{"TableName":5}'],
  ['endless nesting', `{"TableName":"t","Item":{"a":${deep}}}`],
])('JSON: %s is a SerializationException', async (_, body) => {
  const answer = await put(body);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain('"com.amazon.coral.service#SerializationException"');
});

test('JSON: an operation that the service lacks is unknown', async () => {
  const answer = await send('dynamodb', 'POST', '/', '{}', { 'x-amz-target': 'DynamoDB_20120810.Nope' });
  expect(answer).toMatchObject({ status: 400 });
  expect(answer.body).toContain('UnknownOperationException');
});

test('REST JSON: the error is named in a header', async () => {
  expect(await send('lambda', 'GET', '/functions/long')).toMatchObject({
    status: 400,
    error: 'ValidationException',
  });
});

test('DynamoDB: a write that meets an ongoing transaction is a conflict until the transaction has ended', async () => {
  const item = { TableName: 't', Item: { pk: { S: 'a' } } };
  const transaction = send('dynamodb', 'POST', '/', JSON.stringify({ TransactItems: [{ Put: item }] }), {
    'x-amz-target': 'DynamoDB_20120810.TransactWriteItems',
  });
  await waitFor(
    async () => passed.length,
    (count) => count === 1,
    5000,
  );
  const refused = await put(JSON.stringify(item));
  expect(refused.status).toBe(400);
  expect(refused.body).toContain('TransactionConflictException');
  finish();
  expect((await transaction).status).toBe(200);
  const isFree = async () => (await put(JSON.stringify(item))).status === 200;
  expect(await waitFor(isFree, Boolean, 5000)).toBe(true);
});

test.each<[string, string, Record<string, string>, string]>([
  ['an address that is not encoded', '/b/%zz', {}, 'InvalidURI'],
  ['a key that is too long', `/b/${'k'.repeat(1025)}`, {}, 'KeyTooLongError'],
  ['a source that is not encoded', '/b/k', { 'x-amz-copy-source': 'b/%zz' }, 'InvalidArgument'],
])('S3: %s is refused in XML, and its body is read away', async (_, path, headers, code) => {
  const answer = await send('s3', 'PUT', path, Buffer.alloc(3_000_000), headers);
  expect(answer).toMatchObject({ status: 400, type: 'application/xml' });
  expect(answer.body).toContain(`<Code>${code}</Code>`);
  expect(passed).toEqual([]);
});

test('S3: a refused HEAD has no body', async () => {
  expect(await send('s3', 'HEAD', `/b/${'k'.repeat(1025)}`)).toMatchObject({ status: 400, body: '' });
});

test('an answer that the model does not have goes through, and is listed once with a count', async () => {
  const wrong = async () =>
    (JSON.parse((await send('', 'GET', strictPath)).body) as { wrong: unknown }).wrong;
  expect(await wrong()).toEqual([]);
  for (const answer of ['{"Attributes":{}}', '{"Odd":1}', '{"Odd":2}'])
    expect(await put('{"TableName":"t","Item":{}}', { 'x-answer': answer })).toMatchObject({
      status: 200,
      body: answer,
    });
  const what = 'odd: the model does not have this member';
  const listed = { service: 'dynamodb', operation: 'PutItem', what, example: '{"Odd":1}', count: 2 };
  expect(await wrong()).toEqual([listed]);
  // The local AWS may end before anybody asks.
  expect(readFileSync(log, 'utf8')).toBe(`${JSON.stringify({ ...listed, count: 1 })}\n`);
});

test('an answer of a service or an address without a model is counted as unchecked', async () => {
  const state = async () =>
    JSON.parse((await send('', 'GET', strictPath)).body) as { checked: number; unchecked: unknown };
  const { checked } = await state();
  await put('{"TableName":"t","Item":{}}', { 'x-answer': '{}' });
  await send('lambda', 'GET', '/nowhere');
  await send('mars', 'GET', '/');
  expect(await state()).toMatchObject({
    checked: checked + 1,
    unchecked: expect.arrayContaining([
      { service: 'lambda', operation: expect.any(String), count: 1 },
      { service: 'mars', operation: expect.any(String), count: 1 },
    ]),
  });
});

test('what was refused is listed, and settings that are none are refused', async () => {
  const asJson = { 'content-type': 'application/json' };
  expect(await send('', 'PUT', strictPath, '{"copySourceBytes":0}', asJson)).toMatchObject({ status: 400 });
  expect(await send('', 'PUT', strictPath, '{"copySourceBytes":7}', asJson)).toMatchObject({ status: 200 });
  const { body } = await send('', 'GET', strictPath);
  expect(JSON.parse(body)).toMatchObject({
    copySourceBytes: 7,
    refused: expect.arrayContaining([
      expect.objectContaining({
        service: 'dynamodb',
        operation: 'PutItem',
        code: 'ValidationException',
        count: 1,
      }),
    ]),
  });
});
