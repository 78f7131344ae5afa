/** Sort keys of the ledger's items: see ledger.ts. */
import { createHash } from 'node:crypto';
import type { FileId, RawFile } from './records.ts';

/**
 * Object keys and version ids may have 1,024 bytes each, which is all that a sort key may have.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 */
const digest = (length: number, ...parts: string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, length);

export const objectKey = (object: string): string => `OBJECT#${digest(40, object)}`;
export const filesOfObject = (object: string): string => `FILE#${digest(40, object)}#`;
export const fileKey = ({ object, version }: FileId): string =>
  `${filesOfObject(object)}${digest(20, version)}`;
/** The item that lists a file among those that wait: new ones in the order of their coming, others with their group. */
export const pendingKey = (file: RawFile, at: string): string =>
  `${file.group === undefined ? `PENDING#${at}` : `RETRY#${file.group}`}#${digest(20, file.object, file.version)}`;
/** The item that lists a file among those that wait for a person. */
export const waitingKey = (state: 'held' | 'failed', batch: string, { object, version }: FileId): string =>
  `${state.toUpperCase()}#${batch}#${digest(20, object, version)}`;
export const batchKey = (batch: string): string => `BATCH#${batch}`;
export const openKey = (batch: string): string => `OPEN#${batch}`;
