/** Glue's API as its clients use it: table versions, partitions by expression, crawlers, job runs. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BatchStopJobRunCommand,
  CreateCrawlerCommand,
  CreateDatabaseCommand,
  CreateJobCommand,
  CreatePartitionCommand,
  CreateTableCommand,
  DeletePartitionCommand,
  GetCrawlerCommand,
  GetJobRunCommand,
  GetPartitionCommand,
  GetPartitionsCommand,
  GetTableCommand,
  GetTablesCommand,
  GetTableVersionCommand,
  GetTableVersionsCommand,
  StartCrawlerCommand,
  StartJobRunCommand,
  StopCrawlerCommand,
  UpdatePartitionCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, expect, test } from '@jest/globals';
import { connectUpstream } from '../../offline/aws.ts';
import { jobOperations } from '../../offline/glue/jobs.ts';
import { ensureSpark } from '../../offline/setup/environments.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { stage } from '../support/stage.ts';

const { glue, s3 } = stage;
const id = randomUUID().slice(0, 8);
const DatabaseName = `api_${id}`;
const Bucket = stage.config.workBucket;
const keys = [
  { Name: 'year', Type: 'int' },
  { Name: 'lang', Type: 'string' },
  { Name: 'day', Type: 'date' },
];
const column = (Name: string) => ({ Name, Type: 'string' });

beforeAll(() => glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: DatabaseName } })));

test('each update of a table is a version of it, the newest first', async () => {
  const table = (...columns: string[]) => ({
    DatabaseName,
    TableInput: { Name: 'versions', StorageDescriptor: { Columns: columns.map(column) } },
  });
  await glue.send(new CreateTableCommand(table('a')));
  await glue.send(new UpdateTableCommand(table('a', 'b')));
  await glue.send(new UpdateTableCommand({ ...table('a', 'b', 'c'), SkipArchive: true }));
  await glue.send(new UpdateTableCommand(table('d')));
  const name = { DatabaseName, TableName: 'versions' };
  const { TableVersions = [] } = await glue.send(new GetTableVersionsCommand(name));
  const columnsOf = (versions: typeof TableVersions) =>
    versions.map((v) => v.Table?.StorageDescriptor?.Columns?.map((c) => c.Name).join(''));
  expect(columnsOf(TableVersions)).toEqual(['d', 'abc', 'a']);
  const VersionId = TableVersions[2]?.VersionId;
  const { TableVersion } = await glue.send(new GetTableVersionCommand({ ...name, VersionId }));
  expect(columnsOf(TableVersion ? [TableVersion] : [])).toEqual(['a']);
  const { Table } = await glue.send(new GetTableCommand({ DatabaseName, Name: 'versions' }));
  expect(Table).not.toHaveProperty('Description');
  await expect(glue.send(new GetTableVersionsCommand({ ...name, TableName: 'nope' }))).rejects.toMatchObject({
    name: 'EntityNotFoundException',
  });
});

test('partitions are found by an expression over the types of their keys', async () => {
  const name = { DatabaseName, TableName: 'parts' };
  await glue.send(
    new CreateTableCommand({ DatabaseName, TableInput: { Name: 'parts', PartitionKeys: keys } }),
  );
  const all = [
    ['9', 'en', '2025-01-31'],
    ['10', 'ja', '2025-02-01'],
    ['10', "it's", '2025-02-28'],
  ];
  for (const Values of all)
    await glue.send(new CreatePartitionCommand({ ...name, PartitionInput: { Values } }));
  const found = async (Expression: string, page: { MaxResults?: number; NextToken?: string } = {}) => {
    const answer = await glue.send(new GetPartitionsCommand({ ...name, Expression, ...page }));
    return { values: (answer.Partitions ?? []).map((p) => p.Values?.join('/')), next: answer.NextToken };
  };
  const lines = all.map((values) => values.join('/'));
  // Compared as numbers, not as texts: 9 is less than 10.
  expect((await found('year < 10')).values).toEqual([lines[0]]);
  expect((await found("year >= 10 AND lang <> 'ja'")).values).toEqual([lines[2]]);
  expect((await found("lang IN ('en', 'it''s')")).values).toEqual([lines[0], lines[2]]);
  expect((await found("day BETWEEN '2025-02-01' AND '2025-02-27' OR NOT (year = 10)")).values).toEqual([
    lines[0],
    lines[1],
  ]);
  expect((await found("lang LIKE 'e%'")).values).toEqual([lines[0]]);
  const first = await found('year > 0', { MaxResults: 2 });
  expect(first.values).toEqual(lines.slice(0, 2));
  const second = await found('year > 0', { MaxResults: 2, NextToken: String(first.next) });
  expect(second).toEqual({ values: lines.slice(2), next: undefined });
  for (const wrong of [
    'nope = 1',
    'year = ',
    'year = 1; DROP TABLE x',
    "year IN (SELECT 1 FROM read_text('/etc/passwd'))",
  ])
    await expect(found(wrong)).rejects.toMatchObject({ name: 'InvalidInputException' });
});

test('a partition is changed, moved, and missed by name', async () => {
  const name = { DatabaseName, TableName: 'moved' };
  await expect(
    glue.send(new CreatePartitionCommand({ ...name, PartitionInput: { Values: ['1'] } })),
  ).rejects.toMatchObject({ name: 'EntityNotFoundException' });
  await glue.send(
    new CreateTableCommand({ DatabaseName, TableInput: { Name: 'moved', PartitionKeys: [column('k')] } }),
  );
  const input = (value: string, Location: string) => ({ Values: [value], StorageDescriptor: { Location } });
  const update = (from: string, value: string, location: string) =>
    glue.send(
      new UpdatePartitionCommand({
        ...name,
        PartitionValueList: [from],
        PartitionInput: input(value, location),
      }),
    );
  const locationOf = async (value: string) => {
    const { Partition } = await glue.send(new GetPartitionCommand({ ...name, PartitionValues: [value] }));
    return Partition?.StorageDescriptor?.Location;
  };
  for (const value of ['a', 'b'])
    await glue.send(new CreatePartitionCommand({ ...name, PartitionInput: input(value, 's3://x/old/') }));
  await update('a', 'a', 's3://x/new/');
  expect(await locationOf('a')).toBe('s3://x/new/');
  await update('a', 'c', 's3://x/new/');
  await expect(locationOf('a')).rejects.toMatchObject({ name: 'EntityNotFoundException' });
  await expect(update('c', 'b', 's3://x/')).rejects.toMatchObject({ name: 'InvalidInputException' });
  expect(await Promise.all(['b', 'c'].map(locationOf))).toEqual(['s3://x/old/', 's3://x/new/']);
  await expect(
    glue.send(new DeletePartitionCommand({ ...name, PartitionValues: ['a'] })),
  ).rejects.toMatchObject({ name: 'EntityNotFoundException' });
});

test('a crawler tells its state and its last crawl, adds partitions, and treats what is gone as its policy says', async () => {
  const Name = `api-${id}`;
  const prefix = `api-${id}/feed`;
  const put = (key: string) =>
    s3.send(new PutObjectCommand({ Bucket, Key: `${prefix}/${key}`, Body: '{"a": 1}\n' }));
  const define = (crawler: string, path: string) =>
    glue.send(
      new CreateCrawlerCommand({
        Name: crawler,
        Role: 'role',
        DatabaseName,
        Targets: { S3Targets: [{ Path: path }] },
        SchemaChangePolicy: { UpdateBehavior: 'UPDATE_IN_DATABASE', DeleteBehavior: 'DELETE_FROM_DATABASE' },
      }),
    );
  const crawl = async (crawler: string) => {
    await glue.send(new StartCrawlerCommand({ Name: crawler }));
    const { Crawler } = await waitFor(
      () => glue.send(new GetCrawlerCommand({ Name: crawler })),
      (answer) => answer.Crawler?.State === 'READY',
      20_000,
    );
    return Crawler?.LastCrawl;
  };
  // Enough objects for a crawl to take a moment.
  const files = Array.from({ length: 200 }, (_, i) => `day=1/${i}.json`);
  await Promise.all(files.map(put));
  await define(Name, `s3://${Bucket}/${prefix}/`);
  const twice = await Promise.allSettled([0, 1].map(() => glue.send(new StartCrawlerCommand({ Name }))));
  expect(twice.filter((t) => t.status === 'rejected').map((t) => t.reason.name)).toEqual([
    'CrawlerRunningException',
  ]);
  await waitFor(
    () => glue.send(new GetCrawlerCommand({ Name })),
    (answer) => answer.Crawler?.State === 'READY',
    20_000,
  );
  await expect(glue.send(new StopCrawlerCommand({ Name }))).rejects.toMatchObject({
    name: 'CrawlerNotRunningException',
  });
  const partitions = async () => {
    const { Partitions } = await glue.send(new GetPartitionsCommand({ DatabaseName, TableName: 'feed' }));
    return (Partitions ?? []).map((p) => p.Values?.[0]).sort();
  };
  expect(await partitions()).toEqual(['1']);
  await put('day=2/x.json');
  expect(await crawl(Name)).toMatchObject({
    Status: 'SUCCEEDED',
    LogGroup: '/aws-glue/crawlers',
    LogStream: Name,
    StartTime: expect.any(Date),
  });
  expect(await partitions()).toEqual(['1', '2']);
  for (const file of [...files, 'day=2/x.json'])
    await s3.send(new DeleteObjectCommand({ Bucket, Key: `${prefix}/${file}` }));
  await crawl(Name);
  const { TableList = [] } = await glue.send(new GetTablesCommand({ DatabaseName }));
  expect(TableList.map((t) => t.Name)).not.toContain('feed');

  await define(`${Name}-nowhere`, `s3://no-such-bucket-${id}/`);
  expect(await crawl(`${Name}-nowhere`)).toMatchObject({
    Status: 'FAILED',
    ErrorMessage: expect.stringMatching(/bucket/i),
  });
}, 60_000);

test('a job run tells its arguments, its end and its error, and runs no oftener than it may', async () => {
  const ended = async (JobName: string, RunId: string | undefined) =>
    (
      await waitFor(
        () => glue.send(new GetJobRunCommand({ JobName, RunId })),
        ({ JobRun }) => JobRun?.JobRunState !== 'RUNNING',
        60_000,
      )
    ).JobRun;

  const failing = await script('failing', 'import sys\nraise ValueError("of " + " ".join(sys.argv[1:]))\n');
  const run = await glue.send(new StartJobRunCommand({ JobName: failing, Arguments: { '--a': 'own' } }));
  expect(await ended(failing, run.JobRunId)).toMatchObject({
    JobRunState: 'FAILED',
    Arguments: { '--a': 'own', '--b': 'kept' },
    ErrorMessage: expect.stringMatching(/^ValueError: of .*--a own --b kept/),
    LogGroupName: '/aws-glue/jobs',
    StartedOn: expect.any(Date),
    CompletedOn: expect.any(Date),
  });

  const slow = await script('slow', 'import time\ntime.sleep(60)\n');
  const { JobRunId } = await glue.send(new StartJobRunCommand({ JobName: slow, Timeout: 1 }));
  await expect(glue.send(new StartJobRunCommand({ JobName: slow }))).rejects.toMatchObject({
    name: 'ConcurrentRunsExceededException',
  });
  await glue.send(new BatchStopJobRunCommand({ JobName: slow, JobRunIds: [String(JobRunId)] }));
}, 120_000);

test('a job run ends at its timeout', async () => {
  const endpoint = String(stage.endpoint);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-jobs-'));
  // AWS and the gateway accept only whole minutes: these are the operations without the gateway.
  const { operations, close } = jobOperations({
    upstream: connectUpstream(endpoint),
    endpoint: () => endpoint,
    spark: () => ensureSpark(() => {}),
    folder,
  });
  const call = async (name: string, request: Record<string, unknown>) =>
    (await operations[`AWSGlue.${name}`]?.(request)) ?? {};
  try {
    const JobName = await script('late', 'import time\ntime.sleep(60)\n');
    const { JobRunId: RunId } = await call('StartJobRun', { JobName, Timeout: 0.03 });
    const found = await waitFor(
      () => call('GetJobRun', { JobName, RunId }),
      ({ JobRun }) => !JSON.stringify(JobRun).includes('"RUNNING"'),
      60_000,
    );
    expect(found.JobRun).toMatchObject({ JobRunState: 'TIMEOUT' });
  } finally {
    close();
    await rm(folder, { recursive: true });
  }
}, 120_000);

const script = async (name: string, body: string) => {
  const Key = `scripts/${id}-${name}.py`;
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: body }));
  await glue.send(
    new CreateJobCommand({
      Name: `${id}-${name}`,
      Role: 'role',
      Command: { Name: 'glueetl', ScriptLocation: `s3://${Bucket}/${Key}` },
      DefaultArguments: { '--a': 'default', '--b': 'kept' },
      ExecutionProperty: { MaxConcurrentRuns: 1 },
    }),
  );
  return `${id}-${name}`;
};
