/** What other systems receive about a batch: the event, its lineage, and the serving example. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { type BatchPublished, batchPublishedSchema } from '../../src/lib/flow/batch/batchPublished.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import { listen } from '../support/eventsOf.ts';
import { drop, post, stage } from '../support/stage.ts';

const id = 1_850_000_001;
const key = 'social-media-feed/published/event.json';
const textOf = async ({ bucket, key: Key }: { bucket: string; key: string }) =>
  (await stage.s3.send(new GetObjectCommand({ Bucket: bucket, Key }))).Body?.transformToString() ?? '';

test('a batch is announced with its counts, partitions, objects and lineage, and its rows are served', async () => {
  const events = await listen('BatchPublished');
  let detail: BatchPublished;
  try {
    const [file] = await drop('social_media', {
      [key]: `${post(id, { text: 'served' })}\n${post(id + 1, { timestamp: '2025-11-02T10:00:00Z' })}\n{\n`,
    });
    const batch = String(file?.record.batch);
    const event = await events.next((d) => (d as BatchPublished).batch === batch);
    detail = batchPublishedSchema.parse(event.detail);
    expect(detail).toMatchObject({
      dataset: 'social_media',
      stage: 'local',
      table: `${stage.config.database}.social_media`,
      files: 1,
      rowsRead: 3,
      published: 2,
      quarantined: 1,
      duplicates: 0,
      partitions: {
        count: 2,
        values: [
          ['social_media', '2025', '11', '01'],
          ['social_media', '2025', '11', '02'],
        ],
      },
      objects: { count: 2 },
      replaced: 0,
    });
  } finally {
    await events.close();
  }
  const manifest = z.object({ objects: z.array(z.object({ key: z.string(), bytes: z.int() })) });
  const { objects } = manifest.parse(JSON.parse(await textOf(detail.manifest)));
  expect(objects.reduce((sum, o) => sum + o.bytes, 0)).toBe(detail.objects.bytes);

  const lineage = JSON.parse(await textOf(detail.lineage)) as Record<string, unknown>;
  expect(lineage).toMatchObject({
    eventType: 'COMPLETE',
    job: { namespace: 'sluice-local', name: 'social_media' },
    inputs: [{ namespace: `s3://${stage.config.rawBucket}`, name: key }],
    outputs: [
      {
        name: 'social_media',
        facets: {
          columnLineage: {
            fields: {
              district: {
                inputFields: [
                  { name: 'social_media', field: 'coordinates.lon' },
                  { name: 'social_media', field: 'coordinates.lat' },
                  { name: 'reference/london-boroughs.topojson' },
                ],
              },
              day: { inputFields: [{ field: 'timestamp' }] },
            },
          },
        },
        outputFacets: { outputStatistics: { rowCount: 2, fileCount: 2, size: detail.objects.bytes } },
      },
    ],
  });

  const db = DynamoDBDocumentClient.from(new DynamoDBClient(localClient(String(stage.endpoint))));
  const served = () =>
    db.send(new GetCommand({ TableName: 'sluice-local-serving', Key: { key: `social_media#${id}` } }));
  const { Item } = await waitFor(served, ({ Item: item }) => item !== undefined, 60_000);
  expect(Item).toMatchObject({
    id,
    text: 'served',
    created_at: '2025-11-01T10:00:00.000Z',
    _batch: detail.batch,
  });
  db.destroy();
});
