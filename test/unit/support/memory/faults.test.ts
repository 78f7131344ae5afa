import { StartQueryExecutionCommand } from '@aws-sdk/client-athena';
import { TransactionCanceledException, TransactionConflictException } from '@aws-sdk/client-dynamodb';
import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  BatchCreatePartitionCommand,
  BatchDeletePartitionCommand,
  CreateTableCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  InvalidArn,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import {
  BatchGetCommand,
  BatchWriteCommand,
  GetCommand,
  QueryCommand,
  TransactWriteCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  allOf,
  createMemoryAws,
  type Fault,
  faultAt,
  faultsByCall,
  type MemoryActor,
  type MemoryAws,
} from '../../../support/memory/index.ts';

let aws: MemoryAws;
let a: MemoryActor;
beforeEach(() => {
  aws = createMemoryAws();
  a = aws.actor('a');
});

const Key = { pk: 'd', sk: 'n' };
const TableName = 'ledger';
const add = (actor: MemoryActor = a) =>
  actor.documents.send(
    new UpdateCommand({
      TableName,
      Key,
      UpdateExpression: 'ADD n :one',
      ExpressionAttributeValues: { ':one': 1 },
      ReturnValues: 'ALL_NEW',
    }),
  );
const count = () => aws.dynamo.items('ledger').find((i) => i.sk === 'n')?.n ?? 0;
const first = (fault: Fault) => faultAt(fault, {});
const named = (name: string) => expect.objectContaining({ name });

