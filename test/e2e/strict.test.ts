/** The local AWS rejects what AWS rejects, with AWS's errors, and executions end as in Step Functions. */
import { GetQueryResultsCommand, StartQueryExecutionCommand } from '@aws-sdk/client-athena';
import { CloudFormationClient, CreateStackCommand } from '@aws-sdk/client-cloudformation';
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  PutItemCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  BatchCreatePartitionCommand,
  BatchDeletePartitionCommand,
  CreateTableCommand as CreateGlueTable,
  GetPartitionsCommand,
} from '@aws-sdk/client-glue';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  InvokeCommand,
  LambdaClient,
} from '@aws-sdk/client-lambda';
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type StorageClass,
} from '@aws-sdk/client-s3';
import {
  CreateStateMachineCommand,
  DeleteStateMachineCommand,
  DescribeExecutionCommand,
  type ExecutionStatus,
  GetExecutionHistoryCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { ReceiveMessageCommand, SendMessageBatchCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { callsPath, type RecordedCalls } from '../../offline/recorder.ts';
import { type Refused, strictPath } from '../../offline/strict/check.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import { listen } from '../support/eventsOf.ts';
import { stage } from '../support/stage.ts';
import { zip } from '../support/zip.ts';

const { s3, sfn, sqs, glue, events, config } = stage;
const endpoint = String(stage.endpoint);
const options = { ...localClient(endpoint), maxAttempts: 1 };
const lambda = new LambdaClient(options);
const dynamo = new DynamoDBClient(options);
const cloudFormation = new CloudFormationClient(options);
const Bucket = config.workBucket;
const TableName = 'strict';
const role = 'arn:aws:iam::000000000000:role/strict';

beforeAll(async () => {
  await dynamo.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
});

afterAll(async () => {
  await dynamo.send(new DeleteTableCommand({ TableName }));
});

const item = (sk: string, more = '') => ({ pk: { S: 'p' }, sk: { S: sk }, more: { S: more } });
const put = (sk: string, more = '') => ({ Put: { TableName, Item: item(sk, more) } });
const partition = { DatabaseName: config.database, TableName: 'social_media' };

describe('a request that AWS refuses', () => {
  test.each<[string, () => Promise<unknown>, string]>([
    [
      'S3: a key of 1,025 bytes',
      () => s3.send(new PutObjectCommand({ Bucket, Key: 'k'.repeat(1025), Body: 'x' })),
      'KeyTooLongError',
    ],
    [
      'S3: 1,001 keys to delete',
      () =>
        s3.send(
          new DeleteObjectsCommand({
            Bucket,
            Delete: { Objects: Array.from({ length: 1001 }, (_, i) => ({ Key: `k${i}` })) },
          }),
        ),
      'MalformedXML',
    ],
    [
      'S3: a storage class that is none',
      () =>
        s3.send(new PutObjectCommand({ Bucket, Key: 'k', StorageClass: 'COLD' as StorageClass, Body: 'x' })),
      'InvalidArgument',
    ],
    [
      'S3: max-keys below zero',
      () => s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: -1 })),
      'InvalidArgument',
    ],
    [
      'DynamoDB: a sort key of 1,025 bytes',
      () => dynamo.send(new PutItemCommand({ TableName, Item: item('k'.repeat(1025)) })),
      'ValidationException',
    ],
    [
      'DynamoDB: a partition key of 2,049 bytes',
      () =>
        dynamo.send(new PutItemCommand({ TableName, Item: { ...item('k'), pk: { S: 'k'.repeat(2049) } } })),
      'ValidationException',
    ],
    [
      'DynamoDB: an item over 400 KB',
      () => dynamo.send(new PutItemCommand({ TableName, Item: item('k', 'x'.repeat(400 * 1024)) })),
      'ValidationException',
    ],
    [
      'DynamoDB: a transaction of 101 items',
      () =>
        dynamo.send(
          new TransactWriteItemsCommand({
            TransactItems: Array.from({ length: 101 }, (_, i) => put(`k${i}`)),
          }),
        ),
      'ValidationException',
    ],
    [
      'DynamoDB: a transaction over 4 MB',
      () =>
        dynamo.send(
          new TransactWriteItemsCommand({
            TransactItems: Array.from({ length: 11 }, (_, i) => put(`k${i}`, 'x'.repeat(399 * 1024))),
          }),
        ),
      'ValidationException',
    ],
    [
      'DynamoDB: two operations on one item in a transaction',
      () => dynamo.send(new TransactWriteItemsCommand({ TransactItems: [put('k'), put('k')] })),
      'ValidationException',
    ],
    [
      'DynamoDB: 26 writes in a batch',
      () =>
        dynamo.send(
          new BatchWriteItemCommand({
            RequestItems: {
              [TableName]: Array.from({ length: 26 }, (_, i) => ({ PutRequest: { Item: item(`k${i}`) } })),
            },
          }),
        ),
      'ValidationException',
    ],
    [
      'DynamoDB: 101 reads in a batch',
      () =>
        dynamo.send(
          new BatchGetItemCommand({
            RequestItems: {
              [TableName]: {
                Keys: Array.from({ length: 101 }, (_, i) => ({ pk: { S: 'p' }, sk: { S: `${i}` } })),
              },
            },
          }),
        ),
      'ValidationException',
    ],
    [
      'Glue: 26 partitions to delete',
      () =>
        glue.send(
          new BatchDeletePartitionCommand({
            ...partition,
            PartitionsToDelete: Array.from({ length: 26 }, (_, i) => ({ Values: [`${i}`] })),
          }),
        ),
      'ValidationException',
    ],
    [
      'Glue: 101 partitions to create',
      () =>
        glue.send(
          new BatchCreatePartitionCommand({
            ...partition,
            PartitionInputList: Array.from({ length: 101 }, (_, i) => ({ Values: [`${i}`] })),
          }),
        ),
      'ValidationException',
    ],
    [
      'Glue: an expression of 2,049 characters',
      () => glue.send(new GetPartitionsCommand({ ...partition, Expression: 'x'.repeat(2049) })),
      'ValidationException',
    ],
    [
      'Glue: a table whose name is too long',
      () =>
        glue.send(
          new CreateGlueTable({ DatabaseName: config.database, TableInput: { Name: 't'.repeat(256) } }),
        ),
      'ValidationException',
    ],
    [
      'Athena: a query over 262,144 bytes',
      () =>
        stage.athena.send(new StartQueryExecutionCommand({ QueryString: `SELECT '${'é'.repeat(131_072)}'` })),
      'InvalidRequestException',
    ],
    [
      'Athena: a short request token',
      () =>
        stage.athena.send(
          new StartQueryExecutionCommand({ QueryString: 'SELECT 1', ClientRequestToken: 'short' }),
        ),
      'InvalidRequestException',
    ],
    [
      'Athena: 1,001 results',
      () => stage.athena.send(new GetQueryResultsCommand({ QueryExecutionId: 'q', MaxResults: 1001 })),
      'InvalidRequestException',
    ],
    [
      'Step Functions: a name with a space',
      () => sfn.send(new StartExecutionCommand({ stateMachineArn: config.stateMachineArn, name: 'a b' })),
      'InvalidName',
    ],
    [
      'Step Functions: a name of 81 characters',
      () =>
        sfn.send(
          new StartExecutionCommand({ stateMachineArn: config.stateMachineArn, name: 'n'.repeat(81) }),
        ),
      'ValidationException',
    ],
    [
      'Step Functions: an input over 256 KiB',
      () =>
        sfn.send(
          new StartExecutionCommand({
            stateMachineArn: config.stateMachineArn,
            input: JSON.stringify('x'.repeat(256 * 1024)),
          }),
        ),
      'ValidationException',
    ],
    [
      'EventBridge: 11 entries',
      () =>
        events.send(
          new PutEventsCommand({
            Entries: Array.from({ length: 11 }, () => ({ Source: 's', DetailType: 't', Detail: '{}' })),
          }),
        ),
      'ValidationException',
    ],
    [
      'EventBridge: entries of 1 MB',
      () =>
        events.send(
          new PutEventsCommand({
            Entries: [{ Source: 's', DetailType: 't', Detail: JSON.stringify('x'.repeat(1024 * 1024)) }],
          }),
        ),
      'ValidationException',
    ],
    [
      'SQS: 11 messages in a batch',
      () =>
        sqs.send(
          new SendMessageBatchCommand({
            QueueUrl: config.queueUrl,
            Entries: Array.from({ length: 11 }, (_, i) => ({ Id: `${i}`, MessageBody: 'x' })),
          }),
        ),
      'TooManyEntriesInBatchRequest',
    ],
    [
      'SQS: a message over 1 MiB',
      () =>
        sqs.send(
          new SendMessageCommand({ QueueUrl: config.queueUrl, MessageBody: 'x'.repeat(1024 * 1024 + 1) }),
        ),
      'InvalidParameterValue',
    ],
    [
      'SQS: 11 messages to receive',
      () => sqs.send(new ReceiveMessageCommand({ QueueUrl: config.queueUrl, MaxNumberOfMessages: 11 })),
      'InvalidParameterValue',
    ],
    [
      'Lambda: a payload over 6 MB',
      () =>
        lambda.send(
          new InvokeCommand({ FunctionName: 'f', Payload: Buffer.alloc(6 * 1024 * 1024 + 1, '1') }),
        ),
      'RequestTooLargeException',
    ],
    [
      'Lambda: an environment over 4 KB',
      () =>
        lambda.send(
          new CreateFunctionCommand({
            FunctionName: 'f',
            Role: role,
            Runtime: 'nodejs24.x',
            Handler: 'index.handler',
            Code: { ZipFile: zip('index.mjs', '') },
            Environment: { Variables: { LONG: 'x'.repeat(4096) } },
          }),
        ),
      'InvalidParameterValueException',
    ],
    [
      'CloudFormation: a template over 51,200 bytes',
      () =>
        cloudFormation.send(
          new CreateStackCommand({ StackName: 'strict', TemplateBody: 'x'.repeat(51_201) }),
        ),
      'ValidationError',
    ],
  ])('%s', async (_, send, name) => {
    const refused = await send().then(
      () => undefined,
      (error: Error) => error,
    );
    expect(refused?.name).toBe(name);
  });

  test('what was refused is listed, with its first message', async () => {
    const { refused } = (await (await fetch(`${endpoint}${strictPath}`)).json()) as { refused: Refused[] };
    expect(refused).toContainEqual(
      expect.objectContaining({
        service: 's3',
        operation: 'PutObject',
        code: 'KeyTooLongError',
        function: '',
      }),
    );
    expect(refused.find(({ operation }) => operation === 'GetPartitions')?.message).toMatch(
      /^1 validation error detected: Value 'x+…' at 'expression' failed to satisfy constraint: Member must have length less than or equal to 2048$/,
    );
  });

  test('a copy of more than 5 GB; the bound is lowered here, since nobody has such an object', async () => {
    const set = async (settings: object) => {
      const headers = { 'content-type': 'application/json' };
      const address = `${endpoint}${strictPath}`;
      const answer = await fetch(address, { method: 'PUT', headers, body: JSON.stringify(settings) });
      expect(await answer.json()).toMatchObject(settings);
    };
    await s3.send(new PutObjectCommand({ Bucket, Key: 'strict/large', Body: 'x'.repeat(11) }));
    const copy = () =>
      s3.send(new CopyObjectCommand({ Bucket, Key: 'strict/copy', CopySource: `${Bucket}/strict/large` }));
    await set({ copySourceBytes: 10 });
    try {
      await expect(copy()).rejects.toMatchObject({
        name: 'InvalidRequest',
        $metadata: { httpStatusCode: 400 },
      });
    } finally {
      await set({});
    }
    await copy();
  });

  test('a copy of an object with tags asks for the permissions on tags', async () => {
    const Key = 'strict/tagged';
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
    await s3.send(
      new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }),
    );
    const copy = (key: string, TaggingDirective: 'COPY' | 'REPLACE') =>
      s3.send(new CopyObjectCommand({ Bucket, Key: key, CopySource: `${Bucket}/${Key}`, TaggingDirective }));
    await copy('replaced/copy', 'REPLACE');
    await copy('copied/copy', 'COPY');
    const calls = (await (await fetch(`${endpoint}${callsPath}`)).json()) as RecordedCalls[];
    const about = (operation: string) =>
      calls.filter((call) => call.operation === operation).map((call) => call.about);
    expect(about('GetObjectTagging')).toContain(`${Bucket}/strict`);
    expect(about('PutObjectTagging')).toContain(`${Bucket}/copied`);
    expect(about('PutObjectTagging')).not.toContain(`${Bucket}/replaced`);
  });
});

