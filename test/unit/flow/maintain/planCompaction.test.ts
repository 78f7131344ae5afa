import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { planCompaction } from '../../../../src/lib/flow/maintain/planCompaction.ts';

const object = (key: string, bytes: number, partition = 'd') => ({ key, bytes, partition });
const keys = (groups: readonly (readonly { key: string }[])[]) => groups.map((g) => g.map(({ key }) => key));

test('small objects of a partition go together, up to the target; the partition with the most comes first', () => {
  const objects = [
    ...['a', 'b', 'c'].map((key) => object(key, 40)),
    object('large', 75),
    ...['x', 'y', 'z', 'w'].map((key) => object(key, 1, 'e')),
    object('alone', 1, 'f'),
  ];
  expect(keys(planCompaction(objects, { targetBytes: 100, minObjects: 2 }))).toEqual([
    ['w', 'x', 'y', 'z'],
    ['a', 'b'],
  ]);
});

test('an object that has grown is not rewritten for the sake of a few small ones', () => {
  const objects = [object('grown', 60), ...['a', 'b', 'c'].map((key) => object(key, 1))];
  expect(keys(planCompaction(objects, { targetBytes: 100, minObjects: 2 }))).toEqual([['a', 'b', 'c']]);
  expect(keys(planCompaction(objects, { targetBytes: 100, minObjects: 4 }))).toEqual([]);
});

test('a byte is rewritten a few times, however many objects come', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 200, maxLength: 400 }), (sizes) => {
      const limits = { targetBytes: 4000, minObjects: 8 };
      let objects: ReturnType<typeof object>[] = [];
      let rewritten = 0;
      let n = 0;
      for (const bytes of sizes) {
        objects.push(object(String(n++).padStart(6, '0'), bytes));
        for (const group of planCompaction(objects, limits)) {
          const sum = group.reduce((total, of) => total + of.bytes, 0);
          expect(sum).toBeLessThanOrEqual(limits.targetBytes);
          rewritten += sum;
          objects = [...objects.filter((o) => !group.includes(o)), object(String(n++).padStart(6, '0'), sum)];
        }
      }
      const written = sizes.reduce((a, b) => a + b, 0);
      expect(objects.reduce((total, of) => total + of.bytes, 0)).toBe(written);
      // At most log(4000) / log(1.5).
      expect(rewritten / written).toBeLessThan(21);
    }),
    { numRuns: 20 },
  );
});

test.each([
  ['three quarters of the target are large', [75, 1, 1], [[1, 1]]],
  ['less are small', [74, 26, 37], [[26, 37]]],
  ['as much as the target fits', [40, 60], [[40, 60]]],
  ['a byte more does not', [41, 60], []],
  ['twice as large as all before goes with them', [10, 20], [[10, 20]]],
  ['larger than that does not', [10, 21], []],
])('%s', (_, sizes, groups) => {
  const objects = sizes.map((bytes, i) => object(String(i), bytes));
  const planned = planCompaction(objects, { targetBytes: 100, minObjects: 2 });
  expect(planned.map((group) => group.map(({ bytes }) => bytes))).toEqual(groups);
});

test('a group has 500 objects at most', () => {
  const objects = Array.from({ length: 1001 }, (_, i) => object(String(i).padStart(4, '0'), 1));
  const groups = planCompaction(objects.toReversed(), { targetBytes: 10_000, minObjects: 2 });
  expect(groups.map((group) => [group.length, group[0]?.key])).toEqual([
    [500, '0000'],
    [500, '0500'],
  ]);
});
