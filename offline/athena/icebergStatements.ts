/** Translates Athena's statements about Iceberg tables to Trino's. https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg.html */
import { identifier, literal } from '../../src/lib/dialect/athenaNames.ts';
import { type HiveType, parseHiveType, splitTopLevel } from '../../src/lib/model/hiveType.ts';
import { icebergCatalog } from './catalogs.ts';
import { notSupported, QueryError } from './queryError.ts';
import { type ColumnWritten, type Name, SqlReader } from './sqlReader.ts';

/** The statements for Trino that do what one statement of Athena does. */
export type Statements = readonly string[];

/** The settings of VACUUM: https://docs.aws.amazon.com/athena/latest/ug/vacuum-statement.html */
export interface Retention {
  readonly maxAgeSeconds: number;
}

/** The table of a statement that only Iceberg tables support; null for any other statement. */
export function icebergTarget(sql: string): Name | null {
  const reader = new SqlReader(sql);
  if (reader.takeAll('DELETE', 'FROM') || reader.takeAll('MERGE', 'INTO')) return reader.name();
  if (reader.take('UPDATE') || reader.take('OPTIMIZE') || reader.take('VACUUM')) return reader.name();
  return null;
}

/** `CREATE TABLE t (…) … TBLPROPERTIES ('table_type' = 'ICEBERG')`; null for any other statement. */
export function createIcebergTable(sql: string, database: string): Statements | null {
  const reader = new SqlReader(sql);
  if (!reader.takeAll('CREATE', 'TABLE')) return null;
  const ifNotExists = reader.takeAll('IF', 'NOT', 'EXISTS');
  const name = reader.name();
  if (reader.peek() !== '(') return null;
  const columns = reader.columns();
  let partitioning: string[] = [];
  let location: string | undefined;
  let comment: string | undefined;
  let properties = new Map<string, string>();
  while (!reader.isAtEnd()) {
    if (reader.takeAll('PARTITIONED', 'BY')) partitioning = transforms(reader);
    else if (reader.take('COMMENT')) comment = reader.text();
    else if (reader.take('LOCATION')) location = reader.text();
    else if (reader.take('TBLPROPERTIES')) properties = reader.pairs();
    else throw notSupported(`${reader.peek()} in CREATE TABLE`);
  }
  if (properties.get('table_type')?.toUpperCase() !== 'ICEBERG')
    throw new QueryError(
      'FAILED: SemanticException CREATE TABLE without EXTERNAL is for Iceberg: table_type is missing',
    );
  if (location === undefined) throw new QueryError('FAILED: SemanticException LOCATION is missing');
  const { table_type: _, format = 'parquet', ...extra } = Object.fromEntries(properties);
  if (format.toLowerCase() !== 'parquet') throw notSupported(`Iceberg tables of ${format}`);
  const settings = [
    "format = 'PARQUET'",
    'format_version = 2',
    `location = ${literal(location.replace(/\/$/, ''))}`,
    ...(partitioning.length > 0 ? [`partitioning = ARRAY[${partitioning.map(literal).join(', ')}]`] : []),
    ...extraProperties(extra),
  ];
  return [
    [
      `CREATE TABLE ${ifNotExists ? 'IF NOT EXISTS ' : ''}${inCatalog(name, database)}`,
      `(${columns.map(columnOf).join(', ')})`,
      ...(comment === undefined ? [] : [`COMMENT ${literal(comment)}`]),
      `WITH (${settings.join(', ')})`,
    ].join(' '),
  ];
}

const columnOf = ({ name, type, comment }: ColumnWritten): string =>
  [
    `${identifier(name)} ${trinoType(parseHiveType(type))}`,
    ...(comment === undefined ? [] : [`COMMENT ${literal(comment)}`]),
  ].join(' ');

const extraProperties = (extra: Readonly<Record<string, string>>): string[] => {
  const entries = Object.entries(extra);
  if (entries.length === 0) return [];
  const [keys, values] = [0, 1].map(
    (i) => `ARRAY[${entries.map((entry) => literal(entry[i] ?? '')).join(', ')}]`,
  );
  return [`extra_properties = MAP(${keys}, ${values})`];
};

/** `CREATE TABLE t WITH (table_type = 'ICEBERG', …) AS SELECT …`: gives Trino's table properties. */
export function icebergSettings(
  properties: ReadonlyMap<string, string | number | readonly string[]>,
): string[] {
  const settings: string[] = ['format_version = 2'];
  const extra: Record<string, string> = {};
  for (const [key, value] of properties)
    switch (key) {
      case 'table_type':
      case 'is_external':
      // A setting of the session.
      case 'write_compression':
        break;
      case 'format':
        if (String(value).toLowerCase() !== 'parquet') throw notSupported(`Iceberg tables of ${value}`);
        break;
      case 'location':
        settings.push(`location = ${literal(String(value).replace(/\/$/, ''))}`);
        break;
      case 'partitioning':
        if (!Array.isArray(value))
          throw new QueryError("SYNTAX_ERROR: the property 'partitioning' is an array");
        settings.push(
          `partitioning = ARRAY[${value.map((text) => literal(transform(new SqlReader(text)))).join(', ')}]`,
        );
        break;
      default:
        if (typeof value !== 'string' && typeof value !== 'number')
          throw notSupported(`the property ${key} of CREATE TABLE AS`);
        extra[key] = String(value);
    }
  if (!properties.has('location'))
    throw new QueryError("SYNTAX_ERROR: an Iceberg table needs the property 'location'");
  return ["format = 'PARQUET'", ...settings, ...extraProperties(extra)];
}

