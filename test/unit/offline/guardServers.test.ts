import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { guardServers } from '../../../offline/guardServers.ts';
import { Reload } from '../../../offline/reload.ts';

const http = createRequire(import.meta.url)('node:http') as typeof import('node:http');
const original = http.createServer;
let server: Server;
const reload = new Reload();
let listening = 0;
beforeAll(() =>
  guardServers(
    reload,
    () => false,
    () => listening++,
  ),
);
afterAll(() => {
  http.createServer = original;
  server.close();
  server.closeAllConnections();
});

test('a server that other code makes, as serverless-offline does, answers programs and no web page', async () => {
  const ran: string[] = [];
  server = http.createServer();
  server.on('request', (request, response) => {
    ran.push(String(request.url));
    response.end('ran');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const status = async (path: string, headers: Readonly<Record<string, string>>) =>
    new Promise<number | undefined>((done, fail) => {
      http
        .request({ host: '127.0.0.1', port, path, method: 'POST', headers }, (answer) => {
          answer.resume();
          answer.on('end', () => done(answer.statusCode));
        })
        .on('error', fail)
        .end('{}');
    });
  expect(await status('/page', { origin: 'https://evil.example', 'content-type': 'text/plain' })).toBe(403);
  expect(await status('/rebound', { host: 'evil.example' })).toBe(403);
  expect(await status('/program', { 'content-type': 'application/json' })).toBe(200);
  expect(ran).toEqual(['/program']);
  expect(listening).toBe(1);
});
