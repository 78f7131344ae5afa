import { expect, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';

const at = places({ workBucket: 'work' });
const datasets = ['feed', 'feed2'];
const batches = ['a'.repeat(20), 'b'.repeat(20)];

test('invariant 2: no two attempts, runs, batches or datasets have a document in common', () => {
  const found = datasets.flatMap((dataset) => [
    ...['feed/x', 'feed/y'].map((winner) => at.lost(dataset, winner)),
    at.tombstones(dataset),
    ...batches.flatMap((batch) => {
      const { page, data } = at.report(dataset, batch);
      const attempts = [1, 2].flatMap((fence) => {
        const attempt = { batch, fence };
        const { live, ...documents } = at.attempt(dataset, attempt);
        return [
          ...Object.values(documents),
          ...batches.map(live),
          at.mark(dataset, attempt),
          ...['n', 'm'].map((name) => at.lookup(dataset, attempt, name)),
        ];
      });
      const runs = ['r', 's'].flatMap((run) => {
        const { reference, rewritten, losing, outcomes, ...folders } = at.run(dataset, batch, run);
        const named = ['n', 'm'].flatMap((name) =>
          [reference, rewritten, losing, outcomes].map((of) => of(name)),
        );
        return [...Object.values(folders), ...named];
      });
      return [page, data, at.lineage(dataset, batch), at.quarantine(dataset, batch), ...attempts, ...runs];
    }),
  ]);
  expect(new Set(found.map(({ bucket }) => bucket))).toEqual(new Set(['work']));
  const keys = found.map(({ key }) => key).sort();
  expect(new Set(keys).size).toBe(keys.length);
  // Nothing lies below the folder of another one, or it would be read or removed with it.
  const folders = keys.filter((key) => key.endsWith('/'));
  for (const folder of folders) expect(keys.filter((key) => key.startsWith(folder))).toEqual([folder]);
});

test('marks of attempts have the order of their fences, below the folder of their dataset', () => {
  const marks = [9, 10, 1_700_000_000_000, 1_800_000_000_000].map(
    (fence) => at.mark('feed', { batch: batches[fence % 2] ?? '', fence }).key,
  );
  expect([...marks].sort()).toEqual(marks);
  const { key } = at.marks('feed');
  expect(marks.map((mark) => mark.slice(key.length).split('-')).at(0)).toEqual([
    '0000000000000009',
    batches[1],
  ]);
});
