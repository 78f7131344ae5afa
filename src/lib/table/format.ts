/** The interface of table formats: plain data in and out. No other module knows the layout of a table. */
import * as z from 'zod';
import type { ListedObject } from '../aws/store.ts';
import type { Deadline } from '../deadline.ts';
import type { KeyRange } from '../model/keyRange.ts';
import type { FieldIds, PartitionColumn, TableColumn } from '../model/plan.ts';
import type { Attempt } from '../model/records.ts';

/** The table that a contract asks for. */
export interface TableShape {
  readonly name: string;
  /** An s3:// address that ends in a slash. */
  readonly location: string;
  readonly columns: readonly TableColumn[];
  readonly partitionKeys: readonly PartitionColumn[];
  /** Columns by which the rows of an object are sorted. */
  readonly sortBy?: readonly string[];
  /** Columns of an earlier contract that must be removed. */
  readonly dropped?: readonly string[];
}

/** An object of a table. */
export interface TableObject {
  /** An s3:// address. */
  readonly address: string;
  readonly bytes: number;
  /** Values of its partition, in the order of the keys; null if the rows have no value. */
  readonly values: readonly (string | null)[];
  /** Address of an object whose rows it has. It is in the same partition, even if the table is partitioned otherwise now. */
  readonly restOf?: string | undefined;
  /** Its last bytes with the footer, if they are known. Otherwise they are read. */
  readonly end?: Uint8Array | undefined;
}

/** The file that says which rows have left an object that stays as it is, by their positions. */
export interface Deletes {
  /** An s3:// address. It is a Parquet file with the column `pos`. */
  readonly address: string;
  readonly bytes: number;
  /** The number of rows that have left. */
  readonly rows: number;
}

/** An object that stays, and loses rows to a new delete file. */
export interface DeletingObject {
  readonly address: string;
  readonly values: TableObject['values'];
  /** It has all rows that have left the object. */
  readonly by: Deletes;
  /** The address of its delete file until now. */
  readonly replaces?: string | undefined;
}

/** An object that a compaction may replace. */
export interface CompactableObject {
  readonly address: string;
  readonly bytes: number;
  readonly deletes?: Deletes | undefined;
  /** A text that is equal for objects of one partition. */
  readonly partition: string;
}

/** The change that a batch makes to a table. */
export interface TableCommit {
  readonly dataset: string;
  readonly attempt: Attempt;
  /** The version of the contract. */
  readonly contract: string;
  readonly add: readonly TableObject[];
  /** Objects that leave the table: their rows are replaced or removed. `deletes`: the address of its delete file, which leaves, too. */
  readonly drop: readonly (Omit<TableObject, 'bytes'> & { readonly deletes?: string | undefined })[];
  /** Only for a format that `deletesOf` knows the objects of. */
  readonly deletes?: readonly DeletingObject[];
  /** The rows stay the same: a compaction. */
  readonly isRewrite?: boolean;
}

export interface Committed {
  /** Identifies this state of the table for readers; undefined if the format has no snapshots. */
  readonly snapshot: string | undefined;
  /** When it became the state of the table (ISO 8601). */
  readonly at?: string | undefined;
  /** The rows of the table in the state before the commit and in its own; undefined if the format does not count them. */
  readonly rows?: { readonly before: number; readonly after: number } | undefined;
}

/** The differences between a table and the ledger, as addresses of objects. */
export interface Drift {
  /** The ledger counts them, but readers do not find them. */
  readonly missing: readonly string[];
  /** Readers find them, but the ledger does not count them. */
  readonly extra: readonly string[];
}

export interface PartitionStatistics {
  readonly values: readonly (string | null)[];
  /** Of its keys, where they may be other ones than the table has now. */
  readonly names?: readonly string[];
  readonly objects: number;
  /** Undefined if only a query can find out. */
  readonly rows: number | undefined;
  readonly bytes: number;
}

