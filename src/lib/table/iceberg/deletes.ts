/**
 * Files of position deletes: which rows have left a data object that stays. Sluice writes one for an object at most, about this object alone. See
 * docs/decisions/position-deletes.md.
 */
import { TableConflict } from '../../errors.ts';
import { objectName } from '../objectName.ts';
import { contents, type DataFile, type ManifestEntry } from './manifest.ts';
import { compare, type Value } from './values.ts';

/** The field id of `file_path` in files of position deletes: https://iceberg.apache.org/spec/#reserved-field-ids */
const filePathId = 2147483546;

/** A new or an earlier delete file of an object. */
export interface DeletesFile {
  readonly path: string;
  readonly bytes: number;
  readonly rows: number;
  /** Of an earlier one. */
  readonly sequenceNumber?: bigint | undefined;
}

/** The entry of a delete file for a data object. Readers without `referenced_data_file` find the object by the bounds. */
export function deletesEntry(
  { path, bytes, rows }: DeletesFile,
  of: Pick<DataFile, 'path' | 'partition'>,
): DataFile {
  const bound = new Map([[filePathId, Buffer.from(of.path)]]);
  return {
    content: contents.positionDeletes,
    path,
    format: 'PARQUET',
    partition: of.partition,
    records: BigInt(rows),
    bytes: BigInt(bytes),
    columnSizes: null,
    valueCounts: null,
    nullCounts: null,
    nanCounts: null,
    lowerBounds: bound,
    upperBounds: bound,
    keyMetadata: null,
    splitOffsets: null,
    equalityIds: null,
    sortOrderId: null,
    referencedDataFile: of.path,
  };
}

/**
 * The one data object that a file of position deletes is about; null if it is not known. Writers that do not know the field drop it when they merge
 * manifests. The bounds of Sluice's own files say it, too.
 */
export function objectIn({
  content,
  path,
  referencedDataFile,
  lowerBounds,
  upperBounds,
}: DataFile): string | null {
  if (content !== contents.positionDeletes) return null;
  if (referencedDataFile !== null || objectName(path) === null) return referencedDataFile;
  const [low, high] = [lowerBounds?.get(filePathId), upperBounds?.get(filePathId)];
  return low !== undefined && high?.equals(low) ? low.toString() : null;
}

/** Whether a delete file may apply to rows of a data file. */
export function mayDelete({ file, sequenceNumber }: ManifestEntry, data: ManifestEntry): boolean {
  // Equality deletes apply to strictly older files, position deletes also to files of the same commit.
  if (sequenceNumber !== undefined && data.sequenceNumber !== undefined) {
    const isOlder = sequenceNumber < data.sequenceNumber;
    if (isOlder || (file.content === contents.equalityDeletes && sequenceNumber === data.sequenceNumber))
      return false;
  }
  if (file.content === contents.equalityDeletes)
    return [...file.partition].every(([id, value]) => sameValue(value, data.file.partition.get(id)));
  const object = objectIn(file);
  if (object !== null) return object === data.file.path;
  const path = Buffer.from(data.file.path);
  const low = file.lowerBounds?.get(filePathId);
  const high = file.upperBounds?.get(filePathId);
  return (
    (low === undefined || Buffer.compare(low, path) <= 0) &&
    // The bound may be truncated, so a path that begins with it may match.
    (high === undefined || Buffer.compare(path.subarray(0, high.length), high) <= 0)
  );
}

const sameValue = (a: Value | null, b: Value | null | undefined): boolean =>
  a === null || b === null || b === undefined ? a === (b ?? null) : compare(a, b) === 0;

/** Gives the delete files that may apply to a data file, of many. */
export function deletesFinder<D extends ManifestEntry>(
  deletes: readonly D[],
): (data: ManifestEntry) => readonly D[] {
  const byObject = Map.groupBy(deletes, ({ file }) => objectIn(file));
  const others = byObject.get(null) ?? [];
  return (data) =>
    [...(byObject.get(data.file.path) ?? []), ...others].filter((each) => mayDelete(each, data));
}

/** Whether Sluice has written a delete file, for this object alone. */
export const isOwnOf = ({ file }: ManifestEntry, path: string): boolean =>
  objectIn(file) === path && objectName(file.path) !== null;

/** A data object with its own delete file. */
export type DataEntry<E extends ManifestEntry = ManifestEntry> = E & { readonly deletes?: E | undefined };

/** Data objects with their own delete files. Throws TableConflict if another writer has deleted rows of one. */
export function withDeletes<E extends ManifestEntry>(
  data: readonly E[],
  deletes: readonly E[],
): DataEntry<E>[] {
  const find = deletesFinder(deletes);
  return data.map((entry) => {
    const [first, second] = find(entry);
    const foreign = [first, second].find((each) => each && !isOwnOf(each, entry.file.path)) ?? second;
    if (foreign) throw deletedRows(entry, foreign);
    return first ? { ...entry, deletes: first } : entry;
  });
}

/** What is thrown when another writer has deleted rows: a reader of the object alone would find them. */
export const deletedRows = (data: ManifestEntry, deletes: ManifestEntry): TableConflict =>
  new TableConflict(
    `another writer has deleted rows of ${data.file.path} by ${deletes.file.path}: rewrite the object without them (OPTIMIZE), then try again`,
  );
