/** Athena's engine without a JVM: DuckDB over the registered partitions of the local Catalog, and DDL on that Catalog. */

import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import * as z from 'zod';
import { isIceberg } from '../../src/lib/aws/catalog.ts';
import { defaultPartition } from '../../src/lib/catalog/partitionPath.ts';
import { columnBesidePath, duckType, identifier, list, literal } from '../../src/lib/dialect/duckdbNames.ts';
import { rowsLeft } from '../../src/lib/engine/deletes.ts';
import { type HiveType, parseHiveType } from '../../src/lib/model/hiveType.ts';
import { chunksOf, parallel } from '../../src/lib/parallel.ts';
import { deletesFinder, isOwnOf, objectIn } from '../../src/lib/table/iceberg/deletes.ts';
import { refOf } from '../../src/lib/table/iceberg/files.ts';
import { contents } from '../../src/lib/table/iceberg/manifest.ts';
import { type Metadata, type Snapshot, schemaOf, specOf } from '../../src/lib/table/iceberg/metadata.ts';
import { liveEntries } from '../../src/lib/table/iceberg/snapshot.ts';
import { hiveOf, type Type } from '../../src/lib/table/iceberg/types.ts';
import type { Value } from '../../src/lib/table/iceberg/values.ts';
import { findTable, listPartitions } from '../../src/stage/tables.ts';
import { objectsBelow, type StoredObject, type Upstream } from '../aws.ts';
import { type PastTable, type State, separatePast, snapshotIn } from './asOf.ts';
import { catalogName } from './catalogs.ts';
import type { QueryResult, SqlEngine } from './engine.ts';
import { type CheckedQuery, checkQuery } from './guard.ts';
import { type IcebergTable, readIceberg } from './icebergTable.ts';
import { notSupported, QueryError } from './queryError.ts';
import { SqlReader } from './sqlReader.ts';
import { athenaText, athenaType } from './values.ts';

/** Athena's functions that have another name or meaning in DuckDB. */
export const athenaMacros = [
  'date_format(t, f) AS strftime(t, f)',
  'cardinality(a) AS len(a)',
  'regexp_like(t, p) AS regexp_matches(t, p)',
  // NULL without a match, where DuckDB's own is empty.
  'regexp_extract(t, p) AS CASE WHEN regexp_matches(t, p) THEN system.main.regexp_extract(t, p) END',
  'to_unixtime(t) AS epoch(t)',
  // Of no rows it is 0, as in Trino, and not NULL.
  'count_if(c) AS count(CASE WHEN c THEN 1 END)',
  // NULL where one is NULL; DuckDB's own leaves it out.
  'greatest(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a > b THEN a ELSE b END',
  // DuckDB's own approximation is far off for few values.
  'approx_distinct(v) AS count(DISTINCT v)',
  'json_format(j) AS CAST(j AS VARCHAR)',
  // Exact, where Trino keeps so many candidates; NULL of no values.
  `approx_most_frequent(n, v, candidates) AS CASE WHEN count(v) > 0 THEN map_from_entries(list_transform(
    list_reverse_sort(list_transform(map_entries(histogram(v)), lambda e: {n: e.value, k: e.key}))[1:n],
    lambda e: {k: e.k, v: e.n})) END`,
  // The only letter for which DuckDB and Java differ.
  "upper(t) AS array_to_string(list_transform(string_split(t, 'ß'), lambda part: system.main.upper(part)), 'ß')",
];

/** Where tables and their files are. */
type Lake = Pick<Upstream, 'glue' | 's3'>;

/** `folder` caches downloaded objects. A data file never changes: bucket, key and ETag identify it. */
export async function createDuckDbEngine(upstream: Lake, folder: string): Promise<SqlEngine> {
  const instance = await DuckDBInstance.create(':memory:', { autoinstall_known_extensions: 'false' });
  return {
    async check({ sql }) {
      checkQuery(separatePast(new SqlReader(sql).withDoubles()).sql);
    },
    async run({ sql: asked, database, parameters, signal }) {
      const { sql, past } = separatePast(
        new SqlReader(new SqlReader(asked).withParameters(parameters)).withDoubles(),
      );
      const checked = checkQuery(sql);
      const db = await instance.connect();
      const interrupt = () => db.interrupt();
      signal.addEventListener('abort', interrupt);
      try {
        await db.run(
          "SET TimeZone = 'UTC'; SET integer_division = true; SET default_null_order = 'nulls_last'",
        );
        return await query(
          upstream,
          folder,
          db,
          new SqlReader(sql).withTypedTexts(),
          database,
          checked,
          past,
        );
      } finally {
        signal.removeEventListener('abort', interrupt);
        db.closeSync();
      }
    },
  };
}