/** Which earlier states of a table stay. */
export interface Retention {
  /** States that were replaced before this time may go (milliseconds since 1970). */
  readonly olderThan: number;
  /** The number of latest states that always stay. */
  readonly keepLast: number;
  /** Beyond this size of the metadata, younger states go, too; none of the last hour. */
  readonly metadataBytes?: number;
  /** The number of earlier metadata files that stay. */
  readonly metadataVersions?: number;
}

/** What an expiry has removed, or would remove. */
export interface Expired {
  readonly snapshots: number;
  /** The size of the metadata afterwards. */
  readonly metadataBytes: number;
}

/** Who changes a table: the holder of a dataset's lease. */
export interface Holder {
  readonly dataset: string;
  readonly fence: number;
}

/** A partition, with its folder below the table, such as `year=2025/month=10/`. */
export interface TablePartition {
  readonly path: string;
  readonly values: readonly string[];
}

/** Changes to partitions, made to match the objects of a table. */
export interface Repaired {
  readonly added: number;
  readonly dropped: number;
}

/** An object with published rows of a partition. Its values are those of plans: the default partition has its name. */
export interface KeyObject {
  readonly address: string;
  readonly bytes: number;
  readonly values: readonly string[];
  /** Whether it may have rows of other partitions, too: it was written when the table had other partition keys. */
  readonly isShared?: boolean;
  /** The rows in it that have left the table: whoever reads the object must leave them out. */
  readonly deletes?: Deletes | undefined;
}

/** The same. Null stands for any value of a key that was not a partition key when the object was written. */
export interface AnyKeyObject extends Omit<KeyObject, 'values' | 'isShared'> {
  readonly values: readonly (string | null)[];
}

/** Where the keys of published rows are: in these objects, or in all objects in the partitions' folders below an address. */
export type KeySource =
  | { readonly kind: 'objects'; readonly objects: readonly AnyKeyObject[] }
  | { readonly kind: 'folders'; readonly root: string };

/** A state of a table, made by one commit. */
export interface TableSnapshot {
  readonly id: string;
  /** When it was made (ISO 8601). */
  readonly at: string;
  /** The format's word for the change. */
  readonly operation: string;
  /** The attempt that made it; undefined for maintenance and other writers. */
  readonly attempt: Attempt | undefined;
  readonly dataset: string | undefined;
  /** The version of the contract. */
  readonly contract: string | undefined;
  /** Rows of the objects that it added and removed: a row of a rewritten object counts in both. Undefined if the writer did not say. */
  readonly rowsAdded: number | undefined;
  readonly rowsRemoved: number | undefined;
  /** The names under which it is pinned. */
  readonly tags: readonly string[];
  /** current: readers see it. earlier: the current one is based on it. aside: it is not, for example since a rollback by another tool. */
  readonly standing: 'current' | 'earlier' | 'aside';
}

/** What a query must know to compare two states of a table. */
export interface StateDifference {
  /** The columns of both states: their names in each, and now. */
  readonly columns: readonly { readonly from: string; readonly to: string }[];
  /** Columns that only one of the states has. */
  readonly onlyFrom: readonly string[];
  readonly onlyTo: readonly string[];
  /** Whether the same objects have the rows of both. */
  readonly isSame: boolean;
  /**
   * The partitions with other objects, as texts by column, if that is all that separates them: rows of all other partitions are the same.
   */
  readonly partitions: readonly Readonly<Record<string, string>>[] | undefined;
}

/** Where a table names objects: as its rows, or as those that a state has dropped. */
export interface Naming {
  /** Those with rows that readers find now. */
  readonly current: readonly string[];
  /** Ids of the states that name one in any way. */
  readonly snapshots: readonly string[];
  /** The tags and branches of these states, without the main branch. */
  readonly tags: readonly string[];
  readonly branches: readonly string[];
}

