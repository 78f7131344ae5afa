import { expect, test } from '@jest/globals';
import { deadlineAfter } from '../../src/lib/deadline.ts';
import { parallel } from '../../src/lib/parallel.ts';

test('parallel keeps the order of the results and the limit', async () => {
  let running = 0;
  let most = 0;
  const results = await parallel([5, 1, 3], 2, async (n) => {
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done, n));
    running--;
    return n * 2;
  });
  expect([results, most]).toEqual([[10, 2, 6], 2]);
});

const turn = () => new Promise<void>((done) => setImmediate(done));

test('invariant 3: after the first failure of many, nothing further is started, and nothing goes on behind the error', async () => {
  let started = 0;
  let running = 0;
  const work = parallel(Array.from({ length: 200 }), 16, async (_, i) => {
    started++;
    running++;
    await turn();
    running--;
    if (i === 5) throw new Error('the sixth');
  });
  await expect(work).rejects.toThrow('the sixth');
  expect(running).toBe(0);
  expect(started).toBeLessThanOrEqual(32);
});

test('invariant 3: when the time is nearly up, no further work is started', async () => {
  let left = 60_000;
  let started = 0;
  const work = parallel(
    Array.from({ length: 100 }),
    4,
    async () => {
      started++;
      left -= 5000;
    },
    deadlineAfter(() => left),
  );
  await expect(work).rejects.toMatchObject({ name: 'OutOfTime' });
  expect(started).toBeLessThan(15);
});
