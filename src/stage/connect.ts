/** A deployed stage as a person's tools see it: names from the stack's outputs, and clients. */

import { resolve } from 'node:path';
import { AthenaClient } from '@aws-sdk/client-athena';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { GlueClient } from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SQSClient } from '@aws-sdk/client-sqs';
import { createAthena } from '../lib/aws/athena.ts';
import { createCatalog } from '../lib/aws/catalog.ts';
import { createAnnouncer } from '../lib/aws/events.ts';
import { createStarter } from '../lib/aws/executions.ts';
import { createPointers } from '../lib/aws/pointer.ts';
import { createStore } from '../lib/aws/store.ts';
import { loadContracts } from '../lib/contract/load.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { SetupError } from '../lib/errors.ts';
import type { SettleDeps } from '../lib/flow/batch/endOpen.ts';
import type { OperatorDeps } from '../lib/flow/operate/again.ts';
import { createLedger, type Ledger } from '../lib/ledger/ledger.ts';
import type { Unreadable } from '../lib/ledger/table.ts';
import { tableFormats } from '../lib/model/plan.ts';
import { tableFormats as formatsOn } from '../lib/table/formats.ts';
import { localClient } from './localEndpoint.ts';
import { complain } from './terminal.ts';

/** A file on its way into the raw bucket. */
export interface Drop {
  readonly dataset: string;
  readonly path: string;
  readonly key: string;
}

export interface Stage {
  /** Undefined on AWS. */
  readonly endpoint: string | undefined;
  readonly name: string;
  readonly contracts: ReadonlyMap<string, Contract>;
  readonly config: {
    readonly rawBucket: string;
    readonly processedBucket: string;
    readonly workBucket: string;
    readonly database: string;
    readonly workgroup: string;
    /** How the names of the datasets' crawlers begin. */
    readonly crawler: string;
    readonly job: string;
    readonly stateMachineArn: string;
    readonly queueUrl: string;
    readonly deadLettersUrl: string;
    readonly ledgerTable: string;
    readonly batchFiles: number;
    readonly batchLimitBytes: number;
  };
  readonly ledger: Ledger;
  readonly s3: S3Client;
  readonly sfn: SFNClient;
  readonly sqs: SQSClient;
  readonly glue: GlueClient;
  /** Sends no call twice. */
  readonly glueOnce: GlueClient;
  readonly events: EventBridgeClient;
  readonly logs: CloudWatchLogsClient;
  /** How the names of the stage's functions begin. */
  readonly functionPrefix: string;
  readonly athena: AthenaClient;
}

/** Where a stage is on AWS; the environment or ~/.aws has the defaults. */
export interface Place {
  readonly region?: string | undefined;
  readonly profile?: string | undefined;
}

/** Reports each skipped item of the ledger once. */
function tellOnce(): (item: Unreadable) => void {
  const told = new Set<string>();
  return ({ dataset, pk, sk, fault }) => {
    const item = `${pk} ${sk}`;
    if (told.has(item)) return;
    told.add(item);
    complain(`${dataset}: the ledger's item ${item} cannot be read and is skipped: ${fault}`);
  };
}

/** Connects to a deployed stage: at a local endpoint, or with none on AWS. Throws SetupError when it is not deployed. */
export async function connectStage(
  endpoint: string | undefined,
  name = 'local',
  { region, profile }: Place = {},
): Promise<Stage> {
  const options = {
    ...(endpoint === undefined ? {} : localClient(endpoint)),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
  };
  const stack = `sluice-${name}`;
  const outputs = await stackOutputs(new CloudFormationClient(options), stack);
  const output = (key: string): string => {
    const value = outputs.get(key);
    if (value === undefined) throw new SetupError(`the stack ${stack} has no output ${key}; deploy it again`);
    return value;
  };
  return {
    endpoint,
    name,
    // A stage that was deployed before this parameter existed has Hive tables.
    contracts: loadContracts(
      datasetsFolder,
      tableFormats.find((format) => format === outputs.get('TableFormat')),
    ),
    config: {
      rawBucket: output('RawBucketName'),
      processedBucket: output('ProcessedBucketName'),
      workBucket: output('WorkBucketName'),
      database: output('DatabaseName'),
      workgroup: output('WorkgroupName'),
      crawler: output('CrawlerPrefix'),
      job: output('JobName'),
      stateMachineArn: output('IngestStateMachineArn'),
      queueUrl: output('RawEventsQueueUrl'),
      deadLettersUrl: output('RawEventsDeadLettersUrl'),
      ledgerTable: output('LedgerTableName'),
      batchFiles: Number(output('BatchFiles')),
      batchLimitBytes: Number(output('BatchLimitMb')) * 1024 * 1024,
    },
    ledger: createLedger(output('LedgerTableName'), new DynamoDBClient(options), {
      onUnreadable: tellOnce(),
    }),
    s3: new S3Client({ ...options, ...(endpoint === undefined ? {} : { forcePathStyle: true }) }),
    sfn: new SFNClient(options),
    sqs: new SQSClient(options),
    glue: new GlueClient(options),
    glueOnce: new GlueClient({ ...options, maxAttempts: 1 }),
    events: new EventBridgeClient(options),
    logs: new CloudWatchLogsClient(options),
    functionPrefix: `${stack}-`,
    athena: new AthenaClient(options),
  };
}

/** The dependencies of the flow's steps, to run them by hand. */
export const depsOf = ({
  name,
  config,
  contracts,
  ledger,
  s3,
  glue,
  glueOnce,
  athena,
  sfn,
  events,
}: Stage): OperatorDeps & SettleDeps => {
  const store = createStore(s3);
  const catalog = createCatalog(config.database, glue);
  const pointers = createPointers(config.database, glue, glueOnce);
  return {
    config: {
      ...config,
      stage: name,
      glueJob: config.job,
      // Only the stage's own function selects engines.
      engine: 'auto',
      embeddedLimitBytes: 0,
      rewriteLimitBytes: 0,
      datasetsFolder,
    },
    contracts,
    ledger,
    store,
    catalog,
    formats: formatsOn({ store, catalog, pointers }),
    athena: createAthena(config, athena),
    start: createStarter(config.stateMachineArn, sfn),
    announce: createAnnouncer(events),
    // Only deployed functions write metrics.
    measure: () => {},
  };
};

const datasetsFolder = resolve(import.meta.dirname, '../../datasets');

async function stackOutputs(client: CloudFormationClient, name: string): Promise<Map<string, string>> {
  try {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: name }));
    return new Map((Stacks?.[0]?.Outputs ?? []).map((o) => [o.OutputKey ?? '', o.OutputValue ?? '']));
  } catch (error) {
    throw new SetupError(
      `the stack ${name} cannot be read: ${error instanceof Error ? error.message : error}. Is it deployed, and are --stage, --region, --profile and --endpoint right?`,
    );
  }
}
