/** Rewrites published Parquet files: without the replaced rows, and with the new validity of versions. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { identifier, literal } from '../dialect/duckdbNames.ts';
import type { FieldIds } from '../model/plan.ts';
import { rowsIn, rowsLeft } from './deletes.ts';
import { fieldIdsOf, fieldIdsOption } from './fieldIds.ts';
import { inDuckdb } from './instance.ts';
import { namesIn } from './publishedKeys.ts';
import { isRewritten, type Rewritten } from './rewritten.ts';

export interface Rewriting {
  /** A local Parquet file, and the path of its rewritten copy. */
  readonly from: string;
  readonly to: string;
  /** The local copy of its delete file: rows that have left it are none of its rows. */
  readonly deletes?: string | undefined;
  /** The lineage columns of a row. */
  readonly columns: { readonly object: string; readonly version: string };
  /** The address of the file, if it has rows that newer ones replace. */
  readonly replacedAt?: string | undefined;
  /** The same, if it has rows whose validity is another one now. */
  readonly changedAt?: string | undefined;
}

/** The rows to remove. */
export interface Removed {
  /** All rows of these files. */
  readonly origins: readonly { object: string; version: string }[];
  /** Local Parquet files with rows that newer ones replace, by the address of their file (`_path`) and their key. */
  readonly replaced: readonly string[];
  /**
   * Local Parquet files with the rows whose validity is another one now: the address of their file (`_path`), their key, and `validTo`. The
   * column `current` says whether there is no such time.
   */
  readonly changed?: {
    readonly files: readonly string[];
    readonly validTo: string;
    readonly current: string;
  };
  /** The ids of the columns in an Iceberg table: an object may call the columns of the key by other names. */
  readonly ids?: FieldIds | undefined;
}

/**
 * How the rows of a file are counted and copied, as SQL over the variables `rewrite_from` (its path) and `rewrite_address` (its place in the
 * table), and the relations `origins`(o, v), `replaced`, `changes` and, for a file with a delete file, `hidden`(pos). It depends on the columns
 * of the file. Both engines run it.
 */
export interface RewriteSql {
  /** -> kept, removed, replaced and changed: see Rewritten. */
  readonly count: string;
  /** The rows that stay, in their order. */
  readonly rows: string;
  /** Of COPY. */
  readonly options: string;
}

/**
 * Gives the rows of each file. No copy is written if no row is removed or changed, or none is kept. Throws
 * EngineOutOfMemory if a file does not fit.
 */
export async function rewriteWithout(
  rewritings: readonly Rewriting[],
  removed: Removed,
): Promise<Rewritten[]> {
  return inDuckdb('a published file whose rows are replaced', async ({ db }) => {
    await db.run('SET preserve_insertion_order = true; CREATE TABLE origins (o VARCHAR, v VARCHAR)');
    const appender = await db.createAppender('origins');
    for (const { object, version } of removed.origins) {
      appender.appendVarchar(object);
      appender.appendVarchar(version);
      appender.endRow();
    }
    appender.closeSync();
    const losing = await losingIn(db, removed);
    const results: Rewritten[] = [];
    for (const rewriting of rewritings) {
      const { from, to, deletes, replacedAt, changedAt } = rewriting;
      if (deletes !== undefined) await db.run(`CREATE OR REPLACE VIEW hidden AS FROM ${rowsIn([deletes])}`);
      await db.run(
        `SET VARIABLE rewrite_from = ${literal(from)}; SET VARIABLE rewrite_address = ${literal(replacedAt ?? changedAt ?? '')}`,
      );
      const { count, rows, options } = await rewriteSql(
        db,
        from,
        { ...rewriting, isHidden: deletes !== undefined },
        losing,
      );
      const [counted] = (await db.runAndReadAll(count)).getRowObjectsJson();
      const result = {
        kept: Number(counted?.kept),
        removed: Number(counted?.removed),
        replaced: Number(counted?.replaced),
        ...(losing.changes === undefined || changedAt === undefined
          ? {}
          : { changed: Number(counted?.changed) }),
      };
      results.push(result);
      if (isRewritten(result)) await db.run(`COPY (${rows}) TO ${literal(to)} (${options})`);
    }
    return results;
  });
}

