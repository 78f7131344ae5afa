/** What a web page that a developer opens can do to a local AWS: nothing. */
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startGateway } from '../../../offline/gateway.ts';

const secret = 'drawn-by-lot'; // pragma: allowlist secret

let upstream: Server;

let gateway: Awaited<ReturnType<typeof startGateway>>;

/** Requests that reached ministack. */
const seen: { method: string; url: string; headers: IncomingHttpHeaders }[] = [];

beforeAll(async () => {
  upstream = createServer((asked, response) => {
    seen.push({ method: String(asked.method), url: String(asked.url), headers: asked.headers });
    asked.resume();
    // ministack's usual answer.
    response.writeHead(200, {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Headers': '*',
      'Access-Control-Expose-Headers': '*',
      'x-amz-request-id': '1',
    });
    response.end('done');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const address = upstream.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  gateway = await startGateway({ port: 0, upstream: `http://127.0.0.1:${port}`, secret, operations: {} });
});

afterAll(async () => {
  await gateway.close();
  upstream.close();
  upstream.closeAllConnections();
});

interface Options {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const ask = ({ method = 'GET', path = '/bucket/key', headers = {}, body }: Options) =>
  new Promise<{ status: number | undefined; headers: IncomingHttpHeaders; body: string }>((done, fail) => {
    const asked = request({ host: '127.0.0.1', port: gateway.port, method, path, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, body: text }));
    });
    asked.on('error', fail);
    asked.end(body);
  });

/** Would run code as the developer, if it were let through. */
const createFunction = { method: 'POST', path: '/2015-03-31/functions', body: '{}' };

test.each<[string, Options]>([
  ['a name that was pointed here', { headers: { host: 'evil.example' } }],
  ['a name that begins as this machine does', { headers: { host: '127.0.0.1.evil.example:4566' } }],
  ['a name that ends as this machine does', { headers: { host: 'evillocalhost' } }],
  ['a user before a name', { headers: { host: 'localhost@evil.example' } }],
  ['all addresses of this machine', { headers: { host: '0.0.0.0:4566' } }],
  ['a call of another site', { ...createFunction, headers: { origin: 'https://evil.example' } }],
  [
    'a call of another server on this machine',
    { ...createFunction, headers: { origin: 'http://localhost:3000' } },
  ],
  ['a call of a sandboxed page', { ...createFunction, headers: { origin: 'null' } }],
  [
    'a form that asks nobody first',
    {
      ...createFunction,
      headers: {
        origin: 'https://evil.example',
        'content-type': 'text/plain',
        'sec-fetch-site': 'cross-site',
      },
    },
  ],
  ['an image', { path: '/?Action=CreateStack', headers: { 'sec-fetch-site': 'cross-site' } }],
  ['a page of the same site', { path: '/?Action=CreateStack', headers: { 'sec-fetch-site': 'same-site' } }],
  ['an image in an old browser', { path: '/?Action=CreateStack', headers: { 'user-agent': 'Mozilla/5.0' } }],
  [
    'the question whether a call is allowed',
    {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'PUT' },
    },
  ],
  ['a socket', { headers: { origin: 'https://evil.example', connection: 'Upgrade', upgrade: 'websocket' } }],
  [
    'the fault switch',
    { method: 'PUT', path: '/_sluice/faults', body: '[]', headers: { origin: 'https://evil.example' } },
  ],
  ['the calls', { path: '/_sluice/calls', headers: { 'sec-fetch-site': 'cross-site' } }],
])('a web page comes through the gateway with nothing: %s', async (_, options) => {
  const before = seen.length;
  const { status, headers } = await ask(options);
  expect(status).toBe(403);
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
  expect(seen.length).toBe(before);
});

test.each(['127.0.0.1:4566', 'localhost:4566', 'localhost', '[::1]:4566', 'some-bucket.localhost:4566'])(
  'a program that calls this machine %s is answered',
  async (host) => {
    const { status, body } = await ask({ headers: { host, 'user-agent': 'aws-sdk-js/3.1 app/publish' } });
    expect([status, body]).toEqual([200, 'done']);
  },
);

test("ministack's leave for every page to read along goes no further; its other headers do", async () => {
  const { headers } = await ask({});
  expect(headers).toMatchObject({ 'x-amz-request-id': '1' });
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
});

test('ministack hears the secret from the gateway, and nobody else does', async () => {
  const { headers } = await ask({ headers: { 'x-sluice-secret': 'guessed' } });
  expect(seen.at(-1)?.headers['x-sluice-secret']).toBe(secret);
  expect(JSON.stringify(headers)).not.toContain(secret);
});

test.each<[number, Options]>([
  [405, { method: 'POST', path: '/_sluice/faults', body: '[]' }],
  [405, { method: 'PUT', path: '/_sluice/calls' }],
  [415, { method: 'PUT', path: '/_sluice/faults', body: '[]', headers: { 'content-type': 'text/plain' } }],
  [
    400,
    { method: 'PUT', path: '/_sluice/faults', body: 'x', headers: { 'content-type': 'application/json' } },
  ],
  [
    400,
    { method: 'PUT', path: '/_sluice/faults', body: '[{}]', headers: { 'content-type': 'application/json' } },
  ],
])('a switch that is turned wrongly says so (%i), and the gateway goes on', async (status, options) => {
  expect((await ask(options)).status).toBe(status);
  expect((await ask({ path: '/_sluice/faults' })).body).toBe('[]');
});
