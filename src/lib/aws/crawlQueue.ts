/** Sends a crawler in event mode the objects to crawl, in the format of S3's notifications. */
import { randomUUID } from 'node:crypto';
import {
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { MessagesRefused } from '../errors.ts';
import { chunksOf, parallel } from '../parallel.ts';
import { again, type Patience } from './again.ts';

export interface NewObject {
  readonly object: string;
  readonly size: number;
}

export type CrawlQueue = ReturnType<typeof createCrawlQueue>;

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html */
const messagesPerCall = 10;

export function createCrawlQueue(
  client: SQSClient = new SQSClient({ maxAttempts: 6 }),
  patience: Patience = {},
) {
  const urlOf = async (queueArn: string): Promise<string | undefined> =>
    (await client.send(new GetQueueUrlCommand({ QueueName: queueArn.split(':').at(-1) }))).QueueUrl;

  return {
    /**
     * Puts a notification for each object into a crawler's queue, as S3 would. It may be repeated. Throws MessagesRefused if the
     * queue keeps rejecting one.
     */
    async tell(queueArn: string, bucket: string, objects: readonly NewObject[]): Promise<void> {
      const region = queueArn.split(':')[3] ?? '';
      const QueueUrl = await urlOf(queueArn);
      await parallel(chunksOf(objects, messagesPerCall), 8, async (chunk) => {
        let waiting: SendMessageBatchRequestEntry[] = chunk.map((object, i) => ({
          Id: String(i),
          MessageBody: JSON.stringify({ Records: [notificationOf(region, bucket, object)] }),
        }));
        const send = async () => {
          const { Failed = [] } = await client.send(
            new SendMessageBatchCommand({ QueueUrl, Entries: waiting }),
          );
          const refused = new Set(Failed.map((f) => f.Id));
          waiting = waiting.filter((entry) => refused.has(entry.Id));
          const [first] = Failed;
          if (first)
            throw new MessagesRefused(
              `the queue ${queueArn} took no message: ${first.Code} ${first.Message}`,
            );
        };
        await again(send, (error) => error instanceof MessagesRefused, patience);
      });
    },

    /** Whether the crawler's queue is empty, as far as SQS knows. */
    async isRead(queueArn: string): Promise<boolean> {
      const counts = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl: await urlOf(queueArn), AttributeNames: [...counts] }),
      );
      return counts.every((name) => Attributes?.[name] === '0');
    },
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
const notificationOf = (awsRegion: string, bucket: string, { object, size }: NewObject) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion,
  eventTime: new Date().toISOString(),
  eventName: 'ObjectCreated:Put',
  userIdentity: { principalId: 'sluice' },
  requestParameters: { sourceIPAddress: '127.0.0.1' },
  responseElements: { 'x-amz-request-id': randomUUID(), 'x-amz-id-2': randomUUID() },
  s3: {
    s3SchemaVersion: '1.0',
    configurationId: 'sluice',
    bucket: { name: bucket, ownerIdentity: { principalId: 'sluice' }, arn: `arn:aws:s3:::${bucket}` },
    object: { key: encodedKey(object), size, sequencer: '00' },
  },
});

/** As S3 writes keys in its notifications: encoded like a form, except for slashes. */
const encodedKey = (key: string): string =>
  encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');
