import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { connect, logger, wrap } from '../../src/handlers/step.ts';
import { createStore } from '../../src/lib/aws/store.ts';
import { batchPublishedSchema } from '../../src/lib/flow/batch/batchPublished.ts';
import { loadBatch } from './load.ts';
import { putItems } from './put.ts';

const { config, contracts } = connect();
const store = createStore();
const table = z.string().min(1).parse(process.env.SERVING_TABLE);
const db = DynamoDBDocumentClient.from(new DynamoDBClient({ maxAttempts: 10 }));
const eventSchema = z.object({ detail: batchPublishedSchema });

export const handler = wrap(async (event: unknown) => {
  const { detail } = eventSchema.parse(event);
  logger.appendKeys({ dataset: detail.dataset, batch: detail.batch });
  const deps = { store, contracts, processedBucket: config.processedBucket };
  const rows = await loadBatch({ ...deps, putAll: (items) => putItems(db, table, items) }, detail);
  logger.info('loaded', { rows });
});
