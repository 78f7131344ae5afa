import { expect, test } from '@jest/globals';
import { createLedger, ledgerOn } from '../../../src/lib/ledger/ledger.ts';
import { createMemoryAws } from '../../support/memory/index.ts';

const patience = { pause: 0 };

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

test('every read of the ledger is consistent, but for those of an index, which has no such reads', async () => {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('a').documents, { patience });
  const read: object[] = [];
  aws.plan = ({ operation, input }) => {
    if (['GetItem', 'BatchGetItem', 'Query'].includes(operation) && !('IndexName' in input)) read.push(input);
    return undefined;
  };
  const id = { object: 'x', version: 'v' };
  await ledger.notePending('d', [{ ...id, size: 1, sequencer: '1', etag: 'e' }], async () => []);
  await ledger.file('d', id);
  await ledger.states('d', [id]);
  await ledger.openBatches('d');
  await ledger.pending('d');
  await ledger.lease('d');
  await ledger.pauseOf('d');
  expect(read.length).toBeGreaterThan(6);
  expect(read.filter((input) => !JSON.stringify(input).includes('"ConsistentRead":true'))).toEqual([]);
});

test('what an operator chose, and how far the sweep, reminders and backfills have come, is read as it was written', async () => {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('a').documents, { patience, clock: () => aws.clock.now() });
  const nothing = [
    await ledger.lastSweep('d'),
    await ledger.catalogDrift('d'),
    await ledger.reminderIn('d'),
    await ledger.backfill('d'),
    await ledger.lastMaintained('d'),
    await ledger.pauseOf('d'),
  ];
  expect(nothing).toEqual(nothing.map(() => undefined));
  expect(await ledger.engineChoice('d')).toBe('auto');
  const at = expect.stringMatching(/^2\d{3}-.+Z$/);
  await ledger.noteSwept('d', 'feed/k');
  expect(await ledger.lastSweep('d')).toEqual({ at, key: 'feed/k' });
  await ledger.noteSwept('d', undefined);
  expect(await ledger.lastSweep('d')).toEqual({ at });
  const drift = { table: 't', isTableMissing: false, partitions: 2, rows: 3 };
  await ledger.noteDrift('d', drift);
  expect(await ledger.catalogDrift('d')).toEqual({ at, ...drift });
  await ledger.noteReminder('d', 90_000);
  aws.clock.advance(30_000);
  const left = (await ledger.reminderIn('d')) ?? 0;
  expect([left <= 60_000, left > 59_000]).toEqual([true, true]);
  const backfill = { source: 's3', at: 'x', seen: 3, noted: 2, failed: 1 };
  await ledger.noteBackfill('d', backfill);
  expect(await ledger.backfill('d')).toEqual(backfill);
  const done = { compacted: 1, into: 2, left: 3, snapshots: 4, orphans: 5, metadataBytes: 6 };
  await ledger.noteMaintained('d', done);
  expect(await ledger.lastMaintained('d')).toEqual({ at, ...done });
  await ledger.chooseEngine('d', 'glue');
  expect(await ledger.engineChoice('d')).toBe('glue');
  expect(await ledger.engineChoice('other')).toBe('auto');
  aws.dynamo.seed('ledger', { pk: 'd', sk: 'SETTINGS', engine: 'a later one' });
  expect(await ledger.engineChoice('d')).toBe('auto');
});

test('the first pause counts until it ends, and one that cannot be read blocks nothing', async () => {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('a').documents, { patience, clock: () => aws.clock.now() });
  const first = await ledger.pause('d', 'lunch');
  expect(first).toEqual({ reason: 'lunch', at: expect.stringMatching(/Z$/) });
  expect(await ledger.pause('d', 'again')).toEqual(first);
  expect(await ledger.pauseOf('d')).toEqual(first);
  await ledger.chooseEngine('d', 'glue');
  expect(await ledger.pauseOf('d')).toEqual(first);
  await ledger.resume('d');
  expect(await ledger.pauseOf('d')).toBeUndefined();
  expect(await ledger.engineChoice('d')).toBe('glue');
  aws.dynamo.seed('ledger', { pk: 'd', sk: 'SETTINGS', paused: 'yes', turn: 7 });
  expect(await ledger.pauseOf('d')).toBeUndefined();
  expect((await ledger.pause('d', 'x')).reason).toBe('x');
});

test('maintenance has its turn until it ends it, or as long as it has asked for', async () => {
  const aws = createMemoryAws();
  const ledger = ledgerOn('ledger', aws.actor('a').documents, { patience, clock: () => aws.clock.now() });
  await ledger.askTurn('d', 60_000);
  expect(await ledger.pauseOf('d')).toMatchObject({ reason: 'maintenance takes its turn' });
  const paused = await ledger.pause('d', 'lunch');
  expect(await ledger.pauseOf('d')).toEqual(paused);
  await ledger.resume('d');
  await ledger.endTurn('d');
  expect(await ledger.pauseOf('d')).toBeUndefined();
  await ledger.askTurn('d', 60_000);
  aws.clock.advance(60_000);
  expect(await ledger.pauseOf('d')).toBeUndefined();
});

test('a ledger on a client of AWS reads and writes the table of its name', async () => {
  const aws = createMemoryAws({ tables: { other: {} } });
  const ledger = createLedger('other', aws.actor('a').dynamo, { patience });
  await ledger.noteSwept('d', 'k');
  expect(await ledger.lastSweep('d')).toMatchObject({ key: 'k' });
  expect(aws.dynamo.items('other')).toHaveLength(1);
});
