/** Athena's queries, CTAS, INSERT, UNLOAD and views on Trino. Statements are rewritten where Athena's syntax differs, and answers have Athena's wording. */
import { randomUUID } from 'node:crypto';
import { CreateDatabaseCommand, DeleteDatabaseCommand, DeleteTableCommand } from '@aws-sdk/client-glue';
import { identifier, literal } from '../../src/lib/dialect/athenaNames.ts';
import { findTable } from '../../src/stage/tables.ts';
import { objectsBelow, type Upstream } from '../aws.ts';
import { catalogName, icebergCatalog } from './catalogs.ts';
import { done } from './ddlTold.ts';
import type { ResultColumn, SqlEngine } from './engine.ts';
import {
  changeIcebergTable,
  createIcebergTable,
  icebergSettings,
  icebergTarget,
  inCatalog,
  optimize,
  type Retention,
  vacuum,
} from './icebergStatements.ts';
import { readIceberg } from './icebergTable.ts';
import { notSupported, QueryError } from './queryError.ts';
import { SqlReader } from './sqlReader.ts';
import { nameOf, type TrinoClient, TrinoError, type TrinoResult, type TypeSignature } from './trinoClient.ts';
import { createdView, storeColumns } from './trinoViews.ts';
import { precisions } from './values.ts';
import { outputOf, writtenBy } from './writtenFiles.ts';

export function createTrinoEngine(upstream: Upstream, client: () => Promise<TrinoClient>): SqlEngine {
  return {
    async check({ sql, database }) {
      try {
        const { sql: statement } = rewrite(sql, { database, output: '', retention: defaultRetention });
        await (await client()).run(`${prepare}${statement}`, database);
      } catch (error) {
        if (error instanceof TrinoError && error.code === 'SYNTAX_ERROR')
          throw new QueryError(`SYNTAX_ERROR: ${correctedLine(error.message)}`);
        throw asQueryError(error);
      }
    },
    async run({ sql: asked, database, parameters, tables: output, signal }) {
      const sql = new SqlReader(asked).withDoubles();
      const retention = await retentionOf(upstream, sql, database);
      const statement = rewrite(sql, { database, output, retention });
      const { passing } = statement;
      if (statement.emptyFolder !== undefined) await mustBeEmpty(upstream, statement.emptyFolder);
      const target = statement.emptyFolder ?? statement.folder ?? (await outputOf(upstream, sql, database));
      try {
        if (passing !== undefined)
          await upstream.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: passing.database } }));
        const ask = async (one: string) =>
          (await client()).run(one, database, { signal, session: statement.session });
        if (statement.select !== undefined)
          mustFitIceberg(
            await ask(withParameters(`SELECT * FROM (${statement.select}) LIMIT 0`, parameters)),
          );
        const result = await ask(withParameters(statement.sql, parameters));
        for (const next of statement.next ?? []) await ask(next);
        const created = createdView(sql, database);
        if (created !== null) {
          const name = [created.database, created.view].map(identifier).join('.');
          await storeColumns(upstream, created, (await ask(`SELECT * FROM ${name} LIMIT 0`)).columns);
        }
        // Trino tells what a procedure did, and Athena does not.
        if (statement.isSilent) return { ...done(), scannedBytes: result.scannedBytes };
        const isWrite = result.updateCount !== undefined;
        return {
          columns: result.columns.map(columnOf),
          rows: isWrite
            ? []
            : result.rows.map((row) =>
                row.map((value, i) => textOf(value, result.columns[i]?.typeSignature)),
              ),
          isWrite,
          updateCount: result.updateCount ?? 0,
          scannedBytes: result.scannedBytes,
          scannedRows: result.scannedRows,
          ...(target === undefined ? {} : { written: await writtenBy(upstream, target, result.id) }),
        };
      } catch (error) {
        throw asQueryError(error);
      } finally {
        // The files stay, because the table is external.
        if (passing !== undefined) {
          const { glue } = upstream;
          await glue
            .send(new DeleteTableCommand({ DatabaseName: passing.database, Name: passing.table }))
            .catch(() => {});
          await glue.send(new DeleteDatabaseCommand({ Name: passing.database })).catch(() => {});
        }
      }
    },
  };
}

const prepare = 'PREPARE statement FROM ';

/** A statement in Trino's syntax. */
interface Rewritten {
  readonly sql: string;
  /** Further statements, which are part of Athena's one statement. */
  readonly next?: readonly string[];
  readonly session: Readonly<Record<string, string>>;
  /** The folder that the statement writes to. Athena requires it to be empty. */
  readonly emptyFolder?: string;
  /** The folder that the statement writes to, if it is not required to be empty. */
  readonly folder?: string;
  /** A table that exists only while the statement runs, in a database of its own: UNLOAD needs none. */
  readonly passing?: { readonly database: string; readonly table: string };
  /** The query whose rows become an Iceberg table. */
  readonly select?: string;
  /** It has no result. */
  readonly isSilent?: boolean;
}