/** Earlier states of tables. Each call throws TableMismatch if the table does not exist. */
export interface TableHistory {
  /** The states that can still be read, in the order of their commits. */
  snapshots(table: string): Promise<readonly TableSnapshot[]>;
  /** The state that readers saw at a time (milliseconds since 1970); undefined if it has expired, or there was none yet. */
  at(table: string, time: number): Promise<TableSnapshot | undefined>;
  /** Compares the objects of two snapshots. Throws TableConflict if one has expired. */
  difference(table: string, from: string, to: string): Promise<StateDifference>;
  /**
   * Pins a snapshot, so that no maintenance removes it, and gives it. A repeated call changes nothing. Throws TableConflict if the snapshot
   * has expired or the name belongs to another one, CommitUnclear if the call must be repeated.
   */
  tag(table: string, name: string, snapshot: string): Promise<TableSnapshot>;
  /** Removes a tag. Gives false if there was none. Throws CommitUnclear if the call must be repeated. */
  dropTag(table: string, name: string): Promise<boolean>;
  /** Where the table names some of these addresses. */
  naming(table: string, addresses: ReadonlySet<string>): Promise<Naming>;
  /**
   * Removes all states, with their tags, that name one of these addresses in any way, in one commit. The current state gets a successor with
   * the same rows. Gives what was removed. Throws TableConflict if readers find rows in one of them, or a branch has it; CommitUnclear if the
   * call must be repeated.
   */
  forget(
    table: string,
    addresses: ReadonlySet<string>,
  ): Promise<{ snapshots: number; tags: readonly string[] }>;
  /** The addresses that a metadata file of the table names. */
  namedBy(file: Uint8Array): readonly string[];
}

/** What readers of a table find at a time, as far as it costs little to know. It is kept until the next look. */
export const seenSchema = z.object({
  /** Values of the registered partitions of this part. */
  partitions: z.array(z.array(z.string())).optional(),
  /** Whether another part follows it, or has followed it. */
  isMore: z.boolean().optional(),
  snapshot: z
    .object({
      id: z.string(),
      rows: z.number(),
      /** Changes with each change of Sluice's. */
      writer: z.string(),
    })
    .optional(),
});
export type Seen = z.output<typeof seenSchema>;

/** The part of a table that one look takes in. Most tables have one. */
export interface TablePart {
  /** From 0. */
  readonly number: number;
  /** Where it begins: `next` of the part before it. Undefined if the format no longer knows: then only what was there at the last look is looked at. */
  readonly from?: string | undefined;
}

/** What others have changed between two looks at a part of a table. */
export interface Observed {
  readonly seen: Seen;
  /** Partitions that were registered at the last look, and are not now. */
  readonly gone: readonly (readonly string[])[];
  /** How many rows other writers have taken out of the table. */
  readonly rows: number;
  /** Where the next part begins. */
  readonly next?: string | undefined;
}

