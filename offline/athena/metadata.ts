/**
 * Athena's view of the Data Catalog. ministack returns empty columns for a table that does not exist, and has neither pages
 * nor expressions.
 */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { ApiError, type Operation } from '../apiError.ts';
import type { Upstream } from '../aws.ts';
import { catalogName } from './catalogs.ts';
import { withoutTrinos } from './ddlTold.ts';
import { pageByName } from './pages.ts';

const catalogRequest = z.object({ CatalogName: z.string() });
const listRequest = z.object({
  CatalogName: z.string(),
  DatabaseName: z.string(),
  Expression: z.string().optional(),
  NextToken: z.string().optional(),
  MaxResults: z.number().int().min(1).max(50).default(50),
});
const tableRequest = z.object({ CatalogName: z.string(), DatabaseName: z.string(), TableName: z.string() });

const text = z.string().nullish();
const column = z.object({ Name: z.string(), Type: text, Comment: text });
const parameters = z
  .record(z.string(), z.string())
  .nullish()
  .transform((given) => given ?? {});
const glueTable = z.object({
  Name: z.string(),
  TableType: text,
  CreateTime: z.number().nullish(),
  LastAccessTime: z.number().nullish(),
  PartitionKeys: z.array(column).nullish(),
  Parameters: parameters,
  StorageDescriptor: z
    .object({
      Columns: z.array(column).nullish(),
      Location: text,
      InputFormat: text,
      OutputFormat: text,
      SerdeInfo: z.object({ SerializationLibrary: text, Parameters: parameters }).nullish(),
    })
    .nullish(),
});
type GlueTable = z.output<typeof glueTable>;
const tablePage = z.object({ TableList: z.array(glueTable).nullish(), NextToken: text });

/** GetTableMetadata and ListTableMetadata, from the tables of the Data Catalog, and the databases of ministack. */
export function metadataOperations({ call }: Pick<Upstream, 'call'>): Record<string, Operation> {
  const tablesOf = async (DatabaseName: string): Promise<GlueTable[]> => {
    const tables: GlueTable[] = [];
    let NextToken: string | undefined;
    do {
      const page = tablePage.parse(await call('AWSGlue.GetTables', { DatabaseName, NextToken }));
      tables.push(...(page.TableList ?? []));
      NextToken = page.NextToken || undefined;
    } while (NextToken !== undefined);
    return tables;
  };
  // ministack knows the catalog by one spelling only. PyAthena writes it in lower case.
  const inCatalog =
    (target: string): Operation =>
    async (request) => {
      mustBeGlue(catalogRequest.parse(request).CatalogName);
      return call(target, { ...request, CatalogName: 'AwsDataCatalog' });
    };
  return {
    'AmazonAthena.GetDatabase': inCatalog('AmazonAthena.GetDatabase'),
    'AmazonAthena.ListDatabases': inCatalog('AmazonAthena.ListDatabases'),
    'AmazonAthena.GetTableMetadata': async (request) => {
      const { CatalogName, DatabaseName, TableName: Name } = tableRequest.parse(request);
      mustBeGlue(CatalogName);
      const answer = await asMetadata(call('AWSGlue.GetTable', { DatabaseName, Name }));
      return { TableMetadata: describe(glueTable.parse(answer.Table)) };
    },
    'AmazonAthena.ListTableMetadata': async (request) => {
      const { CatalogName, DatabaseName, Expression, NextToken, MaxResults } = listRequest.parse(request);
      mustBeGlue(CatalogName);
      const pattern = patternOf(Expression);
      // ministack's GetTables has no error for a database that does not exist.
      await asMetadata(call('AWSGlue.GetDatabase', { Name: DatabaseName }));
      const tables = (await asMetadata(tablesOf(DatabaseName))).filter(({ Name }) => pattern.test(Name));
      const { page, ...more } = pageByName(tables, ({ Name }) => Name, { MaxResults, NextToken });
      return { TableMetadataList: page.map(describe), ...more };
    },
  };
}

function mustBeGlue(catalog: string): void {
  if (catalog.toLowerCase() !== catalogName)
    throw new ApiError(
      'MetadataException',
      `Catalog ${catalog} was not found: the local AWS has AwsDataCatalog only`,
    );
}

/** Throws ApiError for an expression that is not regular. */
function patternOf(expression: string | undefined): RegExp {
  if (!expression) return /^/;
  try {
    return new RegExp(`^(?:${expression})$`, 'i');
  } catch {
    throw new ApiError(
      'InvalidRequestException',
      `Expression ${expression} is not a valid regular expression`,
    );
  }
}

/** Athena wraps the errors of the Data Catalog in its own. Clients read the catalog's error from the message. */
async function asMetadata<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ApiError) || error.name !== 'EntityNotFoundException') throw error;
    const about = `Service: AmazonDataCatalog; Status Code: 400; Error Code: ${error.name}; Request ID: ${randomUUID()}; Proxy: null`;
    throw new ApiError('MetadataException', `${error.message} (${about})`);
  }
}

/**
 * A table's storage is described in parameters: https://docs.aws.amazon.com/cli/latest/reference/athena/get-table-
 * metadata.html
 */
function describe(table: GlueTable): Record<string, unknown> {
  const storage = table.StorageDescriptor;
  const serde = storage?.SerdeInfo;
  const serdeParameters = Object.entries(serde?.Parameters ?? {}).map(([key, value]) => [
    `serde.param.${key}`,
    value,
  ]);
  return given({
    Name: table.Name,
    CreateTime: table.CreateTime,
    LastAccessTime: table.LastAccessTime ?? 0,
    TableType: table.TableType,
    Columns: (storage?.Columns ?? []).map(given),
    PartitionKeys: (table.PartitionKeys ?? []).map(given),
    Parameters: given({
      ...withoutTrinos(table.Parameters),
      location: storage?.Location,
      inputformat: storage?.InputFormat,
      outputformat: storage?.OutputFormat,
      'serde.serialization.lib': serde?.SerializationLibrary,
      ...Object.fromEntries(serdeParameters),
    }),
  });
}

/** Without undefined fields. */
const given = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  );
