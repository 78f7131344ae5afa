/**
 * Reads the rows of a lookup's file. The ending selects the format: CSV with a header, JSON (an array of objects), NDJSON, or
 * Parquet.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { ReferenceRefused } from '../errors.ts';
import { isJsonObject, tryParseJson } from '../json.ts';
import { smallCsv } from '../smallCsv.ts';

/** A reference's bytes. Throws ReferenceRefused. */
export async function readReference(folder: string, file: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, file));
  } catch (cause) {
    throw new ReferenceRefused(`${file}: cannot be read below ${folder}`, { cause });
  }
}

/** A row: column -> text, or null for no value. */
export type LookupRow = Readonly<Record<string, string | null>>;

/** Throws ReferenceRefused if the file does not have the format of its ending. */
export async function readRows(file: string, bytes: Buffer): Promise<LookupRow[]> {
  const ending = /[.]([^.]+)$/.exec(file)?.[1]?.toLowerCase();
  switch (ending) {
    case 'csv':
      return csvRows(file, bytes);
    case 'json': {
      const value = tryParseJson(textOf(bytes), asWritten);
      if (!Array.isArray(value)) throw new ReferenceRefused(`${file}: is not a JSON array`);
      return value.map((row, i) => toRow(file, i, row));
    }
    case 'ndjson':
    case 'jsonl':
      return textOf(bytes)
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line, i) => toRow(file, i, tryParseJson(line, asWritten)));
    case 'parquet':
      return parquetRows(file, bytes);
    default:
      throw new ReferenceRefused(`${file}: a lookup ends in .csv, .json, .ndjson, .jsonl or .parquet`);
  }
}

const textOf = (bytes: Buffer): string => bytes.toString('utf8').replace(/^\uFEFF/, '');

declare global {
  interface JSON {
    /** https://tc39.es/proposal-json-parse-with-source/ */
    rawJSON(text: string): unknown;
    isRawJSON(value: unknown): value is { readonly rawJSON: string };
  }
}

/** Numbers keep their text, even inside other values. */
const asWritten: Parameters<typeof JSON.parse>[1] = (_key, value, context?: { source?: string }) =>
  typeof value === 'number' ? JSON.rawJSON(context?.source ?? String(value)) : value;

function csvRows(file: string, bytes: Buffer): LookupRow[] {
  try {
    const rows: Record<string, string>[] = parse(bytes, { ...smallCsv, columns: true });
    return rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === '' ? null : value])),
    );
  } catch (cause) {
    throw new ReferenceRefused(`${file}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

async function parquetRows(file: string, bytes: Buffer): Promise<LookupRow[]> {
  try {
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    const rows = await parquetReadObjects({ file: buffer, compressors });
    return rows.map((row, i) => toRow(file, i, row));
  } catch (cause) {
    if (cause instanceof ReferenceRefused) throw cause;
    throw new ReferenceRefused(`${file}: cannot be read as Parquet: ${cause}`, { cause });
  }
}

function toRow(file: string, index: number, value: unknown): LookupRow {
  if (!isJsonObject(value)) throw new ReferenceRefused(`${file}, row ${index + 1}: is not an object`);
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => {
      if (field === null || field === undefined) return [name, null];
      if (JSON.isRawJSON(field)) return [name, field.rawJSON];
      if (field instanceof Date) return [name, field.toISOString()];
      return [name, typeof field === 'object' ? JSON.stringify(field) : String(field)];
    }),
  );
}