/** Whether a promise has settled after everything that can happen has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await new Promise((done) => setImmediate(done));
  return settled;
}

describe('fail', () => {
  test('there is an error and no effect', async () => {
    aws.plan = first({ mode: 'fail' });
    await expect(add()).rejects.toThrow(named('InternalServerError'));
    expect(count()).toBe(0);
    await add();
    expect(count()).toBe(1);
  });

  test('the error can be any of the service', async () => {
    aws.plan = faultAt({ mode: 'fail', error: 'AccessDenied' }, { service: 's3' });
    const put = a.s3.send(new PutObjectCommand({ Bucket: 'work', Key: 'k', Body: 'x' }));
    const error = await put.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(S3ServiceException);
    expect(error).toMatchObject({ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
  });

  test('the SDK sends the call again while it has attempts, if the error is one that passes', async () => {
    aws = createMemoryAws({ maxAttempts: 3 });
    a = aws.actor('a');
    aws.plan = faultAt({ mode: 'fail', error: 'ThrottlingException' }, { times: 2 });
    await add();
    expect([count(), a.calls()]).toEqual([1, 3]);
    aws.plan = faultAt({ mode: 'fail' }, { times: 3 });
    await expect(add()).rejects.toThrow(named('InternalServerError'));
    aws.plan = faultAt({ mode: 'fail', error: 'AccessDeniedException' }, {});
    await expect(add()).rejects.toThrow(named('AccessDeniedException'));
    expect([count(), a.calls()]).toEqual([1, 7]);
  });
});

describe('lost', () => {
  test('the effect happens and the caller gets an error', async () => {
    aws.plan = first({ mode: 'lost' });
    await expect(add()).rejects.toThrow(named('TimeoutError'));
    expect(count()).toBe(1);
  });

  test('what the SDK sends again happens twice, a transaction once: it carries a token', async () => {
    aws = createMemoryAws({ maxAttempts: 2 });
    a = aws.actor('a');
    aws.plan = first({ mode: 'lost' });
    await add();
    expect(count()).toBe(2);
    const transact = () =>
      a.documents.send(
        new TransactWriteCommand({
          TransactItems: [
            {
              Update: {
                TableName,
                Key,
                UpdateExpression: 'ADD n :one',
                ConditionExpression: 'n = :two',
                ExpressionAttributeValues: { ':one': 1, ':two': 2 },
              },
            },
          ],
        }),
      );
    aws.plan = first({ mode: 'lost' });
    await transact();
    expect(count()).toBe(3);
    // Another call has another token.
    await expect(transact()).rejects.toBeInstanceOf(TransactionCanceledException);
  });
});

describe('twice', () => {
  test('the effect happens twice, and the second answer is heard', async () => {
    aws.plan = first({ mode: 'twice' });
    expect((await add()).Attributes?.n).toBe(2);
    aws.plan = first({ mode: 'twice' });
    const create = new UpdateCommand({
      TableName,
      Key: { pk: 'd', sk: 'other' },
      ConditionExpression: 'attribute_not_exists(pk)',
    });
    await expect(a.documents.send(create)).rejects.toThrow(named('ConditionalCheckFailedException'));
    expect(aws.dynamo.items('ledger')).toHaveLength(2);
  });
});

describe('partial', () => {
  const partial = (mask?: number): Fault => ({ mode: 'partial', mask });

  test('DeleteObjects leaves some, and says so in Errors', async () => {
    const keys = ['a', 'b', 'c'];
    for (const key of keys) aws.s3.seed('work', key, 'x');
    aws.plan = first(partial(0b101));
    const { Errors } = await a.s3.send(
      new DeleteObjectsCommand({
        Bucket: 'work',
        Delete: { Objects: keys.map((k) => ({ Key: k })), Quiet: true },
      }),
    );
    expect(Errors?.map((e) => [e.Key, e.Code])).toEqual([
      ['a', 'InternalError'],
      ['c', 'InternalError'],
    ]);
    expect(aws.s3.keys('work')).toEqual(['a', 'c']);
  });

  test('at least one part fails, whatever the mask', async () => {
    for (const mask of [undefined, 0, 7, 8, 1 << 20, -1]) {
      aws.s3.seed('work', 'a', 'x');
      aws.s3.seed('work', 'b', 'x');
      aws.plan = first(partial(mask));
      await a.s3.send(
        new DeleteObjectsCommand({ Bucket: 'work', Delete: { Objects: [{ Key: 'a' }, { Key: 'b' }] } }),
      );
      expect(aws.s3.keys('work').length).toBeGreaterThan(0);
    }
  });

  test('GetObject breaks off in its body', async () => {
    aws.s3.seed('work', 'a', 'abcdef');
    aws.plan = faultAt(partial(), { times: 2 });
    const body = async () => (await a.s3.send(new GetObjectCommand({ Bucket: 'work', Key: 'a' }))).Body;
    await expect((await body())?.transformToString()).rejects.toThrow('aborted');
    const stream = await body();
    const read = async () => {
      const chunks: unknown[] = [];
      for await (const chunk of stream as AsyncIterable<unknown>) chunks.push(chunk);
      return chunks;
    };
    await expect(read()).rejects.toThrow('aborted');
  });

  test('a conditional put meets another', async () => {
    aws.plan = first(partial());
    await expect(
      a.s3.send(new PutObjectCommand({ Bucket: 'work', Key: 'k', Body: '', IfNoneMatch: '*' })),
    ).rejects.toThrow(named('ConditionalRequestConflict'));
    expect(aws.s3.keys('work')).toEqual([]);
  });

  test('pages are short, and have a next one', async () => {
    for (const key of ['a', 'b', 'c']) aws.s3.seed('work', key, 'x');
    for (const sk of ['a', 'b', 'c']) aws.dynamo.seed('ledger', { pk: 'd', sk });
    aws.plan = faultAt(partial(), { times: 2 });
    const page = await a.s3.send(new ListObjectsV2Command({ Bucket: 'work' }));
    expect([page.KeyCount, page.IsTruncated]).toEqual([1, true]);
    const query = await a.documents.send(
      new QueryCommand({
        TableName,
        KeyConditionExpression: 'pk = :d',
        ExpressionAttributeValues: { ':d': 'd' },
      }),
    );
    expect([query.Count, query.LastEvaluatedKey]).toEqual([1, { pk: 'd', sk: 'a' }]);
  });

  test('a batch leaves keys and items unprocessed', async () => {
    for (const sk of ['a', 'b']) aws.dynamo.seed('ledger', { pk: 'd', sk });
    aws.plan = faultAt(partial(0b01), { times: 2 });
    const read = await a.documents.send(
      new BatchGetCommand({ RequestItems: { ledger: { Keys: ['a', 'b'].map((sk) => ({ pk: 'd', sk })) } } }),
    );
    expect(read.Responses).toEqual({ ledger: [{ pk: 'd', sk: 'b' }] });
    expect(read.UnprocessedKeys).toEqual({ ledger: { Keys: [{ pk: 'd', sk: 'a' }] } });
    const deletes = ['a', 'b'].map((sk) => ({ DeleteRequest: { Key: { pk: 'd', sk } } }));
    const written = await a.documents.send(new BatchWriteCommand({ RequestItems: { ledger: deletes } }));
    expect(written.UnprocessedItems).toEqual({ ledger: deletes.slice(0, 1) });
    expect(aws.dynamo.items('ledger')).toEqual([{ pk: 'd', sk: 'a' }]);
  });

  test('a transaction is cancelled by a conflict, beside its own reasons', async () => {
    aws.plan = first(partial(0b01));
    const item = (sk: string) => ({ TableName, Key: { pk: 'd', sk } });
    const failed = a.documents.send(
      new TransactWriteCommand({
        TransactItems: [
          { Delete: item('a') },
          { ConditionCheck: { ...item('b'), ConditionExpression: 'attribute_exists(pk)' } },
          { Delete: item('c') },
        ],
      }),
    );
    await expect(failed).rejects.toMatchObject({
      name: 'TransactionCanceledException',
      CancellationReasons: [
        { Code: 'TransactionConflict' },
        { Code: 'ConditionalCheckFailed' },
        { Code: 'None' },
      ],
    });
    expect(aws.dynamo.items('ledger')).toEqual([]);
  });

  test('a write of one item meets a transaction', async () => {
    aws.plan = first(partial());
    await expect(add()).rejects.toBeInstanceOf(TransactionConflictException);
    expect(count()).toBe(0);
  });

  test('the catalog reports partitions one by one, and a table that another changes', async () => {
    const table = { DatabaseName: 'sluice', TableName: 't' };
    await a.glue.send(
      new CreateTableCommand({
        DatabaseName: 'sluice',
        TableInput: { Name: 't', PartitionKeys: [{ Name: 'y' }] },
      }),
    );
    aws.plan = faultAt(partial(0b10), { times: 3 });
    const created = await a.glue.send(
      new BatchCreatePartitionCommand({
        ...table,
        PartitionInputList: [{ Values: ['1'] }, { Values: ['2'] }],
      }),
    );
    expect(created.Errors?.map((e) => [e.PartitionValues, e.ErrorDetail?.ErrorCode])).toEqual([
      [['2'], 'InternalServiceException'],
    ]);
    const dropped = await a.glue.send(
      new BatchDeletePartitionCommand({ ...table, PartitionsToDelete: [{ Values: ['1'] }] }),
    );
    expect(dropped.Errors).toHaveLength(1);
    expect(aws.glue.partitions('sluice', 't').map((p) => p.values)).toEqual([['1']]);
    await expect(
      a.glue.send(new UpdateTableCommand({ DatabaseName: 'sluice', TableInput: { Name: 't' } })),
    ).rejects.toThrow(named('ConcurrentModificationException'));
  });

  test('the bus refuses some entries, and counts them', async () => {
    aws.plan = first(partial(0b01));
    const answer = await a.events.send(
      new PutEventsCommand({
        Entries: ['one', 'two'].map((DetailType) => ({ DetailType, Detail: '{"n":1}' })),
      }),
    );
    expect(answer.FailedEntryCount).toBe(1);
    expect(answer.Entries?.map((e) => e.ErrorCode)).toEqual(['InternalFailure', undefined]);
    expect(aws.bus.details('one')).toEqual([]);
    expect(aws.bus.details('two')).toEqual([{ n: 1 }]);
  });
});

describe('hang', () => {
  test.each([
    [false, 0],
    [true, 1],
  ])('the caller dies in the call (effect: %p), and calls no more', async (effect, wanted) => {
    aws.plan = faultAt({ mode: 'hang', effect }, { actor: 'a' });
    const call = add();
    expect(await isSettled(call)).toBe(false);
    expect([a.isDead, count()]).toEqual([true, wanted]);
    expect(await isSettled(add())).toBe(false);
    expect(count()).toBe(wanted);
    await add(aws.actor('b'));
    expect(count()).toBe(wanted + 1);
  });

  test('a killed actor never hears of the calls under way', async () => {
    aws.plan = () => undefined;
    a.kill();
    expect(await isSettled(add())).toBe(false);
    expect(count()).toBe(0);
  });
});

describe('stall', () => {
  test('the effect happens when the test says so, once', async () => {
    aws.plan = first({ mode: 'stall', caller: 'waits' });
    const call = add();
    expect(await isSettled(call)).toBe(false);
    expect(count()).toBe(0);
    await add(aws.actor('b'));
    expect(aws.stalled.map((s) => s.call.operation)).toEqual(['UpdateItem']);
    const [stalled] = aws.stalled;
    stalled?.run();
    stalled?.run();
    expect((await call).Attributes?.n).toBe(2);
    expect([count(), aws.stalled]).toEqual([2, []]);
  });

  test('its conditions are those of that time', async () => {
    aws.plan = first({ mode: 'stall', caller: 'waits' });
    const create = (actor: MemoryActor) =>
      actor.documents.send(
        new UpdateCommand({ TableName, Key, ConditionExpression: 'attribute_not_exists(pk)' }),
      );
    const call = create(a);
    call.catch(() => {});
    await create(aws.actor('b'));
    aws.runStalled();
    await expect(call).rejects.toThrow(named('ConditionalCheckFailedException'));
  });

  test('the caller may be dead, or have given up before', async () => {
    aws.plan = first({ mode: 'stall' });
    expect(await isSettled(add())).toBe(false);
    expect(a.isDead).toBe(true);
    aws.runStalled();
    expect(count()).toBe(1);
    aws.plan = first({ mode: 'stall', caller: 'timesOut' });
    await expect(add(aws.actor('b'))).rejects.toThrow(named('TimeoutError'));
    expect([count(), aws.actor('b').isDead]).toEqual([1, false]);
    aws.runStalled();
    expect(count()).toBe(2);
  });

  test('what the SDK sent again takes effect before what it gave up', async () => {
    aws = createMemoryAws({ maxAttempts: 2 });
    a = aws.actor('a');
    aws.plan = first({ mode: 'stall', caller: 'timesOut' });
    const put = (Body: string) => a.s3.send(new PutObjectCommand({ Bucket: 'work', Key: 'k', Body }));
    await put('old');
    await put('new');
    aws.runStalled();
    expect(aws.s3.text('work', 'k')).toBe('old');
  });
});

describe('freeze', () => {
  test('the effect happens at once, and the caller goes on later with what is old by then', async () => {
    aws.dynamo.seed('ledger', { ...Key, n: 1 });
    aws.plan = faultAt({ mode: 'freeze' }, { actor: 'a' });
    const read = a.documents.send(new GetCommand({ TableName, Key }));
    expect(await isSettled(read)).toBe(false);
    await add(aws.actor('b'));
    aws.runStalled();
    expect((await read).Item?.n).toBe(1);
    aws.plan = faultAt({ mode: 'freeze' }, { actor: 'a' });
    const write = add();
    expect(count()).toBe(3);
    aws.runStalled();
    expect((await write).Attributes?.n).toBe(3);
  });
});

describe('plans and counts', () => {
  test('a fault is for the nth call that matches', async () => {
    aws.plan = faultAt(
      { mode: 'fail', error: 'AccessDeniedException' },
      { actor: 'a', service: 'dynamodb', operation: 'UpdateItem', nth: 2, times: 2 },
    );
    const get = () => a.documents.send(new GetCommand({ TableName, Key }));
    await add();
    await add(aws.actor('b'));
    await get();
    await expect(add()).rejects.toThrow();
    await expect(add()).rejects.toThrow();
    await add();
    expect(aws.hits.map((h) => h.call.n)).toEqual([3, 4]);
  });

  test('faults can be given by the number of the call, and plans together', async () => {
    aws.plan = allOf(
      faultsByCall([{ actor: 'a', n: 2, fault: { mode: 'fail' } }]),
      faultsByCall([{ n: 3, fault: { mode: 'lost' } }]),
    );
    await add();
    await expect(add()).rejects.toThrow(named('InternalServerError'));
    await expect(add()).rejects.toThrow(named('TimeoutError'));
    expect(count()).toBe(2);
  });

  test('calls are counted by actor and operation', async () => {
    await add();
    await add();
    await a.documents.send(new GetCommand({ TableName, Key }));
    await add(aws.actor('b'));
    expect(a.counts).toEqual({ 'dynamodb.GetItem': 1, 'dynamodb.UpdateItem': 2 });
    expect([aws.calls(), aws.calls('dynamodb.UpdateItem'), a.calls('dynamodb.UpdateItem')]).toEqual([
      4, 3, 2,
    ]);
  });

  test('a call takes a millisecond', async () => {
    const before = aws.clock.now();
    await add();
    await aws.clock.sleep(60_000);
    expect(aws.clock.now() - before).toBe(60_001);
  });
});

describe('other services', () => {
  const stateMachineArn = 'arn:aws:states:us-east-1:000000000000:stateMachine:ingest';
  const start = (name: string, input = '{}') =>
    a.sfn.send(new StartExecutionCommand({ stateMachineArn, name, input }));

  test('an execution is started once under a name', async () => {
    const { executionArn = '' } = await start('one');
    expect(executionArn).toBe('arn:aws:states:us-east-1:000000000000:execution:ingest:one');
    // The same call while it runs is the same execution.
    expect((await start('one')).executionArn).toBe(executionArn);
    await expect(start('one', '{"n":1}')).rejects.toBeInstanceOf(ExecutionAlreadyExists);
    aws.sfn.end(executionArn, 'SUCCEEDED');
    await expect(start('one')).rejects.toBeInstanceOf(ExecutionAlreadyExists);
    expect(await a.sfn.send(new DescribeExecutionCommand({ executionArn }))).toMatchObject({
      status: 'SUCCEEDED',
    });
    await expect(start('x'.repeat(81))).rejects.toThrow(named('InvalidName'));
  });

  test('an execution that is not there is named so', async () => {
    const describe_ = (executionArn: string) => a.sfn.send(new DescribeExecutionCommand({ executionArn }));
    await expect(
      describe_('arn:aws:states:us-east-1:000000000000:execution:ingest:gone'),
    ).rejects.toBeInstanceOf(ExecutionDoesNotExist);
    await expect(describe_('starting')).rejects.toBeInstanceOf(InvalidArn);
  });

  test('a query that is started again under its token is the same', async () => {
    const query = (QueryString: string) =>
      a.athena.send(new StartQueryExecutionCommand({ QueryString, ClientRequestToken: 't'.repeat(32) }));
    const { QueryExecutionId } = await query('SELECT 1');
    expect((await query('SELECT 1')).QueryExecutionId).toBe(QueryExecutionId);
    await expect(query('SELECT 2')).rejects.toThrow(named('InvalidRequestException'));
    expect(aws.athena.queries).toHaveLength(1);
  });
});
