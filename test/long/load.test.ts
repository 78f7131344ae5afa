/** `npm run test:load`: a burst of small files becomes few batches, and nothing is lost. */
import { expect, test } from '@jest/globals';
import { parallel } from '../../src/lib/parallel.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { athena, post, put, stage } from '../support/stage.ts';

const files = Number(process.env.SLUICE_LOAD_FILES ?? 10_000);
const dataset = 'social_media';

test(`a burst of ${files} files ends published in fewer than 20 batches`, async () => {
  const first = 1_000_000_000;
  const started = Date.now();
  await parallel(Array.from({ length: files }), 16, async (_, i) => {
    await put(`social-media-feed/burst/${i}.json`, `${post(first + i)}\n{"id":`);
    if (i % 1000 === 999) console.log(`${i + 1} files put after ${(Date.now() - started) / 1000} s`);
  });
  // Cheap checks while it works; the whole ledger is read when nothing waits.
  const isIdle = async () => {
    const lease = await stage.ledger.lease(dataset);
    if (lease === undefined || lease.execution !== undefined) return false;
    return (await stage.ledger.pending(dataset, 1)).length === 0;
  };
  const count = async () => {
    if (!(await isIdle())) return 0;
    const all = await Array.fromAsync(stage.ledger.files(dataset));
    return all.filter((f) => f.object.includes('/burst/') && f.state === 'published').length;
  };
  expect(await waitFor(count, (done) => done === files, 3_000_000)).toBe(files);
  const seconds = (Date.now() - started) / 1000;
  const batches = (await stage.ledger.batches(dataset)).filter((b) => b.state === 'published');
  console.log(`${files} files in ${batches.length} batches, published after ${seconds} s`);
  expect(batches.length).toBeLessThan(20);
  const [rows] = await athena(
    `SELECT count(*) AS n, count(DISTINCT id) AS ids FROM ${dataset} WHERE id >= ${first} AND id < ${first + files}`,
  );
  expect(rows).toEqual({ n: String(files), ids: String(files) });
  const [refused] = await athena(
    "SELECT count(*) AS n FROM quarantine WHERE object LIKE 'social-media-feed/burst/%'",
  );
  expect(refused).toEqual({ n: String(files) });
}, 3_600_000);
