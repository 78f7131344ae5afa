/** Athena's DDL on the local Catalog: databases, tables, partitions, MSCK REPAIR TABLE, and what SHOW and DESCRIBE tell. */
import {
  AlreadyExistsException,
  CreateDatabaseCommand,
  CreatePartitionCommand,
  CreateTableCommand,
  DeleteDatabaseCommand,
  DeletePartitionCommand,
  DeleteTableCommand,
  EntityNotFoundException,
  paginateGetDatabases,
  paginateGetTables,
  type Table,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { findTable, listPartitions, parseAddress, type Upstream } from '../aws.ts';
import type { QueryResult } from './engine.ts';
import { notSupported, QueryError } from './queryError.ts';
import { type Name, type PartitionSpec, SqlReader } from './sqlReader.ts';

interface Column {
  readonly name: string;
  readonly type: string;
}

type Ddl =
  | { kind: 'createDatabase'; database: string; ifNotExists: boolean; location: string | undefined }
  | { kind: 'dropDatabase'; database: string; ifExists: boolean }
  | { kind: 'showDatabases'; like: RegExp | undefined }
  | { kind: 'showTables'; database: string | undefined; like: RegExp | undefined }
  | { kind: 'showColumns' | 'describe' | 'showCreateTable'; name: Name }
  | { kind: 'repair'; name: Name }
  | { kind: 'showPartitions'; name: Name }
  | { kind: 'addPartitions'; name: Name; ifNotExists: boolean; partitions: PartitionSpec[] }
  | { kind: 'dropPartitions'; name: Name; ifExists: boolean; partitions: PartitionSpec[] }
  | { kind: 'addColumns'; name: Name; columns: Column[] }
  | { kind: 'setLocation'; name: Name; location: string }
  | { kind: 'setProperties'; name: Name; properties: Record<string, string> }
  | { kind: 'dropTable'; name: Name; ifExists: boolean }
  | CreateTable;

interface CreateTable {
  readonly kind: 'createTable';
  readonly name: Name;
  readonly ifNotExists: boolean;
  readonly columns: readonly Column[];
  readonly keys: readonly Column[];
  readonly location: string;
  readonly format: StorageFormat;
  readonly serdeProperties: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, string>>;
}

interface StorageFormat {
  readonly input: string;
  readonly output: string;
  readonly serde: string;
}

/** Null for what an engine runs. Throws QueryError for DDL that is not supported, or does not follow the grammar. */
export function parseDdl(sql: string): Ddl | null {
  const reader = new SqlReader(sql);
  if (reader.takeAll('MSCK', 'REPAIR', 'TABLE')) return reader.end({ kind: 'repair', name: reader.name() });
  if (reader.take('SHOW')) return parseShow(reader);
  if (reader.take('DESCRIBE') || reader.take('DESC')) {
    if (!reader.take('EXTENDED')) reader.take('FORMATTED');
    return reader.end({ kind: 'describe', name: reader.name() });
  }
  if (reader.take('DROP')) return parseDrop(reader);
  if (reader.takeAll('ALTER', 'TABLE')) return parseAlter(reader);
  if (reader.takeAll('CREATE', 'EXTERNAL', 'TABLE')) return createTable(reader);
  if (reader.takeAll('CREATE', 'DATABASE') || reader.takeAll('CREATE', 'SCHEMA')) {
    const ifNotExists = reader.takeAll('IF', 'NOT', 'EXISTS');
    const database = reader.identifier();
    if (reader.take('COMMENT')) reader.text();
    const location = reader.take('LOCATION') ? reader.text() : undefined;
    return reader.end({ kind: 'createDatabase', database, ifNotExists, location });
  }
  return null;
}

function parseShow(reader: SqlReader): Ddl {
  if (reader.take('PARTITIONS')) return reader.end({ kind: 'showPartitions', name: reader.name() });
  if (reader.take('DATABASES') || reader.take('SCHEMAS')) {
    reader.take('LIKE');
    return reader.end({ kind: 'showDatabases', like: pattern(reader) });
  }
  if (reader.take('TABLES')) {
    const database = reader.take('IN') || reader.take('FROM') ? reader.identifier() : undefined;
    reader.take('LIKE');
    return reader.end({ kind: 'showTables', database, like: pattern(reader) });
  }
  if (reader.take('COLUMNS')) {
    if (!reader.take('IN')) reader.must('FROM');
    const { table, database } = reader.name();
    const inDatabase = reader.take('IN') || reader.take('FROM') ? reader.identifier() : database;
    return reader.end({ kind: 'showColumns', name: { table, database: inDatabase } });
  }
  if (reader.takeAll('CREATE', 'TABLE')) return reader.end({ kind: 'showCreateTable', name: reader.name() });
  throw notSupported(`SHOW ${reader.peek()}`);
}

/** Hive's patterns: * for anything, | for or. */
function pattern(reader: SqlReader): RegExp | undefined {
  if (reader.isAtEnd()) return undefined;
  const source = reader
    .text()
    .replaceAll(/[.+?^${}()[\]\\]/g, '\\$&')
    .replaceAll('*', '.*');
  return new RegExp(`^(?:${source})$`, 'i');
}

function parseDrop(reader: SqlReader): Ddl | null {
  if (reader.take('TABLE')) {
    const ifExists = reader.takeAll('IF', 'EXISTS');
    return reader.end({ kind: 'dropTable', ifExists, name: reader.name() });
  }
  if (reader.take('DATABASE') || reader.take('SCHEMA')) {
    const ifExists = reader.takeAll('IF', 'EXISTS');
    const database = reader.identifier();
    if (!reader.take('CASCADE')) reader.take('RESTRICT');
    return reader.end({ kind: 'dropDatabase', ifExists, database });
  }
  return null;
}

function parseAlter(reader: SqlReader): Ddl {
  const name = reader.name();
  if (reader.takeAll('ADD', 'COLUMNS'))
    return reader.end({ kind: 'addColumns', name, columns: reader.columns() });
  if (reader.take('ADD')) {
    const ifNotExists = reader.takeAll('IF', 'NOT', 'EXISTS');
    return reader.end({ kind: 'addPartitions', name, ifNotExists, partitions: reader.partitions(false) });
  }
  if (reader.take('DROP')) {
    const ifExists = reader.takeAll('IF', 'EXISTS');
    return reader.end({ kind: 'dropPartitions', name, ifExists, partitions: reader.partitions(true) });
  }
  if (reader.takeAll('SET', 'LOCATION'))
    return reader.end({ kind: 'setLocation', name, location: reader.text() });
  if (reader.takeAll('SET', 'TBLPROPERTIES'))
    return reader.end({ kind: 'setProperties', name, properties: Object.fromEntries(reader.pairs()) });
  throw notSupported(`ALTER TABLE ${reader.peek()}`);
}

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
      return told('createtab_stmt', createStatement(database, table));
    }
    case 'addColumns':
    case 'setLocation':
    case 'setProperties':
      await alter(upstream, database, await mustTable(upstream, database, ddl.name.table), ddl);
      return done();
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

