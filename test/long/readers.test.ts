/** `npm run readers`: readers in a loop beside 50 batches, 20 corrections and compactions of an Iceberg table. */
import { expect, test } from '@jest/globals';
import { watchReaders } from '../support/readersInALoop.ts';

const [batches, corrections] = [50, 20];

test(`invariant 12: readers in a loop find committed states only, during ${batches} batches, ${corrections} corrections and compactions`, async () => {
  const found = await watchReaders({ batches, corrections });
  console.log(
    `${found.reads} queries, ${found.perSecond.toFixed(1)} per second; ${found.compacted} objects compacted`,
  );
  expect(found.compacted).toBeGreaterThanOrEqual(batches);
  expect(found.reads).toBeGreaterThan(batches + corrections);
}, 3_600_000);