interface Context {
  readonly database: string;
  /** The folder for new tables whose statement names no location. */
  readonly output: string;
  readonly retention: Retention;
}

/** Throws QueryError. */
function rewrite(sql: string, { database, output, retention }: Context): Rewritten {
  const upkeep = optimize(sql, database) ?? vacuum(sql, database, retention);
  const ofIceberg = upkeep ?? createIcebergTable(sql, database) ?? changeIcebergTable(sql, database);
  if (ofIceberg) {
    const [first = '', ...next] = ofIceberg;
    return { sql: first, next, session: {}, isSilent: upkeep !== null };
  }
  const reader = new SqlReader(sql);
  if (reader.take('UNLOAD')) return unload(reader);
  if (reader.takeAll('CREATE', 'TABLE')) return createTableAs(reader, database, output);
  return { sql: reader.whole(), session: {} };
}

/** Athena's own: five days. */
const defaultRetention: Retention = { maxAgeSeconds: 432_000 };

/** Reads from the table's properties what VACUUM may remove. */
async function retentionOf(upstream: Upstream, sql: string, database: string): Promise<Retention> {
  const target = icebergTarget(sql);
  if (target === null || new SqlReader(sql).peek().toUpperCase() !== 'VACUUM') return defaultRetention;
  const table = await readIceberg(
    upstream,
    await findTable(upstream, target.database ?? database, target.table),
  );
  const age = table?.metadata.properties?.vacuum_max_snapshot_age_seconds;
  return age === undefined ? defaultRetention : { maxAgeSeconds: Number(age) };
}

type Properties = ReadonlyMap<string, Property>;

/** UNLOAD as a CTAS whose table is deleted from the Catalog afterwards. https://docs.aws.amazon.com/athena/latest/ug/unload.html */
function unload(reader: SqlReader): Rewritten {
  const select = reader.parenthesis();
  reader.must('TO');
  const location = reader.text();
  const properties = reader.take('WITH') ? reader.properties() : new Map<string, Property>();
  reader.end(null);
  if (!properties.has('format')) throw new QueryError("SYNTAX_ERROR: UNLOAD needs the property 'format'");
  const { compression = 'GZIP', ...settings } = Object.fromEntries(properties);
  const name = `unload_${randomUUID().replaceAll('-', '_')}`;
  const table = { name, database: name, location, select };
  const all = new Map([...Object.entries(settings), ['write_compression', compression] as const]);
  return { ...tableAs(table, all), passing: { database: name, table: name } };
}

/** https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html#ctas-table-properties */
function createTableAs(reader: SqlReader, current: string, output: string): Rewritten {
  const ifNotExists = reader.takeAll('IF', 'NOT', 'EXISTS');
  const { database, table } = reader.name();
  const properties = reader.take('WITH') ? reader.properties() : new Map<string, Property>();
  reader.must('AS');
  if (String(properties.get('table_type')).toUpperCase() === 'ICEBERG') {
    const codec = properties.get('write_compression');
    const location = properties.get('location');
    const select = reader.rest();
    return {
      select,
      ...(location === undefined ? {} : { folder: String(location) }),
      sql: [
        `CREATE TABLE ${ifNotExists ? 'IF NOT EXISTS ' : ''}${inCatalog({ database, table }, current)}`,
        `WITH (${icebergSettings(properties).join(', ')}) AS ${select}`,
      ].join(' '),
      session:
        codec === undefined ? {} : { [`${icebergCatalog}.compression_codec`]: String(codec).toUpperCase() },
    };
  }
  return tableAs(
    { name: table, database, ifNotExists, location: `${output}${table}/`, select: reader.rest() },
    properties,
  );
}

function tableAs(
  table: {
    name: string;
    database?: string | undefined;
    ifNotExists?: boolean;
    location: string;
    select: string;
  },
  properties: Properties,
): Rewritten {
  const session: Record<string, string> = {};
  const settings: string[] = [];
  let { location } = table;
  for (const [key, value] of properties)
    switch (key) {
      case 'table_type':
      case 'is_external':
        // A table of another kind than these does not come here.
        if (!['HIVE', 'TRUE'].includes(String(value).toUpperCase()))
          throw notSupported(`the property ${key} = ${value} of CREATE TABLE AS`);
        break;
      case 'external_location':
        location = String(value);
        break;
      case 'format':
        settings.push(`format = ${literalOf(String(value).toUpperCase())}`);
        break;
      case 'write_compression':
      case 'parquet_compression':
      case 'orc_compression':
        session[`${catalogName}.compression_codec`] = String(value).toUpperCase();
        break;
      case 'field_delimiter':
        settings.push(`textfile_field_separator = ${literalOf(value)}`);
        break;
      case 'partitioned_by':
      case 'bucketed_by':
      case 'bucket_count':
        settings.push(`${key} = ${literalOf(value)}`);
        break;
      default:
        throw notSupported(`the property ${key} of CREATE TABLE AS and UNLOAD`);
    }
  // Athena's default; Trino's is ORC.
  if (!properties.has('format')) settings.push("format = 'PARQUET'");
  settings.push(`external_location = ${literalOf(location)}`);
  const name = [...(table.database === undefined ? [] : [table.database]), table.name]
    .map(identifier)
    .join('.');
  return {
    sql: `CREATE TABLE ${table.ifNotExists ? 'IF NOT EXISTS ' : ''}${name} WITH (${settings.join(', ')}) AS ${table.select}`,
    session,
    emptyFolder: location,
  };
}

