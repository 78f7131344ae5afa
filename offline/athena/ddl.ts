/** Athena's DDL on the local Catalog: tables, partitions, MSCK REPAIR TABLE. Statements it cannot read are refused. */
import {
  AlreadyExistsException,
  CreatePartitionCommand,
  CreateTableCommand,
  DeletePartitionCommand,
  DeleteTableCommand,
  EntityNotFoundException,
  type Table,
} from '@aws-sdk/client-glue';
import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { findTable, listPartitions, parseAddress, type Upstream } from '../aws.ts';
import { DdlReader, type Name, type PartitionSpec } from './ddlReader.ts';
import { notSupported, QueryError, type QueryResult } from './service.ts';

type Ddl =
  | { kind: 'repair'; name: Name }
  | { kind: 'showPartitions'; name: Name }
  | { kind: 'addPartitions'; name: Name; ifNotExists: boolean; partitions: PartitionSpec[] }
  | { kind: 'dropPartitions'; name: Name; ifExists: boolean; partitions: PartitionSpec[] }
  | { kind: 'dropTable'; name: Name; ifExists: boolean }
  | {
      kind: 'createTable';
      name: Name;
      ifNotExists: boolean;
      columns: { name: string; type: string }[];
      keys: { name: string; type: string }[];
      location: string;
      properties: Record<string, string>;
    };

/** Null for a query. Throws QueryError for DDL that is not supported, or does not follow the grammar. */
export function parseDdl(sql: string): Ddl | null {
  const reader = new DdlReader(sql);
  if (reader.take('MSCK')) {
    reader.must('REPAIR');
    reader.must('TABLE');
    return reader.end({ kind: 'repair', name: reader.name() });
  }
  if (reader.take('SHOW')) {
    if (!reader.take('PARTITIONS')) throw notSupported('this SHOW statement');
    return reader.end({ kind: 'showPartitions', name: reader.name() });
  }
  if (reader.take('DROP')) {
    if (!reader.take('TABLE')) throw notSupported('this DROP statement');
    const ifExists = reader.takeAll('IF', 'EXISTS');
    return reader.end({ kind: 'dropTable', ifExists, name: reader.name() });
  }
  if (reader.take('ALTER')) {
    reader.must('TABLE');
    const name = reader.name();
    if (reader.take('ADD')) {
      const ifNotExists = reader.takeAll('IF', 'NOT', 'EXISTS');
      return reader.end({ kind: 'addPartitions', name, ifNotExists, partitions: reader.partitions(false) });
    }
    if (reader.take('DROP')) {
      const ifExists = reader.takeAll('IF', 'EXISTS');
      return reader.end({ kind: 'dropPartitions', name, ifExists, partitions: reader.partitions(true) });
    }
    throw notSupported('this ALTER TABLE statement');
  }
  if (reader.take('CREATE')) {
    if (!reader.takeAll('EXTERNAL', 'TABLE')) throw notSupported('this CREATE statement');
    return createTable(reader);
  }
  if (['SELECT', 'WITH', 'VALUES', '('].includes(reader.peek().toUpperCase())) return null;
  throw notSupported(`statements that begin with ${reader.peek()}`);
}

