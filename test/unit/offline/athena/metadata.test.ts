import { expect, test } from '@jest/globals';
import { ApiError } from '../../../../offline/apiError.ts';
import { metadataOperations } from '../../../../offline/athena/metadata.ts';

const table = (Name: string) => ({
  Name,
  CreateTime: 1.5e9,
  TableType: 'EXTERNAL_TABLE',
  Description: '',
  Parameters: { classification: 'parquet', trino_table_metadata_info_valid_for: 'a cache of Trino' },
  PartitionKeys: [{ Name: 'day', Type: 'string', Comment: null }],
  StorageDescriptor: {
    Columns: [{ Name: 'id', Type: 'bigint', Comment: 'as the API has it' }],
    Location: `s3://lake/${Name}/`,
    InputFormat: 'in',
    OutputFormat: 'out',
    SerdeInfo: { SerializationLibrary: 'lib', Parameters: { 'serialization.format': '1' } },
  },
});

/** A Data Catalog with these tables in the database `lake`, with one table per page. */
function catalogOf(names: readonly string[]) {
  const notFound = (what: string) => new ApiError('EntityNotFoundException', `${what} not found.`);
  const operations = metadataOperations({
    call: async (target, request) => {
      const { Name, DatabaseName, NextToken, CatalogName } = request as Record<string, string | undefined>;
      if (target === 'AmazonAthena.ListDatabases')
        return { DatabaseList: [{ Name: `lake of ${CatalogName}` }] };
      if (target === 'AWSGlue.GetDatabase') {
        if (Name !== 'lake') throw notFound(`Database ${Name}`);
        return { Database: { Name } };
      }
      if (target === 'AWSGlue.GetTable') {
        if (DatabaseName !== 'lake' || !names.includes(Name ?? '')) throw notFound(`Table ${Name}`);
        return { Table: table(Name ?? '') };
      }
      const at = Number(NextToken ?? 0);
      const more = at + 1 < names.length ? { NextToken: String(at + 1) } : {};
      return { TableList: names.slice(at, at + 1).map(table), ...more };
    },
  });
  return (name: string, request: Record<string, unknown> = {}) =>
    operations[`AmazonAthena.${name}`]?.({
      CatalogName: 'AwsDataCatalog',
      DatabaseName: 'lake',
      ...request,
    });
}

test('a table is described with its columns, and its storage as parameters', async () => {
  expect(await catalogOf(['posts'])('GetTableMetadata', { TableName: 'posts' })).toEqual({
    TableMetadata: {
      Name: 'posts',
      CreateTime: 1.5e9,
      LastAccessTime: 0,
      TableType: 'EXTERNAL_TABLE',
      Columns: [{ Name: 'id', Type: 'bigint', Comment: 'as the API has it' }],
      PartitionKeys: [{ Name: 'day', Type: 'string' }],
      Parameters: {
        classification: 'parquet',
        location: 's3://lake/posts/',
        inputformat: 'in',
        outputformat: 'out',
        'serde.serialization.lib': 'lib',
        'serde.param.serialization.format': '1',
      },
    },
  });
});

test('a table, a database or a catalog that does not exist is an error', async () => {
  const ask = catalogOf(['posts']);
  const missing = [
    ask('GetTableMetadata', { TableName: 'post' }),
    ask('GetTableMetadata', { DatabaseName: 'sea', TableName: 'posts' }),
    ask('ListTableMetadata', { DatabaseName: 'sea' }),
    ask('ListTableMetadata', { CatalogName: 'other' }),
  ];
  for (const answer of missing) await expect(answer).rejects.toMatchObject({ name: 'MetadataException' });
});

test('tables are listed by name in pages, and a regular expression selects by the whole name', async () => {
  const ask = catalogOf(['posts_2', 'users', 'posts', 'my_posts']);
  const list = async (request: Record<string, unknown>) => {
    const { TableMetadataList, NextToken } = (await ask('ListTableMetadata', request)) ?? {};
    return [...(TableMetadataList as { Name: string }[]).map(({ Name }) => Name), NextToken];
  };
  expect(await list({})).toEqual(['my_posts', 'posts', 'posts_2', 'users', undefined]);
  expect(await list({ MaxResults: 3 })).toEqual(['my_posts', 'posts', 'posts_2', 'posts_2']);
  const last = 'posts_2';
  expect(await list({ MaxResults: 3, NextToken: last })).toEqual(['users', undefined]);
  expect(await list({ Expression: 'posts.*' })).toEqual(['posts', 'posts_2', undefined]);
  await expect(ask('ListTableMetadata', { Expression: '(' })).rejects.toMatchObject({
    name: 'InvalidRequestException',
  });
});

test('the catalog is found in any spelling', async () => {
  const ask = catalogOf(['posts']);
  expect(await ask('ListDatabases', { CatalogName: 'awsdatacatalog' })).toEqual({
    DatabaseList: [{ Name: 'lake of AwsDataCatalog' }],
  });
  await expect(ask('ListDatabases', { CatalogName: 'other' })).rejects.toMatchObject({
    name: 'MetadataException',
  });
});
