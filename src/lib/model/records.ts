/** What the ledger keeps: see ledger.ts. */
import * as z from 'zod';
import { outcomeSchema } from './expectation.ts';
import { accountingSchema, batchCountsSchema } from './plan.ts';

/** An operator's decision. It belongs to the files that it was made about, whatever batch they are in later. */
export const decisionKinds = ['release', 'reject', 'undo'] as const;
export type DecisionKind = (typeof decisionKinds)[number];

/** Whether every row of files with this decision goes to quarantine. */
export const rejectsRows = (kind: DecisionKind | null | undefined): boolean =>
  kind === 'reject' || kind === 'undo';

const decisionSchema = z.object({
  kind: z.enum(decisionKinds),
  reason: z.string(),
  at: z.string(),
  /** Of a file: it was held since it would lose most of its published rows, so whoever released it knew that. */
  isReplacement: z.boolean().optional(),
});
export type Decision = z.output<typeof decisionSchema>;

/** What a batch was, after a decision. */
export const pastOf: Readonly<Record<Decision['kind'], string>> = {
  release: 'released',
  reject: 'rejected',
  undo: 'undone',
};

/** A raw object version, as its event described it. */
export const rawFileSchema = z.object({
  object: z.string(),
  version: z.string(),
  /** Bytes. */
  size: z.number(),
  /** Orders the versions of an object; '' where no event has told it. */
  sequencer: z.string(),
  /** Set while it waits as part of a batch that is tried again. */
  group: z.string().optional(),
  /** When it was put, as its event says (ISO 8601). */
  landedAt: z.string().optional(),
  /** When the ledger first heard of it (ISO 8601). */
  notedAt: z.string().optional(),
  decision: decisionSchema.optional(),
});
export type RawFile = Readonly<z.output<typeof rawFileSchema>>;

/** A version of an object: nothing else names a file. */
export type FileId = Pick<RawFile, 'object' | 'version'>;

/** The states of a file. */
export const fileStates = [
  'pending',
  'claimed',
  'published',
  /** A person has rejected it: its rows are in quarantine. */
  'rejected',
  'held',
  'failed',
  /** Another version of the object has taken its place. */
  'replaced',
  /** It has the bytes of an earlier version, `sameAs`, and is not read. */
  'same',
] as const;
const fileState = z.enum(fileStates);
export type FileState = z.output<typeof fileState>;

export const fileRecordSchema = rawFileSchema.extend({
  state: fileState,
  etag: z.string(),
  batch: z.string().optional(),
  attempts: z.number(),
  reason: z.string().optional(),
  counts: accountingSchema.optional(),
  /** The sort key of the item that lists it as pending, held or failed. */
  place: z.string().optional(),
  sameAs: z.string().optional(),
  replacedBy: z.string().optional(),
  notedAt: z.string(),
  settledAt: z.string().optional(),
});
export type FileRecord = Readonly<z.output<typeof fileRecordSchema>>;

/** What is known of an object beyond its versions. */
export const objectRecordSchema = z.object({
  object: z.string(),
  /** The latest version with other bytes than the one before, and the ETag of these bytes; '' when they could not be read. */
  version: z.string(),
  etag: z.string(),
  /** The latest version of all, and its sequencer. */
  newest: z.string(),
  sequencer: z.string(),
  /** Whether a version with the same bytes as another was noted. */
  hasCopies: z.boolean().optional(),
  /** The version whose rows are in the table, the batch that they belong to, and how many they are. */
  rows: z.object({ version: z.string(), batch: z.string(), published: z.number() }).optional(),
});
export type ObjectRecord = Readonly<z.output<typeof objectRecordSchema>>;

const batchState = z.enum(['running', 'published', 'held', 'failed']);
export type BatchState = z.output<typeof batchState>;

/** Opened when a batch is claimed; the fields below `attempts` are noted when they are known. Times are ISO 8601. */
export const batchRecordSchema = z.object({
  batch: z.string(),
  state: batchState,
  /** Of the latest attempt. */
  fence: z.number(),
  files: z.number(),
  bytes: z.number(),
  engine: z.string(),
  /** ARN. */
  execution: z.string(),
  claimedAt: z.string(),
  attempts: z.number(),
  /** The fence of the attempt whose objects count: its rows are published, and only forward is possible. */
  committed: z.number().optional(),
  /** Key of the document that lists the objects with this batch's rows, once a later batch has rewritten some. */
  live: z.string().optional(),
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
  decision: decisionSchema.optional(),
  /** Why it is held or failed. */
  reason: z.string().optional(),
  endedAt: z.string().optional(),
});
export type BatchRecord = Readonly<z.output<typeof batchRecordSchema>>;

export const leaseSchema = z.object({
  fence: z.number(),
  /** ARN of the holder, or `starting` before its first step; absent while nobody holds the lease. */
  execution: z.string().optional(),
  /** Tells two who ask for the lease at once apart. */
  token: z.string().optional(),
  batch: z.string().optional(),
  takenAt: z.string().optional(),
  /** How the dataset's items are laid out. */
  layout: z.number().optional(),
});
export type Lease = Readonly<z.output<typeof leaseSchema>>;

/** One attempt at a batch: every object that it writes has both in its name. */
export interface Attempt {
  readonly batch: string;
  readonly fence: number;
}

/**
 * Whether a version was written after another: sequencers are hexadecimal numbers, the shorter filled up with zeros.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
export const isNewer = (a: string, b: string): boolean => {
  const length = Math.max(a.length, b.length);
  return a !== '' && b !== '' && a.padEnd(length, '0') > b.padEnd(length, '0');
};

export const toRawFile = (file: RawFile): RawFile => rawFileSchema.parse(file);

/** Whether a file is part of a batch that has not ended. */
export const isClaimedBy = (batch: string, file: FileRecord | undefined): boolean =>
  file?.state === 'claimed' && file.batch === batch;
