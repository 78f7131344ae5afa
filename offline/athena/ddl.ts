/** Athena's DDL on the local Catalog: databases, tables, partitions, MSCK REPAIR TABLE, SHOW and DESCRIBE. */
import {
  AlreadyExistsException,
  CreateDatabaseCommand,
  CreatePartitionCommand,
  CreateTableCommand,
  DeleteDatabaseCommand,
  DeletePartitionCommand,
  DeleteTableCommand,
  EntityNotFoundException,
  GetTablesCommand,
  type Column as GlueColumn,
  type Table,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { pathOfValues } from '../../src/lib/catalog/partitionPath.ts';
import { findTable, listPartitions } from '../../src/stage/tables.ts';
import { objectsBelow, parseAddress, type Upstream } from '../aws.ts';
import type { Column, CreateTable, Ddl } from './ddlParser.ts';
import {
  columnsOf,
  createIcebergStatement,
  createStatement,
  describe,
  done,
  padded,
  showDatabases,
  showProperties,
  showTables,
  told,
} from './ddlTold.ts';
import type { QueryResult } from './engine.ts';
import { readIceberg } from './icebergTable.ts';
import { notSupported, QueryError } from './queryError.ts';
import type { PartitionSpec } from './sqlReader.ts';

/** Carries out a statement. Throws QueryError as Athena words it. */
export async function runDdl(upstream: Upstream, ddl: Ddl, currentDatabase: string): Promise<QueryResult> {
  const { glue } = upstream;
  switch (ddl.kind) {
    case 'createDatabase':
      return createDatabase(upstream, ddl);
    case 'dropDatabase':
      return dropDatabase(upstream, ddl);
    case 'showDatabases':
      return showDatabases(upstream, ddl.like);
    case 'showTables':
      return showTables(upstream, ddl.database ?? currentDatabase, ddl.like);
  }
  const database = ddl.name.database ?? currentDatabase;
  switch (ddl.kind) {
    case 'showColumns': {
      const table = await mustTable(upstream, database, ddl.name.table);
      return told(
        'field',
        columnsOf(table).map((c) => padded(c.name)),
      );
    }
    case 'describe':
      return describe(await mustTable(upstream, database, ddl.name.table));
    case 'showCreateTable': {
      const table = await mustTable(upstream, database, ddl.name.table);
      if (table.TableType === 'VIRTUAL_VIEW') throw notSupported('SHOW CREATE TABLE of a view');
      const iceberg = await readIceberg(upstream, table);
      const statement = iceberg
        ? createIcebergStatement(database, table, iceberg.metadata)
        : createStatement(database, table);
      return told('createtab_stmt', statement);
    }
    case 'showProperties':
      return showProperties(await mustTable(upstream, database, ddl.name.table), ddl.property);
    case 'addColumns':
    case 'replaceColumns':
    case 'changeColumn':
    case 'setLocation':
    case 'setProperties':
      await alter(upstream, database, await mustTable(upstream, database, ddl.name.table), ddl);
      return done();
    case 'otherChange':
      throw notSupported(`ALTER TABLE … ${ddl.what} of a Hive table`);
    case 'createTable': {
      try {
        await glue.send(new CreateTableCommand({ DatabaseName: database, TableInput: tableInput(ddl) }));
      } catch (error) {
        if (!(error instanceof AlreadyExistsException)) throw error;
        if (!ddl.ifNotExists)
          throw new QueryError(
            `FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. AlreadyExistsException(message:Table ${ddl.name.table} already exists)`,
          );
      }
      return done();
    }
    case 'dropTable': {
      try {
        await glue.send(new DeleteTableCommand({ DatabaseName: database, Name: ddl.name.table }));
      } catch (error) {
        if (!(error instanceof EntityNotFoundException)) throw error;
        if (!ddl.ifExists) throw tableNotFound(ddl.name.table);
      }
      return done();
    }
    case 'showPartitions': {
      const table = await mustTable(upstream, database, ddl.name.table);
      const partitions = await listPartitions(upstream, database, table.Name);
      return told(
        'partition',
        partitions.map((p) => spec(table, p.values)),
      );
    }
    case 'addPartitions': {
      const table = await mustTable(upstream, database, ddl.name.table);
      for (const partition of ddl.partitions) {
        const values = valuesFor(table, partition);
        const location = partition.location ?? `${base(table)}${spec(table, values)}/`;
        if (!(await register(upstream, database, table, values, location)) && !ddl.ifNotExists)
          throw new QueryError(
            `FAILED: SemanticException [Error 10321]: Partition already exists: ${spec(table, values)}`,
          );
      }
      return done();
    }
    case 'dropPartitions': {
      const table = await mustTable(upstream, database, ddl.name.table);
      for (const partition of ddl.partitions)
        try {
          await glue.send(
            new DeletePartitionCommand({
              DatabaseName: database,
              TableName: table.Name,
              PartitionValues: valuesFor(table, partition),
            }),
          );
        } catch (error) {
          if (!(error instanceof EntityNotFoundException)) throw error;
          if (!ddl.ifExists)
            throw new QueryError(
              `FAILED: SemanticException [Error 10006]: Partition not found (${spec(table, valuesFor(table, partition))})`,
            );
        }
      return done();
    }
    case 'repair':
      return repair(upstream, database, await mustTable(upstream, database, ddl.name.table));
  }
}

/** Registers the folders `key=value` below the table that are not in the Catalog yet. Like Athena, it drops no partition. */
async function repair(upstream: Upstream, database: string, table: Table): Promise<QueryResult> {
  const keys = (table.PartitionKeys ?? []).map((k) => k.Name ?? '');
  if (keys.length === 0)
    throw new QueryError(
      `FAILED: SemanticException table is not partitioned but partition spec exists: ${table.Name}`,
    );
  const { key: prefix } = parseAddress(base(table));
  const folders = new Map<string, string[]>();
  for await (const object of objectsBelow(upstream, base(table))) {
    const parts = object.key.slice(prefix.length).split('/').slice(0, -1);
    if (parts.length < keys.length || keys.some((key, i) => !parts[i]?.startsWith(`${key}=`))) continue;
    const values = keys.map((key, i) => decodeURIComponent((parts[i] ?? '').slice(key.length + 1)));
    folders.set(parts.slice(0, keys.length).join('/'), values);
  }
  const added: string[] = [];
  for (const [folder, values] of folders)
    if (await register(upstream, database, table, values, `${base(table)}${folder}/`))
      added.push(`Repair: Added partition to metastore ${table.Name}:${folder}`);
  return told('result', added);
}

async function register(
  { glue }: Upstream,
  database: string,
  table: Table,
  values: readonly string[],
  location: string,
): Promise<boolean> {
  try {
    await glue.send(
      new CreatePartitionCommand({
        DatabaseName: database,
        TableName: table.Name,
        PartitionInput: {
          Values: [...values],
          StorageDescriptor: { ...table.StorageDescriptor, Location: location },
        },
      }),
    );
    return true;
  } catch (error) {
    if (error instanceof AlreadyExistsException) return false;
    throw error;
  }
}

async function mustTable(upstream: Upstream, database: string, name: string): Promise<Table> {
  const table = await findTable(upstream, database, name);
  if (!table) throw tableNotFound(name);
  return table;
}

const tableNotFound = (name: string): QueryError =>
  new QueryError(`FAILED: SemanticException [Error 10001]: Table not found ${name}`);

const base = (table: Table): string => (table.StorageDescriptor?.Location ?? '').replace(/\/?$/, '/');

/** `year=2025/month=10`. */
const spec = (table: Table, values: readonly string[]): string =>
  pathOfValues(
    (table.PartitionKeys ?? []).map(({ Name = '' }) => Name),
    values,
  );

function valuesFor(table: Table, { values }: PartitionSpec): string[] {
  const keys = (table.PartitionKeys ?? []).map((k) => k.Name ?? '');
  if (values.size !== keys.length || keys.some((key) => !values.has(key)))
    throw new QueryError(
      `FAILED: SemanticException partition spec {${[...values].map(([k, v]) => `${k}=${v}`).join(', ')}} doesn't contain all (${keys.length}) partition columns`,
    );
  return keys.map((key) => values.get(key) ?? '');
}

async function createDatabase(
  { glue }: Upstream,
  ddl: Extract<Ddl, { kind: 'createDatabase' }>,
): Promise<QueryResult> {
  try {
    await glue.send(
      new CreateDatabaseCommand({
        DatabaseInput: { Name: ddl.database, ...(ddl.location ? { LocationUri: ddl.location } : {}) },
      }),
    );
  } catch (error) {
    if (!(error instanceof AlreadyExistsException)) throw error;
    if (!ddl.ifNotExists)
      throw new QueryError(
        `FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Database ${ddl.database} already exists`,
      );
  }
  return done();
}

async function dropDatabase(
  { glue }: Upstream,
  ddl: Extract<Ddl, { kind: 'dropDatabase' }>,
): Promise<QueryResult> {
  try {
    const { TableList } = await glue.send(
      new GetTablesCommand({ DatabaseName: ddl.database, MaxResults: 1 }),
    );
    // Glue drops the tables of a database with it. Hive asks for CASCADE.
    if (TableList?.length && !ddl.isCascade)
      throw new QueryError(
        `FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. InvalidOperationException(message:Database ${ddl.database} is not empty. One or more tables exist.)`,
      );
    await glue.send(new DeleteDatabaseCommand({ Name: ddl.database }));
  } catch (error) {
    if (!(error instanceof EntityNotFoundException)) throw error;
    if (!ddl.ifExists)
      throw new QueryError(
        `FAILED: SemanticException [Error 10072]: Database does not exist: ${ddl.database}`,
      );
  }
  return done();
}

async function alter(
  { glue }: Upstream,
  database: string,
  table: Table,
  ddl: Extract<
    Ddl,
    { kind: 'addColumns' | 'replaceColumns' | 'changeColumn' | 'setLocation' | 'setProperties' }
  >,
): Promise<void> {
  const storage = table.StorageDescriptor ?? {};
  const known = columnsOf(table);
  if (ddl.kind === 'addColumns')
    for (const { name } of ddl.columns)
      if (known.some((c) => c.name === name))
        throw new QueryError(
          `FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Duplicate column name: ${name}`,
        );
  await glue.send(
    new UpdateTableCommand({
      DatabaseName: database,
      TableInput: {
        Name: table.Name,
        TableType: table.TableType,
        PartitionKeys: table.PartitionKeys,
        Parameters: { ...table.Parameters, ...(ddl.kind === 'setProperties' ? ddl.properties : {}) },
        StorageDescriptor: {
          ...storage,
          ...(ddl.kind === 'setLocation' ? { Location: ddl.location } : {}),
          Columns: columnsAfter(storage.Columns ?? [], ddl),
        },
      },
    }),
  );
}

/** The columns of a table after a change. Throws QueryError. */
function columnsAfter(columns: readonly GlueColumn[], ddl: Ddl): GlueColumn[] {
  switch (ddl.kind) {
    case 'addColumns':
      return [...columns, ...ddl.columns.map(glueColumn)];
    case 'replaceColumns':
      return ddl.columns.map(glueColumn);
    case 'changeColumn': {
      if (!columns.some((c) => c.Name === ddl.old))
        throw new QueryError(
          `FAILED: Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Invalid column reference ${ddl.old}`,
        );
      return columns.map((c) =>
        c.Name === ddl.old ? { ...glueColumn(ddl.column), Parameters: c.Parameters } : c,
      );
    }
    default:
      return [...columns];
  }
}

const glueColumn = ({ name, type, comment }: Column): GlueColumn => ({
  Name: name,
  Type: type,
  ...(comment === undefined ? {} : { Comment: comment }),
});

const tableInput = ({ name, properties, keys, location, columns, format, serdeProperties }: CreateTable) => ({
  Name: name.table,
  TableType: 'EXTERNAL_TABLE',
  Parameters: { EXTERNAL: 'TRUE', ...properties },
  PartitionKeys: keys.map(glueColumn),
  StorageDescriptor: {
    Location: location,
    Columns: columns.map(glueColumn),
    InputFormat: format.input,
    OutputFormat: format.output,
    SerdeInfo: {
      SerializationLibrary: format.serde,
      Parameters: { 'serialization.format': '1', ...serdeProperties },
    },
  },
});