/** The columns of the lists of losing rows. */
interface Losing {
  readonly key: readonly KeyColumn[];
  readonly changes:
    | ({ readonly columns: readonly KeyColumn[] } & NonNullable<Removed['changed']>)
    | undefined;
  readonly ids: FieldIds | undefined;
}

/** Makes views of the lists. */
export async function losingIn(db: DuckDBConnection, { replaced, changed, ids }: Removed): Promise<Losing> {
  return {
    key: replaced.length === 0 ? [] : await viewOf(db, 'replaced', replaced),
    changes:
      changed === undefined || changed.files.length === 0
        ? undefined
        : { ...changed, columns: await viewOf(db, 'changes', changed.files) },
    ids,
  };
}

/** The SQL for a file; `from` may have the footer alone. `isHidden`: it has a delete file. */
export async function rewriteSql(
  db: DuckDBConnection,
  from: string,
  {
    columns,
    replacedAt,
    changedAt,
    isHidden,
  }: Pick<Rewriting, 'columns' | 'replacedAt' | 'changedAt'> & { readonly isHidden?: boolean | undefined },
  { key, changes, ids }: Losing,
): Promise<RewriteSql> {
  const rowsOfFile = isHidden ? rowsLeft(fileRows, 'hidden') : fileRows;
  const isOfOrigin = `(${identifier(columns.object)}, ${identifier(columns.version)}) IN (SELECT (o, v) FROM origins)`;
  // A condition without a value would remove a row.
  const isReplaced =
    replacedAt === undefined
      ? 'false'
      : `(NOT ${isOfOrigin} AND coalesce(${await valuesIn(db, from, key, ids)} IN (SELECT ${tupleOf(key.map(({ name }) => identifier(name)))} FROM replaced WHERE _path = ${place}), false))`;
  const isRemoved = `(${isOfOrigin} OR ${isReplaced})`;
  const changing =
    changes === undefined || changedAt === undefined
      ? undefined
      : await withChanges(db, { from, rows: rowsOfFile }, changes, ids);
  const counts = {
    kept: `NOT ${isRemoved}`,
    removed: isRemoved,
    replaced: isReplaced,
    changed: changing === undefined ? 'false' : `NOT ${isRemoved} AND __is_changed`,
  };
  const own = await fieldIdsOf(db, from);
  return {
    count: `SELECT ${Object.entries(counts)
      .map(([name, is]) => `count(*) FILTER (${is})::DOUBLE AS ${name}`)
      .join(', ')} FROM ${changing?.rows ?? rowsOfFile}`,
    rows:
      changing === undefined
        ? `FROM ${rowsOfFile} WHERE NOT ${isRemoved}`
        : `SELECT ${changing.selected} FROM ${changing.rows} WHERE NOT ${isRemoved} ORDER BY __row`,
    options: `FORMAT parquet, COMPRESSION zstd${fieldIdsOption(own && { ...own, ...changing?.ids })}`,
  };
}

/** Reads it as a file, so that folder names do not become columns. */
const fileRows = "read_parquet(getvariable('rewrite_from'), hive_partitioning = false)";
const place = "getvariable('rewrite_address')";

interface KeyColumn {
  readonly name: string;
  readonly type: string;
}

/** Makes a view of files with published rows, and gives the columns of their keys. */
async function viewOf(db: DuckDBConnection, name: string, files: readonly string[]): Promise<KeyColumn[]> {
  await db.run(
    `CREATE VIEW ${name} AS FROM read_parquet([${files.map(literal).join(', ')}], hive_partitioning = false)`,
  );
  return (await columnsOf(db, name)).filter((column) => !['_path', '_row'].includes(column.name));
}

