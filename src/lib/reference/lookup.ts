/** A lookup: reference rows that are joined by their keys. */

import { duckType } from '../dialect/duckdbNames.ts';
import { ReferenceRefused } from '../errors.ts';
import { ownValue } from '../json.ts';
import type { ReferenceData } from '../model/plan.ts';
import type { LookupRow } from './rows.ts';

/**
 * `keyTypes`: key column -> Hive type; value columns are text. A row without a key is never found. Throws
 * ReferenceRefused for a missing column, a key that is not a number of its type, or a duplicate key.
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
  if (missing.length > 0)
    throw new ReferenceRefused(`${file}: has no column ${missing.join(', ')}`, { column: missing[0] });
  const seen = new Map<string, number>();
  const lines = rows.flatMap((row, index) => {
    if (keys.some((key) => (ownValue(row, key) ?? null) === null)) return [];
    const found = Object.fromEntries(
      columns.map((column) => {
        const text = ownValue(row, column) ?? null;
        const type = ownValue(keyTypes, column) ?? 'string';
        const value = text === null ? null : keyOf(text, type);
        if (value === null && text !== null)
          throw new ReferenceRefused(`${file}, row ${index + 1}: ${column} "${text}" is not a ${type}`, {
            column,
          });
        return [column, value];
      }),
    );
    const identity = JSON.stringify(keys.map((key) => ownValue(found, key)));
    const first = seen.get(identity);
    if (first !== undefined)
      throw new ReferenceRefused(
        `${file}, rows ${first + 1} and ${index + 1}: the key ${identity} occurs twice; a lookup needs each key once`,
      );
    seen.set(identity, index);
    return [JSON.stringify(found)];
  });
  return {
    columns: Object.fromEntries(
      columns.map((column) => [column, duckType(ownValue(keyTypes, column) ?? 'string')]),
    ),
    ndjson: lines.join('\n'),
  };
}

/** Converts a text to the type of a key. An integer must have no leading zeros. Null if the text does not fit. */
function keyOf(text: string, type: string): string | null {
  if (type === 'string') return text;
  if (!/^-?\d+$/.test(text)) return null;
  const number = BigInt(text);
  return BigInt.asIntN(type === 'int' ? 32 : 64, number) === number ? String(number) : null;
}
