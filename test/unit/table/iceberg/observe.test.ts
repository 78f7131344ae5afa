/** What a look at a table finds out of its metadata alone. */
import { expect, test } from '@jest/globals';
import type { Seen } from '../../../../src/lib/table/format.ts';
import { newMetadata } from '../../../../src/lib/table/iceberg/evolve.ts';
import { type Metadata, pointedTo, withSnapshot } from '../../../../src/lib/table/iceberg/metadata.ts';
import { observed } from '../../../../src/lib/table/iceberg/observe.ts';
import { wanted } from '../../../support/iceberg.ts';

const ours = { 'sluice.batch': 'b', 'sluice.fence': '1' };

/** The table after one snapshot more. */
const after = (table: Metadata, summary: Record<string, string>): Metadata => {
  const sequence = table['last-sequence-number'] + 1n;
  const parent = table['current-snapshot-id'];
  return withSnapshot(table, {
    'snapshot-id': sequence,
    ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
    'sequence-number': sequence,
    'timestamp-ms': 1,
    'manifest-list': 's3://b/list.avro',
    summary,
  });
};

const empty = newMetadata(wanted, 1);
const full = after(empty, { ...ours, 'added-records': '100', 'total-records': '100' });
const look = (table: Metadata, last?: Seen) => observed(table, last);
const last = look(full).seen;

test('the first look, and one at an unchanged table, find nothing', () => {
  expect(look(empty)).toEqual({ seen: {}, gone: [], rows: 0 });
  expect(look(full)).toMatchObject({ seen: { snapshot: { id: '1', rows: 100 } }, rows: 0 });
  expect(look(full, last).rows).toBe(0);
});

test('rows that another writer deletes are told of once', () => {
  const deleted = after(full, {
    'added-position-deletes': '30',
    'total-records': '100',
    'total-position-deletes': '30',
  });
  const gone = after(deleted, {
    'deleted-records': '20',
    'total-records': '80',
    'total-position-deletes': '30',
  });
  const found = look(gone, last);
  expect(found).toMatchObject({ rows: 50, seen: { snapshot: { rows: 50 } } });
  expect(look(gone, found.seen).rows).toBe(0);
});

test('a compaction by another writer takes no rows away', () => {
  const deletes = after(full, { 'added-position-deletes': '10', 'total-records': '100' });
  const seen = look(deletes, last).seen;
  const rewritten = { 'deleted-records': '100', 'added-records': '90', 'removed-position-deletes': '10' };
  expect(look(after(deletes, rewritten), seen).rows).toBe(0);
});

test('what Sluice takes out itself, or others put in, is not told of', () => {
  const corrected = after(full, { ...ours, 'deleted-records': '60', 'total-records': '40' });
  expect(look(corrected, last).rows).toBe(0);
  expect(look(after(full, { 'added-records': '5', 'total-records': '105' }), last).rows).toBe(0);
});

test('a table that somebody has set back is told of, unless Sluice has set it back under a new fence', () => {
  const more = after(full, { ...ours, 'added-records': '11', 'total-records': '111' });
  const seen = look(more, last).seen;
  const back = { ...more, ...pointedTo(more, 1n, 2) };
  expect(look(back, seen).rows).toBe(11);
  const properties = { ...back.properties, 'sluice.fence.feed': '9' };
  expect(look({ ...back, properties }, seen).rows).toBe(0);
});

test('where snapshots have expired, those that are left are counted', () => {
  const seen = { snapshot: { id: '77', rows: 500, writer: last.snapshot?.writer ?? '' } };
  expect(look(after(full, { 'deleted-records': '4', 'total-records': '96' }), seen).rows).toBe(4);
});
