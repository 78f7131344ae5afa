/** Invariants 3 and 4 of single calls: a partial answer is a failure, and a failure ends the work. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { createStore } from '../../src/lib/aws/store.ts';
import { deadlineAfter } from '../../src/lib/deadline.ts';
import { ledgerOn } from '../../src/lib/ledger/ledger.ts';
import { parallel } from '../../src/lib/parallel.ts';
import { createMemoryAws } from '../support/memory/index.ts';

const patience = { pause: 0 };
const turn = () => new Promise<void>((done) => setImmediate(done));

test('invariant 3: after the first failure of many, nothing further is started, and nothing goes on behind the error', async () => {
  let started = 0;
  let running = 0;
  const work = parallel(Array.from({ length: 200 }), 16, async (_, i) => {
    started++;
    running++;
    await turn();
    running--;
    if (i === 5) throw new Error('the sixth');
  });
  await expect(work).rejects.toThrow('the sixth');
  expect(running).toBe(0);
  expect(started).toBeLessThanOrEqual(32);
});

test('invariant 3: when the time is nearly up, no further work is started', async () => {
  let left = 60_000;
  let started = 0;
  const work = parallel(
    Array.from({ length: 100 }),
    4,
    async () => {
      started++;
      left -= 5000;
    },
    deadlineAfter(() => left),
  );
  await expect(work).rejects.toMatchObject({ name: 'OutOfTime' });
  expect(started).toBeLessThan(15);
});

test('invariant 4: objects that S3 says it has not deleted are asked for again; when they stay, it is an error', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('a').s3, patience);
  const keys = Array.from({ length: 1500 }, (_, i) => `k${i}`);
  for (const key of keys) aws.s3.seed('work', key, 'x');
  let partial = 0;
  aws.plan = (call) =>
    call.operation === 'DeleteObjects' && partial++ < 2 ? { mode: 'partial', mask: 5 } : undefined;
  await store.delete('work', keys);
  expect(aws.s3.keys('work')).toEqual([]);
  expect(aws.hits).toHaveLength(2);
  aws.s3.seed('work', 'stays', 'x');
  aws.plan = () => ({ mode: 'partial', mask: 1 });
  await expect(store.delete('work', ['stays'])).rejects.toMatchObject({
    name: 'ObjectsNotDeleted',
    message: expect.stringContaining('stays'),
  });
});

test('invariant 4: a transaction that met another one is tried again; one whose condition failed is not', async () => {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('a').documents, { patience });
  const file = { object: 'x', version: 'v', size: 1, sequencer: '1', etag: 'e' };
  let conflicts = 0;
  aws.plan = (call) =>
    call.operation === 'TransactWriteItems' && conflicts++ < 3 ? { mode: 'partial' } : undefined;
  expect(await ledger.notePending('d', [file], async () => [])).toEqual([true]);
  aws.plan = undefined;
  const before = aws.calls('dynamodb.TransactWriteItems');
  expect(await ledger.notePending('d', [file], async () => [])).toEqual([false]);
  expect(aws.calls('dynamodb.TransactWriteItems') - before).toBe(1);
});

test('invariant 4: a write that meets others each time it is tried ends in an error that its state tries again', async () => {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('a').documents, { patience });
  const fence = (await ledger.acquireLease('d')) ?? 0;
  aws.plan = (call) =>
    ['TransactWriteItems', 'UpdateItem'].includes(call.operation) ? { mode: 'partial' } : undefined;
  const file = { object: 'x', version: 'v', size: 1, sequencer: '1', etag: 'e' };
  expect(await ledger.notePending('d', [file], async () => [])).toMatchObject([{ name: 'LedgerBusy' }]);
  await expect(ledger.releaseLease('d', fence)).rejects.toMatchObject({ name: 'LedgerBusy' });
});

test('invariant 4: an object whose connection breaks in the middle is read again; when it breaks each time, its state is tried again', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('a').s3, patience);
  const text = 'x'.repeat(1000);
  aws.s3.seed('work', 'k', text);
  const ref = { bucket: 'work', key: 'k' };
  const folder = mkdtempSync(join(tmpdir(), 'sluice-broken-'));
  const path = join(folder, 'k');
  const reads = {
    download: async () => {
      await store.download(ref, path);
      return readFileSync(path, 'utf8');
    },
    readText: () => store.readText(ref),
    readRange: async () => Buffer.from(await store.readRange(ref, 0, 1000)).toString(),
    head: async () => Buffer.from((await store.head(ref, 1000)).head).toString(),
  };
  try {
    for (const [name, read] of Object.entries(reads)) {
      let broken = 0;
      aws.plan = () => (broken++ < 2 ? { mode: 'partial' } : undefined);
      expect([name, await read()]).toEqual([name, text]);
      aws.plan = () => ({ mode: 'partial' });
      await expect(read()).rejects.toMatchObject({ name: 'ConnectionLost' });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('invariant 4: keys that DynamoDB leaves unread are asked for again', async () => {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('a').documents, { patience });
  const files = Array.from({ length: 30 }, (_, i) => ({ object: `x${i}`, version: 'v' }));
  const noted = files.map((file) => ({ ...file, size: 1, sequencer: '1', etag: file.object }));
  await ledger.notePending('d', noted, async () => []);
  let partial = 0;
  aws.plan = (call) =>
    call.operation === 'BatchGetItem' && partial++ < 3 ? { mode: 'partial', mask: 7 } : undefined;
  expect(await ledger.knows('d', files)).toEqual(files.map(() => true));
  expect(partial).toBeGreaterThan(3);
});

test('invariant 3: every state waits longer than its function may run', () => {
  const machine = parse(readFileSync('statemachines/ingest.yml', 'utf8'), {
    merge: true,
    logLevel: 'silent',
  }) as {
    definition: { States: Record<string, { Resource?: string; TimeoutSeconds?: number }> };
  };
  const functions = parse(readFileSync('infra/functions.yml', 'utf8'), { logLevel: 'silent' }) as Record<
    string,
    { timeout?: number }
  >;
  const tasks = Object.entries(machine.definition.States).filter(([, state]) => state.Resource !== undefined);
  expect(tasks.length).toBeGreaterThan(10);
  for (const [name, { Resource = '', TimeoutSeconds = 0 }] of tasks) {
    const timeout = functions[Resource.split('.')[0] ?? '']?.timeout ?? 60;
    expect([name, TimeoutSeconds]).toEqual([name, timeout + 30]);
  }
});
