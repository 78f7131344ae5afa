import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';

const offline = resolve(import.meta.dirname, '../../../offline');
const key = 'feed/\u001b[2J\u202e\u009b.json';

/** What a thread prints, as serverless-offline runs functions, and its error. */
const run = (code: string) =>
  new Promise<{ printed: string; failure: Error | undefined }>((done) => {
    const worker = new Worker(code, { eval: true, stdout: true, stderr: true, workerData: key });
    let [printed, failure] = ['', undefined as Error | undefined];
    for (const stream of [worker.stdout, worker.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed += String(chunk);
      });
    worker.on('error', (error: Error) => {
      failure = error;
    });
    worker.on('exit', () => done({ printed, failure }));
  });

test('what a function prints offline shows what hides in it, and is the same JSON', async () => {
  const { printed } = await run(`
    const { workerData: key } = require('node:worker_threads');
    import('${offline}/functionOutput.ts').then(({ showHiddenOutput }) => {
      showHiddenOutput();
      console.log(JSON.stringify({ key }));
      console.error(JSON.stringify({ key }));
      process.stdout.write(Buffer.from(JSON.stringify({ key }) + '\\n'));
    });`);
  const lines = printed.trim().split('\n');
  expect(lines).toHaveLength(3);
  for (const line of lines) {
    expect(line).not.toMatch(/\p{C}/u);
    expect(JSON.parse(line)).toEqual({ key });
  }
});

test('what a function logs offline is a line for a person, and metrics are none', async () => {
  const logged = {
    level: 'INFO',
    message: 'dispatched',
    timestamp: '2026-11-27T00:38:52.926Z',
    service: 'sluice',
    cold_start: false,
    function_name: 'sluice-local-dispatch',
    function_request_id: 'e1e48dac',
    counts: { noted: 1 },
    dataset: 'feed',
  };
  const failed = { ...logged, level: 'ERROR', error: { name: 'LeaseLost', message: key, stack: 'at …' } };
  const { printed } = await run(`
    import('${offline}/functionOutput.ts').then(({ showHiddenOutput }) => {
      showHiddenOutput();
      for (const line of ${JSON.stringify([logged, failed, { _aws: {}, OldestPendingAge: 1 }])})
        console.log(JSON.stringify(line));
    });`);
  expect(printed.split('\n')).toEqual([
    '00:38:52 dispatch dispatched counts={"noted":1} dataset=feed',
    expect.stringMatching(/^00:38:52 dispatch ERROR dispatched LeaseLost: feed\S+json counts=/),
    '',
  ]);
  expect(printed).not.toMatch(/[\p{C}--\n]/v);
});

test('what a function fails with offline shows what hides in it, and keeps its name and message', async () => {
  const { failure } = await run(`
    const { workerData: key } = require('node:worker_threads');
    import('${offline}/namedErrors.ts').then(({ functionNamed }) =>
      functionNamed(async () => { throw Object.assign(new Error(key), { name: 'ObjectMissing' }); })());`);
  const told = String(failure?.message).slice(1);
  expect(told).not.toMatch(/\p{C}/u);
  expect(JSON.parse(told)).toMatchObject({ errorType: 'ObjectMissing', errorMessage: key });
});
