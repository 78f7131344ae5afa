/** Merges Parquet files into sorted ones, without changing a row. */
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { identifier, literal } from '../dialect/duckdbNames.ts';
import { rowsIn } from './deletes.ts';
import { fieldIdsOf, fieldIdsOption } from './fieldIds.ts';
import { inDuckdb } from './instance.ts';

/** A local file, and the local copy of its delete file: rows that have left it are not merged. */
export interface Mergeable {
  readonly path: string;
  readonly deletes?: string | undefined;
}

/** A file with all rows of some others. */
export interface Merged {
  /** Positions in the list of files. */
  readonly of: readonly number[];
  readonly path: string;
  readonly rows: number;
}

/**
 * Merges local Parquet files that have exactly the same columns, and leaves the others. The new files are in `folder`. Rows are sorted by
 * the columns of `sort` that they have, then by their origin. Throws EngineOutOfMemory if they do not fit.
 */
export async function mergeFiles(
  files: readonly Mergeable[],
  folder: string,
  sort: readonly string[],
): Promise<Merged[]> {
  return inDuckdb('published files that are merged', async ({ db }) => {
    await db.run('SET preserve_insertion_order = true');
    const shapes: { text: string; columns: readonly string[] }[] = [];
    for (const { path } of files) shapes.push(await shapeOf(db, path));
    const groups = Map.groupBy(files.keys(), (i) => shapes[i]?.text ?? '');
    const merged: Merged[] = [];
    for (const of of groups.values()) {
      const [first = 0] = of;
      if (of.length < 2) continue;
      const columns = shapes[first]?.columns ?? [];
      const order = [...new Set([...sort, ...origin])].filter((name) => columns.includes(name));
      const own = of.flatMap((i) => files[i] ?? []);
      const whole = own.filter(({ deletes }) => deletes === undefined).map(({ path }) => path);
      const parts = own.filter(({ deletes }) => deletes !== undefined);
      const rows = `(${[
        ...(whole.length === 0 ? [] : [rowsIn(whole)]),
        ...parts.map(({ path, deletes }) => rowsIn([path], deletes)),
      ]
        .map((from) => `FROM ${from}`)
        .join(' UNION ALL ')})`;
      const path = join(folder, `merged-${merged.length}.parquet`);
      const ids = fieldIdsOption(await fieldIdsOf(db, files[first]?.path ?? ''));
      const by = order.length === 0 ? '' : ` ORDER BY ${order.map(identifier).join(', ')}`;
      await db.run(`COPY (FROM ${rows}${by}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd${ids})`);
      const [before, after] = [await countOf(db, rows), await countOf(db, `read_parquet(${literal(path)})`)];
      if (before !== after) throw new Error(`the merged file has ${after} rows instead of ${before}`);
      merged.push({ of, path, rows: after });
    }
    return merged;
  });
}

/** With the contract's order, rows of one file stay together, in the order of their lines. */
const origin = ['_object', '_version', '_line'];

/** The columns of a file with their physical types and ids, as a text that is equal for equal columns. */
async function shapeOf(
  db: DuckDBConnection,
  path: string,
): Promise<{ text: string; columns: readonly string[] }> {
  const answer = await db.runAndReadAll(
    `SELECT name, type, type_length, repetition_type, num_children, converted_type, scale, precision, field_id, logical_type FROM parquet_schema(${literal(path)})`,
  );
  const [, ...elements] = answer.getRowObjectsJson();
  const names = await db.runAndReadAll(
    `SELECT column_name FROM (DESCRIBE FROM read_parquet(${literal(path)}, hive_partitioning = false))`,
  );
  return {
    text: JSON.stringify(elements),
    columns: names.getRowObjectsJson().map((row) => String(row.column_name)),
  };
}

async function countOf(db: DuckDBConnection, rows: string): Promise<number> {
  const answer = await db.runAndReadAll(`SELECT count(*)::DOUBLE AS n FROM ${rows}`);
  return Number(answer.getRowObjectsJson()[0]?.n);
}
