import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import * as athena from '@aws-sdk/client-athena';
import * as dynamodb from '@aws-sdk/client-dynamodb';
import * as eventbridge from '@aws-sdk/client-eventbridge';
import * as glue from '@aws-sdk/client-glue';
import * as lambda from '@aws-sdk/client-lambda';
import * as s3 from '@aws-sdk/client-s3';
import * as sfn from '@aws-sdk/client-sfn';
import * as sqs from '@aws-sdk/client-sqs';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { namesOf, transientErrors } from '../../../src/lib/errorNames.ts';
import * as errors from '../../../src/lib/errors.ts';

const root = resolve(import.meta.dirname, '../../..');

const withoutTags = (text: string) => text.replaceAll(/!(GetAtt|Sub|Ref) /g, '');

const machine = parse(withoutTags(readFileSync(join(root, 'statemachines/ingest.yml'), 'utf8')));

type State = {
  Type: string;
  Comment?: string;
  Resource?: string;
  TimeoutSeconds?: number;
  Retry?: {
    ErrorEquals: string[];
    JitterStrategy: string;
    IntervalSeconds: number;
    BackoffRate: number;
    MaxAttempts: number;
    MaxDelaySeconds: number;
  }[];
  Catch?: { ErrorEquals: string[]; Next: string }[];
};

const states = Object.entries(machine.definition.States as Record<string, State>);

const tasks = states.filter(([, s]) => s.Type === 'Task');

const functions = parse(withoutTags(readFileSync(join(root, 'infra/functions.yml'), 'utf8')));

test('every state says what it is for', () => {
  expect(states.filter(([, s]) => !s.Comment).map(([name]) => name)).toEqual([]);
});

test('a task, its function and its handler have one name', () => {
  const handlers = readdirSync(join(root, 'src/handlers')).map((f) => f.replace('.ts', ''));
  for (const [name, state] of tasks) {
    const camel = `${name[0]?.toLowerCase()}${name.slice(1)}`;
    expect(state.Resource).toBe(`${camel}.Arn`);
    expect(functions[camel].handler).toBe(`src/handlers/${camel}.handler`);
    expect(handlers).toContain(camel);
  }
});

test('every task has a time limit, retries with jitter and backoff, and one way to fail', () => {
  for (const [name, state] of tasks) {
    expect([name, (state.TimeoutSeconds ?? 0) > 0]).toEqual([name, true]);
    for (const retry of state.Retry ?? []) {
      expect(retry.JitterStrategy).toBe('FULL');
      expect(retry.BackoffRate).toBeGreaterThan(1);
      expect(retry.ErrorEquals).not.toContain('States.ALL');
    }
    expect([name, state.Retry !== undefined]).toEqual([name, true]);
    // A batch that does not fit into the embedded engine goes to Glue.
    const elsewhere = { TransformEmbedded: ['StartGlueJob'], ReplaceRows: ['StartRewriting'] }[name] ?? [];
    if (name !== 'FailBatch') expect(state.Catch?.map((c) => c.Next)).toEqual([...elsewhere, 'FailBatch']);
  }
});

const catalogue = Object.entries(errors);

const retried = new Set(tasks.flatMap(([, s]) => s.Retry ?? []).flatMap((r) => r.ErrorEquals));

test('a batch whose engine ends with its process, or lacks memory or time, moves to Glue', () => {
  const transform = states.find(([name]) => name === 'TransformEmbedded')?.[1];
  const elsewhere = transform?.Catch?.find(({ Next }) => Next === 'StartGlueJob');
  expect(elsewhere?.ErrorEquals).toEqual(
    expect.arrayContaining(['EngineOutOfMemory', 'OutOfTime', 'Runtime.ExitError', 'Runtime.OutOfMemory']),
  );
  // Before any other catcher that leads to FailBatch.
  expect(transform?.Catch?.[0]).toBe(elsewhere);
});

