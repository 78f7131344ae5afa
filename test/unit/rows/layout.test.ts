/** Columns that are not in the record, helpers that are not in the table, and partitions by values of columns. */
import { expect, test } from '@jest/globals';
import { compile } from '../../../src/lib/compiler/compile.ts';
import { expectationQuery } from '../../../src/lib/compiler/expectations.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { filesOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

const constant = { name: 'source', constant: 'test' };
const contractOf = (more: object) =>
  parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'x/', formats: ['ndjson'] },
      partitionBy: [constant],
      ...more,
    }),
  );
const id = { name: 'id', path: 'id', type: 'bigint' };

test('the key of the object, and a part of it, are columns and partitions', async () => {
  const contract = contractOf({
    columns: [
      id,
      { name: 'src', path: '$key', type: 'string' },
      { name: 'day', path: '$key', type: 'date', extract: 'dt=([^/]+)/', required: true },
      { name: 'shop', path: '$key', type: 'string', extract: '([a-z]+)_\\d+\\.json$', publish: false },
      { name: 'own', path: '"$key"', type: 'string' },
    ],
    partitionBy: [constant, { name: 'year', of: 'day', part: 'year' }, { name: 'shop', of: 'shop' }],
  });
  const [line] = Object.values(filesOf('p01-key-column'));
  const { rows, partitions, quarantine } = await transform(contract, {
    'x/dt=2024-05-01/berlin_12.json': `${line}{"id":3,"$key":"a field"}`,
    'x/dt=soon/{}_1.json': '{"id":4}',
  });
  expect(rows.map(({ _batch, ...row }) => row).find((row) => row.id === 3n)).toMatchObject({
    src: 'x/dt=2024-05-01/berlin_12.json',
    own: 'a field',
  });
  expect(rows).toHaveLength(3);
  expect(Object.keys(rows[0] ?? {})).not.toContain('shop');
  expect(partitions).toEqual(['source=test/year=2024/shop=berlin']);
  expect(quarantine).toMatchObject([
    { reason: 'bad_type', column_name: 'day', value: 'x/dt=soon/{}_1.json' },
  ]);
});

test('a column of a CSV can be of the key, and drift knows nothing of it', async () => {
  const contract = contractOf({
    source: { prefix: 'x/', formats: ['csv'] },
    columns: [id, { name: 'src', path: '$key', type: 'string', extract: '([^/]+)$' }],
    drift: 'reject',
  });
  const { rows, summary } = await transform(contract, { 'x/a.csv': 'id\n1' });
  expect(summary).toMatchObject({ published: 1 });
  expect(rows[0]).toMatchObject({ id: 1n, src: 'a.csv' });
});

test('a partition has the value of its column, which is no column of the table beside it', async () => {
  const contract = contractOf({
    columns: [id, { name: 'country', path: 'country', type: 'string' }],
    partitionBy: [constant, { name: 'country', of: 'country' }],
  });
  const more = [
    { id: 3 },
    { id: 4, country: '' },
    { id: 5, country: 'ü'.repeat(50) },
    { id: 6, country: 'x\0y' },
    { id: 7, country: '..' },
    { id: 8, country: '%41' },
    { id: 9, country: 'x'.repeat(300) },
  ].map((record) => JSON.stringify(record));
  const [lines] = Object.values(filesOf('p02-partition-col'));
  const { rows, partitions, quarantine, summary } = await transform(contract, {
    'x/a': `${lines}${more.join('\n')}`,
  });
  expect([...partitions].sort()).toEqual([
    'source=test/country=%2541',
    'source=test/country=..',
    'source=test/country=DE',
    'source=test/country=FR%2Fx%3D1',
    'source=test/country=__HIVE_DEFAULT_PARTITION__',
  ]);
  expect(summary.partitions.map(({ values }) => values[1])).toContain('FR/x=1');
  expect(Object.keys(rows[0] ?? {})).toEqual(['id', '_batch', '_object', '_version', '_line']);
  expect(quarantine.map((q) => [Number(q.line), q.reason, q.column_name])).toEqual([
    [5, 'out_of_range', 'country'],
    [6, 'out_of_range', 'country'],
    [9, 'out_of_range', 'country'],
  ]);
});

