import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';

const offline = resolve(import.meta.dirname, '../../../offline');
const key = 'feed/\u001b[2J\u202e\u009b.json';

/** What a thread prints, as the functions of serverless-offline are run, and what it fails with. */
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

test('what a function fails with offline shows what hides in it, and keeps its name and message', async () => {
  const { failure } = await run(`
    const { workerData: key } = require('node:worker_threads');
    import('${offline}/namedErrors.ts').then(({ functionNamed }) =>
      functionNamed(async () => { throw Object.assign(new Error(key), { name: 'ObjectMissing' }); })());`);
  const told = String(failure?.message).slice(1);
  expect(told).not.toMatch(/\p{C}/u);
  expect(JSON.parse(told)).toMatchObject({ errorType: 'ObjectMissing', errorMessage: key });
});
