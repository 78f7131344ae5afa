/** Tables that Trino writes to the Data Catalog for Athena. */
import { expect, test } from '@jest/globals';
import { connectUpstream } from '../../../../offline/aws.ts';
import { tableOperations } from '../../../../offline/glue/tables.ts';
import { newMetadata } from '../../../../src/lib/table/iceberg/evolve.ts';
import { formatMetadata } from '../../../../src/lib/table/iceberg/metadata.ts';

const metadata = newMetadata(
  {
    name: 't',
    location: 's3://b/t',
    columns: [
      { name: 'id', type: 'bigint' },
      { name: 'text', type: 'string' },
    ],
    partitionBy: [],
  },
  0,
);
const sent: unknown[] = [];
/** A store with one metadata file, in front of a catalog that notes its calls. */
const operations = (text: string) => {
  const { s3 } = connectUpstream('http://127.0.0.1:9');
  s3.middlewareStack.add(
    () => async () => ({
      response: {},
      output: { $metadata: {}, Body: { transformToByteArray: async () => Buffer.from(text) } },
    }),
    { step: 'initialize', priority: 'high' },
  );
  const call = async (target: string, request: unknown) => {
    if (target.endsWith('GetTable')) return { Table: { VersionId: '1' } };
    sent.push(request);
    return {};
  };
  return tableOperations({ s3, call });
};
const column = (Name: string) => ({ Name, Type: 'string', Parameters: { trino_type_id: 'varchar' } });
const request = (columns: readonly object[], type = 'ICEBERG') => ({
  DatabaseName: 'd',
  TableInput: {
    Name: 't',
    Parameters: { table_type: type, metadata_location: 's3://b/t/metadata/1.json' },
    StorageDescriptor: { Columns: columns, Location: 's3://b/t' },
  },
});

test.each(['CreateTable', 'UpdateTable'])(
  '%s: columns of Trino get the parameters that clients read',
  async (name) => {
    const text = formatMetadata(metadata);
    await operations(text)[`AWSGlue.${name}`]?.(request([column('id'), column('gone')]));
    const columns = [
      {
        ...column('id'),
        Parameters: {
          trino_type_id: 'varchar',
          'iceberg.field.current': 'true',
          'iceberg.field.id': '1',
          'iceberg.field.optional': 'true',
        },
      },
      column('gone'),
    ];
    expect(sent.pop()).toEqual(request(columns));
  },
);

test.each<[string, ReturnType<typeof request>, string]>([
  ['a Hive table', request([column('id')], 'HIVE'), ''],
  ['columns of other writers', request([{ Name: 'id', Type: 'bigint' }]), ''],
  ['another version of the format', request([column('id')]), '{"format-version":3}'],
])('%s: unchanged', async (_, asked, text) => {
  await operations(text)['AWSGlue.CreateTable']?.(asked);
  expect(sent.pop()).toEqual(asked);
});