/** Runs in a database of its own, so that two queries at once do not share views. */
async function query(
  upstream: Lake,
  folder: string,
  db: DuckDBConnection,
  sql: string,
  database: string,
  checked: CheckedQuery,
  past: ReadonlyMap<string, PastTable>,
): Promise<QueryResult> {
  const catalog = `q_${randomUUID().replaceAll('-', '')}`;
  await db.run(`ATTACH ':memory:' AS ${identifier(catalog)}`);
  try {
    await db.run(`USE ${identifier(catalog)}`);
    let scannedBytes = 0;
    const seen = new Set<string>();
    const types = new Map<string, string[]>();
    for (const ref of checked.tables) {
      const older = past.get(ref.table);
      const schema = ref.database ?? database;
      const name = `${identifier(schema)}.${identifier(ref.table)}`;
      if (seen.has(name)) continue;
      seen.add(name);
      await db.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(schema)}`);
      const asked = {
        database: older?.database ?? schema,
        table: older?.table ?? ref.table,
        state: older?.state,
      };
      const view = await createView(upstream, folder, db, name, asked, checked.readsPath);
      scannedBytes += view.scannedBytes;
      for (const { name: column, type } of view.columns)
        types.set(column, [...(types.get(column) ?? []), type]);
    }
    checked.checkTypes((column) => types.get(column.toLowerCase()) ?? []);
    await db.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(database)}`);
    await db.run(`USE ${identifier(catalog)}.${identifier(database)}`);
    for (const macro of athenaMacros) await db.run(`CREATE MACRO ${macro}`);
    return { ...(await read(db, sql, checked)), scannedBytes };
  } finally {
    await db.run('USE memory');
    await db.run(`DETACH ${identifier(catalog)}`);
  }
}

async function read(
  db: DuckDBConnection,
  sql: string,
  { namesOf }: CheckedQuery,
): Promise<Omit<QueryResult, 'scannedBytes'>> {
  try {
    const reader = await db.runAndReadAll(sql);
    const types = reader.columnTypes();
    return {
      columns: namesOf(reader.columnNames()).map((name, i) => ({ name, ...athenaType(types[i]) })),
      rows: reader.getRows().map((row) => row.map((value, i) => athenaText(value, types[i]))),
      updateCount: 0,
    };
  } catch (error) {
    if (error instanceof QueryError) throw error;
    const message = (error instanceof Error ? error.message : String(error)).replace(/^Error: /, '');
    const [line = ''] = message.split('\n');
    // DuckDB cannot parse it, but Athena may.
    if (/^(Parser|Not implemented) Error/.test(line)) throw notSupported(line);
    throw new QueryError(`${codeOf(line)}: ${line}`);
  }
}

/** Athena's error code for DuckDB's message. */
function codeOf(message: string): string {
  if (/^Binder Error: Referenced (column|table)/.test(message)) return 'COLUMN_NOT_FOUND';
  if (/^Binder Error: .*(Cannot compare|No function matches|Cannot mix|explicit cast)/.test(message))
    return 'TYPE_MISMATCH';
  if (/^Binder Error: .*GROUP BY/.test(message)) return 'EXPRESSION_NOT_AGGREGATE';
  if (/^Conversion Error/.test(message)) return 'INVALID_CAST_ARGUMENT';
  if (/^Out of Range Error/.test(message)) return 'NUMERIC_VALUE_OUT_OF_RANGE';
  return 'SYNTAX_ERROR';
}

