import { DeleteTableCommand, GetCrawlerCommand, StartCrawlerCommand } from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import { crawlerOf } from '../../src/lib/flow/batch/rawTable.ts';
import { parallel } from '../../src/lib/parallel.ts';
import { expectWhole, untilSettled } from '../support/faults.ts';
import { post, put, stage } from '../support/stage.ts';

const dataset = 'social_media';
const first = 1_900_000_000 + (Date.now() % 10_000_000) * 10;

test('a burst of 300 files becomes few batches, and every row of it is there once', async () => {
  const before = (await stage.ledger.batches(dataset)).length;
  const files = Array.from({ length: 300 }, (_, i) => ({
    key: `social-media-feed/burst/${first + i}.json`,
    id: first + i,
  }));
  await parallel(files, 16, ({ key, id }) => put(key, `${post(id)}\n{"id":`));
  const keys = files.map((f) => f.key);
  await untilSettled(dataset, keys);
  await expectWhole(dataset, {
    ids: files.map((f) => f.id),
    bad: Object.fromEntries(keys.map((key) => [key, 1])),
  });
  const batches = (await stage.ledger.batches(dataset)).length - before;
  expect(batches).toBeLessThan(12);
}, 150_000);

test('a crawler that somebody else has started is waited for', async () => {
  const id = first + 1000;
  const key = `social-media-feed/crawled-${id}.json`;
  // Without a raw table, a batch would need a crawl.
  await stage.glue.send(
    new DeleteTableCommand({ DatabaseName: stage.config.database, Name: 'raw_social_media_feed' }),
  );
  await stage.glue.send(new StartCrawlerCommand({ Name: crawlerOf(stage.config, 'social_media') }));
  await put(key, post(id, { [`field_${id}`]: { nested: true } }));
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids: [id], bad: {} });
  const { Crawler } = await stage.glue.send(
    new GetCrawlerCommand({ Name: crawlerOf(stage.config, 'social_media') }),
  );
  expect(Crawler?.LastCrawl?.Status).toBe('SUCCEEDED');
}, 150_000);
