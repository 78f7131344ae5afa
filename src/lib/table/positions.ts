/** The positions in a delete file, without DuckDB. */
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { Deletes } from './format.ts';

/** The positions of the rows that have left an object. */
export async function positionsIn(
  read: (address: string, start: number, end: number) => Promise<ArrayBuffer>,
  deletes: Deletes | undefined,
): Promise<ReadonlySet<number>> {
  if (deletes === undefined) return new Set();
  const { address, bytes } = deletes;
  const rows = await parquetReadObjects({
    file: { byteLength: bytes, slice: (start, end = bytes) => read(address, start, end) },
    columns: ['pos'],
    compressors,
  });
  return new Set(rows.map(({ pos }) => Number(pos)));
}
