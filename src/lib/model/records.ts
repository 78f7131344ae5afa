/** The records of the ledger: see ledger.ts. */
import * as z from 'zod';
import { outcomeSchema } from './expectation.ts';
import { accountingSchema, batchCountsSchema, tableAccountSchema } from './plan.ts';

/** Characters of a reason. It is written into the record of every file. */
export const longestReason = 1000;

/** An error as the reason in a record. */
export const reasonOf = ({ name, message }: Error): string => `${name}: ${message}`.slice(0, longestReason);

/** An operator's decision. It belongs to its files, even if they are in another batch later. */
export const decisionKinds = ['release', 'reject', 'rollback'] as const;
export type DecisionKind = (typeof decisionKinds)[number];

/** Whether every row of files with this decision goes to quarantine. */
export const rejectsRows = (kind: DecisionKind | null | undefined): boolean =>
  kind === 'reject' || kind === 'rollback';

const decisionSchema = z.object({
  kind: z.enum(decisionKinds),
  reason: z.string(),
  at: z.string(),
  /** For a file: it was held because it would lose most of its published rows, and was released knowingly. */
  isReplacement: z.boolean().optional(),
  /** For a file that is rolled back: the version of its object that comes back. */
  restores: z.string().optional(),
});
export type Decision = z.output<typeof decisionSchema>;

/** The state of a batch after a decision. */
export const pastOf: Readonly<Record<Decision['kind'], string>> = {
  release: 'released',
  reject: 'rejected',
  rollback: 'rolled back',
};

/** A version of a raw object, described by its event. */
export const rawFileSchema = z.object({
  object: z.string(),
  version: z.string(),
  /** Bytes. */
  size: z.number(),
  /** The order of an object's versions; '' if no event gave it. */
  sequencer: z.string(),
  /** Set while the file waits as part of a batch that is retried. */
  group: z.string().optional(),
  /** The time of the upload, from the event (ISO 8601). */
  landedAt: z.string().optional(),
  /** The time when the ledger first recorded it (ISO 8601). */
  notedAt: z.string().optional(),
  decision: decisionSchema.optional(),
});
export type RawFile = Readonly<z.output<typeof rawFileSchema>>;

/** A version of an object, which identifies a file. */
export type FileId = Pick<RawFile, 'object' | 'version'>;

/** The states of a file. */
export const fileStates = [
  'pending',
  'claimed',
  'published',
  /** A person rejected it, and its rows are in quarantine. */
  'rejected',
  'held',
  'failed',
  /** Another version of the object has replaced it. */
  'replaced',
  /** It has the same bytes as the version `sameAs`, and is not read. */
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

/** The record of an object; its versions have their own. */
export const objectRecordSchema = z.object({
  object: z.string(),
  /** The latest version with changed bytes, and the ETag of these bytes; '' if they could not be read. */
  version: z.string(),
  etag: z.string(),
  /** The latest version of all, and its sequencer. */
  newest: z.string(),
  sequencer: z.string(),
  /** Whether a version with the same bytes as another was recorded. */
  hasCopies: z.boolean().optional(),
  /** The version whose rows are in the table, their batch, and their number. */
  rows: z
    .object({
      version: z.string(),
      batch: z.string(),
      published: z.number(),
      /** A person rejected it: there are no rows. */
      isRejected: z.boolean().optional(),
    })
    .optional(),
});
export type ObjectRecord = Readonly<z.output<typeof objectRecordSchema>>;

/** The states of a batch. */
export const batchStates = ['running', 'published', 'held', 'failed'] as const;
const batchState = z.enum(batchStates);
export type BatchState = z.output<typeof batchState>;

/** Written when a batch is claimed. The fields after `attempts` are added when they are known. Times are ISO 8601. */
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
  /** How many of them an outage of AWS has ended: these do not count as tries. */
  outages: z.number().default(0),
  /** Set if an outage may have ended the last attempt: the number of published files of the dataset at that time. */
  publishedBefore: z.number().optional(),
  /** The fence of the committed attempt: its objects count, and the batch can only go forward. */
  committed: z.number().optional(),
  /** Key of the document with the objects of this batch's rows, after a later batch has rewritten some. */
  live: z.string().optional(),
  /** The replay that the batch belongs to. */
  replay: z.string().optional(),
  expectations: z.array(outcomeSchema).default([]),
  /** Address of its data-quality report. */
  report: z.string().optional(),
  counts: batchCountsSchema.optional(),
  tableRows: tableAccountSchema.optional(),
  partitions: z.number().optional(),
  objects: z.number().optional(),
  /** Fingerprint. */
  contract: z.string().optional(),
  decision: decisionSchema.optional(),
  /** The reason why it is held or failed. */
  reason: z.string().optional(),
  endedAt: z.string().optional(),
  /** The time of its commit, as an Iceberg table has it. */
  committedAt: z.string().optional(),
});
export type BatchRecord = Readonly<z.output<typeof batchRecordSchema>>;

/** What a maintenance of a dataset's table did. */
export const maintenanceSchema = z.object({
  /** ISO 8601. */
  at: z.string(),
  /** Objects that were replaced, and by how many; groups of objects that are left. */
  compacted: z.number(),
  into: z.number(),
  left: z.number(),
  /** Where the next run looks for small objects; without it, from the start of the table. */
  next: z.string().optional(),
  /** Snapshots that have expired, and objects that were removed. */
  snapshots: z.number(),
  orphans: z.number(),
  metadataBytes: z.number(),
  /** Why nothing has expired. */
  waitsFor: z.string().optional(),
});
export type MaintenanceNote = Readonly<z.output<typeof maintenanceSchema>>;

export const leaseSchema = z.object({
  fence: z.number(),
  /** ARN of the holder, or `starting` before its first step; absent while the lease is free. */
  execution: z.string().optional(),
  /** Distinguishes two concurrent requests for the lease. */
  token: z.string().optional(),
  batch: z.string().optional(),
  takenAt: z.string().optional(),
  /** While the lease is free after an outage of AWS: no execution starts before this time (ISO 8601). */
  restsUntil: z.string().optional(),
  /** The version of the item layout. */
  layout: z.number().optional(),
});
export type Lease = Readonly<z.output<typeof leaseSchema>>;

/** An attempt at a batch. The name of every object that it writes contains both. */
export interface Attempt {
  readonly batch: string;
  readonly fence: number;
}

/**
 * Whether a version was written after another. Sequencers are hexadecimal numbers; the shorter one is padded with zeros on the right.
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
