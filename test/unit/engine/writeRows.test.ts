import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { evenShares } from '../../../src/lib/engine/writeRows.ts';
import { transform } from '../../support/embedded.ts';

const partitions = (...rows: number[]) => rows.map((n, i) => ({ values: [String(i)], rows: n }));

test('partitions are distributed so that workers have about as many rows', () => {
  const shares = evenShares(partitions(10_000, 30_000, 20_000, 25_000), 2);
  expect(shares?.map((share) => share.map(({ rows }) => rows))).toEqual([
    [30_000, 10_000],
    [25_000, 20_000],
  ]);
});

test.each([
  ['one core', partitions(60_000, 60_000), 1],
  ['few rows', partitions(20_000, 20_000), 2],
  ['a partition that has most rows', partitions(90_000, 10_000), 2],
  ['no rows', [], 2],
])('%s: all rows are written together', (_, given, workers) => {
  expect(evenShares(given, workers)).toBeNull();
});

test('rows that several workers write are in their partitions, in order, and none is twice or missing', async () => {
  const contract = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: [
        { name: 'id', path: 'id', type: 'int', required: true },
        { name: 'place', path: 'place', type: 'string' },
      ],
      partitionBy: [
        { name: 'source', constant: 'test' },
        { name: 'place_key', of: 'place' },
      ],
    }),
  );
  // Each needs another escape in a folder's name, and one is missing.
  const places = ['a=b', "it's", '東京/1', '100%', undefined];
  const count = 50_005;
  const lines = Array.from({ length: count }, (_, id) =>
    id % 10_001 === 0 ? 'no JSON' : JSON.stringify({ id, place: places[id % places.length] }),
  );
  const { rows, summary, quarantine } = await transform(contract, { 'test/a.json': lines.join('\n') });
  expect(summary).toMatchObject({ rowsRead: count, published: count - 5, quarantined: 5 });
  expect(summary.partitions.map(({ rows }) => rows)).toEqual([10_000, 10_000, 10_000, 10_000, 10_000]);
  expect(quarantine.map((q) => q.line)).toEqual([1n, 10_002n, 20_003n, 30_004n, 40_005n]);
  const byPlace = Map.groupBy(rows, (row) => row.place ?? undefined);
  for (const [i, place] of places.entries())
    expect(byPlace.get(place)?.map((row) => row.id)).toEqual(
      Array.from({ length: 10_001 }, (_, n) => n * places.length + i).filter((id) => id % 10_001 !== 0),
    );
});