const done = (): QueryResult => ({ columns: [], rows: [], updateCount: 0, scannedBytes: 0 });

/** One column of texts, a row a line. */
const told = (name: string, lines: readonly string[]): QueryResult => ({
  ...done(),
  columns: [{ name, type: 'string', precision: 0, scale: 0 }],
  rows: lines.map((line) => [line]),
});

/** Hive pads names to twenty characters. */
const padded = (text: string): string => text.padEnd(20);

const columnsOf = (table: Table): Column[] =>
  [...(table.StorageDescriptor?.Columns ?? []), ...(table.PartitionKeys ?? [])].map((c) => ({
    name: c.Name ?? '',
    type: c.Type ?? '',
  }));

/** A line a column, tabs between its three fields, as Hive writes it. */
function describe(table: Table): QueryResult {
  const line = (...fields: string[]) => fields.map(padded).join('\t');
  const keys = table.PartitionKeys ?? [];
  const lines = [
    ...columnsOf(table).map((c) => line(c.name, c.type, '')),
    ...(keys.length === 0
      ? []
      : [
          line('', '', ''),
          line('# Partition Information', '', ''),
          line('# col_name', 'data_type', 'comment'),
          line('', '', ''),
          ...keys.map((k) => line(k.Name ?? '', k.Type ?? '', '')),
        ]),
  ];
  return {
    ...told('col_name', lines),
    columns: ['col_name', 'data_type', 'comment'].map((name) => ({
      name,
      type: 'string',
      precision: 0,
      scale: 0,
    })),
  };
}

