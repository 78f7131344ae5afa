import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { crawlerResources } from '../../infra/plugins/crawlers.ts';
import { packageStage } from '../../offline/deploy.ts';
import { orderIndex } from '../../src/lib/ledger/keys.ts';
import { contractWith } from '../support/embedded.ts';
import { cfnLint, checkov, type Template, template } from '../support/gates.ts';

const stages = ['dev', 'prod'];
const templates = new Map(await inTurn(stages, async (stage) => [stage, await template(stage)] as const));
const of = (stage: string) => templates.get(stage) as Template;
const ofType = ({ Resources }: Template, type: string) =>
  Object.entries(Resources).filter(([, resource]) => resource.Type === type);

test.each(stages)('stage %s is packaged without an account, and cfn-lint finds nothing', async (stage) => {
  expect(await cfnLint(of(stage))).toEqual([]);
});

/** Megabytes, as AWS downloads them in each cold start. */
const packageLimits = { dispatch: 0.25, others: 0.65, engine: 25 };

test('the packages are small: dispatch, functions without DuckDB, and those with it', async () => {
  const folder = await packageStage({ stage: 'prod', params: {}, report: () => {} });
  const withEngine = ['transformEmbedded', 'replaceRows', 'startRewriting', 'maintain'];
  const limitOf = (name: string) =>
    name === 'dispatch'
      ? packageLimits.dispatch
      : packageLimits[withEngine.includes(name) ? 'engine' : 'others'];
  const sizes = readdirSync(folder)
    .filter((file) => file.endsWith('.zip'))
    .map((file) => ({ name: file.slice(0, -'.zip'.length), size: statSync(join(folder, file)).size / 1e6 }));
  expect(sizes.length).toBeGreaterThan(10);
  expect(sizes.filter(({ name, size }) => size > limitOf(name))).toEqual([]);
});

test('Checkov finds nothing', async () => {
  expect(await checkov(of('prod'))).toEqual([]);
});

test('a fault that is planted is found', async () => {
  const faulty = structuredClone(of('prod'));
  const raw = faulty.Resources.RawBucket as Template['Resources'][string];
  raw.Properties.PublicAccessBlockConfiguration = { BlockPublicAcls: false };
  raw.Properties.NoSuchThing = 1;
  expect((await checkov(faulty)).join()).toMatch(/CKV_AWS_5[346].*RawBucket/);
  expect((await cfnLint(faulty)).join()).toMatch(/E3002.*NoSuchThing/);
});

test.each(stages)(
  'names of stage %s are its own, and those of buckets their account’s and region’s too',
  (stage) => {
    const names = Object.values(of(stage).Resources).flatMap(({ Type, Properties }) =>
      Object.entries(Properties)
        .filter(([key]) => /^(?!.*(Policy|Metric|Handler|Dimension)).*Name$|^Name$/.test(key))
        // A reference to another resource becomes its name.
        .filter(([, name]) => typeof name === 'string' || 'Fn::Sub' in (name as object))
        .map(([, name]) => ({ Type, name: JSON.stringify(name) })),
    );
    expect(names.length).toBeGreaterThan(40);
    for (const { name } of names) expect(name).toContain(stage);
    for (const { Type, name } of names.filter((n) => n.Type === 'AWS::S3::Bucket'))
      expect(`${Type} ${name}`).toMatch(/AWS::AccountId.*AWS::Region/);
  },
);

test.each(stages)('what holds data in stage %s outlives the stack, and answers TLS alone', (stage) => {
  const buckets = ofType(of(stage), 'AWS::S3::Bucket').filter(
    ([name]) => name !== 'ServerlessDeploymentBucket',
  );
  expect(buckets.map(([name]) => name).sort()).toEqual(['ProcessedBucket', 'RawBucket', 'WorkBucket']);
  const [ledger] = ofType(of(stage), 'AWS::DynamoDB::Table');
  for (const [, resource] of [...buckets, ...(ledger ? [ledger] : [])])
    expect(resource.DeletionPolicy).toBe('Retain');
  const policies = ofType(of(stage), 'AWS::S3::BucketPolicy').map(([, p]) => JSON.stringify(p.Properties));
  for (const [name] of buckets)
    expect(
      policies.some((p) => p.includes(`"Ref":"${name}"`) && p.includes('"aws:SecureTransport":"false"')),
    ).toBe(true);
});

