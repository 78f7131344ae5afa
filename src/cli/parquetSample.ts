/** Reads the first rows of a Parquet file as the engine reads them, for the commands that draft a contract. */
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetReader, parquetVariables } from '../lib/dialect/duckdbParquet.ts';
import { localFile } from '../lib/engine/inputFile.ts';
import { parquetOf } from '../lib/engine/parquet.ts';
import { parseExactly, type Sample } from '../lib/infer/source.ts';

const mostRows = 10_000;

/** Null if the file is damaged. */
export async function sampleOfParquet(path: string, size: number): Promise<Sample | null> {
  const found = await parquetOf(localFile(path, size));
  if (found === null) return null;
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  try {
    await db.run("SET TimeZone = 'UTC'");
    await db.run(parquetVariables(path, 0, 0, mostRows));
    const reader = (await db.runAndReadAll(parquetReader())).getRows()[0]?.[0] ?? null;
    if (reader === null) return null;
    const rows = (
      await db.runAndReadAll(`SELECT decode(raw) FROM (${reader}) WHERE fault IS NULL`)
    ).getRows();
    const records = rows.map(([text]) => parseExactly(finite(String(text))));
    return {
      source: { formats: ['parquet'] },
      records: records.length > 0 ? records : [found.example],
      declared: found.declared,
      notes: records.length > 0 ? [] : ['The file has no rows: types are those of its schema.'],
    };
  } catch {
    // Whatever DuckDB says of it: the file is damaged.
    return null;
  } finally {
    db.closeSync();
    instance.closeSync();
  }
}

/** NaN and Infinity are read as null. */
const finite = (text: string): string =>
  text.replaceAll(/("(?:\\.|[^"\\])*")|-?(?:NaN|Infinity)/g, (_, string?: string) => string ?? 'null');