function createStatement(database: string, table: Table): string[] {
  const columnLines = (columns: readonly { Name?: string | undefined; Type?: string | undefined }[]) =>
    columns.map((c, i) => `  \`${c.Name}\` ${c.Type}${i < columns.length - 1 ? ', ' : ')'}`);
  const { StorageDescriptor: storage, PartitionKeys: keys = [], Parameters: parameters = {} } = table;
  const properties = Object.entries(parameters);
  return [
    `CREATE EXTERNAL TABLE \`${database}.${table.Name}\`(`,
    ...columnLines(storage?.Columns ?? []),
    ...(keys.length === 0 ? [] : ['PARTITIONED BY ( ', ...columnLines(keys)]),
    'ROW FORMAT SERDE ',
    `  '${storage?.SerdeInfo?.SerializationLibrary}' `,
    'STORED AS INPUTFORMAT ',
    `  '${storage?.InputFormat}' `,
    'OUTPUTFORMAT ',
    `  '${storage?.OutputFormat}'`,
    'LOCATION',
    `  '${storage?.Location}'`,
    ...(properties.length === 0
      ? []
      : [
          'TBLPROPERTIES (',
          ...properties.map(([k, v], i) => `  '${k}'='${v}'${i < properties.length - 1 ? ', ' : ')'}`),
        ]),
  ];
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

async function showDatabases({ glue }: Upstream, like: RegExp | undefined): Promise<QueryResult> {
  const names: string[] = [];
  for await (const page of paginateGetDatabases({ client: glue }, {}))
    names.push(...(page.DatabaseList ?? []).map((d) => d.Name ?? ''));
  return told('database_name', names.filter((n) => like?.test(n) ?? true).sort());
}

async function showTables(
  { glue }: Upstream,
  database: string,
  like: RegExp | undefined,
): Promise<QueryResult> {
  const names: string[] = [];
  try {
    for await (const page of paginateGetTables({ client: glue }, { DatabaseName: database }))
      names.push(...(page.TableList ?? []).map((t) => t.Name ?? ''));
  } catch (error) {
    if (!(error instanceof EntityNotFoundException)) throw error;
    throw new QueryError(`FAILED: SemanticException [Error 10072]: Database does not exist: ${database}`);
  }
  return told('tab_name', names.filter((n) => like?.test(n) ?? true).sort());
}

async function alter(
  { glue }: Upstream,
  database: string,
  table: Table,
  ddl: Extract<Ddl, { kind: 'addColumns' | 'setLocation' | 'setProperties' }>,
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
          ...(ddl.kind === 'addColumns'
            ? {
                Columns: [
                  ...(storage.Columns ?? []),
                  ...ddl.columns.map((c) => ({ Name: c.name, Type: c.type })),
                ],
              }
            : {}),
        },
      },
    }),
  );
}

const hiveFormat = (format: string, serde: string): StorageFormat => ({
  input: `org.apache.hadoop.hive.ql.io.${format}InputFormat`,
  output: `org.apache.hadoop.hive.ql.io.${format}OutputFormat`,
  serde,
});

/** STORED AS: https://docs.aws.amazon.com/athena/latest/ug/create-table.html */
const storageFormats: Readonly<Record<string, StorageFormat>> = {
  PARQUET: hiveFormat('parquet.MapredParquet', 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'),
  ORC: hiveFormat('orc.Orc', 'org.apache.hadoop.hive.ql.io.orc.OrcSerde'),
  AVRO: hiveFormat('avro.AvroContainer', 'org.apache.hadoop.hive.serde2.avro.AvroSerDe'),
  TEXTFILE: {
    input: 'org.apache.hadoop.mapred.TextInputFormat',
    output: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
    serde: 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe',
  },
};

function createTable(reader: SqlReader): Ddl {
  const ifNotExists = reader.takeAll('IF', 'NOT', 'EXISTS');
  const name = reader.name();
  const columns = reader.columns();
  let keys: Column[] = [];
  let location: string | undefined;
  let format = storageFormats.TEXTFILE as StorageFormat;
  let serde: string | undefined;
  let serdeProperties: Record<string, string> = {};
  let properties: Record<string, string> = {};
  while (!reader.isAtEnd()) {
    if (reader.takeAll('PARTITIONED', 'BY')) keys = reader.columns();
    else if (reader.take('COMMENT')) properties = { ...properties, comment: reader.text() };
    else if (reader.takeAll('ROW', 'FORMAT', 'SERDE')) serde = reader.text();
    else if (reader.takeAll('WITH', 'SERDEPROPERTIES')) serdeProperties = Object.fromEntries(reader.pairs());
    else if (reader.takeAll('STORED', 'AS', 'INPUTFORMAT')) {
      const input = reader.text();
      reader.must('OUTPUTFORMAT');
      format = { ...format, input, output: reader.text() };
    } else if (reader.takeAll('STORED', 'AS')) {
      const named = storageFormats[reader.peek().toUpperCase()];
      if (!named) throw notSupported(`tables stored as ${reader.peek()}`);
      reader.identifier();
      format = named;
    } else if (reader.take('LOCATION')) location = reader.text();
    else if (reader.take('TBLPROPERTIES'))
      properties = { ...properties, ...Object.fromEntries(reader.pairs()) };
    else throw notSupported(`${reader.peek()} in CREATE EXTERNAL TABLE`);
  }
  if (location === undefined) throw new QueryError('FAILED: SemanticException LOCATION is missing');
  return {
    kind: 'createTable',
    ifNotExists,
    name,
    columns,
    keys,
    location,
    format: { ...format, serde: serde ?? format.serde },
    serdeProperties,
    properties,
  };
}

const tableInput = ({ name, properties, keys, location, columns, format, serdeProperties }: CreateTable) => ({
  Name: name.table,
  TableType: 'EXTERNAL_TABLE',
  Parameters: { EXTERNAL: 'TRUE', ...properties },
  PartitionKeys: keys.map((k) => ({ Name: k.name, Type: k.type })),
  StorageDescriptor: {
    Location: location,
    Columns: columns.map((c) => ({ Name: c.name, Type: c.type })),
    InputFormat: format.input,
    OutputFormat: format.output,
    SerdeInfo: {
      SerializationLibrary: format.serde,
      Parameters: { 'serialization.format': '1', ...serdeProperties },
    },
  },
});
