/** `sls offline --stage local`: the next execution runs an edited handler, without a deployment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { functionEnvironments } from '../../offline/functions.ts';
import { freePort } from '../../offline/ports.ts';
import { retry } from '../../src/lib/flow/operate/again.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { connectStage, depsOf, type Stage } from '../../src/stage/connect.ts';
import { copyCheckout, root } from '../support/checkout.ts';
import { isOnHive, post } from '../support/stage.ts';
import { stageParameters } from '../support/stageParameters.ts';

const dataset = 'social_media';
let copy: string;

interface Offline {
  readonly process: ChildProcess;
  readonly lambdaPort: number;
  output(): string;
  readonly ended: Promise<number | null>;
}

function startOffline(lambdaPort: number, environment: NodeJS.ProcessEnv = {}): Offline {
  // Those of the stage that the other tests run on: its package is used again.
  const params = { localPort: 0, ...stageParameters(isOnHive ? 'hive' : 'iceberg') };
  const args = [
    ...['offline', '--stage', 'local', '--lambdaPort', String(lambdaPort)],
    ...Object.entries(params).map(([name, value]) => `--param=${name}=${value}`),
  ];
  const { AWS_ENDPOINT_URL: _, ...own } = process.env;
  const child = spawn(join(root, 'node_modules/.bin/sls'), args, {
    cwd: copy,
    // A process group of its own, as in a terminal: Ctrl-C reaches all of it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...own, SLS_TELEMETRY_DISABLED: '1', ...environment },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  const ended = new Promise<number | null>((done) => child.on('close', done));
  return { process: child, lambdaPort, output: () => output, ended };
}

const interrupt = (offline: Offline) => process.kill(-(offline.process.pid ?? 0), 'SIGINT');

async function untilOutput(offline: Offline, pattern: RegExp): Promise<string> {
  const output = await waitFor(
    async () => offline.output(),
    (text) => pattern.test(text) || offline.process.exitCode !== null,
    // It packages the functions, beside other tests.
    240_000,
  );
  const [, found] = pattern.exec(output) ?? [];
  if (found === undefined) throw new Error(`${pattern} is not in:\n${output}`);
  return found;
}

/** Serverless-offline's answer for a function. */
const invoke = async ({ lambdaPort }: Offline, name: string): Promise<string> => {
  const address = `http://127.0.0.1:${lambdaPort}/2015-03-31/functions/sluice-local-${name}/invocations`;
  return (await fetch(address, { method: 'POST', body: '{}' })).text();
};

/** The answer of a local server to a web page that calls a function. */
const statusForPage = async (address: string): Promise<number> => {
  const headers = { origin: 'https://evil.example', 'content-type': 'text/plain' };
  return (await fetch(address, { method: 'POST', body: '{}', headers })).status;
};

const stateOf = async (stage: Stage, key: string): Promise<string> => {
  const settled = ['published', 'held', 'failed'];
  const files = await waitFor(
    async () => (await Array.fromAsync(stage.ledger.files(dataset))).filter((f) => f.object === key),
    (found) => found.some((f) => settled.includes(f.state)),
    180_000,
  );
  return files[0]?.state ?? 'not there';
};

beforeAll(() => {
  copy = copyCheckout();
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

/** Replaces the file as editors do, so nobody reads half of it. */
function edit(path: string, text: string): void {
  writeFileSync(`${path}~`, text);
  renameSync(`${path}~`, path);
}

test('an edited handler is run by the next execution; errors keep their names; Ctrl-C ends all of it', async () => {
  const offline = startOffline(await freePort());
  try {
    const endpoint = await untilOutput(offline, /local AWS at (http:\S+);/);
    await untilOutput(offline, /(listening on)/);
    const stage = await connectStage(endpoint);
    const name = 'sluice-local-replaceRows';
    expect((await functionEnvironments(endpoint, [name])).get(name)).toMatchObject({
      REWRITE_LIMIT_MB: '40',
    });
    const drop = (key: string, id: number) =>
      stage.s3.send(new PutObjectCommand({ Bucket: stage.config.rawBucket, Key: key, Body: post(id) }));

    await drop('social-media-feed/one.json', 1);
    expect(await stateOf(stage, 'social-media-feed/one.json')).toBe('published');

    const recover = '2015-03-31/functions/sluice-local-recover/invocations';
    for (const server of [`http://127.0.0.1:${offline.lambdaPort}`, endpoint])
      expect(await statusForPage(`${server}/${recover}`)).toBe(403);

    const handler = join(copy, 'src/handlers/checkCrawler.ts');
    const source = readFileSync(handler, 'utf8');
    const throwing = "throw Object.assign(new Error('edited'), { name: 'SchemaMismatch' });";
    edit(
      handler,
      `${source.replace('export const handler', 'const whole')}\nexport const handler: typeof whole = async () => { ${throwing} };\n`,
    );
    await waitFor(
      () => invoke(offline, 'checkCrawler'),
      (answer) => answer.includes('edited'),
      120_000,
    );
    await drop('social-media-feed/two.json', 2);
    expect(await stateOf(stage, 'social-media-feed/two.json')).toBe('held');
    const held = (await stage.ledger.batches(dataset)).find((b) => b.state === 'held');
    expect(held?.reason).toBe('SchemaMismatch: edited');

    edit(handler, source);
    await waitFor(
      () => invoke(offline, 'checkCrawler'),
      (answer) => !answer.includes('edited'),
      120_000,
    );
    await retry(depsOf(stage), dataset, { batch: String(held?.batch) });
    await waitFor(
      () => stateOf(stage, 'social-media-feed/two.json'),
      (state) => state === 'published',
      60_000,
    );

    // Code that cannot be built fails by name, and the file is processed when the code is corrected.
    edit(handler, `const x = ;\n${source}`);
    const broken = await waitFor(
      () => invoke(offline, 'checkCrawler'),
      (answer) => answer.includes('UserCodeSyntaxError'),
      120_000,
    );
    expect(broken).toContain('src/handlers/checkCrawler.ts:1:11');
    await drop('social-media-feed/three.json', 3);
    edit(handler, source);
    expect(await stateOf(stage, 'social-media-feed/three.json')).toBe('published');

    interrupt(offline);
    expect(await offline.ended).toBe(0);
    await expect(fetch(endpoint)).rejects.toThrow('fetch failed');
    for (const folder of ['.sluice-offline', '.esbuild/.build'])
      expect(existsSync(join(copy, folder))).toBe(false);
  } catch (error) {
    console.log(offline.output().slice(-3000));
    throw error;
  } finally {
    if (offline.process.exitCode === null) interrupt(offline);
    await offline.ended;
  }
}, 900_000);

test('a busy port and a missing Python are one clear line each', async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const [busy, missing] = [
    startOffline(port),
    startOffline(await freePort(), { SLUICE_PYTHON: '/no/python' }),
  ];
  expect(await busy.ended).toBe(1);
  expect(busy.output()).toContain(
    `port ${port} is in use; choose another one for the functions with --lambdaPort`,
  );
  expect(await missing.ended).toBe(1);
  expect(missing.output()).toContain('Python is missing: "/no/python" does not start.');
  for (const { output } of [busy, missing]) expect(output()).not.toMatch(/^\s+at /m);
  await new Promise((done) => server.close(done));
}, 60_000);
