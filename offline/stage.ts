/** A deployed stage as a person's tools see it: its names from the stack's outputs, and clients for all of it. */

import { resolve } from 'node:path';
import { AthenaClient } from '@aws-sdk/client-athena';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GlueClient } from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { loadContracts } from '../src/lib/contract/load.ts';
import type { Contract } from '../src/lib/contract/schema.ts';
import { createLedger, type Ledger } from '../src/lib/ledger/ledger.ts';
import { localClient } from './aws.ts';
import { SetupError } from './setup/environments.ts';

/** A file on its way into the raw bucket. */
export interface Drop {
  readonly dataset: string;
  readonly path: string;
  readonly key: string;
}

export interface Stage {
  readonly endpoint: string;
  readonly contracts: ReadonlyMap<string, Contract>;
  readonly config: {
    readonly rawBucket: string;
    readonly processedBucket: string;
    readonly workBucket: string;
    readonly database: string;
    readonly workgroup: string;
    readonly crawler: string;
    readonly job: string;
    readonly stateMachineArn: string;
    readonly queueUrl: string;
    readonly deadLettersUrl: string;
  };
  readonly ledger: Ledger;
  readonly s3: S3Client;
  readonly sfn: SFNClient;
  readonly glue: GlueClient;
  readonly athena: AthenaClient;
}

/** Connects to the local stage. Throws SetupError when it is not deployed. */
export async function connectStage(endpoint: string): Promise<Stage> {
  const options = localClient(endpoint);
  const outputs = await stackOutputs(new CloudFormationClient(options), 'sluice-local');
  const output = (name: string): string => {
    const value = outputs.get(name);
    if (value === undefined)
      throw new SetupError(`the stack sluice-local has no output ${name}; deploy it again`);
    return value;
  };
  return {
    endpoint,
    contracts: loadContracts(resolve(import.meta.dirname, '../datasets')),
    config: {
      rawBucket: output('RawBucketName'),
      processedBucket: output('ProcessedBucketName'),
      workBucket: output('WorkBucketName'),
      database: output('DatabaseName'),
      workgroup: output('WorkgroupName'),
      crawler: output('CrawlerName'),
      job: output('JobName'),
      stateMachineArn: output('IngestStateMachineArn'),
      queueUrl: output('RawEventsQueueUrl'),
      deadLettersUrl: output('RawEventsDeadLettersUrl'),
    },
    ledger: createLedger(output('LedgerTableName'), new DynamoDBClient(options)),
    s3: new S3Client({ ...options, forcePathStyle: true }),
    sfn: new SFNClient(options),
    glue: new GlueClient(options),
    athena: new AthenaClient(options),
  };
}

async function stackOutputs(client: CloudFormationClient, name: string): Promise<Map<string, string>> {
  const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: name }));
  return new Map((Stacks?.[0]?.Outputs ?? []).map((o) => [o.OutputKey ?? '', o.OutputValue ?? '']));
}
