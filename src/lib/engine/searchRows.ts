/** Finds rows of persons in Parquet objects of the table and of the quarantine, and writes the objects without them. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { hasFlatTexts } from '../contract/contract.ts';
import { identifier, literal } from '../dialect/duckdbNames.ts';
import { skipped } from '../model/plan.ts';
import { fieldIdsOf, fieldIdsOption } from './fieldIds.ts';
import { inDuckdb } from './instance.ts';
import { fetchColumns } from './publishedKeys.ts';
import { namesOf } from './rewrite.ts';
import { isOfPerson, loadReferences, mentions, type Sought, unreadable } from './sought.ts';

/** A local copy of an object, or of its deciding columns. */
export interface RowsCopy {
  readonly path: string;
  readonly isQuarantine: boolean;
  /** The local copy of its delete file. Rows that have left it are found, and are not written. */
  readonly deletes?: string | undefined;
  /** Writes the other rows here, if some are removed and some are left. */
  readonly to?: string | undefined;
}

/** A record of a raw file. */
export interface RecordPlace {
  readonly object: string;
  readonly version: string;
  readonly line: number;
  /** An earlier erasure has shortened the file: in its other versions the record has another line. */
  readonly isShifted?: boolean;
}

export interface RowsMatch {
  readonly removed: number;
  readonly kept: number;
  /** Their batches, by the column `_batch`. */
  readonly batches: readonly string[];
  /** Raw objects with a record of a person that is one of its rows, and nobody knows which: its line has shifted. */
  readonly unclear: readonly string[];
}

/** The columns that say where a row comes from. */
const origin = ['_object', '_version', '_line', '_batch'];

/** Brings the columns that decide to a local file. */
export async function fetchRows(
  { plan, persons }: Sought,
  read: (start: number, end: number) => Promise<ArrayBuffer>,
  size: number,
  path: string,
): Promise<void> {
  await fetchColumns(read, size, { columns: [...persons.columns, ...origin], ids: plan.fieldIds }, path);
}

/**
 * `records`: raw records of persons. An object that is older than a column has their rows, too, and a CSV record in quarantine is known by its
 * place alone.
 */
export async function searchRows(
  sought: Sought,
  copies: readonly RowsCopy[],
  records: readonly RecordPlace[],
): Promise<RowsMatch[]> {
  return inDuckdb('objects that are searched', async ({ db, scratch }) => {
    await db.run('SET preserve_insertion_order = true');
    await db.run('CREATE TABLE places (o VARCHAR, v VARCHAR, l BIGINT, is_shifted BOOLEAN)');
    const appender = await db.createAppender('places');
    for (const { object, version, line, isShifted = false } of records) {
      appender.appendVarchar(object);
      appender.appendVarchar(version);
      appender.appendBigInt(BigInt(line));
      appender.appendBoolean(isShifted);
      appender.endRow();
    }
    appender.closeSync();
    if (copies.some(({ isQuarantine }) => isQuarantine)) await loadReferences(db, sought.references, scratch);
    const results: RowsMatch[] = [];
    for (const copy of copies)
      results.push(
        copy.isQuarantine ? await inQuarantine(db, sought, copy) : await inTable(db, sought, copy),
      );
    return results;
  });
}

/** With the position of each row as `__row`. DuckDB's own option for it rejects a file with a column of its name. */
const rowsIn = (path: string): string =>
  `(SELECT *, row_number() OVER () - 1 AS __row FROM read_parquet(${literal(path)}, hive_partitioning = false))`;

async function inTable(db: DuckDBConnection, sought: Sought, copy: RowsCopy): Promise<RowsMatch> {
  const { plan, persons } = sought;
  const wanted = [...persons.columns, ...origin];
  const names = await namesOf(db, copy.path, wanted, plan.fieldIds);
  const called = (column: string) => `__k${wanted.indexOf(column)}`;
  const columns = wanted.map((name, i) => `${names[i]} AS ${identifier(called(name))}`);
  const isOlder = persons.columns.some((_, i) => names[i] === 'NULL');
  const ofRecord = isOlder
    ? `coalesce((${['_object', '_version', '_line'].map((name) => identifier(called(name))).join(', ')}) IN (SELECT (o, v, l) FROM places), false)`
    : 'false';
  const isTheirs = isOlder ? ofRecord : isOfPerson(sought, called);
  await db.run(
    `CREATE OR REPLACE TEMP TABLE theirs AS SELECT n, ${identifier(called('_batch'))}::VARCHAR AS batch, ${isTheirs} AS hit FROM (SELECT __row AS n, ${columns.join(', ')} FROM ${rowsIn(copy.path)})`,
  );
  if (copy.deletes !== undefined)
    await db.run(
      `DELETE FROM theirs WHERE NOT hit AND n IN (SELECT pos FROM read_parquet(${literal(copy.deletes)}))`,
    );
  const result = await written(db, copy);
  if (!isOlder) return result;
  const unclear = await db.runAndReadAll(
    `SELECT DISTINCT o::VARCHAR AS object FROM (SELECT ${columns.join(', ')} FROM ${rowsIn(copy.path)}), places
      WHERE is_shifted AND ${identifier(called('_object'))} = o AND (o, ${identifier(called('_version'))}) NOT IN (SELECT (o, v) FROM places) ORDER BY 1`,
  );
  return { ...result, unclear: unclear.getRowObjectsJson().map(({ object }) => String(object)) };
}

