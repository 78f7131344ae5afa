/**
 * The catalogue of named errors. The state machine's Retry and Catch match on `name`. Each class states its name, because bundled
 * code is minified and has other class names.
 */

/**
 * What follows from an error. `retry`: the step is called again. `hold`: the files of the batch wait until a person corrects the
 * contract or the feed. `fail`: the batch fails, and its files are tried again in smaller batches.
 */
export type Outcome = 'retry' | 'hold' | 'fail';

/** What an error is about. The logger writes these fields next to the message, so that logs can be searched by them. */
export interface Subject {
  readonly dataset?: string | undefined;
  readonly batch?: string | undefined;
  /** The key of an object in S3. Of several, the first. */
  readonly object?: string | undefined;
  /** Of several, the first. */
  readonly column?: string | undefined;
  readonly table?: string | undefined;
}

/** Base of every error that Sluice raises on purpose. */
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

/** A contract file does not follow the contract language. Carries the place. */
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

/** A reference (lookup table or polygons) cannot be used: its key is not unique, a column is missing, it does not parse. */
export class ReferenceRefused extends SluiceError {
  override readonly name = 'ReferenceRefused';
  static override readonly outcome = 'hold';
}

/** The Data Catalog lacks a required contract column or knows it with a type that the contract cannot read. */
export class SchemaMismatch extends SluiceError {
  override readonly name = 'SchemaMismatch';
  static override readonly outcome = 'hold';
}

/** An expectation with severity `hold` failed on the staged rows: the batch is held, nothing is published. */
export class ExpectationFailed extends SluiceError {
  override readonly name = 'ExpectationFailed';
  static override readonly outcome = 'hold';
}

/** Rows read are not published + quarantined + duplicates, or Athena counts other rows than the transform wrote. */
export class AccountingMismatch extends SluiceError {
  override readonly name = 'AccountingMismatch';
  static override readonly outcome = 'hold';
}

/** The Catalog's table has a column with another type than the contract: a published column never changes its type. */
export class TableMismatch extends SluiceError {
  override readonly name = 'TableMismatch';
  static override readonly outcome = 'hold';
}

/** An Iceberg table, or what a contract wants of it, is something that Sluice does not read or write. */
export class TableUnsupported extends SluiceError {
  override readonly name = 'TableUnsupported';
  static override readonly outcome = 'hold';
}

/** Another writer has changed the rows that a commit was about to replace. The commit changed nothing; plan it anew. */
export class TableConflict extends SluiceError {
  override readonly name = 'TableConflict';
}

/** Glue did not say whether it has taken a commit of an Iceberg table, and may still take it: the same commit is asked for again. */
export class CommitUnclear extends SluiceError {
  override readonly name = 'CommitUnclear';
  static override readonly outcome = 'retry';
}

/** The Glue job run ended in another state than SUCCEEDED. The message is the job's own. */
export class GlueJobFailed extends SluiceError {
  override readonly name = 'GlueJobFailed';
}

/** A batch does not fit into the memory or the disk of the embedded engine: it moves to Glue. */
export class EngineOutOfMemory extends SluiceError {
  override readonly name = 'EngineOutOfMemory';
}

/** The rows of a batch go to more partitions than the contract, or any batch, may have. Its files are tried again in smaller batches. */
export class TooManyPartitions extends SluiceError {
  override readonly name = 'TooManyPartitions';
}

/** The crawler's last run failed. The message is the crawler's own. */
export class CrawlerFailed extends SluiceError {
  override readonly name = 'CrawlerFailed';
}

/** The Glue job is at its limit of concurrent runs, or Athena at its query quota: try again later. */
export class EngineBusy extends SluiceError {
  override readonly name = 'EngineBusy';
  static override readonly outcome = 'retry';
}

/** An Athena query failed for a reason of its own (syntax, permission, missing data). */
export class AthenaQueryFailed extends SluiceError {
  override readonly name = 'AthenaQueryFailed';
}

/** This execution no longer holds the dataset's lease: another one does. Nothing may be written. */
export class LeaseLost extends SluiceError {
  override readonly name = 'LeaseLost';
}

/** The ledger's items are laid out as an earlier version of Sluice did: nothing is read or written. */
export class LedgerOutdated extends SluiceError {
  override readonly name = 'LedgerOutdated';
}

/** The time of a function is nearly up. Its batch fails, and is tried again in smaller parts. */
export class OutOfTime extends SluiceError {
  override readonly name = 'OutOfTime';
}

/** S3 has not deleted objects that it was asked to delete. */
export class ObjectsNotDeleted extends SluiceError {
  override readonly name = 'ObjectsNotDeleted';
}

/** DynamoDB has left items unread, again and again. */
export class KeysUnread extends SluiceError {
  override readonly name = 'KeysUnread';
  static override readonly outcome = 'retry';
}

/** Glue has refused partitions of a call for now, again and again. */
export class PartitionsLeft extends SluiceError {
  override readonly name = 'PartitionsLeft';
  static override readonly outcome = 'retry';
}

/** SQS has not taken messages, again and again. */
export class MessagesRefused extends SluiceError {
  override readonly name = 'MessagesRefused';
  static override readonly outcome = 'retry';
}

/** An item of the ledger, or a document of the work bucket, does not have the form that this version writes. */
export class RecordUnreadable extends SluiceError {
  override readonly name = 'RecordUnreadable';
}

/** A write to the ledger met others, or DynamoDB's throttling, each time it was tried. */
export class LedgerBusy extends SluiceError {
  override readonly name = 'LedgerBusy';
  static override readonly outcome = 'retry';
}

/** S3 broke off in the middle of an object, each time it was read. */
export class ConnectionLost extends SluiceError {
  override readonly name = 'ConnectionLost';
  static override readonly outcome = 'retry';
}

/** Files would lose most of their published rows without anything in their place: a person decides. */
export class ReplacementDoubtful extends SluiceError {
  override readonly name = 'ReplacementDoubtful';
}

/** An attempt of an earlier execution was left open. FailBatch ends it before anything new is claimed. */
export class BatchOpen extends SluiceError {
  override readonly name = 'BatchOpen';
}

/** S3 has attempts that the ledger does not know: it was restored to an earlier time, and they are opened in it anew first. */
export class LedgerRestored extends SluiceError {
  override readonly name = 'LedgerRestored';
}

/** Somebody else has decided or changed the same files at the same time. */
export class AlreadyDecided extends SluiceError {
  override readonly name = 'AlreadyDecided';
}

/** A raw object version is gone between its event and its reading. */
export class ObjectMissing extends SluiceError {
  override readonly name = 'ObjectMissing';
}

/** A step was handed something that its schema refuses: a fault in the definition or a hand-made execution. */
export class InvalidInput extends SluiceError {
  override readonly name = 'InvalidInput';
}

/** A notification that names no dataset or cannot be read. It goes to the dead-letter queue. */
export class UnreadableEvent extends SluiceError {
  override readonly name = 'UnreadableEvent';
}

/** No error of the flow: this machine, or the stage, lacks something that a person has to mend; the message is one line and says how. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}
