/**
 * A compiled contract: immutable data that both engines run. The row part is DuckDB SQL over the relations `records`, `files` and the
 * references. The set part is data, and the same as SQL for each engine.
 */
import * as z from 'zod';

/** Reason codes of quarantined rows in the quarantine table, documented in docs/contract.md. */
export const reasonCodes = [
  'not_text',
  'broken_archive',
  'encrypted_archive',
  'unsupported_archive',
  'archive_too_large',
  'document_too_large',
  'record_too_large',
  'object_missing',
  'invalid_document',
  'records_missing',
  'invalid_header',
  'unknown_header',
  'invalid_utf8',
  'invalid_json',
  'not_an_object',
  'invalid_csv',
  'invalid_line',
  'not_an_array',
  'bad_type',
  'unmapped',
  'out_of_range',
  'missing_required',
  'unexpected_field',
  'filtered',
  'unmatched',
  'rejected',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

/** Those of a record, or a whole file, whose columns cannot be read: they come before all others. */
export const recordReasons: readonly ReasonCode[] = reasonCodes.slice(0, reasonCodes.indexOf('bad_type'));

/** Replaces the reason for a record of another dataset. It is counted and not quarantined. */
export const skipped = 'skipped';

/** Publish copies an object or more for each partition of a batch within the time of a function. */
export const mostPartitions = 100_000;

/** The maximum length of a record in bytes, on both engines. DuckDB needs about ten times as much to parse one. */
export const maxRecordBytes = 16 * 1024 * 1024;

const outputColumn = z.object({
  name: z.string(),
  /** Hive type, as in the Data Catalog and in Spark's DDL. */
  type: z.string(),
});
export type OutputColumn = z.output<typeof outputColumn>;

/** A column of the table, with what the contract says of it. */
const tableColumn = outputColumn.extend({
  comment: z.string().optional(),
  /** Its earlier names. */
  was: z.array(z.string()).readonly().optional(),
});
export type TableColumn = z.output<typeof tableColumn>;

/** A partition key, whose text names folders. */
const partitionColumn = outputColumn.extend({
  /** A transform of Iceberg's, such as `day` or `bucket[16]`, of a column. Without it, the key is a column of the table. */
  transform: z.string().optional(),
  of: z.string().optional(),
});
export type PartitionColumn = z.output<typeof partitionColumn>;

const sortKey = z.object({ column: z.string(), direction: z.enum(['asc', 'desc']) });

const referenceShape = z.object({
  name: z.string(),
  /** Column -> DuckDB type, for read_json. */
  columns: z.record(z.string(), z.string()),
});

/** The set part as data; see src/lib/dialect/set.ts for its SQL. */
const setPartSchema = z.object({
  /** Lookups that are too large for the memory of every executor. */
  joins: z.array(
    z.object({
      reference: z.string(),
      /** Published column -> column of the reference. */
      on: z.record(z.string(), z.string()),
      columns: z.record(z.string(), z.string()),
      unmatched: z.union([z.enum(['null', 'quarantine']), z.object({ default: z.string() })]),
    }),
  ),
  /**
   * Rows with an equal key are duplicates; the first in `order`, then object, version, digest, place and line, stays.
   * `published`: the published rows of the row's partition are compared, too, and `key` has the partition keys. With `within`, it has not:
   * all published rows of the dataset are compared, which are those in the partitions with these values.
   */
  dedupe: z
    .object({
      key: z.array(z.string()),
      order: z.array(sortKey),
      published: z.boolean(),
      within: z.record(z.string(), z.string()).optional(),
      /**
       * All rows with the first value of the order stay, of the batch and of the published rows, and no others. Then `key` has the
       * partition keys alone, or nothing.
       */
      keepsAll: z.boolean().optional(),
      /** Whether the row part has `_deletes`: a row that deletes its key. */
      deletes: z.boolean().optional(),
      /** Whether it has `_truncates`, too: a row that deletes all rows with less in the only column of the order. */
      truncates: z.boolean().optional(),
      /** Tombstones of the last days count. */
      keepDeletesDays: z.int().optional(),
      /** For files that are read again for rows that had lost: those that counted when the files first came, and all since. */
      lookBackDays: z.int().optional(),
      /**
       * Each version of a key stays: `key` has the column `version`, too, and `order` is empty. `history.key` is the key without it. A row is
       * valid until the next version or delete of its key, which stands in `validTo`.
       */
      history: z
        .object({
          key: z.array(z.string()),
          version: z.string(),
          validTo: z.string(),
          current: z.string(),
        })
        .optional(),
    })
    .nullable(),
  /** Whether the row part has rows of other datasets, with the reason `skipped`. */
  skips: z.boolean().optional(),
  /** Order of the rows within a published file. */
  sort: z.array(z.string()),
  /** Whether this order is also the order of their partitions. */
  isPartitionOrder: z.boolean(),
});
export type SetPart = z.output<typeof setPartSchema>;

/**
 * SQL over row_part, the references and, if needed, published(<key>, <order>, _object, _version, _path, _is_fixed, _row): `_row` is the position
 * of the row in its object, NULL if nobody knows it. If rows delete keys, `published` has the tombstones, too, and `_is_tombstone` distinguishes
 * them. Sorting is expensive and most keys are unique, so only rows with a repeated key are sorted. On Spark, row_part has no rows that are already
 * quarantined.
 */
const setSqlSchema = z.object({
  /**
   * published, with `_is_gone` for rows of the files that the batch replaces -> the rows of the keys that it touches, which `candidates` then
   * reads. Null without a history.
   */
  before: z.string().nullable().default(null),
  /** -> the published rows with a key of the batch; null if published rows are not compared. */
  candidates: z.string().nullable().default(null),
  /** -> the keys that occur more than once; null if the contract has no key. */
  repeated: z.string().nullable(),
  /** repeated -> the rows of those keys, with `_fate`. */
  contested: z.string().nullable(),
  /** repeated and contested -> all rows of row_part with `_fate`: published, quarantined, duplicate, deletes or skipped. */
  ranked: z.string(),
  /**
   * candidates and ranked -> the published rows that newer rows replace: `path` of the object, the columns of the key, `_row` and, if
   * rows delete keys, `_is_deleted`.
   */
  replaced: z.string().nullable().default(null),
  /** before, candidates and ranked -> the published rows that stay with another validity: `path`, the key, and `validTo`. */
  changed: z.string().nullable().default(null),
  /** ranked -> the tombstones of the batch: the columns that decide, of the rows that delete their keys. Null if no row deletes. */
  tombstones: z.string().nullable().default(null),
  /** candidates and ranked -> the pairs of files of which one has lost rows to the other: `winner` and `loser`. */
  lost: z.string().nullable().default(null),
});
export type SetSql = z.output<typeof setSqlSchema>;

/**
 * Column -> its field id, and for an array the id of its elements. `names`: how objects without ids may call it, if not by its present
 * name alone.
 */
const fieldIdsSchema = z.record(
  z.string(),
  z.object({ id: z.int(), element: z.int().optional(), names: z.array(z.string()).readonly().optional() }),
);
export type FieldIds = z.output<typeof fieldIdsSchema>;

/** The table formats. */
export const tableFormats = ['hive', 'iceberg'] as const;
export type TableFormatName = (typeof tableFormats)[number];

/** A published table that a batch looks up, in the state that it read. */
export const lookedUpSchema = z.object({
  table: z.string(),
  /** The snapshot of an Iceberg table; of a Hive table, a name that other objects change. */
  version: z.string(),
  objects: z.int(),
  /** The keys that can be found. */
  rows: z.int(),
});
export type LookedUp = z.output<typeof lookedUpSchema>;

export const planSchema = z.object({
  version: z.literal(1),
  dataset: z.string(),
  table: z.string(),
  format: z.enum(tableFormats).default('hive'),
  /** Fingerprint of the contract. */
  contract: z.string(),
  /** The raw table in the Data Catalog when the plan was made; null if nothing was readable. */
  rawTable: z
    .object({ name: z.string(), fields: z.array(z.string()), ignored: z.array(z.string()) })
    .nullable(),
  row: z.object({
    /**
     * documents(file INT, raw BLOB) -> records(file INT, line BIGINT, raw BLOB, fault VARCHAR): splits whole files into records. `line` is the
     * 1-based position in an array or a map, else the line in which the record begins.
     */
    documents: z.string(),
    /**
     * records(file, line, raw, fault), files(file INT, object VARCHAR, version VARCHAR, member VARCHAR, header VARCHAR[], skip BIGINT, unnamed BOOLEAN, cr BOOLEAN) and the
     * references -> one row for each record, or each element of an exploded array: bookkeeping columns (BOOKKEEPING in
     * glue/job.py), then output columns, then partition columns.
     */
    records: z.string(),
    references: z.array(referenceShape),
    /** For Parquet: see parquetReader. */
    tables: z.string().optional(),
  }),
  set: setPartSchema.extend({
    references: z.array(referenceShape),
    sql: z.object({ duckdb: setSqlSchema, spark: setSqlSchema }),
  }),
  /** The published columns. The last ones are the lineage of a row. */
  columns: z.array(tableColumn),
  partitionKeys: z.array(partitionColumn),
  /** Columns of earlier contracts that the table loses. */
  dropped: z.array(z.string()).readonly().optional(),
  /** The contract's limit of partitions in a batch, if it is lower than the general limit. */
  maxPartitions: z.int().optional(),
  /** The ids of the columns in an Iceberg table; undefined if objects have none. */
  fieldIds: fieldIdsSchema.optional(),
  /** The published tables that it looks up. */
  lookups: z.array(lookedUpSchema).optional(),
  /** The source fields of columns and partition keys: see fieldsOf. */
  fields: z.record(z.string(), z.array(z.string())),
});
export type Plan = z.output<typeof planSchema>;

/**
 * Published with every row, so that it can be traced and replaced. `_line` is the `line` of the quarantine table: the line of the
 * object in which the record begins, or the record's position in an array or a map. A new column is added at the end.
 */
export const lineage: readonly OutputColumn[] = [
  { name: '_batch', type: 'string' },
  { name: '_object', type: 'string' },
  { name: '_version', type: 'string' },
  { name: '_line', type: 'bigint' },
];

/** The fields that no column reads, with `drift: rescue`. */
export const rescued: OutputColumn = { name: '_rescued', type: 'string' };

/** The columns of the quarantine table, which are the same for every contract. */
export const quarantineColumns: readonly OutputColumn[] = [
  { name: 'object', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'line', type: 'bigint' },
  { name: 'reason', type: 'string' },
  { name: 'column_name', type: 'string' },
  { name: 'value', type: 'string' },
  { name: 'raw', type: 'string' },
];

/** The form of a reference for an engine: one JSON row per line. */
export interface ReferenceData {
  readonly name: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly ndjson: string;
  /** For polygons: the grid. Each row is one of its cells. */
  readonly grid?: Grid;
  /** For a published table: its state. */
  readonly table?: LookedUp;
}

/** A grid over longitude (x) and latitude (y), in degrees. Cell number: row * columns + column. */
export interface Grid {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
}

/** Counts of rows by outcome. The first is the sum of the others, without those of published rows. */
export const accountingSchema = z.object({
  rowsRead: z.int().nonnegative(),
  published: z.int().nonnegative(),
  quarantined: z.int().nonnegative(),
  duplicates: z.int().nonnegative(),
  /** Records that do not match the contract's `when`; absent without `when`. */
  skipped: z.int().nonnegative().optional(),
  /** Rows that delete their key; absent without `deleteWhen`. */
  deletes: z.int().nonnegative().optional(),
  /** Published rows of other files that leave the table for newer rows; absent if published rows are not compared. */
  replacedRows: z.int().nonnegative().optional(),
  /** Published rows of other files that leave the table because their key is deleted; absent without `deleteWhen`. */
  deletedRows: z.int().nonnegative().optional(),
  /** Published rows whose validity another version of their key changes; absent without a history. */
  changedRows: z.int().nonnegative().optional(),
});
export type Accounting = z.output<typeof accountingSchema>;

/**
 * The account of a commit's table: before + inserted - deleted - replaced = after. `before` and `after` are null if nothing has counted
 * them.
 */
export const tableAccountSchema = z.object({
  counted: z
    .enum(['table', 'partitions'])
    .describe('What has these rows: the whole table, or the partitions that the batch changed.'),
  before: z.int().nullable().describe('null if nothing has counted the rows around the commit.'),
  inserted: z.int().nonnegative(),
  deleted: z.int().nonnegative().describe('Rows whose key a row of the batch deleted.'),
  replaced: z
    .int()
    .nonnegative()
    .describe('Rows that left for newer ones, or with a file that was corrected, replayed or rejected.'),
  after: z.int().nullable(),
});
export type TableAccount = z.output<typeof tableAccountSchema>;

/** The rows that the table should have after the commit; null if they were not counted before it. */
export const expectedAfter = ({ before, inserted, deleted, replaced }: TableAccount): number | null =>
  before === null ? null : before + inserted - deleted - replaced;

/** Whether the counts contradict each other. */
export const isUnbalanced = (account: TableAccount): boolean =>
  account.after !== null && account.before !== null && expectedAfter(account) !== account.after;

/** Whether every row that was read has an outcome. */
export const addsUp = ({
  rowsRead,
  published,
  quarantined,
  duplicates,
  skipped = 0,
  deletes = 0,
}: Accounting): boolean => rowsRead === published + quarantined + duplicates + skipped + deletes;

/** The published rows of other files that leave the table. */
export const leavingRows = ({
  replacedRows = 0,
  deletedRows = 0,
}: Pick<Accounting, 'replacedRows' | 'deletedRows'>): number => replacedRows + deletedRows;

/** The published rows whose objects are rewritten. */
export const rewrittenRows = ({
  changedRows = 0,
  ...leaving
}: Pick<Accounting, 'replacedRows' | 'deletedRows' | 'changedRows'>): number =>
  leavingRows(leaving) + changedRows;

/** The counts of a batch, with reasons. */
export const batchCountsSchema = accountingSchema.extend({
  /** Reason code -> quarantined rows. */
  reasons: z.record(z.string(), z.int()),
  /** Column -> values that could not be converted and became null, as its `onError: null` says. */
  nulled: z.record(z.string(), z.int()),
});

/** Counts of one transform, written as `summary.json` beside the staged rows. */
export const summarySchema = batchCountsSchema.extend({
  files: z.array(accountingSchema.extend({ object: z.string(), version: z.string() })),
  partitions: z.array(z.object({ values: z.array(z.string()), rows: z.int() })),
});
export type Summary = z.output<typeof summarySchema>;
