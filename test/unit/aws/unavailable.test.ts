/** Answers that are no service's fault message: the SDK's own errors for them, from a server that gives such answers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GetTableCommand, GlueClient } from '@aws-sdk/client-glue';
import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { asUnavailable } from '../../../src/lib/aws/unavailable.ts';
import { AwsUnavailable, TableMismatch } from '../../../src/lib/errors.ts';

let answer: { status: number; body: string };
const server = createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(answer.status).end(answer.body));
});
beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
afterAll(() => {
  server.close();
});

const clientOf = (port: number) => ({
  endpoint: `http://127.0.0.1:${port}`,
  region: 'us-east-1',
  credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  forcePathStyle: true,
  maxAttempts: 1,
});
const own = () => clientOf((server.address() as AddressInfo).port);

const at = { Bucket: 'b', Key: 'k' };
const head = (options = own()) => new S3Client(options).send(new HeadObjectCommand(at));
const put = () => new S3Client(own()).send(new PutObjectCommand({ ...at, Body: 'x' }));
const table = () => new GlueClient(own()).send(new GetTableCommand({ DatabaseName: 'd', Name: 't' }));

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test.each([
  ['a failure without a body', 503, '', head],
  ['a page of a proxy', 502, '<html>Bad Gateway</html>', table],
  ['a slow request', 400, '<Error><Code>RequestTimeout</Code></Error>', put],
  ['a slow service', 400, '{"__type":"OperationTimeoutException"}', table],
] as const)(
  '%s is retried under one name, and keeps its own error as the cause',
  async (_, status, body, call) => {
    answer = { status, body };
    const error = await failure(call());
    expect(asUnavailable(error)).toBeInstanceOf(AwsUnavailable);
    expect(asUnavailable(error)).toMatchObject({ name: 'AwsUnavailable', cause: error });
  },
);

test('a service that cannot be reached is one, too', async () => {
  // Nobody listens on this port.
  expect(asUnavailable(await failure(head(clientOf(1))))).toBeInstanceOf(AwsUnavailable);
});

test('what AWS denies, and errors of Sluice, stay as they are', async () => {
  answer = { status: 403, body: '' };
  const denied = await failure(head());
  expect(asUnavailable(denied)).toBe(denied);
  const mismatch = new TableMismatch('another type');
  expect(asUnavailable(mismatch)).toBe(mismatch);
});
