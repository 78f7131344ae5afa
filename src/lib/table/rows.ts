/** How many rows a Parquet object has, from its footer. */
import { parquetMetadataAsync } from 'hyparquet';
import { placeOf, type Store } from '../aws/store.ts';
import type { TableObject } from './format.ts';

export async function rowsOf(
  store: Pick<Store, 'readRange'>,
  { address, bytes }: Pick<TableObject, 'address' | 'bytes'>,
): Promise<number> {
  const ref = placeOf(address);
  const { num_rows: rows } = await parquetMetadataAsync({
    byteLength: bytes,
    slice: (start, end = bytes) => store.readRange(ref, start, end),
  });
  return Number(rows);
}