test.each(stages)('each function of stage %s has a role of its own', (stage) => {
  const roles = ofType(of(stage), 'AWS::Lambda::Function').map(([, f]) => JSON.stringify(f.Properties.Role));
  expect(roles.length).toBeGreaterThanOrEqual(16);
  expect(new Set(roles).size).toBe(roles.length);
});

const key = 'arn:aws:kms:us-east-1:123456789012:key/0123-4567';
// The key is a CloudFormation parameter: without it, the same roles have the same policy under a condition.
const variants: readonly Readonly<Record<string, string>>[] = [{}, { serving: 'on', kmsKeyArn: key }];

test.each(variants)(
  'every role that touches data may use the key, with the parameters %j',
  async (params) => {
    const { Resources } = await template('prod', params);
    const roles = Object.entries(Resources).filter(
      ([, { Type, Properties }]) =>
        Type === 'AWS::IAM::Role' &&
        /"(lambda|glue)\.amazonaws\.com"/.test(JSON.stringify(Properties.AssumeRolePolicyDocument)),
    );
    expect(roles.length).toBeGreaterThanOrEqual(18);
    expect(roles.some(([name]) => name.startsWith('LoadServing'))).toBe(params.serving === 'on');
    const policy = JSON.stringify(Resources.EveryRole?.Properties);
    for (const [name] of roles) expect(policy).toContain(`{"Ref":"${name}"}`);
    expect(policy).toContain('"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":{"Ref":"KmsKeyArn"}');
    expect(Resources.EveryRole).not.toHaveProperty('Condition');
  },
);

/** Lambda's documentation does not mention the account when Lambda assumes an execution role. */
const namesNoAccount = ['lambda.amazonaws.com'];

test.each(stages)('a service takes a role of stage %s for this account alone', (stage) => {
  const trusts = ofType(of(stage), 'AWS::IAM::Role').map(([, role]) =>
    JSON.stringify(role.Properties.AssumeRolePolicyDocument),
  );
  const confined = trusts.filter((trust) => !namesNoAccount.some((service) => trust.includes(service)));
  expect(confined.length).toBeGreaterThanOrEqual(3);
  for (const trust of confined)
    expect(trust).toContain('"Condition":{"StringEquals":{"aws:SourceAccount":{"Ref":"AWS::AccountId"}}}');
});

test('an error of any function reaches somebody: its execution fails, or it has an alarm', async () => {
  const { Resources } = await template('prod', { serving: 'on', kmsKeyArn: key });
  const machine = JSON.stringify(ofType({ Resources }, 'AWS::StepFunctions::StateMachine'));
  const alarms = JSON.stringify(
    ofType({ Resources }, 'AWS::CloudWatch::Alarm').filter(([, a]) =>
      JSON.stringify(a.Properties).includes('"MetricName":"Errors"'),
    ),
  );
  const functions = ofType({ Resources }, 'AWS::Lambda::Function').map(([name]) => name);
  const alone = functions.filter((name) => !machine.includes(`"${name}"`));
  expect(alone.sort()).toEqual(
    ['Dispatch', 'LoadServing', 'Maintain', 'Reconcile', 'Recover', 'Sweep'].map(
      (name) => `${name}LambdaFunction`,
    ),
  );
  for (const name of alone) expect(alarms).toContain(`"Value":{"Ref":"${name}"}`);
  for (const end of ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'])
    expect(JSON.stringify(Resources)).toContain(`"MetricName":"${end}"`);
});

test.each(stages)(
  'each JSON dataset of stage %s has a crawler that covers only what its own queue names',
  (stage) => {
    const template = of(stage);
    const crawlers = ofType(template, 'AWS::Glue::Crawler');
    expect(crawlers.map(([, c]) => c.Properties.Name).sort()).toEqual(
      ['social_media', 'tweets', 'visits'].map((dataset) => `sluice-${stage}-raw-${dataset}`),
    );
    for (const [, { Properties }] of crawlers) {
      expect(Properties.RecrawlPolicy).toEqual({ RecrawlBehavior: 'CRAWL_EVENT_MODE' });
      expect(Properties).not.toHaveProperty('Schedule');
    }
    const queues = crawlers.map(
      ([, c]) => JSON.stringify(c.Properties.Targets).match(/"EventQueueArn":(.*?\})/)?.[1],
    );
    expect(new Set(queues).size).toBe(crawlers.length);
    for (const [name] of ofType(template, 'AWS::SQS::Queue'))
      expect(
        ofType(template, 'AWS::SQS::QueuePolicy').some(([, p]) =>
          JSON.stringify(p.Properties).includes(`{"Ref":"${name}"}`),
        ),
      ).toBe(true);
  },
);

