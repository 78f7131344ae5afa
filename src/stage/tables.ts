/** Tables and partitions of the Data Catalog, for people and tools. */
import {
  EntityNotFoundException,
  GetTableCommand,
  type GlueClient,
  paginateGetPartitions,
  type Table,
} from '@aws-sdk/client-glue';

/** A table of the Catalog; undefined if it does not exist. */
export async function findTable(
  { glue }: { readonly glue: GlueClient },
  database: string,
  name: string,
): Promise<Table | undefined> {
  try {
    return (await glue.send(new GetTableCommand({ DatabaseName: database, Name: name.toLowerCase() }))).Table;
  } catch (error) {
    if (error instanceof EntityNotFoundException) return undefined;
    throw error;
  }
}

interface Partition {
  readonly values: string[];
  readonly location: string;
}

/** Every registered partition of a table. */
export async function listPartitions(
  { glue }: { readonly glue: GlueClient },
  database: string,
  table: string | undefined,
): Promise<Partition[]> {
  const query = { DatabaseName: database, TableName: table, ExcludeColumnSchema: true };
  const partitions: Partition[] = [];
  for await (const page of paginateGetPartitions({ client: glue }, query))
    for (const { Values = [], StorageDescriptor } of page.Partitions ?? [])
      partitions.push({ values: Values, location: StorageDescriptor?.Location ?? '' });
  return partitions;
}
