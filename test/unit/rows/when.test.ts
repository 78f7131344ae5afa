/** Several datasets share one prefix: each takes its own records, and all records are accounted for. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { conflictOf, parseContract } from '../../../src/lib/contract/load.ts';
import { addsUp } from '../../../src/lib/model/plan.ts';
import { transform } from '../../support/embedded.ts';

const folder = resolve(import.meta.dirname, '../../fixtures/cases/i05-same-prefix');
const read = (name: string, filter = 'filter') =>
  parseContract(name, readFileSync(join(folder, name), 'utf8').replace('filter', filter));
const [created, refunded] = [read('created.yml', 'when'), read('refunded.yml', 'when')];

const lines = [
  { id: 1, type: 'created' },
  { id: 2, type: 'refunded' },
  { id: 'x', type: 'refunded' },
  { id: 4, type: 'other' },
  { id: 5 },
  { id: 6, type: ['created'] },
].map((record) => JSON.stringify(record));
const files = { 'events/a': `${lines.join('\n')}\nno JSON\n` };

test('each record goes to the table of its dataset, and the others are skipped and counted', async () => {
  const one = await transform(created, files);
  expect(one.rows.map(({ id }) => id)).toEqual([1n]);
  // The id that is not a number belongs to the other dataset: only that one rejects it.
  expect(one.quarantine.map((q) => [Number(q.line), q.reason])).toEqual([
    [6, 'bad_type'],
    [7, 'invalid_json'],
  ]);
  expect(one.summary).toMatchObject({ rowsRead: 7, published: 1, quarantined: 2, duplicates: 0, skipped: 4 });
  expect(one.summary.files).toMatchObject([{ rowsRead: 7, published: 1, quarantined: 2, skipped: 4 }]);
  expect(one.summary.reasons).toEqual({ bad_type: 1, invalid_json: 1 });
  expect(addsUp(one.summary)).toBe(true);
  const two = await transform(refunded, files);
  expect(two.rows.map(({ id }) => id)).toEqual([2n]);
  expect(two.quarantine.map((q) => [Number(q.line), q.reason])).toEqual([
    [3, 'bad_type'],
    [6, 'bad_type'],
    [7, 'invalid_json'],
  ]);
  expect(two.summary).toMatchObject({ rowsRead: 7, published: 1, quarantined: 3, skipped: 3 });
});

test('a skipped record is nobody\u2019s duplicate, counts no nulled values, and each element of an array is asked', async () => {
  const contract = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'x/', formats: ['ndjson'] },
      explode: 'items',
      columns: [
        { name: 'kind', path: 'items.kind', type: 'string' },
        { name: 'k', path: 'items.k', type: 'int', required: true },
        { name: 'n', path: 'items.n', type: 'int', onError: 'null' },
      ],
      when: "kind = 'a'",
      filter: 'k > 0',
      dedupe: { key: ['k'] },
      partitionBy: [{ name: 'source', constant: 'test' }],
    }),
  );
  const items = [
    { kind: 'a', k: 1, n: 'x' },
    { kind: 'b', k: 1, n: 'x' },
    { kind: 'a', k: 1 },
    { kind: 'b' },
    { kind: 'a' },
    { kind: 'a', k: 0 },
  ];
  const { summary, rows } = await transform(contract, {
    'x/a': `${JSON.stringify({ items })}\n{"items":7}\n{}`,
  });
  expect(rows).toHaveLength(1);
  expect(summary).toMatchObject({
    rowsRead: 8,
    published: 1,
    duplicates: 1,
    quarantined: 3,
    skipped: 3,
    reasons: { filtered: 1, missing_required: 1, not_an_array: 1 },
    nulled: { n: 1 },
  });
});

test('a batch of records that are all another dataset\u2019s publishes nothing', async () => {
  const { summary, rows, quarantine } = await transform(created, {
    'events/a': '{"id":1,"type":"refunded"}',
  });
  expect([rows, quarantine]).toEqual([[], []]);
  expect(summary).toMatchObject({ rowsRead: 1, skipped: 1, partitions: [] });
});

test('contracts share a prefix where each says which records are its own', () => {
  expect(conflictOf(created, refunded)).toBeNull();
  expect(conflictOf(created, read('refunded.yml'))).toMatch(
    /^the prefix events\/ belongs to the dataset "created" already; two share one if both have "when"/,
  );
});
