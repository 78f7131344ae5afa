/** Reads the current metadata file of an Iceberg table in the local Catalog. */
import type { Table } from '@aws-sdk/client-glue';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { isIceberg } from '../../src/lib/aws/catalog.ts';
import { type Files, refOf } from '../../src/lib/table/iceberg/files.ts';
import { type Metadata, parseMetadata } from '../../src/lib/table/iceberg/metadata.ts';
import type { Upstream } from '../aws.ts';

export interface IcebergTable {
  readonly metadata: Metadata;
  readonly files: Files;
}

/** Gives undefined if the table does not exist or is not an Iceberg table. */
export async function readIceberg(
  upstream: Pick<Upstream, 's3'>,
  table: Table | undefined,
): Promise<IcebergTable | undefined> {
  const file = table?.Parameters?.metadata_location;
  if (table === undefined || !isIceberg(table) || file === undefined) return undefined;
  const files = filesIn(upstream);
  return { metadata: parseMetadata(Buffer.from(await files.read(file)).toString()), files };
}

const filesIn = ({ s3 }: Pick<Upstream, 's3'>): Files => ({
  async read(path) {
    const { bucket, key } = refOf(path);
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  },
  write: () => Promise.reject(new Error('a query writes no file of a table')),
});
