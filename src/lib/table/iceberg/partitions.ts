/** The partitions of a table between plans, where a value is the text of a folder, and metadata, where it has the type of its transform. */
import { defaultPartition } from '../../catalog/partitionPath.ts';
import { TableConflict } from '../../errors.ts';
import type { PartitionColumn } from '../../model/plan.ts';
import type { DataFile, Partition } from './manifest.ts';
import { type Metadata, type PartitionSpec, schemaOf } from './metadata.ts';
import { textOfValue, valueOfText } from './partitionTexts.ts';
import { partitionKey } from './snapshot.ts';
import { applyTransform, type Transform } from './transforms.ts';
import { isPrimitive, type PrimitiveType } from './types.ts';
import { compare, fromBytes, type Value } from './values.ts';

/** A field of a partition spec with the type of its column. */
export interface SpecKey {
  readonly id: number;
  readonly name: string;
  readonly transform: Transform;
  readonly source: { readonly id: number; readonly name: string; readonly type: PrimitiveType };
}

/** A column that is no more in the schema has the type of the last schema that had it. */
export const keysOf = (metadata: Metadata, { fields }: PartitionSpec): readonly SpecKey[] =>
  fields.map((field) => {
    const id = field['source-id'];
    const found = [schemaOf(metadata), ...metadata.schemas.toReversed()]
      .flatMap((schema) => schema.fields)
      .find((column) => column.id === id);
    const type = found && isPrimitive(found.type) ? found.type : 'string';
    const { name, transform } = field;
    return { id: field['field-id'], name, transform, source: { id, name: found?.name ?? name, type } };
  });

/** Throws TableConflict if others have changed how the table is partitioned. */
export function requireKeys(keys: readonly SpecKey[], wanted: readonly PartitionColumn[]): void {
  const isSame =
    keys.length === wanted.length &&
    keys.every(({ transform, source }, i) => {
      const key = wanted[i];
      return transform === (key?.transform ?? 'identity') && source.name === (key?.of ?? key?.name);
    });
  if (!isSame)
    throw new TableConflict(
      `another writer has changed how the table is partitioned, to ${keys.map((k) => k.name).join(', ') || 'nothing'}; the next batch changes it back`,
    );
}

/** From the texts of a plan, in the order of the keys; null or the name of the default partition stands for no value. */
export const partitionOf = (keys: readonly SpecKey[], texts: readonly (string | null)[]): Partition =>
  new Map(
    keys.map(({ id, transform, source }, i) => {
      const text = texts[i] ?? null;
      const isNone = text === null || text === defaultPartition;
      return [id, isNone ? null : valueOfText(transform, source.type, text)];
    }),
  );

/** The texts of an object's partition; undefined for keys that it was not partitioned by. */
export const textsOf = (
  keys: readonly SpecKey[],
  partition: Partition,
): readonly (string | null | undefined)[] =>
  keys.map(({ id, transform, source }) => {
    const value = partition.get(id);
    return value === undefined || value === null ? value : textOfValue(transform, source.type, value);
  });

/** A text that is equal for all objects in one partition. */
export const keyIn = (keys: readonly SpecKey[], partition: Partition): string =>
  partitionKey(new Map(keys.map(({ id }) => [id, partition.get(id) ?? null])));

export const hasAll = (keys: readonly SpecKey[], partition: Partition): boolean =>
  keys.every(({ id }) => partition.has(id));

/** Whether an object of another spec may have rows of the partition, by what its own partition and the bounds of its columns say. */
export const mayShare = (keys: readonly SpecKey[], file: DataFile, wanted: Partition): boolean =>
  keys.every((key) => {
    const value = wanted.get(key.id) ?? null;
    const own = file.partition.get(key.id);
    if (own !== undefined) return partitionKey(new Map([[0, own]])) === partitionKey(new Map([[0, value]]));
    return mayHave(key, file, value);
  });

function mayHave({ transform, source }: SpecKey, file: DataFile, value: Value | null): boolean {
  if (value === null) return file.nullCounts?.get(source.id) !== 0n;
  const [low, high] = [file.lowerBounds?.get(source.id), file.upperBounds?.get(source.id)];
  // A hash does not keep the order of values.
  if (low === undefined || high === undefined || transform.startsWith('bucket')) return true;
  const of = (bound: Uint8Array) => applyTransform(transform, source.type, fromBytes(source.type, bound));
  const [least, most] = [of(low), of(high)];
  return least === null || most === null || (compare(least, value) <= 0 && compare(value, most) <= 0);
}
