/** Every port that a local AWS opens, and what a web page can do with it. */
import { expect, test } from '@jest/globals';
import { createTrinoClient } from '../../offline/athena/trinoClient.ts';
import { startWatchServer } from '../../src/watch/server.ts';
import { familyOf, type Listener, listeners } from '../support/listening.ts';
import { athena, stage } from '../support/stage.ts';

const gatewayPort = Number(new URL(String(stage.endpoint)).port);

/** Listeners of the gateway's process and of its child processes, except the tests. */
function ours(): Listener[] {
  const all = listeners();
  const gateway = all.find(({ port }) => port === gatewayPort);
  const family = familyOf(Number(gateway?.pid), /jest\.js/);
  return all.filter(({ pid }) => family.has(pid));
}

/** Requests that need no permission of the server: https://fetch.spec.whatwg.org/#cors-safelisted-request-header */
const page = {
  method: 'POST',
  body: '{}',
  headers: { origin: 'https://evil.example', 'content-type': 'text/plain' },
};

test('only this machine reaches what a local AWS opens, and no web page gets through', async () => {
  const found = ours();
  const kindOf = ({ pid, command }: Listener) => {
    if (command.includes('TrinoServer')) return 'Trino';
    if (command.includes('emulator.py')) return 'ministack';
    // Spark's ports, open while a job runs, do not speak HTTP.
    return pid === found.find(({ port }) => port === gatewayPort)?.pid ? 'gateway' : 'Spark';
  };
  const kinds = found.map(kindOf);
  expect(kinds).toEqual(expect.arrayContaining(['gateway', 'ministack', 'Trino']));
  for (const listener of found) {
    // 127.0.0.1, also in its IPv6 form.
    expect(['0100007F', '0000000000000000FFFF00000100007F']).toContain(listener.address);
    const kind = kindOf(listener);
    const server = `http://127.0.0.1:${listener.port}`;
    if (kind === 'Trino')
      await expect(createTrinoClient(server, 'athena').run('SELECT 1', 'default')).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
      });
    else if (kind !== 'Spark')
      for (const path of ['/', '/2015-03-31/functions', '/_ministack/reset'])
        expect([kind, path, (await fetch(`${server}${path}`, page)).status]).toEqual([kind, path, 403]);
  }
  // The AWS's own callers are accepted.
  expect(await athena('SELECT 1 AS one')).toEqual([{ one: '1' }]);
}, 60_000);

test('what calls ministack without the gateway is rejected, program or page, and no address leads there', async () => {
  expect(new URL(stage.config.queueUrl).port).toBe(String(gatewayPort));
  const ministack = ours().find(({ command }) => command.includes('emulator.py'));
  const answer = await fetch(`http://127.0.0.1:${ministack?.port}/${stage.config.rawBucket}`);
  expect([answer.status, await answer.text()]).toEqual([403, 'this is for the gateway only\n']);
});

test('the watch page answers no other site', async () => {
  const server = await startWatchServer(stage, 0);
  try {
    const status = async (headers: Readonly<Record<string, string>>) =>
      (await fetch(`${server.address}api/datasets`, { headers })).status;
    expect(await status({})).toBe(200);
    expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await status({ origin: 'https://evil.example' })).toBe(403);
  } finally {
    await server.close();
  }
});
