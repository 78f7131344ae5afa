import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nextBatch } from '../../../../src/lib/flow/batch/limits.ts';

test('property: batches respect both limits, and a file beyond the limit is a batch of its own', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 150 }).map((size) => ({ size })));
  fc.assert(
    fc.property(sizes, (files) => {
      const taken = nextBatch(files, { files: 5, bytes: 100 });
      expect(taken).toEqual(files.slice(0, taken.length));
      expect(taken.length).toBeGreaterThanOrEqual(Math.min(1, files.length));
      expect(taken.length).toBeLessThanOrEqual(5);
      if (taken.length > 1) expect(taken.reduce((n, f) => n + f.size, 0)).toBeLessThanOrEqual(100);
    }),
  );
});

test.each<[string, number[], number]>([
  ['as many bytes as the limit has', [60, 40, 1], 2],
  ['a byte more', [60, 41], 1],
  ['an empty file next to full ones', [100, 0, 1], 2],
  ['a file beyond the limit', [101, 0], 1],
  ['as many files as the limit has', [1, 1, 1, 1, 1, 1], 5],
])('a batch takes %s', (_, sizes, taken) => {
  const files = sizes.map((size) => ({ size }));
  expect(nextBatch(files, { files: 5, bytes: 100 })).toHaveLength(taken);
});
