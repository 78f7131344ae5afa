/**
 * Names of the objects that an attempt writes. A name contains the attempt that wrote the object and the batch of its rows, so an object
 * can be compared with the ledger by its name alone. Free of AWS.
 */
import type { Attempt } from '../model/records.ts';

/** The content of an object's name. `rowsOf`: another batch, whose object was rewritten without the replaced rows. */
export interface ObjectName extends Attempt {
  readonly rowsOf: string;
}

/** The beginning of all names of an attempt. */
export const attemptPrefix = ({ batch, fence }: Attempt): string => `${batch}-f${fence}-`;

/** An object with rows of the attempt's own batch. */
export const ownObject = (attempt: Attempt, number: number): string =>
  `${attemptPrefix(attempt)}${number}.parquet`;

/** An object with the remaining rows of another batch. */
export const rewrittenObject = (attempt: Attempt, rowsOf: string, number: number): string =>
  `${attemptPrefix(attempt)}of-${rowsOf}-${number}.parquet`;

/** The folder below a table in which one run of an attempt stages rows of its own batch. They stay there. */
export const ownFolder = (attempt: Attempt, run: string): string => `${attemptPrefix(attempt)}${run}/`;

/** The same for the remaining rows of other batches. Validation does not count them. */
export const rewrittenFolder = (attempt: Attempt, rowsOf: string, run: string): string =>
  `${attemptPrefix(attempt)}of-${rowsOf}-${run}/`;

const nameStart = '([0-9a-f]{20})-f(\\d{1,16})-(?:of-([0-9a-f]{20})-)?';
const folderName = new RegExp(`^(?:.*/)?${nameStart}[^/]+/`);
const fileName = new RegExp(`(?:^|/)${nameStart}\\d+\\.parquet$`);

/** A path below a table without the folder of an attempt: the partition's folder, and the object's name. */
export const withinAttempt = (path: string): string => path.replace(ownFolderName, '');
const ownFolderName = new RegExp(`^${nameStart}[^/]+/`);

/** Whether an object is in the folder of an attempt, as those of an Iceberg table are: states of the table name it. */
export const isInAttempt = (key: string): boolean => folderName.test(key);

/** Null if the key does not belong to an attempt. */
export function objectName(key: string): ObjectName | null {
  const found = folderName.exec(key) ?? fileName.exec(key);
  if (!found) return null;
  const [, batch = '', fence = '', rowsOf = batch] = found;
  return { batch, fence: Number(fence), rowsOf };
}
