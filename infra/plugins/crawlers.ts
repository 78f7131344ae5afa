/** Serverless plugin: adds a crawler for each JSON dataset, and the queue that names its new objects. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { namesOwnFields } from '../../src/lib/contract/contract.ts';
import { loadContracts } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { Resources } from './roles.ts';

export interface CrawlerNames {
  /** In the syntax of `Fn::Sub`. */
  readonly raw: string;
  /** How the names of crawlers begin. */
  readonly crawler: string;
  /** How the names of their queues begin. */
  readonly crawl: string;
}

/** SQS takes 80 characters. */
const queueNameLength = 80;

/**
 * Crawlers in event mode: the first crawl lists the folder, each later one reads only the objects that its queue names.
 * CheckCrawler puts a batch's objects there when it starts a crawl. A CSV names its fields itself and needs no crawler.
 * https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-event-notifications.html
 */
export function crawlerResources(contracts: Iterable<Contract>, names: CrawlerNames): Resources {
  const resources: Resources = {};
  const queues: { Ref: string }[] = [];
  for (const contract of contracts) {
    if (namesOwnFields(contract)) continue;
    const { dataset, source } = contract;
    // Logical ids have letters and digits only; no dataset has a capital letter.
    const id = dataset.replaceAll('_', 'U');
    const [crawler, queue] = [`Crawler${id}`, `CrawlQueue${id}`];
    const queueArn = { 'Fn::GetAtt': [queue, 'Arn'] };
    const nothing = { Ref: 'AWS::NoValue' };
    queues.push({ Ref: queue });
    resources[queue] = {
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: queueName(names.crawl, dataset),
        MessageRetentionPeriod: 1_209_600,
        SqsManagedSseEnabled: { 'Fn::If': ['HasKey', nothing, true] },
        KmsMasterKeyId: { 'Fn::If': ['HasKey', { Ref: 'KmsKeyArn' }, nothing] },
      },
    };
    resources[crawler] = {
      Type: 'AWS::Glue::Crawler',
      Properties: {
        Name: `${names.crawler}-${dataset}`,
        Description: `Discovers the fields of ${source.prefix} in the raw zone`,
        Role: { 'Fn::GetAtt': ['CrawlerRole', 'Arn'] },
        DatabaseName: { Ref: 'Database' },
        TablePrefix: 'raw_',
        Targets: {
          S3Targets: [{ Path: { 'Fn::Sub': `s3://${names.raw}/${source.prefix}` }, EventQueueArn: queueArn }],
        },
        SchemaChangePolicy: { UpdateBehavior: 'UPDATE_IN_DATABASE', DeleteBehavior: 'LOG' },
        RecrawlPolicy: { RecrawlBehavior: 'CRAWL_EVENT_MODE' },
        // One table for the folder at the first level below the bucket, even if its files differ.
        Configuration: JSON.stringify({
          Version: 1.0,
          Grouping: { TableLevelConfiguration: 2, TableGroupingPolicy: 'CombineCompatibleSchemas' },
        }),
      },
    };
  }
  // One policy for all queues: a stack has 500 resources at most. CloudFormation gives it to each queue, which is its only resource.
  if (queues.length > 0)
    resources.CrawlQueuesPolicy = {
      Type: 'AWS::SQS::QueuePolicy',
      Properties: {
        Queues: queues,
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [
            {
              Sid: 'TlsOnly',
              Effect: 'Deny',
              Principal: '*',
              Action: 'sqs:*',
              Resource: '*',
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
            },
          ],
        },
      },
    };
  return resources;
}

function queueName(prefix: string, dataset: string): string {
  const name = `${prefix}-${dataset}`;
  if (name.length <= queueNameLength) return name;
  const digest = createHash('sha256').update(dataset).digest('hex').slice(0, 8);
  return `${name.slice(0, queueNameLength - digest.length - 1)}-${digest}`;
}

interface Serverless {
  readonly serviceDir: string;
  readonly service: {
    readonly custom: { readonly names: CrawlerNames };
    readonly provider: { readonly compiledCloudFormationTemplate: { Resources: Resources } };
  };
}

export default class Crawlers {
  readonly hooks: Readonly<Record<string, () => void>>;

  constructor(serverless: Serverless) {
    this.hooks = {
      'after:aws:package:finalize:mergeCustomProviderResources': () => {
        const contracts = loadContracts(resolve(serverless.serviceDir, 'datasets'));
        Object.assign(
          serverless.service.provider.compiledCloudFormationTemplate.Resources,
          crawlerResources(contracts.values(), serverless.service.custom.names),
        );
      },
    };
  }
}
