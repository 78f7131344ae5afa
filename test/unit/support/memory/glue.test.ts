import {
  BatchCreatePartitionCommand,
  BatchDeletePartitionCommand,
  BatchGetPartitionCommand,
  ConcurrentModificationException,
  CreatePartitionCommand,
  CreateTableCommand,
  EntityNotFoundException,
  GetPartitionsCommand,
  GetTableCommand,
  GlueClient,
  paginateGetPartitions,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryAws, type MemoryAws } from '../../../support/memory/index.ts';

let aws: MemoryAws;
let glue: GlueClient;
const table = { DatabaseName: 'sluice', TableName: 't' };
const TableInput = {
  Name: 't',
  PartitionKeys: [{ Name: 'year' }],
  StorageDescriptor: { Columns: [{ Name: 'id' }] },
};
const partition = (year: string) => ({
  Values: [year],
  StorageDescriptor: { Location: `s3://b/year=${year}/` },
});

beforeEach(async () => {
  aws = createMemoryAws();
  glue = aws.actor('a').glue;
  await glue.send(new CreateTableCommand({ DatabaseName: 'sluice', TableInput }));
});

describe('tables', () => {
  test('are created once, under a name in lower case', async () => {
    const again = new CreateTableCommand({
      DatabaseName: 'sluice',
      TableInput: { ...TableInput, Name: 'T' },
    });
    await expect(glue.send(again)).rejects.toThrow(
      expect.objectContaining({ name: 'AlreadyExistsException' }),
    );
    const { Table } = await glue.send(new GetTableCommand({ DatabaseName: 'sluice', Name: 'T' }));
    expect(Table).toMatchObject({ Name: 't', VersionId: '0', DatabaseName: 'sluice' });
    await expect(
      glue.send(new GetTableCommand({ DatabaseName: 'sluice', Name: 'other' })),
    ).rejects.toBeInstanceOf(EntityNotFoundException);
    expect(glue).toBeInstanceOf(GlueClient);
  });

  test('are updated only from the version that was read', async () => {
    const update = (VersionId: string, comment: string) =>
      glue.send(
        new UpdateTableCommand({
          DatabaseName: 'sluice',
          TableInput: { ...TableInput, Description: comment },
          VersionId,
          SkipArchive: true,
        }),
      );
    await update('0', 'first');
    await expect(update('0', 'second')).rejects.toBeInstanceOf(ConcurrentModificationException);
    await update('1', 'third');
    expect(aws.glue.tableInput('sluice', 't')).toMatchObject({ Description: 'third' });
  });
});

describe('partitions', () => {
  const create = (years: string[]) =>
    glue.send(new BatchCreatePartitionCommand({ ...table, PartitionInputList: years.map(partition) }));

  test('that are there already are reported one by one', async () => {
    expect(await create(['2025', '2026'])).not.toHaveProperty('Errors');
    expect((await create(['2026', '2027'])).Errors).toEqual([
      {
        PartitionValues: ['2026'],
        ErrorDetail: expect.objectContaining({ ErrorCode: 'AlreadyExistsException' }),
      },
    ]);
    expect(aws.glue.partitions('sluice', 't').map((p) => p.values)).toEqual([['2025'], ['2026'], ['2027']]);
    await expect(
      glue.send(new CreatePartitionCommand({ ...table, PartitionInput: partition('2025') })),
    ).rejects.toThrow(expect.objectContaining({ name: 'AlreadyExistsException' }));
  });

  test('that are not there are reported when they are dropped', async () => {
    await create(['2025']);
    const { Errors } = await glue.send(
      new BatchDeletePartitionCommand({
        ...table,
        PartitionsToDelete: [{ Values: ['2025'] }, { Values: ['1'] }],
      }),
    );
    expect(Errors).toEqual([
      {
        PartitionValues: ['1'],
        ErrorDetail: expect.objectContaining({ ErrorCode: 'EntityNotFoundException' }),
      },
    ]);
    expect(aws.glue.partitions('sluice', 't')).toEqual([]);
  });

  test('come in pages', async () => {
    const years = Array.from({ length: 7 }, (_, i) => `${2020 + i}`);
    await create(years);
    const found: (string | undefined)[] = [];
    for await (const page of paginateGetPartitions({ client: glue }, { ...table, MaxResults: 3 }))
      found.push(...(page.Partitions ?? []).map((p) => p.Values?.[0]));
    expect(found).toEqual(years);
    const some = await glue.send(
      new BatchGetPartitionCommand({ ...table, PartitionsToGet: [{ Values: ['2021'] }, { Values: ['1'] }] }),
    );
    expect(some.Partitions?.map((p) => p.Values)).toEqual([['2021']]);
  });

  test('have limits for a call, and as many values as the table has keys', async () => {
    await expect(create(Array.from({ length: 101 }, (_, i) => `${i}`))).rejects.toThrow(
      'less than or equal to 100',
    );
    const drop = Array.from({ length: 26 }, (_, i) => ({ Values: [`${i}`] }));
    await expect(
      glue.send(new BatchDeletePartitionCommand({ ...table, PartitionsToDelete: drop })),
    ).rejects.toThrow('less than or equal to 25');
    await expect(
      glue.send(new CreatePartitionCommand({ ...table, PartitionInput: { Values: ['a', 'b'] } })),
    ).rejects.toThrow('do not match');
    await expect(
      glue.send(new GetPartitionsCommand({ ...table, TableName: 'other' })),
    ).rejects.toBeInstanceOf(EntityNotFoundException);
  });
});
