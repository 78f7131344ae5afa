import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  BatchWriteCommand,
  type BatchWriteCommandInput,
  DynamoDBDocumentClient,
} from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { connect, logger, wrap } from '../../src/handlers/step.ts';
import { createStore } from '../../src/lib/aws/store.ts';
import { SluiceError } from '../../src/lib/errors.ts';
import { batchPublishedSchema } from '../../src/lib/flow/batch/batchPublished.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { loadBatch } from './load.ts';

const { config, contracts } = connect();
const store = createStore();
const table = z.string().min(1).parse(process.env.SERVING_TABLE);
const db = DynamoDBDocumentClient.from(new DynamoDBClient({ maxAttempts: 10 }));
const eventSchema = z.object({ detail: batchPublishedSchema });

export const handler = wrap(async (event: unknown) => {
  const { detail } = eventSchema.parse(event);
  logger.appendKeys({ dataset: detail.dataset, batch: detail.batch });
  const rows = await loadBatch({ store, contracts, processedBucket: config.processedBucket, putAll }, detail);
  logger.info('loaded', { rows });
});

/** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html: 25 at a time. */
async function putAll(items: readonly Record<string, unknown>[]): Promise<void> {
  for (let i = 0; i < items.length; i += 25) {
    let waiting: NonNullable<BatchWriteCommandInput['RequestItems']>[string] = items
      .slice(i, i + 25)
      .map((Item) => ({ PutRequest: { Item } }));
    const put = async () => {
      const { UnprocessedItems } = await db.send(
        new BatchWriteCommand({ RequestItems: { [table]: waiting } }),
      );
      waiting = UnprocessedItems?.[table] ?? [];
    };
    await waitFor(put, () => waiting.length === 0, 60_000);
    if (waiting.length > 0)
      throw new SluiceError(`${table} took ${waiting.length} items of 25 in a minute not`);
  }
}