/** Rows of the quarantine have the raw text of a record. The row part reads it again. */
async function inQuarantine(db: DuckDBConnection, sought: Sought, copy: RowsCopy): Promise<RowsMatch> {
  const { contract, plan } = sought;
  const ofPlace = '(object, version, line) IN (SELECT (o, v, l) FROM places)';
  await db.run(
    `CREATE OR REPLACE TEMP TABLE theirs AS SELECT __row AS n, NULL::VARCHAR AS batch, coalesce(${ofPlace}, false) AS hit FROM ${rowsIn(copy.path)}`,
  );
  let unread = 'true';
  if (!hasFlatTexts(contract.source)) {
    await db.run(`CREATE OR REPLACE TEMP TABLE files AS SELECT row_number() OVER ()::INTEGER AS file, object, '' AS version, NULL::VARCHAR AS member, NULL::VARCHAR[] AS header, 0::BIGINT AS skip, false AS unnamed, false AS cr
      FROM (SELECT DISTINCT object FROM ${rowsIn(copy.path)});
      CREATE OR REPLACE TEMP TABLE records AS SELECT file, __row::BIGINT AS line, encode(raw) AS raw, NULL::VARCHAR AS fault
      FROM ${rowsIn(copy.path)} AS q JOIN files USING (object) WHERE raw IS NOT NULL;
      CREATE OR REPLACE TEMP TABLE judged AS SELECT _line AS n, _reason AS reason, ${isOfPerson(sought)} AS hit FROM (${plan.row.records});
      UPDATE theirs SET hit = true WHERE n IN (SELECT n FROM judged WHERE hit${sought.isAlone ? '' : ` AND reason IS DISTINCT FROM ${literal(skipped)}`})`);
    unread = `__row NOT IN (SELECT n FROM judged WHERE reason IS NULL OR reason NOT IN (${unreadable.map(literal).join(', ')}))`;
  }
  const rows = await db.runAndReadAll(
    `SELECT __row::DOUBLE AS n, concat_ws(chr(10), raw, value) AS text FROM ${rowsIn(copy.path)} WHERE ${unread}`,
  );
  const mentioned = rows
    .getRowObjectsJson()
    .flatMap(({ n, text }) => (mentions(sought, String(text)) ? [Number(n)] : []));
  if (mentioned.length > 0) await db.run(`UPDATE theirs SET hit = true WHERE n IN (${mentioned.join(', ')})`);
  return written(db, copy);
}

/** Counts the rows, and writes the others if that is wanted. */
async function written(db: DuckDBConnection, { path, to }: RowsCopy): Promise<RowsMatch> {
  const [count] = (
    await db.runAndReadAll(
      `SELECT count(*) FILTER (hit)::DOUBLE AS removed, count(*) FILTER (NOT hit)::DOUBLE AS kept FROM theirs`,
    )
  ).getRowObjectsJson();
  const batches = await db.runAndReadAll(
    'SELECT DISTINCT batch FROM theirs WHERE hit AND batch IS NOT NULL ORDER BY 1',
  );
  const result = {
    removed: Number(count?.removed),
    kept: Number(count?.kept),
    batches: batches.getRowObjectsJson().map(({ batch }) => String(batch)),
    unclear: [],
  };
  if (to !== undefined && result.removed > 0 && result.kept > 0)
    await db.run(
      `COPY (SELECT * EXCLUDE (__row) FROM ${rowsIn(path)} WHERE __row IN (SELECT n FROM theirs WHERE NOT hit) ORDER BY __row)
        TO ${literal(to)} (FORMAT parquet, COMPRESSION zstd${fieldIdsOption(await fieldIdsOf(db, path))})`,
    );
  return result;
}