export interface TableFormat {
  /**
   * The earlier states of tables; undefined if the format keeps none. If it keeps them, replaced and taken-back objects stay until
   * maintenance removes them.
   */
  readonly history: TableHistory | undefined;
  /**
   * Whether readers see a whole commit at once. If not, they find each object below the table as soon as it is there, and until it is
   * deleted.
   */
  readonly commitsAtOnce: boolean;
  /** Whether rows are staged at their final place, in a folder of their attempt below the table, and published without a copy. */
  readonly isInPlace: boolean;
  /** Whether objects stay in their partitions when the contract changes the partition keys. */
  readonly keepsOldPartitions: boolean;
  /**
   * Checks, before anything is changed, whether `ensure` could bring the table to its shape. Throws TableMismatch and
   * TableUnsupported like `ensure`. A table that does not exist passes.
   */
  check(shape: TableShape): Promise<void>;
  /**
   * The ids that the columns have or will get from `ensure`; undefined if objects of this format have no ids. Throws like
   * `check`.
   */
  fieldIds(shape: TableShape): Promise<FieldIds | undefined>;
  /** Whether the table exists for readers. */
  isThere(table: string): Promise<boolean>;
  /** Creates the table or changes it to its shape. Throws TableMismatch for an impossible change, TableUnsupported for an unsupported type. */
  ensure(shape: TableShape, holder: Holder): Promise<void>;
  /**
   * Makes a whole batch visible at once. A repeated call changes nothing. Throws LeaseLost if a later holder has closed the table,
   * TableConflict if others have changed what the batch replaces, CommitUnclear if the call must be repeated, OutOfTime before anything
   * is visible.
   */
  commit(
    shape: Pick<TableShape, 'name' | 'partitionKeys'>,
    commit: TableCommit,
    deadline?: Deadline,
  ): Promise<Committed>;
  /** The result of an attempt's commit, if the table still remembers it. */
  committed(table: string, attempt: Attempt): Promise<Committed>;
  /** Registers the partitions of a commit if the commit itself did not. Gives the number of new partitions. */
  register(shape: TableShape, partitions: readonly TablePartition[]): Promise<number>;
  /**
   * Closes the table to an attempt that the ledger has not committed, and takes back its visible rows. The attempt can no longer
   * commit afterwards.
   */
  takeBack(table: string, holder: Holder, attempt: Attempt): Promise<'taken back' | 'never committed'>;
  /**
   * The objects with rows of these partitions. Those that have no row with such keys, by the statistics of the table, may be missing: a row counts only
   * if it is in every range. Throws TableConflict if others have deleted rows in them.
   */
  objectsIn(
    shape: TableShape,
    partitions: readonly (readonly string[])[],
    keys?: readonly KeyRange[],
  ): Promise<readonly KeyObject[]>;
  /** All objects with rows of the table, without the same ones. Throws like `objectsIn`. */
  allObjects(shape: TableShape, keys?: readonly KeyRange[]): Promise<readonly AnyKeyObject[]>;
  /** The same for a job that does not know its partitions yet. Throws like `objectsIn`. */
  keySource(shape: TableShape): Promise<KeySource>;
  /**
   * How many rows objects of the table have, and which of them have left, by their addresses. Objects that the table does not have are not
   * among them; none for a format whose objects have all their rows. Throws like `objectsIn`.
   */
  deletesOf(
    table: Pick<TableShape, 'name'>,
    objects: readonly Pick<TableObject, 'address' | 'values'>[],
  ): Promise<ReadonlyMap<string, { readonly rows: number; readonly deletes?: Deletes | undefined }>>;
  /** Compares the table with the objects that the ledger counts. `isOwn` says which objects the ledger should know. */
  verify(table: string, counted: Iterable<string>, isOwn: (address: string) => boolean): Promise<Drift>;
  /**
   * Removes old states of the table; readers can no longer ask for them. Null if the format has none. What only they named is an orphan
   * then. Batches of the last hour may be open; all others must have ended, because a commit is recognized by its state.
   */
  expire(table: string, retention: Retention): Promise<Expired | null>;
  /** What `expire` would do. */
  expirable(table: string, retention: Retention): Promise<Expired | null>;
  /**
   * Keys below the table that no readable state names, last changed before `olderThan` (milliseconds since 1970). They can be
   * deleted unless the ledger counts them. Null if no state names anything, so the ledger alone decides. `list` gives the objects
   * below a prefix.
   */
  orphans(
    table: string,
    list: (bucket: string, prefix: string) => Promise<readonly ListedObject[]>,
    olderThan: number,
  ): Promise<ReadonlySet<string> | null>;
  /** Registers the partitions with objects, and drops those partitions without objects that `isOwn` names. */
  repair(
    shape: TableShape,
    standing: readonly TablePartition[],
    isOwn: (values: readonly string[]) => boolean,
  ): Promise<Repaired>;
  /**
   * Looks at a part of an existing table, by default the first one, and compares it with the last look at this part. It costs the same however
   * many rows, batches and partitions the table has: no object is listed or read.
   */
  observe(shape: TableShape, last: Seen | undefined, part?: TablePart): Promise<Observed>;
  /**
   * Objects that a compaction may replace: readers find all their rows. Of a large table it may be a part; then `next` says where
   * another call continues.
   */
  compactable(
    table: Pick<TableShape, 'name' | 'location'>,
    from?: string,
  ): Promise<{ readonly objects: readonly CompactableObject[]; readonly next?: string }>;
  /**
   * What readers find, by partition; empty if the table does not exist. With `last`, at least the last partitions in the order of their
   * values: a format may then read less than the whole table.
   */
  inspect(table: Pick<TableShape, 'name' | 'location'>, last?: number): Promise<PartitionStatistics[]>;
}
