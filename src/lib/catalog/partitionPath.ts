/**
 * Folders of partitions in Hive's notation: `data_source=a%3Ab/year=2025/`. Like Hive's FileUtils and Spark's ExternalCatalogUtils, it
 * escapes ASCII's control characters, and characters with a meaning in file systems or URIs.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
const special = /[\u0001-\u001f\u007f"#%'*/:=?\\{[\]^]/g;

/** Hive's name for the partition of rows without a value. Athena reads it as NULL. */
export const defaultPartition = '__HIVE_DEFAULT_PARTITION__';

/** `name=value`, escaped. */
export const hiveSegment = (name: string, value: string): string => `${name}=${hiveEscape(value)}`;

/** A value in a path, escaped. */
const hiveEscape = (value: string): string =>
  value.replace(special, (c) => `%${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}`);

/** `data_source=a/year=2025`, from the names of partition keys and their values. */
export const pathOfValues = (names: readonly string[], values: readonly (string | null)[]): string =>
  names.map((name, i) => hiveSegment(name, values[i] ?? '')).join('/');

/** The same as a folder; '' for a table without partitions. */
export const folderOfValues = (names: readonly string[], values: readonly (string | null)[]): string =>
  names.length === 0 ? '' : `${pathOfValues(names, values)}/`;

/** Name and value of a folder. Invalid escapes stay unchanged. */
export function readSegment(segment: string): { name: string; value: string } {
  const place = segment.indexOf('=');
  const value = segment.slice(place + 1);
  try {
    return { name: segment.slice(0, place), value: decodeURIComponent(value) };
  } catch {
    return { name: segment.slice(0, place), value };
  }
}

/** The folders of a path, each with its slash; '' for an object of a table without partitions. */
export const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);

/** `data_source=a/year=2025/` -> [a, 2025]. */
export const valuesOfPath = (path: string): string[] =>
  path
    .split('/')
    .filter(Boolean)
    .map((segment) => readSegment(segment).value);
