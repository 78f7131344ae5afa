/** Table calls of the Data Catalog that ministack answers differently from Glue: descriptions and versions. */
import * as z from 'zod';
import { TableUnsupported } from '../../src/lib/errors.ts';
import { parametersOf } from '../../src/lib/table/iceberg/commit.ts';
import { schemaOf } from '../../src/lib/table/iceberg/metadata.ts';
import { ApiError, type Operation } from '../apiError.ts';
import { readIceberg } from '../athena/icebergTable.ts';
import { pageByName } from '../athena/pages.ts';
import type { Upstream } from '../aws.ts';

const tableRequest = z.looseObject({ DatabaseName: z.string(), Name: z.string() });
const updateRequest = z.looseObject({
  DatabaseName: z.string(),
  TableInput: z.looseObject({ Name: z.string() }),
  SkipArchive: z.boolean().default(false),
});
const createRequest = updateRequest.omit({ SkipArchive: true });
const icebergInput = z.looseObject({
  Parameters: z.looseObject({ table_type: z.string(), metadata_location: z.string() }),
  StorageDescriptor: z.looseObject({
    Columns: z.array(
      z.looseObject({ Name: z.string(), Parameters: z.looseObject({ trino_type_id: z.string() }) }),
    ),
  }),
});
const versionsRequest = z.looseObject({
  DatabaseName: z.string(),
  TableName: z.string(),
  VersionId: z.string().optional(),
  MaxResults: z.number().int().positive().default(100),
  NextToken: z.string().optional(),
});
// https://docs.aws.amazon.com/glue/latest/webapi/API_GetTables.html
const listRequest = z.looseObject({
  MaxResults: z.number().int().positive().default(100),
  NextToken: z.string().optional(),
});
const allNamed = z.array(z.looseObject({ Name: z.string() })).default([]);
const tableList = z.object({ TableList: allNamed });
const databaseList = z.object({ DatabaseList: allNamed });
const tableAnswer = z.looseObject({ Table: z.looseObject({ VersionId: z.string().default('1') }) });
type Table = z.output<typeof tableAnswer>['Table'];

export function tableOperations({ call, s3 }: Pick<Upstream, 'call' | 's3'>): Record<string, Operation> {
  /** Old versions by database and table, in order of time. */
  const archive = new Map<string, Table[]>();
  const nameOf = (database: string, table: string) => JSON.stringify([database, table]).toLowerCase();
  const current = async (DatabaseName: string, Name: string): Promise<Table> => {
    const { Table } = tableAnswer.parse(await call('AWSGlue.GetTable', { DatabaseName, Name }));
    return asGlue(Table);
  };
  const versionsOf = async (database: string, table: string): Promise<Table[]> =>
    [...(archive.get(nameOf(database, table)) ?? []), await current(database, table)].reverse();
  /** The columns of an Iceberg table that Trino writes, with the parameters that Athena gives them. Clients read those. */
  const asAthena = async (TableInput: Readonly<Record<string, unknown>>) => {
    const { success, data } = icebergInput.safeParse(TableInput);
    if (!success) return TableInput;
    const table = await readIceberg(
      { s3 },
      { Name: undefined, Parameters: data.Parameters as Record<string, string> },
    ).catch((error: Error) => {
      // A table of another version of the format keeps the columns as Trino wrote them.
      if (error instanceof TableUnsupported) return undefined;
      throw error;
    });
    if (!table) return TableInput;
    const fields = new Map(schemaOf(table.metadata).fields.map((field) => [field.name, field]));
    const Columns = data.StorageDescriptor.Columns.map((column) => {
      const field = fields.get(column.Name);
      return field ? { ...column, Parameters: { ...column.Parameters, ...parametersOf(field) } } : column;
    });
    return { ...TableInput, StorageDescriptor: { ...data.StorageDescriptor, Columns } };
  };
  return {
    'AWSGlue.CreateTable': async (request) => {
      const { DatabaseName, TableInput } = createRequest.parse(request);
      const answer = await call('AWSGlue.CreateTable', {
        ...request,
        TableInput: await asAthena(TableInput),
      });
      // A table of this name may have been deleted with others, or with its database.
      archive.delete(nameOf(DatabaseName, TableInput.Name));
      return answer;
    },
    'AWSGlue.GetTable': async (request) => {
      const { DatabaseName, Name } = tableRequest.parse(request);
      return { Table: await current(DatabaseName, Name) };
    },
    'AWSGlue.GetTables': async (request) => {
      const { MaxResults, NextToken, ...asked } = listRequest.parse(request);
      const { TableList } = tableList.parse(await call('AWSGlue.GetTables', asked));
      const { page, ...more } = pageByName(TableList, ({ Name }) => Name, { MaxResults, NextToken });
      return { TableList: page.map(asGlue), ...more };
    },
    'AWSGlue.GetDatabases': async (request) => {
      const { MaxResults, NextToken, ...asked } = listRequest.parse(request);
      const { DatabaseList } = databaseList.parse(await call('AWSGlue.GetDatabases', asked));
      const { page, ...more } = pageByName(DatabaseList, ({ Name }) => Name, { MaxResults, NextToken });
      return { DatabaseList: page.map(asGlue), ...more };
    },
    'AWSGlue.UpdateTable': async (request) => {
      const { DatabaseName, TableInput, SkipArchive } = updateRequest.parse(request);
      const before = await current(DatabaseName, TableInput.Name);
      const answer = await call('AWSGlue.UpdateTable', {
        ...request,
        TableInput: await asAthena(TableInput),
      });
      const name = nameOf(DatabaseName, TableInput.Name);
      if (!SkipArchive) archive.set(name, [...(archive.get(name) ?? []), before]);
      return answer;
    },
    'AWSGlue.GetTableVersions': async (request) => {
      const { DatabaseName, TableName, MaxResults, NextToken } = versionsRequest.parse(request);
      const all = await versionsOf(DatabaseName, TableName);
      const from = Number(NextToken ?? 0);
      const next = from + MaxResults;
      return {
        TableVersions: all.slice(from, next).map((Table) => ({ Table, VersionId: Table.VersionId })),
        ...(next < all.length ? { NextToken: String(next) } : {}),
      };
    },
    'AWSGlue.GetTableVersion': async (request) => {
      const { DatabaseName, TableName, VersionId } = versionsRequest.parse(request);
      const all = await versionsOf(DatabaseName, TableName);
      const Table = VersionId === undefined ? all[0] : all.find((t) => t.VersionId === VersionId);
      if (!Table)
        throw new ApiError(
          'EntityNotFoundException',
          `Version ${VersionId} of the table ${TableName} not found`,
        );
      return { TableVersion: { Table, VersionId: Table.VersionId } };
    },
  };
}

/** Glue omits what was not given. Trino would use an empty description, and would send an empty owner back, which Glue rejects. */
const asGlue = <T extends Record<string, unknown>>(table: T): T =>
  Object.fromEntries(
    Object.entries(table).filter(
      ([key, value]) => value !== null && !(['Description', 'Owner'].includes(key) && value === ''),
    ),
  ) as T;
