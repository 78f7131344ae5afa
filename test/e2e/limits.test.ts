/** The largest batches stay within the limits of the services. */
import { paginateGetExecutionHistory } from '@aws-sdk/client-sfn';
import { expect, test } from '@jest/globals';
import { type BatchPublished, batchPublishedSchema } from '../../src/lib/flow/batch/batchPublished.ts';
import { wake } from '../../src/lib/flow/wake.ts';
import { parallel } from '../../src/lib/parallel.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { listen } from '../support/eventsOf.ts';
import { untilSettled } from '../support/faults.ts';
import { athena, post, put, stage } from '../support/stage.ts';

const dataset = 'social_media';
const first = 1_840_000_000;

/** https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html */
const payloadBytes = 256 * 1024;
const historyEvents = 25_000;
/** https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html */
const eventBytes = 256 * 1024;

test('a batch of a thousand files is one batch, and no payload carries its list', async () => {
  const files = Array.from({ length: 1000 }, (_, i) => ({
    key: `social-media-feed/limits/${i}.json`,
    body: `${post(first + i)}\n`,
  }));
  const { detail } = await publish(files);
  expect(detail).toMatchObject({ files: 1000, published: 1000, partitions: { count: 1 } });
});

test('a batch that touches 2,000 partitions is published whole, and its event names where they are listed', async () => {
  const day = (i: number) => new Date(Date.UTC(2015, 0, 1) + i * 86_400_000).toISOString();
  const rows = Array.from({ length: 2000 }, (_, i) => post(first + 10_000 + i, { timestamp: day(i) }));
  const { detail, key } = await publish([
    { key: 'social-media-feed/limits/days.json', body: rows.join('\n') },
  ]);
  expect(detail).toMatchObject({ published: 2000, partitions: { count: 2000, values: null } });
  const [counted] = await athena(
    `SELECT count(*) AS n, count(DISTINCT year || month || day) AS days FROM ${dataset} WHERE _object = '${key}'`,
  );
  expect(counted).toEqual({ n: '2000', days: '2000' });
});

/** Puts files while the dataset is paused, lets the flow run, and compares its execution with the limits. */
async function publish(files: readonly { key: string; body: string }[]) {
  const { ledger } = stage;
  const fence = await waitFor(
    () => ledger.acquireLease(dataset),
    (taken) => taken !== null,
    60_000,
  );
  if (fence === null) throw new Error('somebody works on the dataset');
  const events = await listen('BatchPublished');
  try {
    await parallel(files, 16, ({ key, body }) => put(key, body));
    const waiting = async () => (await ledger.pending(dataset, files.length + 1)).length;
    expect(await waitFor(waiting, (n) => n === files.length, 120_000)).toBe(files.length);
    await ledger.releaseLease(dataset, fence);
    await wake(depsOf(stage), dataset);
    await untilSettled(
      dataset,
      files.map((f) => f.key),
    );
    const [file] = (await Array.fromAsync(ledger.files(dataset))).filter((f) => f.object === files[0]?.key);
    const event = await events.next((d) => (d as BatchPublished).batch === file?.batch);
    expect(event.bytes).toBeLessThan(eventBytes);
    const batch = await ledger.batch(dataset, String(file?.batch));
    let count = 0;
    for await (const page of paginateGetExecutionHistory(
      { client: stage.sfn },
      { executionArn: String(batch?.execution), maxResults: 1000, includeExecutionData: true },
    ))
      for (const entry of page.events ?? []) {
        count++;
        expect(Buffer.byteLength(JSON.stringify(entry))).toBeLessThan(payloadBytes);
      }
    expect(count).toBeGreaterThan(20);
    expect(count).toBeLessThan(historyEvents);
    return { detail: batchPublishedSchema.parse(event.detail), key: files[0]?.key };
  } finally {
    await events.close();
  }
}