type Property = string | number | readonly string[];

const literalOf = (value: Property): string => {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return literal(value);
  return `ARRAY[${value.map(literalOf).join(', ')}]`;
};

/** Parameters are SQL literals, which replace the question marks. */
const withParameters = (sql: string, parameters: readonly string[]): string =>
  parameters.length === 0
    ? sql
    : `EXECUTE IMMEDIATE ${literal(sql)} USING ${parameters.map((p) => new SqlReader(p).withDoubles()).join(', ')}`;

/** Iceberg has microseconds. Trino would convert other times, and Athena rejects them. Throws QueryError. */
function mustFitIceberg({ columns }: Pick<TrinoResult, 'columns'>): void {
  const look = ({ rawType, arguments: args }: TypeSignature): void => {
    const [first] = args;
    if (rawType.startsWith('timestamp') && first?.kind === 'LONG' && first.value !== '6')
      throw new QueryError(
        `NOT_SUPPORTED: Timestamp precision (${first.value}) not supported for Iceberg. Use "timestamp(6)${rawType.slice('timestamp'.length)}" instead.`,
      );
    for (const argument of args) {
      if (argument.kind === 'TYPE') look(argument.value);
      if (argument.kind === 'NAMED_TYPE') look(argument.value.typeSignature);
    }
  };
  for (const { typeSignature } of columns) look(typeSignature);
}

async function mustBeEmpty(upstream: Upstream, location: string): Promise<void> {
  if (!location.startsWith('s3://')) return;
  const { done: isEmpty } = await objectsBelow(upstream, location).next();
  if (!isEmpty)
    throw new QueryError(`HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: ${location}`);
}

function asQueryError(error: unknown): unknown {
  if (!(error instanceof TrinoError)) return error;
  const tail =
    error.code === 'COLUMN_NOT_FOUND' ? ' or requester is not authorized to access requested resources' : '';
  const category = error.type === 'USER_ERROR' ? 2 : 1;
  return new QueryError(`${error.code}: ${error.message}${tail}`, category);
}

/** PREPARE stands before the statement, so columns in its first line are too large by its length. */
const correctedLine = (message: string): string =>
  message.replace(/^line 1:(\d+)/, (_, column) => `line 1:${Math.max(1, Number(column) - prepare.length)}`);

/** Athena's name of Trino's type real is float. */
function columnOf(column: { name: string; typeSignature: TypeSignature }): ResultColumn {
  const { rawType, arguments: args } = column.typeSignature;
  const type = rawType === 'real' ? 'float' : rawType;
  const [first, second] = args.flatMap((a) => (a.kind === 'LONG' ? [Number(a.value)] : []));
  return {
    name: column.name,
    type,
    precision: type === 'decimal' || type === 'char' ? (first ?? 0) : (precisions[type] ?? 0),
    scale: type === 'decimal' ? (second ?? 0) : 0,
  };
}

/** A value as Athena writes it; null for NULL. */
function textOf(value: unknown, type: TypeSignature | undefined): string | null {
  if (value === null || value === undefined) return null;
  const inner = (at: number): TypeSignature | undefined => {
    const argument = type?.arguments[at];
    if (argument?.kind === 'TYPE') return argument.value;
    return argument?.kind === 'NAMED_TYPE' ? argument.value.typeSignature : undefined;
  };
  if (type?.rawType === 'array' && Array.isArray(value))
    return `[${value.map((item) => textOf(item, inner(0)) ?? 'null').join(', ')}]`;
  if (type?.rawType === 'map' && typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `${nameOf(key)}=${textOf(item, inner(1)) ?? 'null'}`)
      .join(', ')}}`;
  if (type?.rawType === 'row' && Array.isArray(value))
    return `{${value
      .map((item, i) => {
        const argument = type.arguments[i];
        const name = argument?.kind === 'NAMED_TYPE' ? argument.value.fieldName?.name : undefined;
        return `${name ?? `field${i}`}=${textOf(item, inner(i)) ?? 'null'}`;
      })
      .join(', ')}}`;
  if (type?.rawType === 'varbinary')
    return Buffer.from(String(value), 'base64')
      .toString('hex')
      .replaceAll(/(..)(?=.)/g, '$1 ');
  return String(value);
}
