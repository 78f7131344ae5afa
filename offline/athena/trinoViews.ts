/** Columns of views in the Data Catalog. Trino stores a view with one column, `dummy`; Athena stores its columns, and clients read them. */
import { UpdateTableCommand } from '@aws-sdk/client-glue';
import { toTableInput } from '../../src/lib/aws/catalog.ts';
import { findTable } from '../../src/stage/tables.ts';
import type { Upstream } from '../aws.ts';
import { SqlReader } from './sqlReader.ts';
import type { TrinoResult, TypeSignature } from './trinoClient.ts';

export interface ViewName {
  readonly database: string;
  readonly view: string;
}

/** The view that a statement creates; null for any other statement. */
export function createdView(sql: string, database: string): ViewName | null {
  const reader = new SqlReader(sql);
  if (!reader.take('CREATE')) return null;
  reader.takeAll('OR', 'REPLACE');
  if (!reader.take('VIEW')) return null;
  const name = reader.name();
  return { database: name.database ?? database, view: name.table.toLowerCase() };
}

/** Gives a view its columns. Does nothing if somebody has dropped it meanwhile. */
export async function storeColumns(
  { glue }: Pick<Upstream, 'glue'>,
  { database, view }: ViewName,
  columns: TrinoResult['columns'],
): Promise<void> {
  const table = await findTable({ glue }, database, view);
  if (table === undefined) return;
  const Columns = columns.map(({ name, typeSignature }) => ({ Name: name, Type: hiveType(typeSignature) }));
  const StorageDescriptor = { ...table.StorageDescriptor, Columns };
  const TableInput = { ...toTableInput(table), StorageDescriptor };
  await glue.send(new UpdateTableCommand({ DatabaseName: database, TableInput }));
}

/** https://docs.aws.amazon.com/athena/latest/ug/data-types.html */
const hiveNames: Readonly<Record<string, string>> = {
  integer: 'int',
  real: 'float',
  varbinary: 'binary',
};
/** The length of a varchar without one. */
const unbounded = '2147483647';

/** A type of Trino in the notation of the Data Catalog. */
export function hiveType({ rawType, arguments: args }: TypeSignature): string {
  const inner = args.map((argument) => {
    if (argument.kind === 'LONG') return argument.value;
    if (argument.kind === 'TYPE') return hiveType(argument.value);
    const { fieldName, typeSignature } = argument.value;
    return `${fieldName?.name ?? ''}:${hiveType(typeSignature)}`;
  });
  switch (rawType) {
    case 'varchar':
      return inner[0] === undefined || inner[0] === unbounded ? 'string' : `varchar(${inner[0]})`;
    case 'char':
    case 'decimal':
      return `${rawType}(${inner.join(',')})`;
    case 'array':
    case 'map':
      return `${rawType}<${inner.join(',')}>`;
    case 'row':
      return `struct<${inner.join(',')}>`;
    default:
      // The precision of a timestamp is no part of its type there.
      return hiveNames[rawType] ?? rawType;
  }
}