/** `OPTIMIZE t REWRITE DATA USING BIN_PACK [WHERE …]`; null for another statement. */
export function optimize(sql: string, database: string): Statements | null {
  const reader = new SqlReader(sql);
  if (!reader.take('OPTIMIZE')) return null;
  const name = reader.name();
  for (const word of ['REWRITE', 'DATA', 'USING', 'BIN_PACK']) reader.must(word);
  const where = reader.rest();
  if (where !== '' && !reader.take('WHERE')) throw notSupported(`${reader.peek()} in OPTIMIZE`);
  return [`ALTER TABLE ${inCatalog(name, database)} EXECUTE optimize ${where}`.trim()];
}

/** `VACUUM t`: removes old snapshots, and files that no snapshot names. Null for another statement. */
export function vacuum(sql: string, database: string, { maxAgeSeconds }: Retention): Statements | null {
  const reader = new SqlReader(sql);
  if (!reader.take('VACUUM')) return null;
  const table = inCatalog(reader.end(reader.name()), database);
  const threshold = `retention_threshold => '${maxAgeSeconds}s'`;
  return ['expire_snapshots', 'remove_orphan_files'].map(
    (procedure) => `ALTER TABLE ${table} EXECUTE ${procedure}(${threshold})`,
  );
}

/** ALTER TABLE and DROP TABLE of an Iceberg table; null for another statement. https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-evolving-table-schema.html */
export function changeIcebergTable(sql: string, database: string): Statements | null {
  const reader = new SqlReader(sql);
  if (reader.takeAll('DROP', 'TABLE')) {
    const ifExists = reader.takeAll('IF', 'EXISTS') ? 'IF EXISTS ' : '';
    return [`DROP TABLE ${ifExists}${inCatalog(reader.end(reader.name()), database)}`];
  }
  if (!reader.takeAll('ALTER', 'TABLE')) return null;
  const table = inCatalog(reader.name(), database);
  if (reader.takeAll('ADD', 'COLUMNS'))
    return reader
      .end(reader.columns())
      .map((column) => `ALTER TABLE ${table} ADD COLUMN ${columnOf(column)}`);
  if (reader.takeAll('DROP', 'COLUMN'))
    return [`ALTER TABLE ${table} DROP COLUMN ${identifier(reader.end(reader.identifier()))}`];
  if (reader.takeAll('CHANGE', 'COLUMN') || reader.take('CHANGE')) {
    const old = reader.identifier();
    const [column] = reader.end([reader.column()]);
    const type = trinoType(parseHiveType(column?.type ?? ''));
    const name = column?.name ?? old;
    return [
      `ALTER TABLE ${table} ALTER COLUMN ${identifier(old)} SET DATA TYPE ${type}`,
      ...(name === old
        ? []
        : [`ALTER TABLE ${table} RENAME COLUMN ${identifier(old)} TO ${identifier(name)}`]),
      ...(column?.comment === undefined
        ? []
        : [`COMMENT ON COLUMN ${table}.${identifier(name)} IS ${literal(column.comment)}`]),
    ];
  }
  if (reader.takeAll('SET', 'TBLPROPERTIES')) {
    const [settings] = extraProperties(Object.fromEntries(reader.end(reader.pairs())));
    return [`ALTER TABLE ${table} SET PROPERTIES ${settings}`];
  }
  if (reader.takeAll('RENAME', 'TO'))
    return [`ALTER TABLE ${table} RENAME TO ${inCatalog(reader.end(reader.name()), database)}`];
  throw notSupported(`ALTER TABLE … ${reader.peek()} of an Iceberg table`);
}

export const inCatalog = ({ database, table }: Name, current: string): string =>
  [icebergCatalog, database ?? current, table].map(identifier).join('.');

function transforms(reader: SqlReader): string[] {
  const all: string[] = [];
  reader.must('(');
  do all.push(transform(reader));
  while (reader.take(','));
  reader.must(')');
  return all;
}

/** Athena writes `bucket(16, id)`, in CTAS also `bucket(id, 16)` as Trino. */
function transform(reader: SqlReader): string {
  const name = reader.identifier();
  if (!reader.take('(')) return name;
  const first = reader.identifier();
  const second = reader.take(',') ? reader.identifier() : undefined;
  reader.must(')');
  if (second === undefined) return `${name}(${first})`;
  return /^\d+$/.test(first) ? `${name}(${second}, ${first})` : `${name}(${first}, ${second})`;
}

const scalars: Readonly<Record<string, string>> = {
  string: 'varchar',
  int: 'integer',
  float: 'real',
  timestamp: 'timestamp(6)',
  binary: 'varbinary',
};

function trinoType(type: HiveType): string {
  if (type.kind === 'array') return `array(${trinoType(type.element)})`;
  if (type.kind === 'struct')
    return `row(${type.fields.map((f) => `${identifier(f.name)} ${trinoType(f.type)}`).join(', ')})`;
  const [, inMap] = /^map<(.*)>$/s.exec(type.name) ?? [];
  if (inMap !== undefined)
    return `map(${splitTopLevel(inMap)
      .map((inner) => trinoType(parseHiveType(inner)))
      .join(', ')})`;
  const known = scalars[type.name] ?? type.name;
  if (
    /^(boolean|integer|bigint|real|double|date|varchar|varbinary|timestamp\(6\)|decimal\(\d+, ?\d+\))$/.test(
      known,
    )
  )
    return known;
  throw notSupported(`a column of the type ${type.name} in an Iceberg table`);
}