/** The DuckDB type of a type in the Catalog. Throws QueryError. */
function duckTypeOf(type: HiveType): string {
  if (type.kind === 'array') return `${duckTypeOf(type.element)}[]`;
  if (type.kind === 'struct')
    return `STRUCT(${type.fields.map((f) => `${identifier(f.name)} ${duckTypeOf(f.type)}`).join(', ')})`;
  try {
    return duckType(type.name).replace('TIMESTAMPTZ', 'TIMESTAMP');
  } catch {
    throw notSupported(`a column of the type ${type.name}`);
  }
}

/** A view of a Hive table's registered partitions: https://docs.aws.amazon.com/athena/latest/ug/show-partitions.html. Throws QueryError. */
async function createPartitionsView(
  upstream: Lake,
  db: DuckDBConnection,
  view: string,
  database: string,
  name: string,
): Promise<View> {
  const table = await findTable(upstream, database, name);
  if (table && isIceberg(table)) throw notSupported(`"${name}$partitions" of an Iceberg table`);
  const keys = (table?.PartitionKeys ?? []).map((c) => ({ name: c.Name ?? '', type: c.Type ?? '' }));
  if (!table || keys.length === 0)
    throw new QueryError(
      `TABLE_NOT_FOUND: Table '${catalogName}.${database}."${name}$partitions"' does not exist`,
    );
  const types = keys.map(({ type }) => duckTypeOf(parseHiveType(type)));
  await db.run(
    `CREATE TABLE ${view} (${keys.map((key, i) => `${identifier(key.name)} ${types[i]}`).join(', ')})`,
  );
  const value = (text: string) => (text === defaultPartition ? 'NULL' : literal(text));
  for (const some of chunksOf(await listPartitions(upstream, database, table.Name), 1000))
    await db.run(
      `INSERT INTO ${view} VALUES ${some.map(({ values }) => `(${values.map(value).join(', ')})`).join(', ')}`,
    );
  return { scannedBytes: 0, columns: keys };
}

/** A view over the files of a table's registered partitions. Gives their bytes, and the columns. Throws QueryError. */
async function createView(
  upstream: Lake,
  folder: string,
  db: DuckDBConnection,
  view: string,
  { database, table: name, state }: { database: string; table: string; state: State | undefined },
  hasPath: boolean,
): Promise<View> {
  if (database === 'information_schema') throw notSupported('information_schema');
  const [, ofPartitions] = /^(.*)\$partitions$/.exec(name) ?? [];
  if (ofPartitions !== undefined) return createPartitionsView(upstream, db, view, database, ofPartitions);
  const table = await findTable(upstream, database, name);
  if (!table)
    throw new QueryError(`TABLE_NOT_FOUND: Table '${catalogName}.${database}.${name}' does not exist`);
  const iceberg = await readIceberg(upstream, table);
  if (iceberg) {
    const snapshot = state && snapshotIn(iceberg.metadata, name, state);
    return createIcebergView(upstream, folder, db, view, { ...iceberg, snapshot }, hasPath);
  }
  if (state) throw new QueryError('NOT_SUPPORTED: This connector does not support versioned tables');
  if (!table.StorageDescriptor?.InputFormat?.includes('Parquet'))
    throw notSupported(`the table ${database}.${name}, whose files are not Parquet`);
  if (table.Parameters?.['projection.enabled'] === 'true')
    throw notSupported(`partition projection (table ${database}.${name})`);
  const keys = table.PartitionKeys ?? [];
  const places =
    keys.length === 0
      ? [{ location: table.StorageDescriptor.Location ?? '', values: [] }]
      : await listPartitions(upstream, database, table.Name);
  const files = (
    await parallel(places, 8, async ({ location, values }) =>
      (await listFiles(upstream, location)).map((file) => ({ ...file, values })),
    )
  ).flat();
  const local = await parallel(files, 8, async (file) => ({
    ...file,
    path: await download(upstream, folder, file),
  }));
  const columns = table.StorageDescriptor.Columns ?? [];
  const known = [...columns, ...keys].map((c) => ({ name: c.Name ?? '', type: c.Type ?? '' }));
  const types = known.map(({ name: column, type }) => ({
    name: column,
    type: duckTypeOf(parseHiveType(type)),
  }));
  const empty = types.map((c) => `NULL::${c.type} AS ${identifier(c.name)}`);
  const none = `SELECT ${[...empty, ...(hasPath ? ['NULL::VARCHAR AS "$path"'] : [])].join(', ')} WHERE false`;
  if (local.length === 0) {
    await db.run(`CREATE VIEW ${view} AS ${none}`);
    return { scannedBytes: 0, columns: known };
  }
  const partitionTable = `${view.slice(0, -1)}$files"`;
  await db.run(
    `CREATE TABLE ${partitionTable} AS FROM (VALUES ${local
      .map((f) => `(${[f.path, f.address, ...f.values].map(literal).join(', ')})`)
      .join(
        ', ',
      )}) AS t(${['$local', '$path', ...keys.map((k) => k.Name ?? '')].map(identifier).join(', ')})`,
  );
  const present = await db.runAndReadAll(
    `SELECT DISTINCT name FROM parquet_schema(${list(local.map((f) => literal(f.path)))}) WHERE name <> 'duckdb_schema'`,
  );
  const available = new Set(present.getRows().map(([n]) => String(n).toLowerCase()));
  const selected = types.slice(0, columns.length).map((c) => {
    const source = available.has(c.name) ? `(${columnBesidePath('r', c.name)})` : 'NULL';
    // In Hive tables Athena's timestamps have milliseconds.
    return c.type === 'TIMESTAMP'
      ? `make_timestamp(round(epoch_us(${source}::TIMESTAMPTZ) / 1000.0)::BIGINT * 1000) AS ${identifier(c.name)}`
      : `${source}::${c.type} AS ${identifier(c.name)}`;
  });
  const keyColumns = types
    .slice(columns.length)
    .map(
      (c) =>
        `nullif(f.${identifier(c.name)}, ${literal(defaultPartition)})::${c.type} AS ${identifier(c.name)}`,
    );
  await db.run(`
    CREATE VIEW ${view} AS
    SELECT ${[...selected, ...keyColumns, ...(hasPath ? ['f."$path"'] : [])].join(', ')}
    FROM read_parquet(${list(local.map((f) => literal(f.path)))}, filename = '$local', union_by_name = true, hive_partitioning = false) r
    JOIN ${partitionTable} f ON r."$local" = f."$local"`);
  return { scannedBytes: files.reduce((sum, f) => sum + f.size, 0), columns: known };
}

