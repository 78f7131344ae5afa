/** Which objects may have rows of a partition, whatever the table was partitioned by when they were written. */
import { expect, test } from '@jest/globals';
import { TableConflict } from '../../../../src/lib/errors.ts';
import { newMetadata } from '../../../../src/lib/table/iceberg/evolve.ts';
import type { DataFile, Partition } from '../../../../src/lib/table/iceberg/manifest.ts';
import { specOf } from '../../../../src/lib/table/iceberg/metadata.ts';
import {
  hasAll,
  keyIn,
  keysOf,
  mayShare,
  partitionOf,
  requireKeys,
  textsOf,
} from '../../../../src/lib/table/iceberg/partitions.ts';
import { toBytes } from '../../../../src/lib/table/iceberg/values.ts';
import { fakeObject } from '../../../support/iceberg.ts';

const table = newMetadata(
  {
    name: 't',
    location: 's3://b/t/',
    columns: [
      { name: 'id', type: 'bigint' },
      { name: 'name', type: 'string' },
      { name: 'day', type: 'string' },
    ],
    partitionBy: [
      { column: 'id', transform: 'truncate[10]' },
      { column: 'name', transform: 'bucket[4]' },
      { column: 'day', transform: 'identity' },
    ],
  },
  1,
);
const keys = keysOf(table, specOf(table));
const none = '__HIVE_DEFAULT_PARTITION__';
const wanted = (id: string | null, day: string | null = '06') => partitionOf(keys, [id, '2', day]);
const longs = (value: bigint) => new Map([[1, toBytes('long', value)]]);
const file = (known: Partial<DataFile>, partition: Partition = new Map()) =>
  fakeObject('s3://b/t/x.parquet', { partition, ...known });

test('texts of a plan become values of a partition, and the other way round', () => {
  expect([...partitionOf(keys, ['20', '3', '06'])]).toEqual([
    [1000, 20n],
    [1001, 3],
    [1002, '06'],
  ]);
  expect([...partitionOf(keys, [none, null]).values()]).toEqual([null, null, null]);
  expect(textsOf(keys, partitionOf(keys, ['-10', '0', '06']))).toEqual(['-10', '0', '06']);
  expect(textsOf(keys, new Map([[1000, null]]))).toEqual([null, undefined, undefined]);
});

test('a column that is no more in the schema has the last type that it had; an unknown one is text', () => {
  const without = table.schemas.map((schema) => ({ ...schema, 'schema-id': 9, fields: [] }));
  const dropped = { ...table, schemas: [...table.schemas, ...without], 'current-schema-id': 9 };
  expect(keysOf(dropped, specOf(table)).map(({ source }) => source)).toEqual([
    { id: 1, name: 'id', type: 'long' },
    { id: 2, name: 'name', type: 'string' },
    { id: 3, name: 'day', type: 'string' },
  ]);
  const [first] = keysOf({ ...dropped, schemas: without }, specOf(table));
  expect(first?.source).toEqual({ id: 1, name: 'id_truncate_10', type: 'string' });
});

test('an object of the same partitions shares those that are equal', () => {
  const own = file({}, partitionOf(keys, ['20', '2', '06']));
  expect(hasAll(keys, own.partition)).toBe(true);
  expect(hasAll(keys, new Map([[1000, 20n]]))).toBe(false);
  expect(mayShare(keys, own, wanted('20'))).toBe(true);
  expect(mayShare(keys, own, wanted('30'))).toBe(false);
  expect(mayShare(keys, own, wanted('20', '07'))).toBe(false);
  expect(mayShare(keys, own, wanted(null))).toBe(false);
  expect(mayShare(keys, file({}, partitionOf(keys, [null, '2', '06'])), wanted(null))).toBe(true);
  expect(keyIn(keys, own.partition)).toBe(keyIn(keys, new Map([...own.partition, [7, 'of others']])));
  expect(keyIn(keys, new Map())).toBe(keyIn(keys, partitionOf(keys, [])));
});

test.each<[string, Partial<DataFile>, string | null, boolean]>([
  ['nothing is known of it', {}, '20', true],
  ['its values end within the partition', { lowerBounds: longs(-5n), upperBounds: longs(20n) }, '20', true],
  ['its values begin within the partition', { lowerBounds: longs(29n), upperBounds: longs(99n) }, '20', true],
  ['its values end before the partition', { lowerBounds: longs(-5n), upperBounds: longs(19n) }, '20', false],
  ['its values begin after the partition', { lowerBounds: longs(30n), upperBounds: longs(99n) }, '20', false],
  ['only its lowest value is known', { lowerBounds: longs(30n) }, '20', true],
  ['only its highest value is known', { upperBounds: longs(0n) }, '20', true],
  ['it may have rows without a value', {}, null, true],
  ['it has rows without a value', { nullCounts: new Map([[1, 1n]]) }, null, true],
  ['it has no row without a value', { nullCounts: new Map([[1, 0n]]) }, null, false],
])('an object of other partitions, when %s', (_, known, id, may) => {
  expect(mayShare(keys, file(known), wanted(id))).toBe(may);
});

test('bounds say nothing of a hash', () => {
  const bounds = new Map([[2, Buffer.from('x')]]);
  const object = file({ lowerBounds: bounds, upperBounds: bounds });
  for (const bucket of ['0', '1', '2', '3'])
    expect(mayShare(keys, object, partitionOf(keys, ['20', bucket, '06']))).toBe(true);
});

test('a table that others have partitioned otherwise is told by name', () => {
  const columns = [
    { name: 'id_truncate_10', type: 'string', of: 'id', transform: 'truncate[10]' },
    { name: 'name_bucket_4', type: 'string', of: 'name', transform: 'bucket[4]' },
    { name: 'day', type: 'string' },
  ];
  requireKeys(keys, columns);
  for (const other of [
    columns.slice(0, 2),
    [...columns, { name: 'more', type: 'string' }],
    columns.with(2, { name: 'week', type: 'string' }),
    columns.with(2, { name: 'day', type: 'string', of: 'week', transform: 'identity' }),
    columns.with(0, { name: 'id_truncate_20', type: 'string', of: 'id', transform: 'truncate[20]' }),
    [],
  ])
    expect(() => requireKeys(keys, other)).toThrow(TableConflict);
  expect(() => requireKeys([], columns)).toThrow('is partitioned, to nothing;');
  expect(() => requireKeys(keys, [])).toThrow('id_truncate_10, name_bucket_4, day;');
});
