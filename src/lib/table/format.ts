/** What a table format does for the flow: plain data in and out. No other module knows how a table is laid out. */
import type { ListedObject } from '../aws/store.ts';
import type { FieldIds, OutputColumn } from '../model/plan.ts';
import type { Attempt } from '../model/records.ts';

/** A table as a contract wants it. */
export interface TableShape {
  readonly name: string;
  /** An s3:// address that ends in a slash. */
  readonly location: string;
  readonly columns: readonly TableColumn[];
  readonly partitionKeys: readonly OutputColumn[];
  /** Columns by which the rows of an object are sorted. */
  readonly sortBy?: readonly string[];
  /** Columns of an earlier contract that are to be no more. */
  readonly dropped?: readonly string[];
}

export interface TableColumn extends OutputColumn {
  readonly comment?: string | undefined;
  /** The name that it had before. */
  readonly was?: string | undefined;
}

/** An object of a table. */
export interface TableObject {
  /** An s3:// address. */
  readonly address: string;
  readonly bytes: number;
  /** Of its partition, in the order of the keys; null where the row has none. */
  readonly values: readonly (string | null)[];
}

/** What a batch does to a table, before anything is done. */
export interface TableCommit {
  readonly dataset: string;
  readonly attempt: Attempt;
  /** The version of the contract. */
  readonly contract: string;
  readonly add: readonly TableObject[];
  /** Objects whose rows are replaced, or gone. */
  readonly drop: readonly Omit<TableObject, 'bytes'>[];
}

export interface Committed {
  /** Pins this state of the table for readers; undefined where the format has none. */
  readonly snapshot: string | undefined;
}

/** Where a table and the ledger differ, in addresses. */
export interface Drift {
  /** The ledger counts them, and readers do not find them. */
  readonly missing: readonly string[];
  /** Readers find them, and the ledger does not count them. */
  readonly extra: readonly string[];
}

export interface PartitionStatistics {
  readonly values: readonly (string | null)[];
  readonly objects: number;
  /** Undefined where only a query tells. */
  readonly rows: number | undefined;
  readonly bytes: number;
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

/** What was done to partitions, to agree with the objects of a table. */
export interface Repaired {
  readonly added: number;
  readonly dropped: number;
}

/** An object with published rows of a partition, whose values are as plans have them: the default partition by its name. */
export interface KeyObject {
  readonly address: string;
  readonly bytes: number;
  readonly values: readonly string[];
}

/** The same; null stands for each value of a key by which the table was not partitioned when the object was written. */
export interface AnyKeyObject extends Omit<KeyObject, 'values'> {
  readonly values: readonly (string | null)[];
}

/** Where the keys of published rows are: in these objects, or in whatever stands in the partitions' folders below an address. */
export type KeySource =
  | { readonly kind: 'objects'; readonly objects: readonly AnyKeyObject[] }
  | { readonly kind: 'folders'; readonly root: string };

export interface TableFormat {
  /**
   * Whether earlier states of a table can be read. Objects that readers have seen, and that are replaced or taken back, stay then
   * until the upkeep lets go of them.
   */
  readonly keepsHistory: boolean;
  /** Whether rows are staged where they stay, in a folder of their attempt below the table, and published without a copy. */
  readonly isInPlace: boolean;
  /**
   * Whether `ensure` could bring the table to its shape, asked before anything is done for it: throws TableMismatch and
   * TableUnsupported as `ensure` does. A table that is not there fits.
   */
  check(shape: TableShape): Promise<void>;
  /**
   * The ids that the columns have, or get when `ensure` brings the table to its shape; undefined where objects have none. Throws as
   * `check`.
   */
  fieldIds(shape: TableShape): Promise<FieldIds | undefined>;
  /** Whether readers find the table at all. */
  isThere(table: string): Promise<boolean>;
  /** Makes the table, and brings it to its shape. Throws TableMismatch for what it cannot become, TableUnsupported for what it has no type for. */
  ensure(shape: TableShape, holder: Holder): Promise<void>;
  /**
   * Makes a batch visible, all of it at once. Asked for again, it is done. Throws LeaseLost when a later holder has closed the table,
   * TableConflict when others have changed what the batch replaces, CommitUnclear when the same commit has to be asked for again.
   */
  commit(shape: Pick<TableShape, 'name'>, commit: TableCommit): Promise<Committed>;
  /** What an attempt's commit has made of the table, as far as the table remembers. */
  committed(table: string, attempt: Attempt): Promise<Committed>;
  /** Lets readers find partitions that a commit has added to, where the commit itself has not. Gives how many are new. */
  register(shape: TableShape, partitions: readonly TablePartition[]): Promise<number>;
  /**
   * Closes the table to an attempt that was not committed in the ledger, and takes back what readers have seen of it. Afterwards it can
   * commit no more.
   */
  takeBack(table: string, holder: Holder, attempt: Attempt): Promise<'taken back' | 'never committed'>;
  /** The objects with rows of these partitions. Throws TableConflict when others have deleted rows of them. */
  objectsIn(shape: TableShape, partitions: readonly (readonly string[])[]): Promise<readonly KeyObject[]>;
  /** The same for a job that finds out itself which partitions it writes to. Throws as `objectsIn`. */
  keySource(shape: TableShape): Promise<KeySource>;
  /** Holds the table against the objects that the ledger counts, `isOwn` says which objects the ledger is to know. */
  verify(table: string, counted: Iterable<string>, isOwn: (address: string) => boolean): Promise<Drift>;
  /**
   * Keys below the table that no state of it names which can still be read, last changed before `olderThan` (milliseconds since 1970):
   * what the ledger does not count of them can be deleted. `list` gives what stands below a prefix.
   */
  orphans(
    table: string,
    list: (bucket: string, prefix: string) => Promise<readonly ListedObject[]>,
    olderThan: number,
  ): Promise<{ has(key: string): boolean }>;
  /** Lets readers find the partitions with objects, and no others of those that `isOwn` names. */
  repair(
    shape: TableShape,
    standing: readonly TablePartition[],
    isOwn: (values: readonly string[]) => boolean,
  ): Promise<Repaired>;
  /** What readers find, by partition; empty for a table that is not there. */
  inspect(table: Pick<TableShape, 'name' | 'location'>): Promise<PartitionStatistics[]>;
}
