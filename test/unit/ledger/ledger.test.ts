import { expect, test } from '@jest/globals';
import { ledgerOn } from '../../../src/lib/ledger/ledger.ts';
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
