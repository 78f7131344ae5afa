/** The answers of SHOW and DESCRIBE from the Data Catalog, in Hive's layout. */
import {
  EntityNotFoundException,
  type Column as GlueColumn,
  paginateGetDatabases,
  paginateGetTables,
  type Table,
} from '@aws-sdk/client-glue';
import { literal } from '../../src/lib/dialect/athenaNames.ts';
import { type Metadata, schemaOf, specOf } from '../../src/lib/table/iceberg/metadata.ts';
import type { Upstream } from '../aws.ts';
import type { Column } from './ddlParser.ts';
import type { QueryResult } from './engine.ts';
import { QueryError } from './queryError.ts';

export const done = (): QueryResult => ({ columns: [], rows: [], updateCount: 0, scannedBytes: 0 });

/** One column of texts, a row a line. */
export const told = (name: string, lines: readonly string[]): QueryResult => ({
  ...done(),
  columns: [{ name, type: 'string', precision: 0, scale: 0 }],
  rows: lines.map((line) => [line]),
});

/** Hive pads names to twenty characters. */
export const padded = (text: string): string => text.padEnd(20);

/** Iceberg's catalogs keep the columns of earlier schemas in Glue, and mark them. */
const isCurrent = ({ Parameters }: GlueColumn): boolean => Parameters?.['iceberg.field.current'] !== 'false';

export const columnsOf = (table: Table): Column[] =>
  [...(table.StorageDescriptor?.Columns ?? []).filter(isCurrent), ...(table.PartitionKeys ?? [])].map(
    (c) => ({
      name: c.Name ?? '',
      type: c.Type ?? '',
      comment: c.Comment,
    }),
  );

/** One line for each column. Tabs separate its three fields, as in Hive. */
export function describe(table: Table): QueryResult {
  const line = (...fields: string[]) => fields.map(padded).join('\t');
  const keys = table.PartitionKeys ?? [];
  const lines = [
    ...columnsOf(table).map((c) => line(c.name, c.type, c.comment ?? '')),
    ...(keys.length === 0
      ? []
      : [
          line('', '', ''),
          line('# Partition Information', '', ''),
          line('# col_name', 'data_type', 'comment'),
          line('', '', ''),
          ...keys.map((k) => line(k.Name ?? '', k.Type ?? '', k.Comment ?? '')),
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

const columnLines = (columns: readonly GlueColumn[]): string[] =>
  columns.map((column, i) => {
    const comment = column.Comment ? ` COMMENT ${literal(column.Comment)}` : '';
    return `  \`${column.Name}\` ${column.Type}${comment}${i < columns.length - 1 ? ', ' : ')'}`;
  });

export function createStatement(database: string, table: Table): string[] {
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

/** The statement that makes an equal Iceberg table. */
export function createIcebergStatement(database: string, table: Table, metadata: Metadata): string[] {
  const names = new Map(schemaOf(metadata).fields.map((field) => [field.id, field.name]));
  const partitioning = specOf(metadata).fields.map((field) => {
    const column = `\`${names.get(field['source-id'])}\``;
    const [, transform = '', number] = /^(\w+)(?:\[(\d+)\])?$/.exec(field.transform) ?? [];
    if (transform === 'identity') return column;
    return `${transform}(${number === undefined ? '' : `${number}, `}${column})`;
  });
  const columns = (table.StorageDescriptor?.Columns ?? []).filter(isCurrent);
  return [
    `CREATE TABLE ${database}.${table.Name} (`,
    ...columnLines(columns),
    ...(partitioning.length === 0 ? [] : [`PARTITIONED BY (${partitioning.join(', ')})`]),
    `LOCATION ${literal(metadata.location)}`,
    'TBLPROPERTIES (',
    "  'table_type'='iceberg',",
    "  'format'='parquet')",
  ];
}

/** A table's parameters without those in which Trino notes what it caches: Athena has none. */
export const withoutTrinos = (parameters: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(parameters).filter(([key]) => !key.startsWith('trino_')));

/** One line for each property, with a tab between name and value. */
export function showProperties({ Name, Parameters = {} }: Table, property: string | undefined): QueryResult {
  const entries = Object.entries(withoutTrinos(Parameters)).filter(
    ([key]) => property === undefined || key === property,
  );
  if (property !== undefined && entries.length === 0)
    return told('prpt_name', [`Table ${Name} does not have property: ${property}`]);
  return {
    ...told(
      'prpt_name',
      entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}\t${value}`),
    ),
    columns: ['prpt_name', 'prpt_value'].map((name) => ({ name, type: 'string', precision: 0, scale: 0 })),
  };
}

export async function showDatabases({ glue }: Upstream, like: RegExp | undefined): Promise<QueryResult> {
  const names: string[] = [];
  for await (const page of paginateGetDatabases({ client: glue }, {}))
    names.push(...(page.DatabaseList ?? []).map((d) => d.Name ?? ''));
  return told('database_name', names.filter((n) => like?.test(n) ?? true).sort());
}

export async function showTables(
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
