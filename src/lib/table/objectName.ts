/**
 * Names of the objects that an attempt writes. A name tells which attempt wrote the object and which batch the rows belong to, so
 * that anything can be held against the ledger by its name alone. Free of AWS.
 */
import type { Attempt } from '../model/records.ts';

/** What an object's name says. `rowsOf`: another batch, whose object was rewritten without the rows that were replaced. */
export interface ObjectName extends Attempt {
  readonly rowsOf: string;
}

/** How all names of an attempt begin. */
export const attemptPrefix = ({ batch, fence }: Attempt): string => `${batch}-f${fence}-`;

/** An object with rows of the attempt's own batch. */
export const ownObject = (attempt: Attempt, number: number): string =>
  `${attemptPrefix(attempt)}${number}.parquet`;

/** What the attempt has left of an object with rows of another batch. */
export const rewrittenObject = (attempt: Attempt, rowsOf: string, number: number): string =>
  `${attemptPrefix(attempt)}of-${rowsOf}-${number}.parquet`;

/** The folder below a table in which one try of an attempt stages rows of its own batch, where they stay. */
export const ownFolder = (attempt: Attempt, run: string): string => `${attemptPrefix(attempt)}${run}/`;

/** The same for what is left of objects with rows of another batch: validation counts none of these. */
export const rewrittenFolder = (attempt: Attempt, rowsOf: string, run: string): string =>
  `${attemptPrefix(attempt)}of-${rowsOf}-${run}/`;

const nameStart = '([0-9a-f]{20})-f(\\d{1,16})-(?:of-([0-9a-f]{20})-)?';
const folderName = new RegExp(`^(?:.*/)?${nameStart}[^/]+/`);
const fileName = new RegExp(`(?:^|/)${nameStart}\\d+\\.parquet$`);

/** A path below a table without the folder of an attempt: the partition's folder, and the object's name. */
export const withinAttempt = (path: string): string => path.replace(ownFolderName, '');
const ownFolderName = new RegExp(`^${nameStart}[^/]+/`);

/** Null for a key that no attempt has given. */
export function objectName(key: string): ObjectName | null {
  const found = folderName.exec(key) ?? fileName.exec(key);
  if (!found) return null;
  const [, batch = '', fence = '', rowsOf = batch] = found;
  return { batch, fence: Number(fence), rowsOf };
}
