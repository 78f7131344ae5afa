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

/** Null for a key that no attempt has given. */
export function objectName(key: string): ObjectName | null {
  const found = /(?:^|\/)([0-9a-f]{20})-f(\d{1,16})-(?:of-([0-9a-f]{20})-)?\d+\.parquet$/.exec(key);
  if (!found) return null;
  const [, batch = '', fence = '', rowsOf = batch] = found;
  return { batch, fence: Number(fence), rowsOf };
}