/**
 * A view over the objects of a snapshot of an Iceberg table, the current one by default. Columns are found by their field ids, as the spec says, or by the
 * table's name mapping in objects without ids; values of identity partitions may be in the metadata only. Throws QueryError for a table from
 * which another engine has deleted rows with delete files.
 */
async function createIcebergView(
  upstream: Lake,
  folder: string,
  db: DuckDBConnection,
  view: string,
  { metadata, files, snapshot }: IcebergTable & { readonly snapshot: Snapshot | undefined },
  hasPath: boolean,
): Promise<View> {
  const all = await liveEntries(files, metadata, snapshot);
  const entries = all.filter(({ file }) => file.content === contents.data);
  const deletes = all.filter(({ file }) => file.content !== contents.data);
  if (deletes.some((each) => !isOwnOf(each, objectIn(each.file) ?? '')))
    throw notSupported('a table with deletes that are merged on reading; OPTIMIZE it on Trino first');
  const find = deletesFinder(deletes);
  const fetch = (path: string) => {
    const { bucket, key } = refOf(path);
    return download(upstream, folder, { bucket, key, address: path, etag: '', size: 0 });
  };
  const { fields } = schemaOf(metadata, snapshot?.['schema-id']);
  const columns = fields.map(({ id, name, type }) => ({
    id,
    name,
    type: hiveOf(type),
    duck: icebergType(name, type),
  }));
  const names = namesOf(metadata);
  const selects = await parallel(entries, 8, async (entry) => {
    const { file, specId } = entry;
    const path = await fetch(file.path);
    const gone = await parallel(find(entry), 4, (each) => fetch(each.file.path));
    const inFile = await topLevel(db, path);
    const hasIds = [...inFile.values()].some((id) => id !== null);
    const identities = new Map(
      specOf(metadata, specId)
        .fields.filter((f) => f.transform === 'identity')
        .map((f) => [f['source-id'], f['field-id']]),
    );
    const selected = columns.map(({ id, name, type, duck }) => {
      const column = [...inFile].find(([own, ownId]) =>
        hasIds ? ownId === id : (names.get(id) ?? [name]).includes(own),
      )?.[0];
      const partition = identities.get(id);
      const source =
        column !== undefined
          ? identifier(column)
          : partition === undefined
            ? 'NULL'
            : partitionValue(file.partition.get(partition), type);
      return `${source}::${duck} AS ${identifier(name)}`;
    });
    const whole = `read_parquet(${literal(path)}, hive_partitioning = false)`;
    const rows = gone.length === 0 ? whole : rowsLeft(whole, `read_parquet(${list(gone.map(literal))})`);
    return `SELECT ${[...selected, ...(hasPath ? [`${literal(file.path)} AS "$path"`] : [])].join(', ')} FROM ${rows}`;
  });
  const empty = columns.map(({ name, duck }) => `NULL::${duck} AS ${identifier(name)}`);
  const none = `SELECT ${[...empty, ...(hasPath ? ['NULL::VARCHAR AS "$path"'] : [])].join(', ')} WHERE false`;
  await db.run(`CREATE VIEW ${view} AS ${[none, ...selects].join(' UNION ALL ')}`);
  return { scannedBytes: all.reduce((sum, { file }) => sum + Number(file.bytes), 0), columns };
}

