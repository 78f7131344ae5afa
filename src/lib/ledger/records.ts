/** What the ledger keeps, and under which keys: see ledger.ts. */

/** A raw object version, as its event told of it. */
export interface RawFile {
  readonly object: string;
  readonly version: string;
  readonly size: number;
  readonly sequencer: string;
  /** Set while it waits as part of a batch that is tried again. */
  readonly group?: string | undefined;
  /** When it was put, as its event says (ISO 8601). */
  readonly landedAt?: string | undefined;
  /** The ledger had another version of the object when this one was noted. */
  readonly again?: boolean | undefined;
}

export type BatchState = 'running' | 'published' | 'held' | 'failed';
export type FileState = 'pending' | 'claimed' | 'published' | 'held' | 'failed' | 'replaced';

export interface FileRecord extends RawFile {
  readonly state: FileState;
  readonly batch?: string;
  readonly attempts: number;
  readonly reason?: string;
  readonly counts?: Readonly<Record<string, number>>;
  /** The batch under which its rows are published; they stay while it is processed again. */
  readonly rowsIn?: string;
  readonly notedAt?: string;
}

export interface BatchRecord {
  readonly batch: string;
  readonly state: BatchState;
  readonly [attribute: string]: unknown;
}

export interface Lease {
  readonly fence: number;
  readonly execution?: string;
  readonly batch?: string;
  readonly takenAt?: string;
}

export const now = (): string => new Date().toISOString();

/**
 * Whether a version was written after another: sequencers are hexadecimal numbers, the shorter filled up with zeros.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
export const isNewer = (a: string, b: string): boolean => {
  const length = Math.max(a.length, b.length);
  return a !== '' && b !== '' && a.padEnd(length, '0') > b.padEnd(length, '0');
};

export const objectKey = (object: string): string => `OBJECT#${object}`;
export const sameKey = (file: Pick<RawFile, 'object' | 'version'>): string =>
  `SAME#${file.object}#${file.version}`;
export const fileKey = (file: Pick<RawFile, 'object' | 'version'>): string =>
  `FILE#${file.object}#${file.version}`;
export const pendingKey = (file: RawFile): string =>
  `${file.group === undefined ? 'PENDING' : `RETRY#${file.group}`}#${file.object}#${file.version}`;
export const pendingItem = (file: RawFile) =>
  file.group === undefined ? toRawFile(file) : { ...toRawFile(file), groupedAt: now() };
export const toRawFile = ({
  object,
  version,
  size,
  sequencer,
  group,
  landedAt,
  again,
}: RawFile): RawFile => ({
  object,
  version,
  size,
  sequencer,
  ...(group === undefined ? {} : { group }),
  ...(landedAt === undefined ? {} : { landedAt }),
  ...(again ? { again } : {}),
});
