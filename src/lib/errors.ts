/**
 * The catalogue of named errors. The state machine's Retry and Catch match on `name`. Each class states its name, because bundled
 * code is minified and has other class names.
 */

/**
 * The consequence of an error. `retry`: the step is called again. `hold`: the files of the batch wait until a person corrects
 * the contract or the feed. `fail`: the batch fails, and its files are tried again in smaller batches.
 */
export type Outcome = 'retry' | 'hold' | 'fail';

/** The subject of an error. The logger writes these fields next to the message, so logs can be searched by them. */
export interface Subject {
  readonly dataset?: string | undefined;
  readonly batch?: string | undefined;
  /** The key of an object in S3; the first of several. */
  readonly object?: string | undefined;
  /** The first of several. */
  readonly column?: string | undefined;
  readonly table?: string | undefined;
}

/** The base class of every error that Sluice throws on purpose. */
export class SluiceError extends Error implements Subject {
  static readonly outcome: Outcome = 'fail';
  override readonly name: string = 'SluiceError';
  readonly dataset?: string | undefined;
  readonly batch?: string | undefined;
  readonly object?: string | undefined;
  readonly column?: string | undefined;
  readonly table?: string | undefined;
  constructor(message: string, { cause, ...subject }: Subject & ErrorOptions = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.dataset = subject.dataset;
    this.batch = subject.batch;
    this.object = subject.object;
    this.column = subject.column;
    this.table = subject.table;
  }
}

/** A contract file does not follow the contract language. It has the position. */
export class ContractError extends SluiceError {
  override readonly name = 'ContractError';
  readonly file: string;
  readonly problems: readonly ContractProblem[];
  constructor(file: string, problems: readonly ContractProblem[]) {
    super(
      problems
        .map((p) => `${file}:${p.line}:${p.column} ${p.path === '' ? '' : `${p.path}: `}${p.message}`)
        .join('\n'),
    );
    this.file = file;
    this.problems = problems;
  }
}

