import {
  AlreadyExistsException,
  ConcurrentModificationException,
  ConcurrentRunsExceededException,
  EntityNotFoundException,
  GlueClient,
  OperationTimeoutException,
  ResourceNumberLimitExceededException,
  type Table,
  type TableInput,
} from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import { createCatalog } from '../../../src/lib/aws/catalog.ts';
import { TableMismatch } from '../../../src/lib/errors.ts';
import { fakeGlue, type GlueCall, glueError } from '../../support/fakeGlue.ts';

const wanted = {
  name: 'posts',
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'text', type: 'string' },
  ],
  partitionKeys: [{ name: 'year', type: 'string' }],
  location: 's3://processed/posts/',
};

/** A table that lacks the column `text`, with everything that others may have set on it. */
const existing: Table = {
  Name: 'posts',
  DatabaseName: 'db',
  Description: 'Posts, one row each',
  Owner: 'analytics',
  Retention: 30,
  LastAnalyzedTime: new Date('2026-01-01'),
  TableType: 'EXTERNAL_TABLE',
  Parameters: { EXTERNAL: 'TRUE', numRows: '12', owner_team: 'feeds' },
  PartitionKeys: [{ Name: 'year', Type: 'string', Comment: 'of the post' }],
  StorageDescriptor: {
    Location: 's3://processed/posts/',
    Columns: [{ Name: 'id', Type: 'bigint', Comment: 'as the API has it', Parameters: { pii: 'no' } }],
    SerdeInfo: {
      Name: 'own',
      SerializationLibrary: 'parquet',
      Parameters: { 'parquet.compression': 'ZSTD' },
    },
    SortColumns: [{ Column: 'id', SortOrder: 1 }],
    Parameters: { note: 'kept' },
  },
  VersionId: '7',
  CreatedBy: 'somebody',
  CreateTime: new Date('2025-01-01'),
};

const catalogOf = (answer: (call: GlueCall, before: number) => unknown) => {
  const { client, calls } = fakeGlue(answer);
  return { catalog: createCatalog('db', client, { attempts: 4, pause: 1 }), calls };
};

const named = (calls: readonly GlueCall[], name: string) => calls.filter((c) => c.name === name);

test('a table that gets a column keeps comments, statistics, owners and properties of others', async () => {
  const { catalog, calls } = catalogOf(({ name }) => (name === 'GetTable' ? { Table: existing } : {}));
  expect(await catalog.ensureTable(wanted)).toBe('extended');
  const [update] = named(calls, 'UpdateTable');
  expect(update?.input.VersionId).toBe('7');
  const { DatabaseName, VersionId, CreatedBy, CreateTime, ...kept } = existing;
  const expected: TableInput = {
    ...kept,
    Name: 'posts',
    StorageDescriptor: {
      ...existing.StorageDescriptor,
      Columns: [...(existing.StorageDescriptor?.Columns ?? []), { Name: 'text', Type: 'string' }],
    },
  };
  expect(JSON.parse(JSON.stringify(update?.input.TableInput))).toEqual(JSON.parse(JSON.stringify(expected)));
});

test('a table that somebody changes meanwhile is read again, and the change is made on what it is then', async () => {
  const changed = { ...existing, VersionId: '8', Description: 'changed meanwhile' };
  const { catalog, calls } = catalogOf(({ name }, before) => {
    if (name === 'GetTable') return { Table: before === 0 ? existing : changed };
    if (before === 0) throw glueError(ConcurrentModificationException);
    return {};
  });
  expect(await catalog.ensureTable(wanted)).toBe('extended');
  expect(named(calls, 'UpdateTable').map((c) => c.input.VersionId)).toEqual(['7', '8']);
  expect(named(calls, 'UpdateTable')[1]?.input.TableInput).toMatchObject({
    Description: 'changed meanwhile',
  });
});

test('an update whose answer was lost is found done, not made twice', async () => {
  const done = {
    ...existing,
    StorageDescriptor: {
      ...existing.StorageDescriptor,
      Columns: wanted.columns.map((c) => ({ Name: c.name, Type: c.type })),
    },
  };
  const { catalog, calls } = catalogOf(({ name }, before) => {
    if (name === 'GetTable') return { Table: before === 0 ? existing : done };
    throw glueError(ConcurrentModificationException);
  });
  expect(await catalog.ensureTable(wanted)).toBe('unchanged');
  expect(named(calls, 'UpdateTable')).toHaveLength(1);
});

test('two that make one table at once end with one table', async () => {
  const { catalog } = catalogOf(({ name }, before) => {
    if (name === 'CreateTable') throw glueError(AlreadyExistsException);
    if (name === 'GetTable' && before === 0) throw glueError(EntityNotFoundException);
    return { Table: existing };
  });
  expect(await catalog.ensureTable(wanted)).toBe('extended');
});

test('a conflict that does not end is thrown by its name, after a few tries', async () => {
  const { catalog, calls } = catalogOf(({ name }) => {
    if (name === 'GetTable') return { Table: existing };
    throw glueError(ConcurrentModificationException);
  });
  await expect(catalog.ensureTable(wanted)).rejects.toThrow(ConcurrentModificationException);
  expect(named(calls, 'UpdateTable')).toHaveLength(4);
});

