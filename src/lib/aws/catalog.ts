/** The Glue Data Catalog: databases, tables and partitions. */
import {
  AlreadyExistsException,
  BatchCreatePartitionCommand,
  BatchDeletePartitionCommand,
  BatchGetPartitionCommand,
  type Column,
  CreateTableCommand,
  EntityNotFoundException,
  GetPartitionsCommand,
  GetTableCommand,
  GlueClient,
  InvalidInputException,
  type PartitionError,
  type PartitionInput,
  paginateGetPartitions,
  paginateGetTables,
  type StorageDescriptor,
  type Table,
  type TableInput,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { PartitionsLeft, SluiceError, TableMismatch } from '../errors.ts';
import type { OutputColumn, PartitionColumn, TableColumn } from '../model/plan.ts';
import { chunksOf, parallel } from '../parallel.ts';
import { again, type Patience } from './again.ts';
import { crawlersOf, isPassing } from './crawlers.ts';
import { jobsOf } from './jobs.ts';

export type Catalog = ReturnType<typeof createCatalog>;

/** The wanted shape of a Parquet table. Its location is an s3:// address that ends in a slash. */
export interface ParquetTable {
  readonly name: string;
  readonly columns: readonly TableColumn[];
  readonly partitionKeys: readonly PartitionColumn[];
  readonly location: string;
  /** A Hive table loses none. */
  readonly dropped?: readonly string[];
}

export interface CatalogTable {
  readonly name: string;
  readonly location: string;
  readonly columns: readonly OutputColumn[];
}

/** Glue's limits of partitions per call: to create, to drop and to look at. */
const partitionsPerCall = 100;
const partitionsPerDrop = 25;
const partitionsPerLook = 1000;

export function createCatalog(
  database: string,
  client: GlueClient = new GlueClient({ maxAttempts: 6 }),
  patience: Patience = {},
) {
  const getTable = async (name: string): Promise<Table | undefined> => {
    try {
      return (await client.send(new GetTableCommand({ DatabaseName: database, Name: name }))).Table;
    } catch (error) {
      if (error instanceof EntityNotFoundException) return undefined;
      throw error;
    }
  };

  /**
   * A call for many partitions answers 200 and lists the ones that failed. After a conflict they are sent again. Returns how
   * many needed no change, by the code `done`. Throws SluiceError for any other error of a partition.
   */
  const eachPartition = async <T extends { readonly values: readonly string[] }>(
    table: string,
    partitions: readonly T[],
    done: string,
    what: string,
    send: (partitions: readonly T[]) => Promise<readonly PartitionError[] | undefined>,
  ): Promise<number> => {
    let waiting = partitions;
    let alreadyDone = 0;
    const attempt = async () => {
      const collided = new Map<string, string>();
      for (const { ErrorDetail: detail, PartitionValues: values } of (await send(waiting)) ?? []) {
        const fault = `table ${database}.${table}: the partition ${values?.join('/')} was not ${what}: ${detail?.ErrorCode}: ${detail?.ErrorMessage}`;
        if (detail?.ErrorCode === done) alreadyDone++;
        else if (passingCodes.includes(detail?.ErrorCode ?? '')) collided.set(JSON.stringify(values), fault);
        else throw new SluiceError(fault);
      }
      waiting = waiting.filter((p) => collided.has(JSON.stringify(p.values)));
      const [fault] = collided.values();
      if (fault !== undefined) throw new PartitionsLeft(fault);
    };
    await again(attempt, (error) => error instanceof PartitionsLeft || isPassing(error), patience);
    return alreadyDone;
  };

  return {
    /** The table with data at an address, whatever its name. */
    async tableAt(location: string): Promise<CatalogTable | undefined> {
      const wanted = location.replace(/\/$/, '');
      for await (const page of paginateGetTables({ client }, { DatabaseName: database }))
        for (const table of page.TableList ?? [])
          if (table.StorageDescriptor?.Location?.replace(/\/$/, '') === wanted) return toCatalogTable(table);
      return undefined;
    },

    /**
     * Creates the table if it is missing, and adds missing columns and comments. Never drops a column, and keeps what others have
     * set on the table. Throws TableMismatch if a column has another type, or if the table has other partition keys or another
     * location, because these name the folders of its rows. `hasNoPast`: no rows of earlier batches are read, so a column may
     * get another type.
     */
    async ensureTable(
      table: ParquetTable,
      { hasNoPast = false }: { readonly hasNoPast?: boolean } = {},
    ): Promise<'created' | 'extended' | 'unchanged'> {
      const ensure = async () => {
        const existing = await getTable(table.name);
        if (!existing) {
          await client.send(
            new CreateTableCommand({ DatabaseName: database, TableInput: tableInput(table) }),
          );
          return 'created';
        }
        const known = existing.StorageDescriptor?.Columns ?? [];
        const changed = table.columns.filter((c) =>
          known.some((k) => k.Name === c.name && (k.Type !== c.type || isDescribedOtherwise(k, c))),
        );
        if (hasNoPast) requireSameLayout(`${database}.${table.name}`, table, existing);
        else requireFit(`${database}.${table.name}`, table, existing);
        const added = table.columns.filter((c) => !known.some((k) => k.Name === c.name));
        if (added.length + changed.length === 0) return 'unchanged';
        await client.send(
          new UpdateTableCommand({
            DatabaseName: database,
            TableInput: withColumns(existing, added, changed),
            // Glue rejects the change if the table has changed since it was read.
            ...(existing.VersionId ? { VersionId: existing.VersionId } : {}),
          }),
        );
        return 'extended';
      };
      // The next try first reads the table again.
      return again(ensure, (error) => isPassing(error) || isOvertaken(error), patience);
    },

    hasTable: async (name: string): Promise<boolean> => (await getTable(name)) !== undefined,

    /** Throws TableMismatch if `ensureTable` could not bring the table to the wanted shape. A table that does not exist passes. */
    async requireFit(table: ParquetTable): Promise<void> {
      const existing = await getTable(table.name);
      if (existing) requireFit(`${database}.${table.name}`, table, existing);
    },

    /** Registers partitions; an existing one counts as done. Returns the number of new ones. */
    async addPartitions(
      table: ParquetTable,
      partitions: readonly { values: readonly string[]; location: string }[],
    ): Promise<number> {
      const existing = await parallel(chunksOf(partitions, partitionsPerCall), 8, (chunk) =>
        eachPartition(table.name, chunk, 'AlreadyExistsException', 'registered', async (waiting) => {
          const { Errors } = await client.send(
            new BatchCreatePartitionCommand({
              DatabaseName: database,
              TableName: table.name,
              PartitionInputList: waiting.map((p) => partitionInput(table, p.values, p.location)),
            }),
          );
          return Errors;
        }),
      );
      return partitions.length - existing.reduce((sum, n) => sum + n, 0);
    },

    /** Values of a table's partitions, in pages of up to 1,000; nothing if the table does not exist. */
    async *partitionPages(table: string): AsyncGenerator<string[][]> {
      const query = { DatabaseName: database, TableName: table, ExcludeColumnSchema: true, MaxResults: 1000 };
      try {
        for await (const page of paginateGetPartitions({ client }, query))
          yield (page.Partitions ?? []).map((p) => p.Values ?? []);
      } catch (error) {
        if (!(error instanceof EntityNotFoundException)) throw error;
      }
    },

    /**
     * One page of up to 1,000 partitions: the first one, or the one that `from`, an earlier `next`, names. Undefined if Glue no longer accepts
     * `from`.
     */
    async partitionPage(
      table: string,
      from?: string,
    ): Promise<{ partitions: string[][]; next: string | undefined } | undefined> {
      const query = { DatabaseName: database, TableName: table, ExcludeColumnSchema: true, MaxResults: 1000 };
      try {
        const page = await client.send(new GetPartitionsCommand({ ...query, NextToken: from }));
        return { partitions: (page.Partitions ?? []).map((p) => p.Values ?? []), next: page.NextToken };
      } catch (error) {
        if (error instanceof EntityNotFoundException) return { partitions: [], next: undefined };
        if (from !== undefined && error instanceof InvalidInputException) return undefined;
        throw error;
      }
    },

    /** Those of some partitions that are registered. Throws PartitionsLeft if Glue does not look at all of them. */
    async registeredOf(
      table: string,
      partitions: readonly (readonly string[])[],
    ): Promise<readonly (readonly string[])[]> {
      const found = await parallel(chunksOf(partitions, partitionsPerLook), 4, async (chunk) => {
        let waiting = chunk.map((values) => ({ Values: [...values] }));
        const registered: string[][] = [];
        const attempt = async () => {
          const answer = await client.send(
            new BatchGetPartitionCommand({
              DatabaseName: database,
              TableName: table,
              PartitionsToGet: waiting,
            }),
          );
          registered.push(...(answer.Partitions ?? []).map((p) => p.Values ?? []));
          waiting = (answer.UnprocessedKeys ?? []).map(({ Values }) => ({ Values: Values ?? [] }));
          if (waiting.length > 0)
            throw new PartitionsLeft(
              `table ${database}.${table}: Glue has not looked at ${waiting.length} of ${chunk.length} partitions`,
            );
        };
        await again(attempt, (error) => error instanceof PartitionsLeft || isPassing(error), patience);
        return registered;
      });
      return found.flat();
    },

    /** Ignores partitions that are already gone. Throws SluiceError if one could not be dropped. */
    async dropPartitions(table: string, partitions: readonly (readonly string[])[]): Promise<void> {
      const named = partitions.map((values) => ({ values }));
      await parallel(chunksOf(named, partitionsPerDrop), 8, (chunk) =>
        eachPartition(table, chunk, 'EntityNotFoundException', 'dropped', async (waiting) => {
          try {
            const { Errors } = await client.send(
              new BatchDeletePartitionCommand({
                DatabaseName: database,
                TableName: table,
                PartitionsToDelete: waiting.map(({ values }) => ({ Values: [...values] })),
              }),
            );
            return Errors;
          } catch (error) {
            // The partitions were deleted with their table.
            if (error instanceof EntityNotFoundException) return [];
            throw error;
          }
        }),
      );
    },

    ...crawlersOf(client, patience),
    ...jobsOf(client),
  };
}

function requireFit(name: string, wanted: ParquetTable, existing: Table): void {
  if (isIceberg(existing))
    throw new TableMismatch(
      `table ${name}: it is an Iceberg table, the contract says format: hive; a published table keeps its format: restore it, or give the dataset another table and replay its files`,
      { table: wanted.name },
    );
  requireSameLayout(name, wanted, existing);
  const known = existing.StorageDescriptor?.Columns ?? [];
  const transform = wanted.partitionKeys.find((key) => key.transform !== undefined);
  if (transform !== undefined)
    throw new TableMismatch(
      `table ${name}: the partition key ${transform.name} is a transform of a column, which a Hive table does not have: use a part or a value of the column, or table: { format: iceberg }`,
      { table: wanted.name },
    );
  const dropped = wanted.dropped?.find((column) => known.some((k) => k.Name === column));
  if (dropped !== undefined)
    throw new TableMismatch(
      `table ${name}: the contract drops the column ${dropped}; a Hive table keeps its columns: remove it from "dropped", or use table: { format: iceberg }`,
      { table: wanted.name, column: dropped },
    );
  for (const column of wanted.columns) {
    if (column.was !== undefined)
      throw new TableMismatch(
        `table ${name}: the contract says that the column ${column.name} was ${column.was.join(', ')}; a Hive table finds columns by their names and cannot rename one: restore the name, or use table: { format: iceberg }`,
        { table: wanted.name, column: column.name },
      );
    const type = known.find((c) => c.Name === column.name)?.Type;
    if (type !== undefined && type !== column.type)
      throw new TableMismatch(
        `table ${name}: the column ${column.name} is ${type}, the contract says ${column.type}; a published column never changes its type`,
        { table: wanted.name, column: column.name },
      );
  }
}

/** Whether Glue's table is an Iceberg table. */
export const isIceberg = ({ Parameters }: Table): boolean =>
  Parameters?.table_type?.toUpperCase() === 'ICEBERG';

/** The partition keys, in their order, name the folders of the rows: with other keys, readers would read wrong values. */
function requireSameLayout(name: string, wanted: ParquetTable, existing: Table): void {
  const keysOf = (keys: readonly OutputColumn[]) =>
    keys.map((k) => `${k.name} ${k.type}`).join(', ') || 'none';
  const has = keysOf((existing.PartitionKeys ?? []).map((k) => ({ name: k.Name ?? '', type: k.Type ?? '' })));
  const wants = keysOf(wanted.partitionKeys);
  if (has !== wants)
    throw new TableMismatch(
      `table ${name}: its partition keys are (${has}), the contract says (${wants}); a published table keeps its partition keys: restore partitionBy, or give the dataset another table and replay its files`,
      { table: wanted.name },
    );
  const location = existing.StorageDescriptor?.Location ?? '';
  if (withoutSlash(location) !== withoutSlash(wanted.location))
    throw new TableMismatch(
      `table ${name}: its location is ${location}, the stage writes to ${wanted.location}; drop the table in the Glue Data Catalog if it belongs to nobody else, and replay the dataset's files`,
      { table: wanted.name },
    );
}

const withoutSlash = (location: string): string => location.replace(/\/+$/, '');

/** Codes of a single partition after which the call may be repeated. */
const passingCodes = [
  'ConcurrentModificationException',
  'OperationTimeoutException',
  'InternalServiceException',
  'ThrottlingException',
];

/** Another caller has created or dropped the table since it was read. */
const isOvertaken = (error: unknown): boolean =>
  error instanceof AlreadyExistsException || error instanceof EntityNotFoundException;

const toCatalogTable = (table: Table): CatalogTable => ({
  name: table.Name ?? '',
  location: table.StorageDescriptor?.Location ?? '',
  columns: (table.StorageDescriptor?.Columns ?? []).map((c) => ({ name: c.Name ?? '', type: c.Type ?? '' })),
});

/** Glue's description of a column. */
const columnOf = ({ name, type, comment }: TableColumn): Column => ({
  Name: name,
  Type: type,
  ...(comment === undefined ? {} : { Comment: comment, Parameters: { [ownComment]: comment } }),
});

/** The comment that a contract has given to a column. When the contract takes it back, it is told from that of a person. */
const ownComment = 'sluice.comment';

const isDescribedOtherwise = ({ Comment, Parameters }: Column, { comment }: TableColumn): boolean =>
  comment !== Parameters?.[ownComment] || (comment !== undefined && comment !== Comment);

/** A column of the table as a contract says. Everything else that others have set stays. */
function changedColumn(column: Column, change: TableColumn): Column {
  const { Comment, Parameters: { [ownComment]: own, ...others } = {}, ...rest } = column;
  const { Parameters, ...said } = columnOf(change);
  return {
    ...rest,
    ...(Comment === undefined || Comment === own ? {} : { Comment }),
    ...said,
    ...(column.Parameters === undefined && Parameters === undefined
      ? {}
      : { Parameters: { ...others, ...Parameters } }),
  };
}

const parquetStorage = (location: string, columns: readonly TableColumn[]): StorageDescriptor => ({
  Location: location,
  Columns: columns.map(columnOf),
  InputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
  OutputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
  SerdeInfo: {
    SerializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe',
    Parameters: { 'serialization.format': '1' },
  },
});

const tableInput = (table: ParquetTable): TableInput => ({
  Name: table.name,
  TableType: 'EXTERNAL_TABLE',
  Parameters: { EXTERNAL: 'TRUE', classification: 'parquet' },
  PartitionKeys: table.partitionKeys.map((k) => ({ Name: k.name, Type: k.type })),
  StorageDescriptor: parquetStorage(table.location, table.columns),
});

/**
 * A table as UpdateTable accepts it. UpdateTable replaces the table, so everything that GetTable returns and TableInput accepts
 * is sent, including comments, statistics and owners.
 */
export const toTableInput = ({
  Name,
  Description,
  Owner,
  LastAccessTime,
  LastAnalyzedTime,
  Retention,
  StorageDescriptor,
  PartitionKeys,
  ViewOriginalText,
  ViewExpandedText,
  TableType,
  Parameters,
  TargetTable,
}: Table): TableInput => ({
  Name,
  Description,
  Owner,
  LastAccessTime,
  LastAnalyzedTime,
  Retention,
  PartitionKeys,
  ViewOriginalText,
  ViewExpandedText,
  TableType,
  Parameters,
  TargetTable,
  StorageDescriptor,
});

const withColumns = (
  table: Table,
  added: readonly TableColumn[],
  changed: readonly TableColumn[],
): TableInput => ({
  ...toTableInput(table),
  StorageDescriptor: {
    ...table.StorageDescriptor,
    Columns: [
      ...(table.StorageDescriptor?.Columns ?? []).map((column) => {
        const change = changed.find((c) => c.name === column.Name);
        return change === undefined ? column : changedColumn(column, change);
      }),
      ...added.map(columnOf),
    ],
  },
});

const partitionInput = (
  table: ParquetTable,
  values: readonly string[],
  location: string,
): PartitionInput => ({
  Values: [...values],
  // Comments are the table's.
  StorageDescriptor: parquetStorage(
    location,
    table.columns.map(({ name, type }) => ({ name, type })),
  ),
});