async function columnsOf(db: DuckDBConnection, relation: string): Promise<KeyColumn[]> {
  const described = await db.runAndReadAll(`DESCRIBE FROM ${relation}`);
  return described
    .getRowObjectsJson()
    .map(({ column_name: name, column_type: type }) => ({ name: String(name), type: String(type) }));
}

/** The values of a file's rows in the columns of a key, with the types of these columns, as a tuple. */
async function valuesIn(
  db: DuckDBConnection,
  file: string,
  key: readonly KeyColumn[],
  ids: FieldIds | undefined,
): Promise<string> {
  const names = await namesOf(
    db,
    file,
    key.map(({ name }) => name),
    ids,
  );
  return tupleOf(names.map((name, i) => `CAST(${name} AS ${key[i]?.type})`));
}

/** Two tuples without a value at the same place are equal. A tuple has two values at least. */
const tupleOf = (values: readonly string[]): string => `(${['true', ...values].join(', ')})`;

/** The rows of a file with `__is_changed`, and the columns with their new values. A file that is older than the history gets its columns. */
async function withChanges(
  db: DuckDBConnection,
  { from, rows: rowsOfFile }: { readonly from: string; readonly rows: string },
  { validTo, current, columns }: NonNullable<Losing['changes']>,
  ids: FieldIds | undefined,
): Promise<{ rows: string; selected: string; ids: FieldIds }> {
  const key = columns.filter(({ name }) => name !== validTo);
  const type = columns.find(({ name }) => name === validTo)?.type ?? 'VARCHAR';
  const own = await columnsOf(db, `read_parquet(${literal(from)}, hive_partitioning = false)`);
  const [until = 'NULL', is = 'NULL'] = await namesOf(db, from, [validTo, current], ids);
  const rows = `(SELECT f.*, coalesce(__changed, false) AS __is_changed, __until FROM (SELECT *, row_number() OVER () AS __row FROM ${rowsOfFile}) AS f
    LEFT JOIN (SELECT DISTINCT ${tupleOf(key.map(({ name }) => identifier(name)))} AS __key, true AS __changed, ${identifier(validTo)} AS __until FROM changes WHERE _path = ${place})
    ON __key = ${await valuesIn(db, from, key, ids)})`;
  const newUntil = (as: string) => `CASE WHEN __is_changed THEN __until ELSE ${until} END::${as}`;
  const newIs = `CASE WHEN __is_changed THEN __until IS NULL ELSE ${is} END::BOOLEAN`;
  const selected = own.map(({ name, type: as }) =>
    identifier(name) === until
      ? `${newUntil(as)} AS ${until}`
      : identifier(name) === is
        ? `${newIs} AS ${is}`
        : identifier(name),
  );
  const added = {
    ...(until === 'NULL' ? { [validTo]: newUntil(type) } : {}),
    ...(is === 'NULL' ? { [current]: newIs } : {}),
  };
  return {
    rows,
    selected: [
      ...selected,
      ...Object.entries(added).map(([name, value]) => `${value} AS ${identifier(name)}`),
    ].join(', '),
    ids: Object.fromEntries(
      Object.keys(added).flatMap((name) => (ids?.[name] === undefined ? [] : [[name, { id: ids[name].id }]])),
    ),
  };
}

/** How a file calls columns, quoted; NULL for one that it does not have. */
export async function namesOf(
  db: DuckDBConnection,
  file: string,
  columns: readonly string[],
  ids: FieldIds | undefined,
): Promise<string[]> {
  // The first element is the row itself.
  const fields = await db.runAndReadAll(
    `SELECT name, field_id FROM parquet_schema(${literal(file)}) OFFSET 1`,
  );
  const elements = fields.getRowObjectsJson().map(({ name, field_id: id }) => ({
    name: String(name),
    ...(id === null ? {} : { field_id: Number(id) }),
  }));
  const names = namesIn(elements, columns, ids);
  return columns.map((name) => (names[name] === undefined ? 'NULL' : identifier(names[name])));
}
