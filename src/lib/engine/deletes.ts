/** The delete files of an Iceberg table: the positions of rows that have left an object, which stays as it is. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { list, literal } from '../dialect/duckdbNames.ts';
import { inDuckdb } from './instance.ts';

/** Reads local Parquet files as files, so that folder names do not become columns. */
const filesAs = (paths: readonly string[]): string =>
  `read_parquet(${list(paths.map(literal))}, hive_partitioning = false)`;

/** Those rows of one file whose positions are not in `hidden`(pos). Both are relations. */
export const rowsLeft = (file: string, hidden: string): string =>
  `(FROM ${file} AS f WHERE f.file_row_number NOT IN (SELECT pos FROM ${hidden}))`;

/** The rows of local files, or those of one file that have not left it. `deletes`: the local copy of its delete file. */
export const rowsIn = (paths: readonly string[], deletes?: string): string =>
  deletes === undefined ? filesAs(paths) : rowsLeft(filesAs(paths), filesAs([deletes]));

/** An object that loses rows to a new delete file. */
export interface Hiding {
  /** The address of the object. */
  readonly at: string;
  /** The number of its rows, and of those that may have left it: with more, it is rewritten. */
  readonly rows: number;
  readonly most: number;
  /** The local copy of its delete file until now. */
  readonly before?: string | undefined;
  /** The path of the new one. */
  readonly to: string;
}

/** How many rows leave an object now, and how many have left it then. */
export interface Hidden {
  readonly removed: number;
  readonly hidden: number;
}

/**
 * Writes delete files with all rows that have left their objects. `replaced`: local Parquet files with the addresses and positions of rows that
 * leave now (`_path`, `_row`). Null for an object that is to be rewritten: too many rows have left it, or nobody knows the position of one.
 * https://iceberg.apache.org/spec/#position-delete-files
 */
export async function hideRows(
  hidings: readonly Hiding[],
  replaced: readonly string[],
): Promise<(Hidden | null)[]> {
  return inDuckdb('rows that newer ones replace', async ({ db }) => {
    const files = filesAs(replaced);
    if (!(await hasPositions(db, files))) return hidings.map(() => null);
    await db.run(`CREATE TABLE leaving AS SELECT DISTINCT _path, _row::BIGINT AS pos FROM ${files}`);
    const results: (Hidden | null)[] = [];
    for (const { at, rows, most, before, to } of hidings) {
      await db.run(`CREATE OR REPLACE TEMP TABLE gone AS SELECT pos, true AS is_new FROM leaving WHERE _path = ${literal(at)}
        ${before === undefined ? '' : `UNION ALL SELECT pos, false FROM ${filesAs([before])}`}`);
      const [count] = (
        await db.runAndReadAll(`SELECT count(*) FILTER (is_new)::DOUBLE AS removed, count(*)::DOUBLE AS hidden,
          (count(DISTINCT pos) = count(*) AND bool_and(coalesce(pos BETWEEN 0 AND ${rows - 1}, false))) AS is_sound FROM gone`)
      ).getRowObjectsJson();
      const found = { removed: Number(count?.removed), hidden: Number(count?.hidden) };
      if (count?.is_sound !== true || found.removed === 0 || found.hidden > most) {
        results.push(null);
        continue;
      }
      await db.run(`COPY (SELECT ${literal(at)} AS file_path, pos FROM gone ORDER BY pos)
        TO ${literal(to)} (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {file_path: 2147483546, pos: 2147483545})`);
      results.push(found);
    }
    return results;
  });
}

/** Runs of earlier releases did not write them. */
async function hasPositions(db: DuckDBConnection, files: string): Promise<boolean> {
  const described = await db.runAndReadAll(`DESCRIBE FROM ${files}`);
  return described.getRowObjectsJson().some(({ column_name: name }) => name === '_row');
}
