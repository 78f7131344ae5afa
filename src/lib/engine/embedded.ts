/** The embedded engine: DuckDB in this process runs both parts of a plan on local files. Free of AWS. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import * as z from 'zod';
import { columnBesidePath, duckType, identifier, list, literal } from '../dialect/duckdbNames.ts';
import { tombstoneColumns } from '../dialect/set.ts';
import { TooManyPartitions } from '../errors.ts';
import type { Fate } from '../model/fates.ts';
import type { KeyRange } from '../model/keyRange.ts';
import type { InputFile } from '../model/layout.ts';
import { mostPartitions, type Plan, type ReferenceData, type Summary } from '../model/plan.ts';
import { openDuckdb } from './instance.ts';
import { asOutOfMemory } from './memory.ts';
import { comparedTypes, decidingColumns, type PublishedFile } from './publishedKeys.ts';
import { readRows } from './rowPart.ts';
import { tombstoneRows } from './tombstones.ts';
import { writeRows } from './writeRows.ts';

/** Fetches the published keys of partitions, or of all, to a folder; see fetchPublished. */
export type FetchPublished = (
  partitions: readonly (readonly string[])[] | null,
  into: string,
  keys: readonly KeyRange[],
) => Promise<readonly PublishedFile[]>;

export interface EmbeddedRun {
  readonly plan: Plan;
  readonly references: readonly ReferenceData[];
  readonly inputs: readonly InputFile[];
  readonly batch: string;
  /**
   * An empty folder. Rows go to `data/<key>=<value>/…parquet`, quarantine to `quarantine/*.parquet`, tombstones of deleted keys to
   * `tombstones/*.parquet`, and the published rows that newer ones replace to `replaced/*.parquet`: the path of the object, and the key.
   * `replaced/objects.json` lists the paths. `changed` has the same of rows whose validity is another one now. `lost/part-0.json` has the files that have lost rows to others.
   */
  readonly outputDir: string;
  /** Called if the plan compares published rows. By default nothing is published. */
  readonly published?: FetchPublished;
  /** Fetches the tombstones of earlier batches to a folder, and gives their local files. Called if rows may delete keys. */
  readonly tombstones?: (into: string) => Promise<readonly string[]>;
  /** Published rows of these files do not count, because the batch replaces them. */
  readonly replaces?: readonly { object: string; version: string }[];
  /** The memory that this process may use; by default the free memory. */
  readonly memoryBytes?: number | undefined;
}

/**
 * Runs a plan. Gives the counts; the rows are in `outputDir`. Throws EngineOutOfMemory if the batch does not fit. Any other error of
 * DuckDB is a fault of Sluice.
 */
