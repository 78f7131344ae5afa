import { GlueClient } from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import { createCatalog } from '../../src/lib/aws/catalog.ts';
import { TableMismatch } from '../../src/lib/errors.ts';

const column = (name: string, type = 'string') => ({ name, type });
const published = {
  name: 'sales',
  columns: [column('id', 'bigint')],
  partitionKeys: [column('year'), column('day')],
  location: 's3://lake/sales/',
};

/** A Catalog that has the table already, and keeps what it was asked to do. */
function catalogWith(table: typeof published) {
  const calls: string[] = [];
  const toGlue = (columns: readonly { name: string; type: string }[]) =>
    columns.map(({ name, type }) => ({ Name: name, Type: type }));
  const client = Object.assign(new GlueClient({ region: 'us-east-1' }), {
    send: async (command: { constructor: { name: string } }) => {
      calls.push(command.constructor.name);
      return {
        Table: {
          Name: table.name,
          PartitionKeys: toGlue(table.partitionKeys),
          StorageDescriptor: { Location: table.location, Columns: toGlue(table.columns) },
        },
      };
    },
  });
  return { catalog: createCatalog('lake', client), calls };
}

test.each([
  [
    'in another order',
    [column('day'), column('year')],
    '(year string, day string)',
    '(day string, year string)',
  ],
  ['with one removed', [column('year')], '(year string, day string)', '(year string)'],
  [
    'with one added',
    [...published.partitionKeys, column('hour')],
    '(year string, day string)',
    'hour string)',
  ],
  ['of another type', [column('year'), column('day', 'int')], 'day string)', 'day int)'],
])(
  'partition keys %s are refused, with both lists, before anything is changed',
  async (_, keys, has, wants) => {
    const { catalog, calls } = catalogWith(published);
    const wanted = { ...published, columns: [...published.columns, column('new')], partitionKeys: keys };
    const failure = await catalog.ensureTable(wanted).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TableMismatch);
    expect(String(failure)).toContain(has);
    expect(String(failure)).toContain(wants);
    expect(calls).toEqual(['GetTableCommand']);
  },
);

test('a table at another location is refused, with both locations; a slash at the end makes no difference', async () => {
  const elsewhere = catalogWith({ ...published, location: 's3://other/sales' });
  const failure = await elsewhere.catalog.ensureTable(published).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(TableMismatch);
  expect(String(failure)).toMatch(/s3:\/\/other\/sales,.*s3:\/\/lake\/sales\//);
  const same = catalogWith({ ...published, location: 's3://lake/sales' });
  expect(await same.catalog.ensureTable(published)).toBe('unchanged');
});