/** The names by which a column is known in objects without field ids. https://iceberg.apache.org/spec/#column-projection */
function namesOf(metadata: Metadata): ReadonlyMap<number, readonly string[]> {
  const mapping = metadata.properties?.['schema.name-mapping.default'];
  if (mapping === undefined) return new Map();
  const fields = z
    .array(z.looseObject({ 'field-id': z.int().optional(), names: z.array(z.string()) }))
    .parse(JSON.parse(mapping));
  return new Map(fields.flatMap(({ 'field-id': id, names }) => (id === undefined ? [] : [[id, names]])));
}

/** The columns of a Parquet file, with their field ids. */
async function topLevel(db: DuckDBConnection, path: string): Promise<Map<string, number | null>> {
  const reader = await db.runAndReadAll(
    `SELECT name, field_id, num_children FROM parquet_schema(${literal(path)})`,
  );
  const rows = reader.getRows();
  const found = new Map<string, number | null>();
  // The rows are a tree in which each node comes before its children. The first row is the root.
  for (let at = 1; at < rows.length; ) {
    const [name, id] = rows[at] ?? [];
    found.set(String(name), id === null || id === undefined ? null : Number(id));
    for (let open = 1; open > 0 && at < rows.length; at++) open += Number(rows[at]?.[2] ?? 0) - 1;
  }
  return found;
}

const partitionValue = (value: Value | null | undefined, type: string): string => {
  if (value === null || value === undefined) return 'NULL';
  if (['string', 'int', 'bigint', 'boolean'].includes(type)) return literal(String(value));
  throw notSupported(`a partition by a column of the type ${type}`);
};

/** Athena prints timestamps without a zone, and timestamps inside other values, in another form than this setup of DuckDB. */
function icebergType(name: string, type: Type): string {
  if (type === 'timestamptz') return 'TIMESTAMPTZ';
  const hive = hiveOf(type);
  if (hive.includes('timestamp')) throw notSupported(`the type of the column ${name}`);
  return duckTypeOf(parseHiveType(hive));
}

interface View {
  readonly scannedBytes: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** Hive reads every file below a location, but not names that begin with a dot or an underscore. */
async function listFiles(upstream: Lake, location: string): Promise<StoredObject[]> {
  const all = await Array.fromAsync(objectsBelow(upstream, location));
  return all.filter(({ key, size }) => size > 0 && !/^[._]/.test(key.split('/').at(-1) ?? ''));
}

async function download({ s3 }: Lake, folder: string, file: StoredObject): Promise<string> {
  const name = createHash('sha256').update(`${file.address}\n${file.etag}`).digest('hex');
  const path = join(folder, `${name}.parquet`);
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: file.bucket, Key: file.key }));
  const part = `${path}.${randomUUID()}`;
  await pipeline(Body as Readable, createWriteStream(part));
  await rename(part, path);
  return path;
}