export async function runEmbedded(run: EmbeddedRun): Promise<Summary> {
  const scratch = join(run.outputDir, 'scratch');
  await mkdir(scratch, { recursive: true });
  const instance = await openDuckdb(scratch, run.memoryBytes);
  const db = await instance.connect();
  try {
    await db.run("SET TimeZone = 'UTC'");
    for (const { name, columns, ndjson } of run.references)
      await loadRows(db, name, columns, ndjson, scratch);
    await readRows(instance, db, run.plan, run.inputs);
    await rankRows(db, run, scratch);
    await writeLost(db, run);
    const changed = await writeChanged(db, run);
    const replaced = { ...(await writeReplaced(db, run)), ...changed };
    await writeTombstones(db, run);
    const summary = { ...(await summarize(db, run.plan)), ...replaced };
    requireFewPartitions(run.plan, summary.partitions.length);
    await writeRows(instance, db, run, summary);
    return summary;
  } catch (error) {
    throw asOutOfMemory(error, `the batch ${run.batch} of ${run.plan.dataset}`);
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Throws TooManyPartitions. */
function requireFewPartitions({ maxPartitions = mostPartitions }: Plan, count: number): void {
  if (count > maxPartitions)
    throw new TooManyPartitions(
      `the batch has rows for ${count} partitions, and may have ${maxPartitions}: choose coarser keys in partitionBy, raise maxPartitions, or make batches smaller`,
    );
}

/** Makes a table of rows that are lines of JSON. */
export async function loadRows(
  db: DuckDBConnection,
  table: string,
  columns: Readonly<Record<string, string>>,
  ndjson: string,
  scratch: string,
): Promise<void> {
  const file = join(scratch, `${table}.ndjson`);
  await writeFile(file, ndjson);
  const types = Object.entries(columns).map(([column, type]) => `${literal(column)}: ${literal(type)}`);
  await db.run(
    `CREATE TABLE ${identifier(table)} AS FROM read_json(${literal(file)}, format = 'newline_delimited', columns = {${types.join(', ')}})`,
  );
}

/** The first half of the set part: decides whether each row is published, a duplicate or quarantined. */
async function rankRows(db: DuckDBConnection, run: EmbeddedRun, scratch: string): Promise<void> {
  const { joins, dedupe, sql } = run.plan.set;
  await db.run(
    'CREATE TABLE rows_read AS SELECT _object, _version, count(*)::DOUBLE AS n FROM row_part GROUP BY ALL',
  );
  const { before, candidates, repeated, contested, ranked } = sql.duckdb;
  const published = dedupe?.published ? await viewPublished(db, run, scratch) : null;
  if (before !== null) await db.run(`CREATE TABLE before AS ${before}`);
  if (candidates !== null) await db.run(`CREATE TABLE candidates AS ${candidates}`);
  if (repeated !== null) await db.run(`CREATE TABLE repeated AS ${repeated}`);
  if (contested !== null) await db.run(`CREATE TABLE contested AS ${contested}`);
  // Recompute the view if the join is small; materialize it if the join is large.
  const isCheap = joins.length === 0 && !dedupe?.published;
  await db.run(`CREATE ${isCheap ? 'VIEW' : 'TABLE'} ranked AS ${ranked}`);
  if (!isCheap) await db.run('DROP TABLE row_part');
  await published?.drop();
}

/** Makes the view `published`. DuckDB reads the rows itself, because a partition may have millions, and keeps only those it needs. */
async function viewPublished(
  db: DuckDBConnection,
  { plan, published, tombstones, replaces = [] }: EmbeddedRun,
  scratch: string,
): Promise<{ drop(): Promise<void> }> {
  const partitionKeys = plan.partitionKeys.map((k) => identifier(k.name));
  const partitions = plan.set.dedupe?.within ? null : await touchedPartitions(db, partitionKeys);
  const folder = join(scratch, 'published');
  const remembered = join(scratch, 'tombstones');
  for (const each of [folder, remembered]) await mkdir(each);
  const files = (await published?.(partitions, folder, await keyRanges(db, plan))) ?? [];
  const types = comparedTypes(plan);
  await db.run(`CREATE TABLE hidden (__n VARCHAR, __pos BIGINT);
    CREATE TABLE places (__n VARCHAR, __path VARCHAR, _path VARCHAR, __fixed VARCHAR${partitionKeys.map((k) => `, ${k} VARCHAR`).join('')});
    CREATE TABLE replaced (__object VARCHAR, __version VARCHAR)`);
  await append(
    db,
    'places',
    files.map(({ path, from, isFixed, values }, n) => [String(n), path, from, String(isFixed), ...values]),
  );
  // Rows that have left the table.
  for (const [n, { deletes: gone }] of files.entries())
    if (gone !== undefined)
      await db.run(`INSERT INTO hidden SELECT '${n}', pos FROM read_parquet(${literal(gone)})`);
  await append(
    db,
    'replaced',
    replaces.map(({ object, version }) => [object, version]),
  );
  const columns = decidingColumns(plan);
  const deletes = plan.set.dedupe?.deletes === true;
  const truncates = plan.set.dedupe?.truncates === true;
  const isRow = [
    ...(deletes ? ['false AS _is_tombstone'] : []),
    ...(truncates ? ['false AS _truncates'] : []),
  ];
  const places = (row: string) => [
    '_path',
    "__fixed = 'true' AS _is_fixed",
    `${row}::BIGINT AS _row`,
    ...partitionKeys,
    ...isRow,
  ];
  // Objects may be older than a column, or than its name.
  const alike = [
    ...Map.groupBy(files, ({ names, isNumbered }) => JSON.stringify([names, isNumbered])).values(),
  ];
  const parts = alike.map((some) => {
    const { names = {}, isNumbered = false } = some[0] ?? {};
    const row = isNumbered ? 'f.file_row_number' : 'NULL';
    const isHidden = some.some((file) => file.deletes !== undefined);
    const values = columns.map((name) => {
      const own = names[name];
      return `(${own === undefined ? 'NULL' : columnBesidePath('f', own)})::${types.get(name)} AS ${identifier(name)}`;
    });
    const paths =
      alike.length === 1 ? literal(join(folder, '*.parquet')) : list(some.map((f) => literal(f.path)));
    return `SELECT ${[...values, ...places(row)].join(', ')}
      FROM read_parquet(${paths}, filename = '__path', union_by_name = true, hive_partitioning = false) AS f JOIN places USING (__path)
      ${isHidden ? `ANTI JOIN hidden ON places.__n = hidden.__n AND ${row} = hidden.__pos` : ''}`;
  });
  const none = `SELECT ${[...columns.map((name) => `NULL::${types.get(name)} AS ${identifier(name)}`), ...places('NULL')].join(', ')} FROM places`;
  const all = [
    ...(parts.length === 0 ? [none] : parts),
    ...(deletes ? await tombstoneRows(db, plan, (await tombstones?.(remembered)) ?? []) : []),
  ];
  // A history needs the rows that leave with their file, too.
  const rows = `(${all.join('\n UNION ALL ')})`;
  const without =
    plan.set.dedupe?.history === undefined
      ? `FROM ${rows}
    ${replaces.length === 0 ? '' : 'ANTI JOIN replaced ON __object = _object AND __version = _version'}`
      : `SELECT those.*, __object IS NOT NULL AS _is_gone FROM ${rows} AS those
    LEFT JOIN (SELECT DISTINCT * FROM replaced) ON __object = _object AND __version = _version`;
  await db.run(`CREATE VIEW published AS ${without}`);
  return {
    async drop() {
      await db.run('DROP VIEW published; DROP TABLE places; DROP TABLE hidden; DROP TABLE replaced');
      for (const each of [folder, remembered]) await rm(each, { recursive: true });
    },
  };
}

async function touchedPartitions(
  db: DuckDBConnection,
  partitionKeys: readonly string[],
): Promise<(readonly string[])[]> {
  const touched = await db.runAndReadAll(
    `SELECT DISTINCT ${list(partitionKeys)} AS key_values FROM row_part WHERE _reason IS NULL`,
  );
  return touched.getRowObjectsJson().map((row) => row.key_values as string[]);
}

/** Types whose order is the same in DuckDB, and in the statistics of every table format. */
const orderedTypes = new Set(['tinyint', 'smallint', 'int', 'bigint', 'string']);

/**
 * Where the keys of the batch are. None if it needs rows with other keys, too: those that are older than a snapshot or a truncate, or the versions around
 * those of a replaced file.
 */
async function keyRanges(db: DuckDBConnection, { set, columns }: Plan): Promise<KeyRange[]> {
  const { key = [], keepsAll, truncates, history } = set.dedupe ?? {};
  if (keepsAll || truncates || history !== undefined) return [];
  const names = columns.flatMap(({ name, type }) =>
    key.includes(name) && orderedTypes.has(type) ? [name] : [],
  );
  if (names.length === 0) return [];
  const wanted = names.map(
    (name, i) =>
      `CASE WHEN count(*) = count(${identifier(name)}) THEN [min(${identifier(name)})::VARCHAR, max(${identifier(name)})::VARCHAR] END AS c${i}`,
  );
  const [found] = (
    await db.runAndReadAll(`SELECT ${wanted.join(', ')} FROM row_part WHERE _reason IS NULL`)
  ).getRowObjectsJson();
  return names.flatMap((column, i) => {
    const range = z.tuple([z.string(), z.string()]).safeParse(found?.[`c${i}`]);
    return range.success ? [{ column, least: range.data[0], greatest: range.data[1] }] : [];
  });
}

/** Writes the tombstones of keys that the batch deletes, if there are any. */
async function writeTombstones(db: DuckDBConnection, { plan, outputDir }: EmbeddedRun): Promise<void> {
  const { tombstones } = plan.set.sql.duckdb;
  if (tombstones === null) return;
  const found = await db.runAndReadAll("SELECT 1 FROM ranked WHERE _fate = 'deletes' LIMIT 1");
  if (found.currentRowCount === 0) return;
  await mkdir(join(outputDir, 'tombstones'), { recursive: true });
  const types = new Map([
    ...plan.columns.map((c) => [c.name, duckType(c.type)] as const),
    ['_line', 'BIGINT'] as const,
    ['_truncates', 'BOOLEAN'] as const,
  ]);
  const columns = tombstoneColumns(plan).map(
    (name) => `${identifier(name)}::${types.get(name) ?? 'VARCHAR'} AS ${identifier(name)}`,
  );
  await db.run(
    `COPY (SELECT ${columns.join(', ')} FROM (${tombstones}) ORDER BY ALL) TO ${literal(join(outputDir, 'tombstones', 'part-0.parquet'))} (FORMAT parquet, COMPRESSION zstd)`,
  );
}

/** Writes which files have lost rows to which: a line of JSON for each winner. */
async function writeLost(db: DuckDBConnection, { plan, outputDir }: EmbeddedRun): Promise<void> {
  const { lost } = plan.set.sql.duckdb;
  if (lost === null) return;
  await db.run(`CREATE TABLE lost AS ${lost}`);
  const found = await db.runAndReadAll('SELECT 1 FROM lost LIMIT 1');
  if (found.currentRowCount > 0) {
    await mkdir(join(outputDir, 'lost'), { recursive: true });
    await db.run(
      `COPY (SELECT winner, list(loser ORDER BY loser) AS losers FROM lost GROUP BY winner ORDER BY winner) TO ${literal(join(outputDir, 'lost', 'part-0.json'))} (FORMAT json)`,
    );
  }
  await db.run('DROP TABLE lost');
}

/** Writes the published rows that newer ones replace, if there are any, and counts them. */
async function writeReplaced(
  db: DuckDBConnection,
  { plan, outputDir }: EmbeddedRun,
): Promise<Pick<Summary, 'replacedRows' | 'deletedRows'>> {
  const { replaced } = plan.set.sql.duckdb;
  const deletes = plan.set.dedupe?.deletes === true;
  if (replaced === null) return {};
  await db.run(`CREATE TABLE replaced_rows AS ${replaced}`);
  const [count] = (
    await db.runAndReadAll(
      `SELECT count(*)::DOUBLE AS n, ${deletes ? 'count(*) FILTER (_is_deleted)::DOUBLE' : '0'} AS deleted FROM replaced_rows`,
    )
  ).getRowObjectsJson();
  const [rows, deleted] = [Number(count?.n), Number(count?.deleted)];
  if (rows > 0) {
    const rowsToWrite = `SELECT *${deletes ? ' EXCLUDE (_is_deleted)' : ''} FROM replaced_rows`;
    await writeListed(db, rowsToWrite, join(outputDir, 'replaced'));
  }
  await db.run('DROP TABLE replaced_rows; DROP TABLE candidates');
  return { replacedRows: rows - deleted, ...(deletes ? { deletedRows: deleted } : {}) };
}

/** Writes the published rows whose validity is another one now, if there are any, and counts them. */
async function writeChanged(
  db: DuckDBConnection,
  { plan, outputDir }: EmbeddedRun,
): Promise<Pick<Summary, 'changedRows'>> {
  const { changed } = plan.set.sql.duckdb;
  if (changed === null) return {};
  await db.run(`CREATE TABLE changed_rows AS ${changed}`);
  const [count] = (
    await db.runAndReadAll('SELECT count(*)::DOUBLE AS n FROM changed_rows')
  ).getRowObjectsJson();
  if (Number(count?.n) > 0) await writeListed(db, 'FROM changed_rows', join(outputDir, 'changed'));
  await db.run('DROP TABLE changed_rows; DROP TABLE before');
  return { changedRows: Number(count?.n) };
}

/** Writes published rows to a folder, and the paths of their objects. */
async function writeListed(db: DuckDBConnection, rows: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const paths = await db.runAndReadAll(`SELECT DISTINCT _path FROM (${rows}) ORDER BY _path`);
  await writeFile(
    join(folder, 'objects.json'),
    JSON.stringify(paths.getRowObjectsJson().map(({ _path: path }) => path)),
  );
  await db.run(
    `COPY (${rows} ORDER BY ALL) TO ${literal(join(folder, 'part-0.parquet'))} (FORMAT parquet, COMPRESSION zstd)`,
  );
}

async function append(
  db: DuckDBConnection,
  table: string,
  rows: readonly (readonly string[])[],
): Promise<void> {
  const appender = await db.createAppender(table);
  for (const row of rows) {
    for (const value of row) appender.appendVarchar(value);
    appender.endRow();
  }
  appender.closeSync();
}

/** Counts rows read before the set part and all others after it, so that their sum is a check. One pass over the rows counts everything. */
async function summarize(db: DuckDBConnection, plan: Plan): Promise<Summary> {
  const rows = async (sql: string) => (await db.runAndReadAll(sql)).getRowObjectsJson();
  const keys = plan.partitionKeys.map((k) => identifier(k.name));
  const [first] = keys;
  const sets = ['(_object, _version, _fate)', '(_reason)', ...(first ? [`(${keys.join(', ')})`] : [])];
  await db.run(`
    CREATE TABLE tallies AS
    WITH fates AS (
      SELECT _object, _version, _fate, CASE WHEN _fate = 'quarantined' THEN _reason END AS _reason${keys.map((key) => `, CASE WHEN _fate = 'published' THEN ${key} END AS ${key}`).join('')}
      FROM ranked
    )
    SELECT *, grouping(_object) = 0 AS __is_file, count(*)::DOUBLE AS __n FROM fates GROUP BY GROUPING SETS (${sets.join(', ')})`);
  const sum = (fate: string) => `coalesce(sum(__n) FILTER (_fate = '${fate}'), 0)::DOUBLE AS ${fate}`;
  const files = await rows(`
    WITH fates AS (
      SELECT _object, _version, ${['published', 'quarantined', 'duplicate', 'skipped', 'deletes'].map(sum).join(', ')}
      FROM tallies WHERE __is_file GROUP BY ALL
    )
    SELECT f.object, f.version, coalesce(r.n, 0) AS read, coalesce(published, 0) AS published,
      coalesce(quarantined, 0) AS quarantined, coalesce(duplicate, 0) AS duplicate,
      coalesce(skipped, 0) AS skipped, coalesce(deletes, 0) AS deletes
    FROM (SELECT object, version, min(file) AS file FROM files GROUP BY ALL) f
    LEFT JOIN rows_read r ON r._object = f.object AND r._version = f.version
    LEFT JOIN fates ON fates._object = f.object AND fates._version = f.version
    ORDER BY f.file`);
  const reasons = await rows(
    'SELECT _reason AS name, __n AS n FROM tallies WHERE NOT __is_file AND _reason IS NOT NULL ORDER BY 1',
  );
  const nulled = await rows(
    'SELECT name, count(*)::DOUBLE AS n FROM (SELECT unnest(_nulled) AS name FROM ranked WHERE _reason IS NULL AND len(_nulled) > 0) GROUP BY 1 ORDER BY 1',
  );
  const partitions = await rows(
    first
      ? `SELECT ${list(keys)} AS key_values, __n AS n FROM tallies WHERE NOT __is_file AND ${first} IS NOT NULL ORDER BY 1`
      : `SELECT [] AS key_values, n FROM (SELECT sum(__n)::DOUBLE AS n FROM tallies WHERE __is_file AND _fate = 'published') WHERE n > 0`,
  );
  await db.run('DROP TABLE tallies');
  const counted = files.map((f) => ({
    object: String(f.object),
    version: String(f.version),
    rowsRead: Number(f.read),
    published: Number(f.published),
    quarantined: Number(f.quarantined),
    duplicates: Number(f.duplicate),
    ...(plan.set.skips ? { skipped: Number(f.skipped) } : {}),
    ...(plan.set.dedupe?.deletes ? { deletes: Number(f.deletes) } : {}),
  }));
  const total = (field: Fate | 'rowsRead') => counted.reduce((sum, f) => sum + (f[field] ?? 0), 0);
  const byName = (counts: typeof reasons) =>
    Object.fromEntries(counts.map((c) => [String(c.name), Number(c.n)]));
  return {
    rowsRead: total('rowsRead'),
    published: total('published'),
    quarantined: total('quarantined'),
    duplicates: total('duplicates'),
    ...(plan.set.skips ? { skipped: total('skipped') } : {}),
    ...(plan.set.dedupe?.deletes ? { deletes: total('deletes') } : {}),
    reasons: byName(reasons),
    nulled: byName(nulled),
    files: counted,
    partitions: partitions.map((p) => ({ values: p.key_values as string[], rows: Number(p.n) })),
  };
}