test('of transactions and writes on one item at once, one wins and the others meet its conflict', async () => {
  const many = Array.from({ length: 20 }, (_, i) => i);
  const results = await Promise.allSettled(
    many.flatMap((i) => [
      dynamo.send(new TransactWriteItemsCommand({ TransactItems: [put('one'), put(`other${i}`)] })),
      dynamo.send(
        new UpdateItemCommand({
          TableName,
          Key: { pk: { S: 'p' }, sk: { S: 'one' } },
          UpdateExpression: 'SET more = :m',
          ExpressionAttributeValues: { ':m': { S: `${i}` } },
        }),
      ),
    ]),
  );
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  expect(results.length - failures.length).toBeGreaterThan(0);
  const cancelled = failures.filter(({ name }) => name === 'TransactionCanceledException');
  expect(cancelled.length).toBeGreaterThan(0);
  expect(cancelled[0].CancellationReasons).toEqual([
    { Code: 'TransactionConflict', Message: 'Transaction is ongoing for the item' },
    { Code: 'None' },
  ]);
  for (const { name } of failures)
    expect(['TransactionCanceledException', 'TransactionConflictException']).toContain(name);
});

describe('an execution', () => {
  const FunctionName = 'strict';
  const functionArn = `arn:aws:lambda:us-east-1:000000000000:function:${FunctionName}`;
  const machines: string[] = [];

  beforeAll(async () => {
    const code = `export const handler = async ({ seconds = 0, bytes = 0, until, mark }) => {
      const at = (key) => process.env.AWS_ENDPOINT_URL + '/${Bucket}/' + key;
      const pause = (ms) => new Promise((done) => setTimeout(done, ms));
      await pause(seconds * 1000);
      while (until && !(await fetch(at(until))).ok) await pause(50);
      if (mark) await fetch(at(mark), { method: 'PUT', body: 'ran on' });
      return 'x'.repeat(bytes);
    };`;
    await lambda.send(
      new CreateFunctionCommand({
        FunctionName,
        Role: role,
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
        Code: { ZipFile: zip('index.mjs', code) },
        Timeout: 5,
      }),
    );
  });

  afterAll(async () => {
    await lambda.send(new DeleteFunctionCommand({ FunctionName }));
    for (const stateMachineArn of machines)
      await sfn.send(new DeleteStateMachineCommand({ stateMachineArn }));
  });

  const start = async (definition: object, input: unknown = {}): Promise<string> => {
    const { stateMachineArn = '' } = await sfn.send(
      new CreateStateMachineCommand({
        name: `strict-${machines.length}`,
        roleArn: role,
        definition: JSON.stringify({ QueryLanguage: 'JSONata', ...definition }),
      }),
    );
    machines.push(stateMachineArn);
    const { executionArn = '' } = await sfn.send(
      new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }),
    );
    return executionArn;
  };
  const until = async (executionArn: string, ends: (status: ExecutionStatus | undefined) => boolean) =>
    waitFor(
      () => sfn.send(new DescribeExecutionCommand({ executionArn })),
      ({ status }) => ends(status),
      60_000,
    );
  const ended = (executionArn: string) => until(executionArn, (status) => status !== 'RUNNING');
  const types = async (executionArn: string) => {
    const { events: found } = await sfn.send(
      new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
    );
    return (found ?? []).map(({ type }) => type);
  };
  const task = (more: object = {}) => ({
    StartAt: 'Call',
    States: { Call: { Type: 'Task', Resource: functionArn, End: true, ...more } },
  });

  test("a Task's TimeoutSeconds ends it with States.Timeout, which a Catch gets, and the function runs on", async () => {
    const mark = `strict/ran-on-${Date.now()}`;
    const until = `${mark}-after`;
    const executionArn = await start(
      {
        StartAt: 'Call',
        States: {
          Call: {
            Type: 'Task',
            Resource: functionArn,
            TimeoutSeconds: '{% $states.input.most %}',
            Catch: [{ ErrorEquals: ['States.Timeout'], Output: '{% $states.errorOutput %}', Next: 'Caught' }],
            End: true,
          },
          Caught: { Type: 'Succeed' },
        },
      },
      // The function continues only after the execution has ended.
      { most: 1, until, mark },
    );
    const { status, output = '' } = await ended(executionArn);
    await s3.send(new PutObjectCommand({ Bucket, Key: until, Body: 'the execution has ended' }));
    expect(status).toBe('SUCCEEDED');
    expect(JSON.parse(output)).toMatchObject({ Error: 'States.Timeout' });
    expect(await types(executionArn)).toEqual([
      'ExecutionStarted',
      'TaskStateEntered',
      'LambdaFunctionScheduled',
      'LambdaFunctionStarted',
      'LambdaFunctionTimedOut',
      'TaskStateExited',
      'SucceedStateEntered',
      'SucceedStateExited',
      'ExecutionSucceeded',
    ]);
    const marked = () =>
      s3.send(new GetObjectCommand({ Bucket, Key: mark })).then(
        () => true,
        () => false,
      );
    expect(await waitFor(marked, Boolean, 20_000)).toBe(true);
  });

  test('TimeoutSeconds of the state machine ends it as TIMED_OUT, with an event, and what ran has no say', async () => {
    const heard = await listen('Step Functions Execution Status Change', 'aws.states');
    try {
      const executionArn = await start({ ...task(), TimeoutSeconds: 1 }, { seconds: 2 });
      const execution = await ended(executionArn);
      expect(execution.status).toBe('TIMED_OUT');
      expect(execution.error).toBeUndefined();
      const isOfIt = (detail: unknown) =>
        JSON.stringify(detail).includes(executionArn) && JSON.stringify(detail).includes('"TIMED_OUT"');
      await heard.next(isOfIt);
      await new Promise((done) => setTimeout(done, 2000));
      expect((await ended(executionArn)).status).toBe('TIMED_OUT');
      expect(await types(executionArn)).toEqual([
        'ExecutionStarted',
        'TaskStateEntered',
        'LambdaFunctionScheduled',
        'LambdaFunctionStarted',
        'ExecutionTimedOut',
      ]);
    } finally {
      await heard.close();
    }
  });

  test('a function that runs longer than its timeout is ended: Sandbox.Timedout', async () => {
    const executionArn = await start(task(), { seconds: 30 });
    const { status, error, cause } = await ended(executionArn);
    expect({ status, error }).toEqual({ status: 'FAILED', error: 'Sandbox.Timedout' });
    expect(cause).toContain('Task timed out after 5.00 seconds');
  });

  test('a stopped execution tries nothing again and stays ABORTED', async () => {
    const executionArn = await start(
      task({
        Retry: [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 1, MaxAttempts: 5 }],
        TimeoutSeconds: 1,
      }),
      { seconds: 2 },
    );
    await waitFor(
      () => types(executionArn),
      (found) => found.includes('LambdaFunctionStarted'),
      10_000,
    );
    await sfn.send(new StopExecutionCommand({ executionArn }));
    await new Promise((done) => setTimeout(done, 3000));
    expect((await ended(executionArn)).status).toBe('ABORTED');
    expect((await types(executionArn)).at(-1)).toBe('ExecutionAborted');
  });

  test('a result over 256 KiB is States.DataLimitExceeded, which States.ALL does not catch', async () => {
    const executionArn = await start(
      {
        StartAt: 'Call',
        States: {
          Call: {
            Type: 'Task',
            Resource: functionArn,
            Retry: [{ ErrorEquals: ['States.ALL'] }],
            Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }],
            End: true,
          },
          Caught: { Type: 'Succeed' },
        },
      },
      { bytes: 256 * 1024 },
    );
    const { status, error } = await ended(executionArn);
    expect({ status, error }).toEqual({ status: 'FAILED', error: 'States.DataLimitExceeded' });
  });

  test("a function's answer over 6 MB is Function.ResponseSizeTooLarge", async () => {
    const { FunctionError, Payload } = await lambda.send(
      new InvokeCommand({ FunctionName, Payload: JSON.stringify({ bytes: 6 * 1024 * 1024 + 100 }) }),
    );
    expect(FunctionError).toBeDefined();
    expect(JSON.parse(String(Payload?.transformToString()))).toMatchObject({
      errorType: 'Function.ResponseSizeTooLarge',
    });
  });

  test('the history ends at 25,000 events: the last one is the failure', async () => {
    const executionArn = await start({
      StartAt: 'Loop',
      States: {
        Loop: { Type: 'Choice', Choices: [{ Condition: '{% false %}', Next: 'Loop' }], Default: 'Loop' },
      },
    });
    const { status, error, cause } = await ended(executionArn);
    expect({ status, error, cause }).toEqual({
      status: 'FAILED',
      error: 'States.Runtime',
      cause: 'The execution reached the maximum number of history events (25000).',
    });
    const { events: last } = await sfn.send(
      new GetExecutionHistoryCommand({ executionArn, reverseOrder: true, maxResults: 1 }),
    );
    expect(last?.[0]).toMatchObject({ id: 25_000, type: 'ExecutionFailed' });
  });

  test('the name and input of a running execution start nothing anew; another input is refused', async () => {
    const executionArn = await start({
      StartAt: 'Pause',
      States: { Pause: { Type: 'Wait', Seconds: 20, End: true } },
    });
    const stateMachineArn = machines.at(-1);
    const name = executionArn.split(':').at(-1);
    const again = (input: string) => sfn.send(new StartExecutionCommand({ stateMachineArn, name, input }));
    expect((await again('{}')).executionArn).toBe(executionArn);
    await expect(again('{"other":1}')).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
    await sfn.send(new StopExecutionCommand({ executionArn }));
    await until(executionArn, (status) => status === 'ABORTED');
    await expect(again('{}')).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
  });
});
