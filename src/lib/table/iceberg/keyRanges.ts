/** Which objects may have a key of a batch, by the bounds in manifests: https://iceberg.apache.org/spec/#scan-planning */
import type { KeyRange } from '../../model/keyRange.ts';
import type { DataFile } from './manifest.ts';
import type { PrimitiveType, Schema } from './types.ts';
import { compare, fromBytes, type Value } from './values.ts';

/**
 * Gives whether an object may have a row with such a key. A column that the table does not have, or whose values have another order here, and an object
 * without bounds exclude nothing. A row without a key has no bounds, and is never found by a key.
 */
export function keyFilter(
  { fields }: Pick<Schema, 'fields'>,
  ranges: readonly KeyRange[],
): (file: Pick<DataFile, 'lowerBounds' | 'upperBounds'>) => boolean {
  const known = ranges.flatMap(({ column, least, greatest }) => {
    const { id, type } = fields.find(({ name }) => name === column) ?? {};
    const value = typeof type === 'string' ? valueIn(type) : undefined;
    if (id === undefined || value === undefined) return [];
    return [{ id, value, least: value.ofText(least), greatest: value.ofText(greatest) }];
  });
  return ({ lowerBounds, upperBounds }) =>
    known.every(({ id, value, least, greatest }) => {
      const [low, high] = [lowerBounds?.get(id), upperBounds?.get(id)];
      return (
        !(low && compare(greatest, value.ofBytes(low)) < 0) &&
        !(high && compare(value.ofBytes(high), least) < 0)
      );
    });
}

/** Values in the order of their bounds. A bound of a text may end within a character, so its bytes are compared. */
function valueIn(
  type: PrimitiveType,
): { ofText(text: string): Value; ofBytes(bytes: Uint8Array): Value } | undefined {
  if (type === 'int' || type === 'long')
    return { ofText: BigInt, ofBytes: (bytes) => BigInt(String(fromBytes(type, bytes))) };
  if (type === 'string') return { ofText: (text) => Buffer.from(text), ofBytes: (bytes) => bytes };
  return undefined;
}