test('of a call about many partitions only those that collided are asked for again', async () => {
  const refused = (year: string, ErrorCode: string) => ({
    PartitionValues: [year],
    ErrorDetail: { ErrorCode, ErrorMessage: 'x' },
  });
  const { catalog, calls } = catalogOf((_, before) => {
    if (before === 0) throw glueError(OperationTimeoutException);
    if (before === 1)
      return {
        Errors: [
          refused('2024', 'AlreadyExistsException'),
          refused('2025', 'ConcurrentModificationException'),
        ],
      };
    return {};
  });
  const partitions = ['2023', '2024', '2025'].map((year) => ({
    values: [year],
    location: `s3://x/${year}/`,
  }));
  expect(await catalog.addPartitions(wanted, partitions)).toBe(2);
  const asked = calls.map((c) =>
    (c.input.PartitionInputList as { Values: string[] }[]).map((p) => p.Values[0]),
  );
  expect(asked).toEqual([['2023', '2024', '2025'], ['2023', '2024', '2025'], ['2025']]);

  const broken = catalogOf(() => ({ Errors: [refused('2025', 'InvalidInputException')] }));
  await expect(broken.catalog.dropPartitions('posts', [['2025']])).rejects.toThrow(
    'the partition 2025 was not dropped: InvalidInputException',
  );
  expect(broken.calls).toHaveLength(1);
});

test.each([ConcurrentRunsExceededException, ResourceNumberLimitExceededException, OperationTimeoutException])(
  'a job that Glue does not start now (%p) is EngineBusy, which the state machine waits for',
  async (Type) => {
    const { catalog, calls } = catalogOf(() => {
      throw glueError(Type);
    });
    await expect(catalog.startJob('job', {})).rejects.toMatchObject({ name: 'EngineBusy' });
    // A different request would be a different run.
    expect(calls).toHaveLength(1);
  },
);

const column = (name: string, type = 'string') => ({ name, type });

const published = {
  name: 'sales',
  columns: [column('id', 'bigint')],
  partitionKeys: [column('year'), column('day')],
  location: 's3://lake/sales/',
};

/** A Catalog that has the table already, and records requests. */
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

test("the comment of a column follows the contract, and leaves with its description; others' comments stay", async () => {
  let [column] = existing.StorageDescriptor?.Columns ?? [];
  const { catalog } = catalogOf(({ name, input }) => {
    if (name === 'UpdateTable') [column] = (input.TableInput as Table).StorageDescriptor?.Columns ?? [];
    const storage = { ...existing.StorageDescriptor, Columns: column ? [column] : [] };
    return name === 'GetTable' ? { Table: { ...existing, StorageDescriptor: storage } } : {};
  });
  const ensure = (comment?: string) =>
    catalog.ensureTable({
      ...wanted,
      columns: [{ name: 'id', type: 'bigint', ...(comment === undefined ? {} : { comment }) }],
    });
  expect(await ensure()).toBe('unchanged');
  for (const comment of ['as the API has it', 'the number']) {
    expect(await ensure(comment)).toBe('extended');
    expect(await ensure(comment)).toBe('unchanged');
    expect(column).toMatchObject({ Type: 'bigint', Comment: comment, Parameters: { pii: 'no' } });
  }
  expect(await ensure()).toBe('extended');
  expect(await ensure()).toBe('unchanged');
  expect(column).toEqual({ Name: 'id', Type: 'bigint', Parameters: { pii: 'no' } });
  // A person has written another one since.
  await ensure('the number');
  column = { ...column, Name: 'id', Comment: 'mine' };
  await ensure();
  expect(column).toEqual({ Name: 'id', Type: 'bigint', Comment: 'mine', Parameters: { pii: 'no' } });
});

test('a Hive table renames and drops no column: both are refused by name before anything is changed', async () => {
  const { catalog, calls } = catalogWith(published);
  const renamed = { ...published, columns: [{ ...column('no', 'bigint'), was: ['id'] }] };
  await expect(catalog.requireFit(renamed)).rejects.toThrow(
    /the column no was id; a Hive table .* cannot rename/,
  );
  await expect(catalog.ensureTable({ ...published, dropped: ['id'] })).rejects.toThrow(/drops the column id/);
  await catalog.requireFit({ ...published, dropped: ['gone'] });
  expect(calls).toEqual(['GetTableCommand', 'GetTableCommand', 'GetTableCommand']);
});

test('a table at another location is refused, with both locations; a slash at the end makes no difference', async () => {
  const elsewhere = catalogWith({ ...published, location: 's3://other/sales' });
  const failure = await elsewhere.catalog.ensureTable(published).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(TableMismatch);
  expect(String(failure)).toMatch(/s3:\/\/other\/sales,.*s3:\/\/lake\/sales\//);
  const same = catalogWith({ ...published, location: 's3://lake/sales' });
  expect(await same.catalog.ensureTable(published)).toBe('unchanged');
});
