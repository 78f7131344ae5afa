/** The files that Athena writes for a query: https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { parseAddress, type Upstream } from '../aws.ts';
import type { Engine, QueryResult, ResultColumn } from './engine.ts';
import type { Substatement } from './substatement.ts';

interface Query {
  readonly id: string;
  readonly kind: ReturnType<Engine['kindOf']>;
  readonly substatement: Substatement | undefined;
}

/** The address of the result file. A statement that writes rows has none, and its other files have this address and a suffix. */
export function outputLocation(folder: string, { id, kind, substatement }: Query): string {
  if (substatement === 'CREATE_TABLE_AS_SELECT') return `${folder}tables/${id}`;
  if (substatement === 'INSERT' || substatement === 'UNLOAD') return `${folder}${id}`;
  return `${folder}${id}.${kind === 'DML' ? 'csv' : 'txt'}`;
}

/** The address of the data manifest, which names the files that a statement wrote. */
export const manifestOf = (location: string): string => `${location.replace(/\.\w+$/, '')}-manifest.csv`;

/** Whether a result begins with the names of its columns. That of a plan does, too. */
export const hasHeader = (
  kind: Query['kind'],
  substatement: Substatement | undefined,
  { columns, isWrite }: QueryResult,
): boolean => (kind === 'DML' && columns.length > 0 && !isWrite) || substatement === 'EXPLAIN';

/**
 * Writes a query's result as CSV, with every value in quotes and NULL as nothing, and DDL's result as plain text with one row per
 * line; beside it the columns; and the data manifest of a statement that wrote files.
 */
export async function writeResultFiles(
  { s3 }: Upstream,
  { id, kind, substatement, location }: Query & { readonly location: string },
  result: QueryResult,
): Promise<void> {
  const put = async (address: string, body: Buffer, ContentType: string) => {
    const { bucket: Bucket, key: Key } = parseAddress(address);
    // As bytes, because the SDK does not know the length of an empty text.
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: body, ContentType }));
  };
  const lines = (all: readonly string[]) => Buffer.from(all.map((line) => `${line}\n`).join(''));
  if (!result.isWrite) {
    const isCsv = kind === 'DML';
    const all = hasHeader(kind, substatement, result)
      ? [result.columns.map((c) => c.name), ...result.rows]
      : result.rows;
    const rows = all.map((row) => (isCsv ? row.map(quote).join(',') : row.join('\t')));
    await put(location, lines(rows), isCsv ? 'text/csv' : 'text/plain');
  }
  if (result.written) await put(manifestOf(location), lines(result.written), 'text/csv');
  await put(`${location}.metadata`, columnsAsBinary(id, result.columns), 'binary/octet-stream');
}

const quote = (value: string | null) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`);

/** A protobuf message: 1 is the query, and 4 is a column each. AWS does not document it; JDBC drivers read it. */
function columnsAsBinary(query: string, columns: readonly ResultColumn[]): Buffer {
  const column = ({ name, type, precision, scale }: ResultColumn) =>
    Buffer.concat([
      bytesField(1, 'hive'),
      bytesField(4, name),
      bytesField(5, name),
      bytesField(6, type),
      numberField(7, precision),
      numberField(8, scale),
      // Nobody knows whether it can be NULL.
      numberField(9, 3),
      numberField(10, type === 'varchar' ? 1 : 0),
    ]);
  return Buffer.concat([bytesField(1, query), ...columns.map((c) => bytesField(4, column(c)))]);
}

/** https://protobuf.dev/programming-guides/encoding/ */
function bytesField(field: number, value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
}

const numberField = (field: number, value: number): Buffer =>
  Buffer.concat([varint(field * 8), varint(value)]);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}
