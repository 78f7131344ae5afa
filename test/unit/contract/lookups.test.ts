/** Lookups of tables that other datasets of the project fill. */
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { lookupFaults } from '../../../src/lib/contract/lookups.ts';

const users = (more: object = {}) =>
  parseContract(
    'users.yml',
    JSON.stringify({
      dataset: 'users',
      source: { prefix: 'users/', formats: ['ndjson'] },
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'], required: true },
        { name: 'country', path: 'country', type: 'string' },
        { name: 'tags', path: 'tags[*]', type: 'array<string>' },
        { name: 'debt', path: 'debt', type: 'decimal(38,2)' },
      ],
      dedupe: { key: ['id'], scope: 'table' },
      partitionBy: [{ name: 'day', of: 'at', part: 'day' }],
      ...more,
    }),
  );

const orders = (lookup: object = {}) =>
  parseContract(
    'orders.yml',
    JSON.stringify({
      dataset: 'orders',
      source: { prefix: 'orders/', formats: ['ndjson'] },
      columns: [
        { name: 'user_id', path: 'user', type: 'int' },
        { name: 'name', path: 'name', type: 'string' },
      ],
      enrich: [
        {
          kind: 'lookup',
          table: 'users',
          on: { user_id: 'id' },
          columns: { user_country: 'country' },
          ...lookup,
        },
      ],
      partitionBy: [],
    }),
  );

test.each<[string, string | null, object, object]>([
  ['a key of the whole table', null, {}, {}],
  ['a column of the folders', null, { columns: { user_day: 'day' } }, {}],
  [
    'the newest row of any partition',
    null,
    {},
    { dedupe: { key: ['id'], order: [{ column: 'at', direction: 'desc' }] } },
  ],
  ['a key that is one of several', null, { on: { user_id: 'id', name: 'country' } }, {}],
  [
    'partitions by the key',
    null,
    {},
    { dedupe: { key: ['id'], scope: 'partition' }, partitionBy: [{ name: 'user', of: 'id' }] },
  ],
  ['a table that nobody fills', 'there is no dataset that fills the table "people"', { table: 'people' }, {}],
  ['its own table', 'looks up its own table "orders"', { table: 'orders' }, {}],
  ['no such column', 'has no column "city" that the contract users names', { columns: { x: 'city' } }, {}],
  ['an array', 'the column "tags" of the table "users" is array<string>', { columns: { x: 'tags' } }, {}],
  [
    'a long decimal',
    'the column "debt" of the table "users" is decimal(38,2)',
    { columns: { x: 'debt' } },
    {},
  ],
  [
    'a history',
    'the table "users" has a history in the contract users',
    {},
    {
      dedupe: { key: ['id'], scope: 'table', order: [{ column: 'at', direction: 'desc' }] },
      history: { validFrom: 'at', validTo: 'until', current: 'is_current' },
    },
  ],
  ['a text asks for a number', 'is bigint, and is asked with a string', { on: { name: 'id' } }, {}],
  ['rows that may be repeated', 'dedupe with a key of no other columns', {}, { dedupe: undefined }],
  [
    'a wider key',
    'dedupe with a key of no other columns',
    {},
    { dedupe: { key: ['id', 'at'], scope: 'batch' } },
  ],
  [
    'a key in each partition',
    'needs the scope table, or an order',
    {},
    { dedupe: { key: ['id'], scope: 'partition' } },
  ],
])('a lookup of a table: %s', (_, message, lookup, contract) => {
  const contracts = [users(contract), orders(lookup)];
  const found = lookupFaults(contracts[1] ?? orders(), contracts);
  expect(found).toEqual(
    message === null ? [] : [{ enrichment: 0, message: expect.stringContaining(message) }],
  );
});

test('two datasets of one table say together which row counts', () => {
  const part = (name: string, order: object[]) =>
    users({
      dataset: name,
      table: 'users',
      source: { prefix: `${name}/`, formats: ['ndjson'] },
      dedupe: { key: ['id'], scope: 'table', order },
      partitionBy: [{ name: 'of', constant: name }],
    });
  const [newest, oldest] = [[{ column: 'at', direction: 'desc' }], [{ column: 'at', direction: 'asc' }]];
  const faults = (a: object[], b: object[]) =>
    lookupFaults(orders(), [part('a', a), part('b', b), orders()]).map(({ message }) => message);
  expect(faults(newest, newest)).toEqual([]);
  expect(faults(newest, oldest)).toEqual([expect.stringContaining('with different orders')]);
  expect(faults([], [])).toEqual([expect.stringContaining('dedupe needs an order')]);
});

test('a lookup has a file or a table, and not both', () => {
  expect(() => orders({ file: 'users.csv' })).toThrow('enrich.0: needs a file or a table, and not both');
  expect(() => orders({ table: undefined })).toThrow('enrich.0: needs a file or a table, and not both');
});