test('the definition retries exactly the transient errors', () => {
  // A busy engine is waited for only where one is started.
  expect([...retried].sort()).toEqual([...transientErrors].sort());
});

test('errors that a person must look at hold the batch, and no others do', () => {
  expect(namesOf('hold').sort()).toEqual([
    'AccountingMismatch',
    'ExpectationFailed',
    'LookupTooLarge',
    'ReferenceRefused',
    'SchemaMismatch',
    'TableMismatch',
    'TableUnsupported',
  ]);
});

/** Seconds that Step Functions waits for a function that keeps failing with an error, on average: full jitter halves each interval. */
const patience = (state: State, error: string) => {
  const retry = state.Retry?.find(({ ErrorEquals }) => ErrorEquals.includes(error));
  const { MaxAttempts = 0, IntervalSeconds = 0, BackoffRate = 1, MaxDelaySeconds = 0 } = retry ?? {};
  return Array.from({ length: MaxAttempts }, (_, i) =>
    Math.min(IntervalSeconds * BackoffRate ** i, MaxDelaySeconds),
  ).reduce((sum, seconds) => sum + seconds / 2, 0);
};

test('a function that the account has no concurrency for is waited for, because its batch has not even been tried', () => {
  for (const [name, state] of tasks)
    expect([name, patience(state, 'Lambda.TooManyRequestsException') > 600]).toEqual([name, true]);
});

test('every state that calls a function retries throttling, under each of its names', () => {
  for (const [name, state] of tasks) {
    const names = (state.Retry ?? []).flatMap((r) => r.ErrorEquals);
    expect([name, names]).toEqual([
      name,
      expect.arrayContaining([
        'ThrottlingException',
        'ThrottledException',
        'Lambda.TooManyRequestsException',
      ]),
    ]);
  }
});

test('every error has the name of its class', () => {
  for (const [name, type] of catalogue)
    if (name !== 'ContractError') expect(new (type as new (m: string) => Error)('x').name).toBe(name);
});

test('docs/operations.md says what every error means that an execution can end with', () => {
  const docs = readFileSync(join(root, 'docs/operations.md'), 'utf8');
  // Errors for a caller: a command, the build, the queue.
  const elsewhere = ['SluiceError', 'ContractError', 'AlreadyDecided', 'UnreadableEvent', 'SetupError'];
  expect(
    catalogue
      .map(([name]) => name)
      .filter((name) => !elsewhere.includes(name) && !docs.includes(`\`${name}\``)),
  ).toEqual([]);
});

/** docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html: errors of Lambda's integration itself. */
const ofLambda = [
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
];

test("every other error that the definition retries is one of AWS's: of a service's own model, or common to all", () => {
  const services = [athena, dynamodb, eventbridge, glue, s3, sfn, sqs, lambda];
  const modelled = new Set(services.flatMap((service) => Object.keys(service)));
  /**
   * docs.aws.amazon.com: CommonErrors of the services, ErrorResponses of S3, and the SDK's own error for a call that took too
   * long.
   */
  const common = [
    'ThrottlingException',
    'ThrottledException',
    'RequestLimitExceeded',
    'InternalFailure',
    'ServiceUnavailable',
    'InternalError',
    'SlowDown',
    'TimeoutError',
  ];
  const isAws = (name: string) => modelled.has(name) || [...common, ...ofLambda].includes(name);
  expect([...retried].filter((name) => !(name in errors) && !isAws(name))).toEqual([]);
});

test('Node and Spark run one version of DuckDB', async () => {
  const wheel = createRequire(import.meta.url)('../../../infra/duckdbWheel.cjs') as { version: string };
  const instance = await DuckDBInstance.create(':memory:');
  const db = await instance.connect();
  const version = (await db.runAndReadAll('SELECT version()')).getRows()[0]?.[0];
  db.closeSync();
  expect(version).toBe(`v${wheel.version}`);
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
