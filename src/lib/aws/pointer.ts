/**
 * The pointer to the current metadata file of an Iceberg table. It is stored in the Glue table, and Glue changes it only for
 * a caller who has read the table's last version. https://iceberg.apache.org/docs/1.10.0/aws/#optimistic-locking
 */
import {
  type Column,
  ConcurrentModificationException,
  CreateTableCommand,
  EntityNotFoundException,
  GetTableCommand,
  GlueClient,
  GlueServiceException,
  type Table,
  type TableInput,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { TableMismatch } from '../errors.ts';
import { isIceberg, toTableInput } from './catalog.ts';

export interface Pointer {
  /** Address of the current metadata file. */
  readonly file: string;
  /** Of the Glue table. */
  readonly version: string;
  readonly table: Table;
}

/** A metadata file, and what Glue shows about it. */
export interface Target {
  readonly file: string;
  readonly location: string;
  readonly columns: readonly Column[];
}

export type Pointers = ReturnType<typeof createPointers>;

/**
 * `writer` must not retry calls: if the first answer is lost, the second call would report a change by somebody else.
 */
export function createPointers(
  database: string,
  reader: GlueClient = new GlueClient({ maxAttempts: 6 }),
  writer: GlueClient = new GlueClient({ maxAttempts: 1 }),
) {
  return {
    /** Undefined if the table does not exist. Throws TableMismatch if it is not an Iceberg table. */
    async read(name: string): Promise<Pointer | undefined> {
      let table: Table | undefined;
      try {
        ({ Table: table } = await reader.send(new GetTableCommand({ DatabaseName: database, Name: name })));
      } catch (error) {
        if (error instanceof EntityNotFoundException) return undefined;
        throw error;
      }
      const file = table?.Parameters?.metadata_location;
      if (table === undefined || !isIceberg(table) || file === undefined)
        throw new TableMismatch(
          `table ${database}.${name}: it is not an Iceberg table, the contract says format: iceberg; a published table keeps its format: restore it, or give the dataset another table and replay its files`,
        );
      return { file, version: table.VersionId ?? '', table };
    },

    /** Throws AlreadyExistsException if the table exists. After any other error, the table may have been created. */
    async create(name: string, target: Target): Promise<void> {
      await writer.send(
        new CreateTableCommand({
          DatabaseName: database,
          TableInput: pointedAt({ Name: name, TableType: 'EXTERNAL_TABLE' }, target, undefined),
        }),
      );
    },

    /**
     * Throws ConcurrentModificationException if the table has changed since `from` was read. After any other error, the result
     * is unknown.
     */
    async swap(from: Pointer, target: Target): Promise<void> {
      await writer.send(
        new UpdateTableCommand({
          DatabaseName: database,
          TableInput: pointedAt(toTableInput(from.table), target, from.file),
          VersionId: from.version,
          // Otherwise every commit would leave a version of the table, and an account has a limit of versions.
          SkipArchive: true,
        }),
      );
    },
  };
}

/** What others have set on the table stays. */
const pointedAt = (
  table: TableInput,
  { file, location, columns }: Target,
  previous: string | undefined,
): TableInput => ({
  ...table,
  Parameters: {
    ...table.Parameters,
    EXTERNAL: 'TRUE',
    table_type: 'ICEBERG',
    metadata_location: file,
    ...(previous === undefined ? {} : { previous_metadata_location: previous }),
  },
  StorageDescriptor: { ...table.StorageDescriptor, Location: location, Columns: [...columns] },
});

/** Errors after which Glue has changed nothing. After any other error the effect is unknown. */
const refusals = new Set([
  'AccessDeniedException',
  'EntityNotFoundException',
  'GlueEncryptionException',
  'InvalidInputException',
  'ResourceNumberLimitExceededException',
  'ValidationException',
]);
/** Whether Glue rejected a change of the pointer and changed nothing. */
export const isRefused = (error: unknown): boolean =>
  error instanceof GlueServiceException && refusals.has(error.name);

/** Errors after which Glue has changed nothing and a retry may succeed. */
const isPassing = (error: unknown): boolean =>
  error instanceof ConcurrentModificationException ||
  (error instanceof GlueServiceException && error.name === 'ThrottlingException');

/** Whether a change of the pointer may still take effect. */
export const isUnclear = (error: unknown): boolean => !isRefused(error) && !isPassing(error);
