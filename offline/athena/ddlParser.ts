/** Athena's DDL as data. https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html */
import { notSupported, QueryError } from './queryError.ts';
import { type Name, type PartitionSpec, SqlReader } from './sqlReader.ts';

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly comment?: string | undefined;
}

export type Ddl =
  | { kind: 'createDatabase'; database: string; ifNotExists: boolean; location: string | undefined }
  | { kind: 'dropDatabase'; database: string; ifExists: boolean; isCascade: boolean }
  | { kind: 'showDatabases'; like: RegExp | undefined }
  | { kind: 'showTables'; database: string | undefined; like: RegExp | undefined }
  | { kind: 'showColumns' | 'describe' | 'showCreateTable'; name: Name }
  | { kind: 'showProperties'; name: Name; property: string | undefined }
  | { kind: 'repair'; name: Name }
  | { kind: 'showPartitions'; name: Name }
  | { kind: 'addPartitions'; name: Name; ifNotExists: boolean; partitions: PartitionSpec[] }
  | { kind: 'dropPartitions'; name: Name; ifExists: boolean; partitions: PartitionSpec[] }
  | { kind: 'addColumns' | 'replaceColumns'; name: Name; columns: Column[] }
  | { kind: 'changeColumn'; name: Name; old: string; column: Column }
  | { kind: 'setLocation'; name: Name; location: string }
  | { kind: 'setProperties'; name: Name; properties: Record<string, string> }
  | { kind: 'dropTable'; name: Name; ifExists: boolean }
  /** A change that only Iceberg tables support. */
  | { kind: 'otherChange'; name: Name; what: string }
  | CreateTable;

export interface CreateTable {
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

/** Gives null for a statement that an engine runs. Throws QueryError for DDL that is not supported or has a syntax error. */
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
  if (reader.take('TBLPROPERTIES')) {
    const name = reader.name();
    let property: string | undefined;
    if (reader.take('(')) {
      property = reader.text();
      reader.must(')');
    }
    return reader.end({ kind: 'showProperties', name, property });
  }
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
    const isCascade = reader.take('CASCADE');
    if (!isCascade) reader.take('RESTRICT');
    return reader.end({ kind: 'dropDatabase', ifExists, database, isCascade });
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
  if (reader.takeAll('CHANGE', 'COLUMN') || reader.take('CHANGE')) {
    const old = reader.identifier();
    const column = reader.column();
    if (reader.take('FIRST') || reader.take('AFTER')) throw notSupported('FIRST and AFTER in CHANGE COLUMN');
    return reader.end({ kind: 'changeColumn', name, old, column });
  }
  if (reader.takeAll('REPLACE', 'COLUMNS'))
    return reader.end({ kind: 'replaceColumns', name, columns: reader.columns() });
  for (const what of ['DROP COLUMN', 'RENAME TO'])
    if (reader.takeAll(...what.split(' '))) return { kind: 'otherChange', name, what };
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
