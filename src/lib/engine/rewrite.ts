/** Rewrites published Parquet files without the replaced rows. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { identifier, literal } from '../dialect/duckdbNames.ts';
import type { FieldIds } from '../model/plan.ts';
import { fieldIdsOf, fieldIdsOption } from './fieldIds.ts';
import { inDuckdb } from './instance.ts';
import { namesIn } from './publishedKeys.ts';

export interface Rewriting {
  /** A local Parquet file, and the path of its rewritten copy. */
  readonly from: string;
  readonly to: string;
  /** The lineage columns of a row. */
  readonly columns: { readonly object: string; readonly version: string };
  /** The address of the file, if it has rows that newer ones replace. */
  readonly replacedAt?: string | undefined;
}

/** The rows of a file. `replaced`: the removed rows that are not of a replaced file. */
export interface Rewritten {
  readonly kept: number;
  readonly removed: number;
  readonly replaced: number;
}

/** The rows to remove. */
export interface Removed {
  /** All rows of these files. */
  readonly origins: readonly { object: string; version: string }[];
  /** Local Parquet files with rows that newer ones replace, by the address of their file (`path`) and their key. */
  readonly replaced: readonly string[];
  /** The ids of the columns in an Iceberg table: an object may call the columns of the key by other names. */
  readonly ids?: FieldIds | undefined;
}

/**
 * Gives the rows of each file. No copy is written if no rows are removed or none are kept. Throws
 * EngineOutOfMemory if a file does not fit.
 */
export async function rewriteWithout(
  rewritings: readonly Rewriting[],
  { origins, replaced, ids }: Removed,
): Promise<Rewritten[]> {
  return inDuckdb('a published file whose rows are replaced', async ({ db }) => {
    // The remaining rows keep their order.
    await db.run('SET preserve_insertion_order = true; CREATE TABLE origins (o VARCHAR, v VARCHAR)');
    const appender = await db.createAppender('origins');
    for (const { object, version } of origins) {
      appender.appendVarchar(object);
      appender.appendVarchar(version);
      appender.endRow();
    }
    appender.closeSync();
    if (replaced.length > 0)
      await db.run(
        `CREATE VIEW replaced AS FROM read_parquet([${replaced.map(literal).join(', ')}], hive_partitioning = false)`,
      );
    const key =
      replaced.length === 0
        ? []
        : (await db.runAndReadAll('DESCRIBE replaced'))
            .getRowObjectsJson()
            .flatMap((c) => (c.column_name === 'path' ? [] : [String(c.column_name)]));
    const results: Rewritten[] = [];
    for (const { from, to, columns, replacedAt } of rewritings) {
      const isOfOrigin = `(${identifier(columns.object)}, ${identifier(columns.version)}) IN (SELECT (o, v) FROM origins)`;
      // A row without a key is not replaced, and a condition without a value would remove it.
      const isReplaced =
        replacedAt === undefined
          ? 'false'
          : `(NOT ${isOfOrigin} AND coalesce((${(await namesOf(db, from, key, ids)).join(', ')}) IN (SELECT (${key.map(identifier).join(', ')}) FROM replaced WHERE path = ${literal(replacedAt)}), false))`;
      const isRemoved = `(${isOfOrigin} OR ${isReplaced})`;
      // Reads them as files, so that folder names do not become columns.
      const rows = `read_parquet(${literal(from)}, hive_partitioning = false)`;
      const [count] = (
        await db.runAndReadAll(
          `SELECT ${[`NOT ${isRemoved}`, isRemoved, isReplaced].map((is, i) => `count(*) FILTER (${is})::DOUBLE AS ${['kept', 'removed', 'replaced'][i]}`).join(', ')} FROM ${rows}`,
        )
      ).getRowObjectsJson();
      const result = {
        kept: Number(count?.kept),
        removed: Number(count?.removed),
        replaced: Number(count?.replaced),
      };
      results.push(result);
      if (result.kept === 0 || result.removed === 0) continue;
      await db.run(
        `COPY (FROM ${rows} WHERE NOT ${isRemoved}) TO ${literal(to)} (FORMAT parquet, COMPRESSION zstd${fieldIdsOption(await fieldIdsOf(db, from))})`,
      );
    }
    return results;
  });
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
