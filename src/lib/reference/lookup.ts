/** A lookup: rows that others are joined with by equal keys. */
import type { ReferenceData } from '../compiler/plan.ts';
import { duckType } from '../dialect/duckdbNames.ts';
import { ReferenceRefused } from '../errors.ts';
import { ownValue } from '../json.ts';
import type { LookupRow } from './rows.ts';

/**
 * `keyTypes`: key column -> Hive type; value columns are text. A row with a key that has no value is never found.
 * Throws ReferenceRefused for a missing column, a key that is no such number, or a key that stands twice.
 */
export function loadLookup(
  file: string,
  rows: readonly LookupRow[],
  keyTypes: Readonly<Record<string, string>>,
  values: readonly string[],
): Omit<ReferenceData, 'name'> {
  const keys = Object.keys(keyTypes);
  const columns = [...new Set([...keys, ...values])];
  const missing = columns.filter(
    (column) => rows.length > 0 && !rows.some((row) => Object.hasOwn(row, column)),
  );
  if (missing.length > 0) throw new ReferenceRefused(`${file}: has no column ${missing.join(', ')}`);
  const seen = new Map<string, number>();
  const lines = rows.flatMap((row, index) => {
    if (keys.some((key) => (ownValue(row, key) ?? null) === null)) return [];
    for (const [key, type] of Object.entries(keyTypes))
      if (type !== 'string' && !/^-?\d{1,18}$/.test(row[key] ?? ''))
        throw new ReferenceRefused(`${file}, row ${index + 1}: ${key} "${row[key]}" is not a ${type}`);
    const identity = JSON.stringify(keys.map((key) => ownValue(row, key)));
    const first = seen.get(identity);
    if (first !== undefined)
      throw new ReferenceRefused(
        `${file}, rows ${first + 1} and ${index + 1}: the key ${identity} stands twice; a lookup needs each key once`,
      );
    seen.set(identity, index);
    return [
      JSON.stringify(Object.fromEntries(columns.map((column) => [column, ownValue(row, column) ?? null]))),
    ];
  });
  return {
    columns: Object.fromEntries(
      columns.map((column) => [column, duckType(ownValue(keyTypes, column) ?? 'string')]),
    ),
    ndjson: lines.join('\n'),
  };
}
