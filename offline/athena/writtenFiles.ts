/** The data manifest of CTAS, INSERT and UNLOAD, which names the files that they wrote. https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html */
import { findTable } from '../../src/stage/tables.ts';
import { objectsBelow, type Upstream } from '../aws.ts';
import { SqlReader } from './sqlReader.ts';

/** The folder that a statement writes its rows to; undefined if it writes none, or if nobody knows the folder. */
export async function outputOf(
  upstream: Upstream,
  sql: string,
  current: string,
): Promise<string | undefined> {
  const reader = new SqlReader(sql);
  if (!reader.takeAll('INSERT', 'INTO')) return undefined;
  const { database, table } = reader.name();
  return (await findTable(upstream, database ?? current, table))?.StorageDescriptor?.Location;
}

/** The addresses of the data files that a query of Trino wrote below a folder. Others may write there at the same time. */
export async function writtenBy(upstream: Upstream, folder: string, query: string): Promise<string[]> {
  const found = await Array.fromAsync(objectsBelow(upstream, folder));
  return found
    .map(({ address }) => address)
    .filter((address) => address.slice(address.lastIndexOf('/')).includes(query))
    .sort();
}
