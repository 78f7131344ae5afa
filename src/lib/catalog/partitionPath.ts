/**
 * Folders of partitions, as Hive writes them: `data_source=a%3Ab/year=2025/`. What is escaped is listed in Hive's
 * FileUtils and Spark's ExternalCatalogUtils: control characters and those that file systems or URIs give a meaning.
 */
const special = /[\p{Cc}"#%'*/:=?\\{[\]^]/gu;

/** `name=value`, escaped. */
export const hiveSegment = (name: string, value: string): string => `${name}=${hiveEscape(value)}`;

/** A value as it stands in a path. */
export const hiveEscape = (value: string): string =>
  value.replace(special, (c) => `%${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}`);

/** Name and value of a folder. */
export function readSegment(segment: string): { name: string; value: string } {
  const place = segment.indexOf('=');
  return { name: segment.slice(0, place), value: decodeURIComponent(segment.slice(place + 1)) };
}

/** `data_source=a/year=2025/` -> [a, 2025]. */
export const valuesOfPath = (path: string): string[] =>
  path
    .split('/')
    .filter(Boolean)
    .map((segment) => readSegment(segment).value);