test('partitions are of numbers, days, booleans and derived columns too, under names of their own', async () => {
  const contract = contractOf({
    columns: [
      id,
      { name: 'day', path: 'day', type: 'date' },
      { name: 'is_new', path: 'new', type: 'boolean' },
    ],
    derive: [{ name: 'size', type: 'string', expression: "if(id > 1, 'large', 'small')" }],
    partitionBy: [
      constant,
      { name: 'n', of: 'id' },
      { name: 'on_day', of: 'day' },
      { name: 'fresh', of: 'is_new' },
      { name: 'size', of: 'size' },
    ],
  });
  const { rows, partitions } = await transform(contract, { 'x/a': '{"id":7,"day":"2025-10-06","new":true}' });
  expect(partitions).toEqual(['source=test/n=7/on_day=2025-10-06/fresh=true/size=large']);
  expect(rows[0]).toMatchObject({ id: 7n, is_new: true });
  expect(rows[0]).not.toHaveProperty('size');
});

test('more partitions than the contract allows fail the batch by name, and its own number is enough', async () => {
  const contract = (maxPartitions: number) =>
    contractOf({ columns: [id], partitionBy: [constant, { name: 'n', of: 'id' }], maxPartitions });
  const files = { 'x/a': '{"id":1}\n{"id":2}\n{"id":3}' };
  await expect(transform(contract(2), files)).rejects.toThrow(
    expect.objectContaining({
      name: 'TooManyPartitions',
      message: expect.stringContaining('rows for 3 partitions, and may have 2'),
    }),
  );
  expect((await transform(contract(3), files)).partitions).toHaveLength(3);
});

test('a helper is read by expressions, filters, lookups and partitions, and is no column of the table', async () => {
  const contract = contractOf({
    columns: [
      id,
      { name: 'a', path: 'a', type: 'string', publish: false, required: true },
      { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'], publish: false },
    ],
    derive: [{ name: 'b', type: 'string', expression: "concat(a, '!')" }],
    filter: "a != 'x'",
    partitionBy: [constant, { name: 'year', of: 'at', part: 'year' }],
  });
  const { rows, partitions, summary } = await transform(contract, {
    'x/a': '{"id":1,"a":"y","at":"2024-05-01T00:00:00Z"}\n{"id":2,"a":"x"}\n{"id":3}',
  });
  expect(rows.map(({ _object, _version, _batch, ...row }) => row)).toEqual([{ id: 1n, b: 'y!', _line: 1n }]);
  expect(partitions).toEqual(['source=test/year=2024']);
  expect(summary.reasons).toEqual({ filtered: 1, missing_required: 1 });
  const plan = compile(contract, null, []);
  expect(plan.columns.map((c) => c.name)).toEqual(['id', 'b', '_batch', '_object', '_version', '_line']);
  expect(Object.keys(plan.fields)).toEqual(['id', 'b', 'source', 'year']);
  expect(expectationQuery(contract, { table: 't', column: 'run', value: 'r' })).not.toMatch(/"a"|"at"/);
});

test.each([
  [{ columns: [{ ...id, publish: false }] }, 'a table has a column at least'],
  [
    { columns: [id, { ...id, name: 'k', required: true, publish: false }], dedupe: { key: ['k'] } },
    'must be published',
  ],
  [
    {
      columns: [id, { ...id, name: 'k', publish: false }],
      expectations: [{ check: 'not_null', column: 'k' }],
    },
    'is not published',
  ],
  [
    { columns: [id, { name: 'x', path: 'x', type: 'double' }], partitionBy: [{ name: 'x', of: 'x' }] },
    'it must be',
  ],
  [{ columns: [id], partitionBy: [{ name: 'id', of: 'id', part: 'year' }] }, 'it must be timestamp or date'],
  [{ columns: [{ name: 'k', path: '$key', type: 'json' }] }, 'is a scalar'],
])('%j is refused', (more, message) => {
  expect(() => contractOf(more)).toThrow(message);
});
