/**
 * Which metadata file of an Iceberg table is the current one: the Glue table says so, and Glue changes it only for who has read its
 * last version. https://iceberg.apache.org/docs/1.10.0/aws/#optimistic-locking
 */
import {
  type Column,
  CreateTableCommand,
  EntityNotFoundException,
  GetTableCommand,
  GlueClient,
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

/** A metadata file, and what Glue shows of it. */
export interface Target {
  readonly file: string;
  readonly location: string;
  readonly columns: readonly Column[];
}

export type Pointers = ReturnType<typeof createPointers>;

/**
 * `writer` never sends a call twice: when the first answer is lost, the second one would say that somebody else has changed the table.
 */
export function createPointers(
  database: string,
  reader: GlueClient = new GlueClient({ maxAttempts: 6 }),
  writer: GlueClient = new GlueClient({ maxAttempts: 1 }),
) {
  return {
    /** Undefined for a table that is not there. Throws TableMismatch for one that is not Iceberg's. */
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

    /** Throws AlreadyExistsException when it is there. Any other error may come of a table that was made. */
    async create(name: string, target: Target): Promise<void> {
      await writer.send(
        new CreateTableCommand({
          DatabaseName: database,
          TableInput: pointedAt({ Name: name, TableType: 'EXTERNAL_TABLE' }, target, undefined),
        }),
      );
    },

    /** Throws ConcurrentModificationException when the table is no longer what `from` says. Other errors do not tell. */
    async swap(from: Pointer, target: Target): Promise<void> {
      await writer.send(
        new UpdateTableCommand({
          DatabaseName: database,
          TableInput: pointedAt(toTableInput(from.table), target, from.file),
          VersionId: from.version,
          // Every commit would leave a version of the table, of which an account may have only so many.
          SkipArchive: true,
        }),
      );
    },
  };
}

/** What others have put on the table stays. */
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
