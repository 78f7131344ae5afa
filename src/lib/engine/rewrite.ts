/** Rewrites published Parquet files without the replaced rows. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifier, literal } from '../dialect/duckdbNames.ts';
import { fieldIdsOf, fieldIdsOption } from './fieldIds.ts';
import { openDuckdb } from './instance.ts';
import { asOutOfMemory } from './memory.ts';

export interface Rewriting {
  /** A local Parquet file, and the path of its rewritten copy. */
  readonly from: string;
  readonly to: string;
  /** The lineage columns of a row. */
  readonly columns: { readonly object: string; readonly version: string };
}

/**
 * Gives the `kept` and `removed` rows of each file. No copy is written if no rows are removed or none are kept. Throws
 * EngineOutOfMemory if a file does not fit.
 */
export async function rewriteWithout(
  rewritings: readonly Rewriting[],
  origins: readonly { object: string; version: string }[],
): Promise<{ kept: number; removed: number }[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-rewrite-'));
  const instance = await openDuckdb(scratch);
  const db = await instance.connect();
  try {
    // The remaining rows keep their order.
    await db.run(
      "SET TimeZone = 'UTC'; SET preserve_insertion_order = true; CREATE TABLE origins (o VARCHAR, v VARCHAR)",
    );
    const appender = await db.createAppender('origins');
    for (const { object, version } of origins) {
      appender.appendVarchar(object);
      appender.appendVarchar(version);
      appender.endRow();
    }
    appender.closeSync();
    const results: { kept: number; removed: number }[] = [];
    for (const { from, to, columns } of rewritings) {
      const isReplaced = `(${identifier(columns.object)}, ${identifier(columns.version)}) IN (SELECT (o, v) FROM origins)`;
      // Reads them as files, so that folder names do not become columns.
      const rows = `read_parquet(${literal(from)}, hive_partitioning = false)`;
      const [count] = (
        await db.runAndReadAll(
          `SELECT count(*) FILTER (NOT ${isReplaced})::DOUBLE AS kept, count(*) FILTER (${isReplaced})::DOUBLE AS removed FROM ${rows}`,
        )
      ).getRowObjectsJson();
      const result = { kept: Number(count?.kept), removed: Number(count?.removed) };
      results.push(result);
      if (result.kept === 0 || result.removed === 0) continue;
      await db.run(
        `COPY (FROM ${rows} WHERE NOT ${isReplaced}) TO ${literal(to)} (FORMAT parquet, COMPRESSION zstd${fieldIdsOption(await fieldIdsOf(db, from))})`,
      );
    }
    return results;
  } catch (error) {
    throw asOutOfMemory(error, `a published file whose rows are replaced`);
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(scratch, { recursive: true, force: true });
  }
}
