/** A CSV reference for an equi-join. */
import { parse } from 'csv-parse/sync';
import type { ReferenceData } from '../compiler/plan.ts';
import { duckType } from '../dialect/duckdbNames.ts';
import { ReferenceRefused } from '../errors.ts';

/**
 * Reads a CSV with a header. `keyTypes`: key column -> Hive type; value columns are text, an empty one is null.
 * Throws ReferenceRefused for a missing column, a key that is no such number, or a key that stands twice.
 */
export function loadLookup(
  name: string,
  file: string,
  text: string,
  keyTypes: Readonly<Record<string, string>>,
  values: readonly string[],
): ReferenceData {
  const rows = parseCsv(file, text);
  const keys = Object.keys(keyTypes);
  const columns = [...new Set([...keys, ...values])];
  const missing = columns.filter((column) => rows.length > 0 && !(column in (rows[0] ?? {})));
  if (missing.length > 0) throw new ReferenceRefused(`${file}: has no column ${missing.join(', ')}`);
  const seen = new Map<string, number>();
  const lines = rows.map((row, index) => {
    for (const [key, type] of Object.entries(keyTypes))
      if (type !== 'string' && !/^-?\d{1,18}$/.test(row[key] ?? ''))
        throw new ReferenceRefused(`${file}, row ${index + 1}: ${key} "${row[key]}" is not a ${type}`);
    const identity = JSON.stringify(keys.map((key) => row[key]));
    const first = seen.get(identity);
    if (first !== undefined)
      throw new ReferenceRefused(
        `${file}, rows ${first + 1} and ${index + 1}: the key ${identity} stands twice; a lookup needs each key once`,
      );
    seen.set(identity, index);
    return JSON.stringify(Object.fromEntries(columns.map((column) => [column, row[column] || null])));
  });
  return {
    name,
    columns: Object.fromEntries(columns.map((column) => [column, duckType(keyTypes[column] ?? 'string')])),
    ndjson: lines.join('\n'),
  };
}

function parseCsv(file: string, text: string): Record<string, string>[] {
  try {
    return parse(text, { columns: true, bom: true, skip_empty_lines: true });
  } catch (cause) {
    throw new ReferenceRefused(`${file}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
