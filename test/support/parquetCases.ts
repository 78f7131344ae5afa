/** Parquet files of generated cases: DuckDB writes them, so a case only describes them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import * as z from 'zod';
import { identifier, literal } from '../../src/lib/dialect/duckdbNames.ts';

/** The beginning of a description. */
export const parquetMark = Buffer.from('PARQUET OF ');

const specSchema = z.object({
  types: z.record(z.string(), z.string()),
  inner: z.string(),
  list: z.string(),
  codec: z.string(),
  rows: z.array(z.record(z.string(), z.unknown())),
});

/** The files, with the described ones as Parquet. Values that do not fit their type are null. */
export async function withParquet<T extends Readonly<Record<string, Buffer>>>(files: T): Promise<T> {
  if (!Object.values(files).some(isDescription)) return files;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-cases-'));
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  try {
    await db.run("SET TimeZone = 'UTC'");
    const made: [string, Buffer][] = [];
    for (const [name, bytes] of Object.entries(files)) {
      if (!isDescription(bytes)) {
        made.push([name, bytes]);
        continue;
      }
      const { types, inner, list, codec, rows } = specSchema.parse(
        JSON.parse(bytes.toString('utf8', parquetMark.length)),
      );
      const columns = Object.entries({ ...types, in: inner, list }).map(([field, type]) => {
        const json = `j->${literal(`$."${field}"`)}`;
        const isNested = /[[(]/.test(type) && !type.startsWith('DECIMAL');
        const value = isNested ? `(${json})` : `(j->>${literal(`$."${field}"`)})`;
        return `TRY_CAST(${value} AS ${type}) AS ${identifier(field)}`;
      });
      const path = join(folder, 'file.parquet');
      const from =
        rows.length === 0
          ? '(SELECT NULL::JSON AS j WHERE false)'
          : `(SELECT unnest([${rows.map((row) => literal(JSON.stringify(row))).join(', ')}])::JSON AS j)`;
      await db.run(
        `COPY (SELECT ${columns.join(', ')} FROM ${from}) TO ${literal(path)} (FORMAT parquet, COMPRESSION ${codec})`,
      );
      made.push([name, await readFile(path)]);
    }
    return Object.fromEntries(made) as T;
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
}

const isDescription = (bytes: Buffer): boolean => bytes.subarray(0, parquetMark.length).equals(parquetMark);