/** Carries out a statement. Throws QueryError as Athena words it. */
export async function runDdl(upstream: Upstream, ddl: Ddl, currentDatabase: string): Promise<QueryResult> {
  const database = ddl.name.database ?? currentDatabase;
  const { glue } = upstream;
  switch (ddl.kind) {
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
      const rows = (await listPartitions(upstream, database, table.Name)).map((p) => [spec(table, p.values)]);
      return { ...done(), columns: [{ name: 'partition', type: 'string' }], rows };
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

/** Registers folders named `key=value` below the table that the Catalog does not know. It drops none, as Athena does. */
async function repair(upstream: Upstream, database: string, table: Table): Promise<QueryResult> {
  const keys = (table.PartitionKeys ?? []).map((k) => k.Name ?? '');
  if (keys.length === 0)
    throw new QueryError(
      `FAILED: SemanticException table is not partitioned but partition spec exists: ${table.Name}`,
    );
  const { bucket, key: prefix } = parseAddress(base(table));
  const folders = new Map<string, string[]>();
  for await (const page of paginateListObjectsV2({ client: upstream.s3 }, { Bucket: bucket, Prefix: prefix }))
    for (const object of page.Contents ?? []) {
      const parts = (object.Key ?? '').slice(prefix.length).split('/').slice(0, -1);
      if (parts.length < keys.length || keys.some((key, i) => !parts[i]?.startsWith(`${key}=`))) continue;
      const values = keys.map((key, i) => decodeURIComponent((parts[i] ?? '').slice(key.length + 1)));
      folders.set(parts.slice(0, keys.length).join('/'), values);
    }
  const rows: string[][] = [];
  for (const [folder, values] of folders)
    if (await register(upstream, database, table, values, `${base(table)}${folder}/`))
      rows.push([`Repair: Added partition to metastore ${table.Name}:${folder}`]);
  return { ...done(), columns: [{ name: 'result', type: 'string' }], rows };
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

/** `year=2025/month=10`, with the characters that Hive escapes. */
const spec = (table: Table, values: readonly string[]): string =>
  (table.PartitionKeys ?? [])
    .map((key, i) => `${key.Name}=${(values[i] ?? '').replaceAll(/["#%'*/:=?\\{[\]^]/g, escapeByte)}`)
    .join('/');

const escapeByte = (c: string): string => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

function valuesFor(table: Table, { values }: PartitionSpec): string[] {
  const keys = (table.PartitionKeys ?? []).map((k) => k.Name ?? '');
  if (values.size !== keys.length || keys.some((key) => !values.has(key)))
    throw new QueryError(
      `FAILED: SemanticException partition spec {${[...values].map(([k, v]) => `${k}=${v}`).join(', ')}} doesn't contain all (${keys.length}) partition columns`,
    );
  return keys.map((key) => values.get(key) ?? '');
}

const done = (): QueryResult => ({ kind: 'DDL', columns: [], rows: [], scannedBytes: 0 });

function createTable(reader: DdlReader): Ddl {
  const ifNotExists = reader.takeAll('IF', 'NOT', 'EXISTS');
  const name = reader.name();
  const columns = reader.columns();
  let keys: { name: string; type: string }[] = [];
  let location: string | undefined;
  let isParquet = false;
  const properties: Record<string, string> = {};
  while (!reader.isAtEnd()) {
    if (reader.takeAll('PARTITIONED', 'BY')) keys = reader.columns();
    else if (reader.takeAll('STORED', 'AS')) {
      if (!reader.take('PARQUET')) throw notSupported('tables that are not Parquet');
      isParquet = true;
    } else if (reader.take('LOCATION')) location = reader.text();
    else if (reader.take('TBLPROPERTIES')) for (const [key, value] of reader.pairs()) properties[key] = value;
    else throw notSupported(`${reader.peek()} in CREATE EXTERNAL TABLE`);
  }
  if (!isParquet) throw notSupported('tables that are not Parquet');
  if (location === undefined) throw new QueryError('FAILED: SemanticException LOCATION is missing');
  return { kind: 'createTable', ifNotExists, name, columns, keys, location, properties };
}

const tableInput = (ddl: Extract<Ddl, { kind: 'createTable' }>) => ({
  Name: ddl.name.table,
  TableType: 'EXTERNAL_TABLE',
  Parameters: { EXTERNAL: 'TRUE', ...ddl.properties },
  PartitionKeys: ddl.keys.map((k) => ({ Name: k.name, Type: k.type })),
  StorageDescriptor: {
    Location: ddl.location,
    Columns: ddl.columns.map((c) => ({ Name: c.name, Type: c.type })),
    InputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
    OutputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
    SerdeInfo: { SerializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
  },
});
