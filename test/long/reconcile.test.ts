/** `npm run test:load -- --long reconcile`: 100,000 partitions are compared and repaired within a Lambda's time. */
import { expect, test } from '@jest/globals';
import { readPlan } from '../../src/lib/flow/batch/manifest.ts';
import { goldenTable } from '../../src/lib/flow/batch/tables.ts';
import { reconcile } from '../../src/lib/flow/repair/reconcile.ts';
import { parallel } from '../../src/lib/parallel.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { athena, drop, post, stage } from '../support/stage.ts';

const partitions = Number(process.env.SLUICE_LOAD_FILES ?? 100_000);
const dataset = 'social_media';
const flow = depsOf(stage);

/** Days from the year 1700 on, which no feed uses. */
const dayOf = (index: number) => {
  const [year = '', month = '', day = ''] = new Date(Date.UTC(1700, 0, 1 + index))
    .toISOString()
    .slice(0, 10)
    .split('-');
  const values = [dataset, year, month, day];
  return { values, path: `data_source=${dataset}/year=${year}/month=${month}/day=${day}/` };
};

test(`of ${partitions} partitions the missing ones are added and the empty ones dropped`, async () => {
  await drop(dataset, { 'social-media-feed/reconcile.json': post(77) });
  const [batch] = (await stage.ledger.batches(dataset)).filter((b) => b.state === 'published');
  const attempt = { dataset, batch: batch?.batch ?? '', fence: batch?.committed ?? 0 };
  const table = goldenTable(await readPlan(flow, attempt), flow.config);
  const [object] = await flow.store.list(stage.config.processedBucket, `${table.name}/`);
  if (!object) throw new Error('nothing was published');
  const days = Array.from({ length: partitions }, (_, i) => dayOf(i));
  // One in twenty has objects and is not registered; one in twenty is registered and has none.
  const standing = days.filter((_, i) => i % 20 !== 0);
  const registered = days.filter((_, i) => i % 20 !== 1);
  await parallel(standing, 32, ({ path }) =>
    flow.store.copy(
      { bucket: stage.config.processedBucket, key: object.key },
      { bucket: stage.config.processedBucket, key: `${table.name}/${path}other-0.parquet` },
    ),
  );
  await flow.catalog.addPartitions(
    table,
    registered.map(({ values, path }) => ({ values, location: `${table.location}${path}` })),
  );
  const started = Date.now();
  const result = await reconcile(flow, dataset);
  const seconds = (Date.now() - started) / 1000;
  console.log(`${partitions} partitions: ${JSON.stringify(result)} in ${seconds} s`);
  expect(result).toMatchObject({ added: partitions / 20, dropped: partitions / 20 });
  expect(seconds).toBeLessThan(900);
  expect(await reconcile(flow, dataset)).toMatchObject({ added: 0, dropped: 0 });
  const [rows] = await athena(`SELECT count(*) AS n FROM "${table.name}" WHERE year = '1700'`);
  expect(Number(rows?.n)).toBeGreaterThan(300);
}, 3_600_000);