test.each(stages)('stage %s has room for 200 JSON datasets, with two of its 500 resources each', (stage) => {
  const own = Object.keys(of(stage).Resources).filter((name) => !/^Crawl(er[a-z]|Queue[a-z])/.test(name));
  // The policy of their queues is among them.
  expect(own.length + 2 * 200).toBeLessThanOrEqual(500);
});

test('names of queues fit SQS, and differ for every dataset', () => {
  const names = {
    raw: 'raw',
    crawler: 'sluice-a-stage-of-20-chars-raw',
    crawl: 'sluice-a-stage-of-20-chars-crawl',
  };
  const long = 'd'.repeat(62);
  const contracts = ['a_1', 'a1', `${long}a`, `${long}b`].map((dataset) => ({
    ...contractWith(''),
    dataset,
  }));
  const resources = Object.values(crawlerResources(contracts, names));
  expect(resources).toHaveLength(9);
  const queues = resources.flatMap((r) =>
    r.Type === 'AWS::SQS::Queue' ? [String(r.Properties?.QueueName)] : [],
  );
  expect(new Set(queues).size).toBe(4);
  for (const name of queues) expect(name.length).toBeLessThanOrEqual(80);
});

test('a run of the job keeps its files: their keys carry their digests, and lie where nothing removes them', () => {
  const { Resources } = of('prod');
  const job = JSON.stringify(Resources.TransformJob?.Properties);
  const files = [...job.matchAll(/s3:\/\/\$\{ServerlessDeploymentBucket\}\/(glue\/[0-9a-f]{16}\/[^"]+)/g)];
  expect(files.map(([, key]) => key)).toEqual([
    expect.stringMatching(/\/job\.py$/),
    expect.stringMatching(/\/modules\.zip$/),
    expect.stringMatching(/\/duckdb-.*\.whl$/),
  ]);
  const bucket = JSON.stringify(Resources.ServerlessDeploymentBucket?.Properties);
  expect(bucket).not.toContain('Expiration');
  expect(JSON.stringify(Resources.JobRole?.Properties)).toContain('/glue/*');
});

test('a burst of files starts no more copies of dispatch than dispatchConcurrency, with a hundred events each', () => {
  const [mapping] = ofType(of('prod'), 'AWS::Lambda::EventSourceMapping');
  expect(mapping?.[1].Properties).toMatchObject({
    ScalingConfig: { MaximumConcurrency: 10 },
    BatchSize: 100,
    // A batch of more than ten events needs a window.
    MaximumBatchingWindowInSeconds: 1,
  });
});

test('the ledger has the index that replays and lists read', () => {
  expect(of('prod').Resources.Ledger?.Properties.GlobalSecondaryIndexes).toEqual([
    expect.objectContaining({ IndexName: orderIndex, Projection: { ProjectionType: 'KEYS_ONLY' } }),
  ]);
});

test('a queue keeps a message from others for six times as long as its function may take', () => {
  const { Resources } = of('prod');
  const timeout = Number(Resources.DispatchLambdaFunction?.Properties.Timeout);
  expect(Number(Resources.RawEventsQueue?.Properties.VisibilityTimeout)).toBeGreaterThanOrEqual(6 * timeout);
});

test('a parameter that cannot be meant is refused, by its name', async () => {
  const refused = packageStage({
    stage: 'Prod',
    params: { engine: 'flink', glueWorkers: '1', kmsKeyArn: 'alias/mine', oldVersionDays: '0' },
    report: () => {},
  });
  await expect(refused).rejects.toThrow(
    /stage: [\s\S]*engine: [\s\S]*glueWorkers: [\s\S]*kmsKeyArn: [\s\S]*oldVersionDays: /,
  );
});

test('the state machine stays within its limits by design: no list is passed from state to state', () => {
  const definition = readFileSync(join(import.meta.dirname, '../../statemachines/ingest.yml'), 'utf8');
  expect(definition).not.toMatch(/\.(files|partitions|objects)\b/);
});

/** One after the other, because the framework builds in one folder. */
async function inTurn<T, R>(items: readonly T[], make: (item: T) => Promise<R>): Promise<R[]> {
  const made: R[] = [];
  for (const item of items) made.push(await make(item));
  return made;
}