/** One fault in a contract file: 1-based line and column, and the path inside the document. */
export interface ContractProblem {
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

/** A reference (lookup table or polygons) is unusable: its key is not unique, a column is missing, or it does not parse. */
export class ReferenceRefused extends SluiceError {
  override readonly name = 'ReferenceRefused';
  static override readonly outcome = 'hold';
}

/** The rows of a table that a contract looks up are more than a function holds in its memory. */
export class LookupTooLarge extends SluiceError {
  override readonly name = 'LookupTooLarge';
  static override readonly outcome = 'hold';
}

/** The Data Catalog lacks a required contract column or knows it with a type that the contract cannot read. */
export class SchemaMismatch extends SluiceError {
  override readonly name = 'SchemaMismatch';
  static override readonly outcome = 'hold';
}

/** An expectation with severity `hold` failed on the staged rows. The batch is held, and nothing is published. */
export class ExpectationFailed extends SluiceError {
  override readonly name = 'ExpectationFailed';
  static override readonly outcome = 'hold';
}

/** Rows read are not published + quarantined + duplicates, or Athena counts other rows than the transform wrote. */
export class AccountingMismatch extends SluiceError {
  override readonly name = 'AccountingMismatch';
  static override readonly outcome = 'hold';
}

/** The Catalog's table has a column of another type than the contract. The type of a published column never changes. */
export class TableMismatch extends SluiceError {
  override readonly name = 'TableMismatch';
  static override readonly outcome = 'hold';
}

/** An Iceberg table, or a contract's wish for it, needs a feature that Sluice does not read or write. */
export class TableUnsupported extends SluiceError {
  override readonly name = 'TableUnsupported';
  static override readonly outcome = 'hold';
}

/**
 * Another writer has changed the rows that a commit was about to replace. The commit changed nothing and must be planned
 * again.
 */
export class TableConflict extends SluiceError {
  override readonly name = 'TableConflict';
}

/** A deployment has changed the contract of a batch that was about to look something up. The batch is claimed again, with the new one. */
export class ContractOutdated extends SluiceError {
  override readonly name = 'ContractOutdated';
}

/** Glue did not confirm a commit of an Iceberg table, and may still make it. The same commit is sent again. */
export class CommitUnclear extends SluiceError {
  override readonly name = 'CommitUnclear';
  static override readonly outcome = 'retry';
}

/** The Glue job run did not succeed. The message is the job's own. */
export class GlueJobFailed extends SluiceError {
  override readonly name = 'GlueJobFailed';
}

/** A batch does not fit into the embedded engine's memory or disk. It moves to Glue. */
export class EngineOutOfMemory extends SluiceError {
  override readonly name = 'EngineOutOfMemory';
}

/**
 * The rows of a batch go to more partitions than the contract, or any batch, may have. Its files are tried again in smaller
 * batches.
 */
export class TooManyPartitions extends SluiceError {
  override readonly name = 'TooManyPartitions';
}

/** The crawler's last run failed. The message is the crawler's own. */
export class CrawlerFailed extends SluiceError {
  override readonly name = 'CrawlerFailed';
}

/** The Glue job is at its limit of concurrent runs, or Athena at its query quota. The step tries again later. */
export class EngineBusy extends SluiceError {
  override readonly name = 'EngineBusy';
  static override readonly outcome = 'retry';
}

/** An Athena query failed because of the query itself (syntax, permission, missing data). */
export class AthenaQueryFailed extends SluiceError {
  override readonly name = 'AthenaQueryFailed';
}

/** Another execution holds the dataset's lease now. Nothing may be written. */
export class LeaseLost extends SluiceError {
  override readonly name = 'LeaseLost';
}

/** An earlier version of Sluice wrote the ledger's items. Nothing is read or written. */
export class LedgerOutdated extends SluiceError {
  override readonly name = 'LedgerOutdated';
}

/** The time of a function is nearly up. Its batch fails, and is tried again in smaller parts. */
export class OutOfTime extends SluiceError {
  override readonly name = 'OutOfTime';
}

/** The time of a function was up before its work was done. What it has done stays done, and its next call goes on from there. */
export class WorkLeft extends SluiceError {
  override readonly name = 'WorkLeft';
  static override readonly outcome = 'retry';
}

/** S3 did not delete objects, even after retries. */
export class ObjectsNotDeleted extends SluiceError {
  override readonly name = 'ObjectsNotDeleted';
}

/** DynamoDB left items unread, even after retries. */
export class KeysUnread extends SluiceError {
  override readonly name = 'KeysUnread';
  static override readonly outcome = 'retry';
}

/** Glue rejected partitions of a call for now, even after retries. */
export class PartitionsLeft extends SluiceError {
  override readonly name = 'PartitionsLeft';
  static override readonly outcome = 'retry';
}

/** SQS or EventBridge did not accept messages, even after retries. */
export class MessagesRefused extends SluiceError {
  override readonly name = 'MessagesRefused';
  static override readonly outcome = 'retry';
}

/** An item of the ledger, or a document of the work bucket, does not have the form of this version. */
export class RecordUnreadable extends SluiceError {
  override readonly name = 'RecordUnreadable';
}

/** A write to the ledger conflicted with others, or was throttled, at every try. */
export class LedgerBusy extends SluiceError {
  override readonly name = 'LedgerBusy';
  static override readonly outcome = 'retry';
}

/** S3 closed the connection in the middle of an object, at every try. */
export class ConnectionLost extends SluiceError {
  override readonly name = 'ConnectionLost';
  static override readonly outcome = 'retry';
}

/** Athena broke the query off at every try, and says that it may succeed. */
export class QueryBrokenOff extends SluiceError {
  override readonly name = 'QueryBrokenOff';
}

/** A service of AWS failed or was out of reach at every try of the SDK. The batch is not the cause. */
export class AwsUnavailable extends SluiceError {
  override readonly name = 'AwsUnavailable';
  static override readonly outcome = 'retry';
}

/** Files would lose most of their published rows without a replacement. A person decides. */
export class ReplacementDoubtful extends SluiceError {
  override readonly name = 'ReplacementDoubtful';
}

/** An earlier execution left an attempt open. FailBatch ends it before new files are claimed. */
export class BatchOpen extends SluiceError {
  override readonly name = 'BatchOpen';
}

/** S3 has attempts that the ledger does not know, because it was restored to an earlier time. They are reopened first. */
export class LedgerRestored extends SluiceError {
  override readonly name = 'LedgerRestored';
}

/** Somebody else decided about the same files, or changed them, at the same time. */
export class AlreadyDecided extends SluiceError {
  override readonly name = 'AlreadyDecided';
}

/** Rows of a person cannot be erased without harm to others, or not by Sluice. Nothing was changed. */
export class ErasureRefused extends SluiceError {
  override readonly name = 'ErasureRefused';
}

/** Rows of a person are left: the dataset was busy, or something brought them back. The same command continues. */
export class ErasureIncomplete extends SluiceError {
  override readonly name = 'ErasureIncomplete';
}

/** A raw object version was deleted between its event and its reading. */
export class ObjectMissing extends SluiceError {
  override readonly name = 'ObjectMissing';
}

/** The input of a step does not fit its schema: the definition has a fault, or the execution was started by hand. */
export class InvalidInput extends SluiceError {
  override readonly name = 'InvalidInput';
}

/** A notification cannot be read, or names no dataset. It goes to the dead-letter queue. */
export class UnreadableEvent extends SluiceError {
  override readonly name = 'UnreadableEvent';
}

/** Not an error of the flow: this machine, or the stage, lacks something. The message is one line and says what to do. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}
