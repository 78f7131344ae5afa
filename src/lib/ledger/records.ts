/** What the ledger keeps, and under which keys: see ledger.ts. */

import * as z from 'zod';
import { outcomeSchema } from '../compiler/expectations.ts';
import { type Accounting, batchCountsSchema } from '../compiler/plan.ts';

/** A raw object version, as its event told of it. */
export const rawFileSchema = z.object({
  object: z.string(),
  version: z.string(),
  /** Bytes. */
  size: z.number(),
  sequencer: z.string(),
  /** Set while it waits as part of a batch that is tried again. */
  group: z.string().optional(),
  /** When it was put, as its event says (ISO 8601). */
  landedAt: z.string().optional(),
  /** The ledger had another version of the object when this one was noted. */
  again: z.boolean().optional(),
});
export type RawFile = Readonly<z.output<typeof rawFileSchema>>;

export type FileState = 'pending' | 'claimed' | 'published' | 'held' | 'failed' | 'replaced';

export interface FileRecord extends RawFile {
  readonly state: FileState;
  readonly batch?: string;
  readonly attempts: number;
  readonly reason?: string;
  readonly counts?: Accounting;
  /** The batch under which its rows are published; they stay while it is processed again. */
  readonly rowsIn?: string;
  readonly notedAt?: string;
}

const batchState = z.enum(['running', 'published', 'held', 'failed']);
export type BatchState = z.output<typeof batchState>;

/** An operator's decision about a held batch, kept in its record for good. */
const decision = z.object({ kind: z.enum(['release', 'reject']), reason: z.string(), at: z.string() });
export type Decision = z.output<typeof decision>;

/** Opened when a batch is claimed; what stands below `attempts` is noted when it is known. Times are ISO 8601. */
export const batchRecordSchema = z.object({
  batch: z.string(),
  state: batchState,
  fence: z.number(),
  files: z.number(),
  bytes: z.number(),
  engine: z.string(),
  /** ARN. */
  execution: z.string(),
  claimedAt: z.string(),
  attempts: z.number(),
  /** The replay that it is part of. */
  replay: z.string().optional(),
  expectations: z.array(outcomeSchema).default([]),
  /** Address of its data-quality report. */
  report: z.string().optional(),
  counts: batchCountsSchema.optional(),
  partitions: z.number().optional(),
  objects: z.number().optional(),
  /** Fingerprint. */
  contract: z.string().optional(),
  decision: decision.optional(),
  /** Why it is held or failed. */
  reason: z.string().optional(),
  endedAt: z.string().optional(),
});
export type BatchRecord = z.output<typeof batchRecordSchema>;

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
export const toRawFile = (file: RawFile): RawFile => rawFileSchema.parse(file);
