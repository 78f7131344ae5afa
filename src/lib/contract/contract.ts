/** Answers simple questions about a contract: its table, its key, the datasets of an object. */
import type { PartitionColumn, TableFormatName } from '../model/plan.ts';
import { versionColumns } from './history.ts';
import { type Maintenance, maintenanceShape } from './maintenance.ts';
import { isBeyondCrawlers } from './recordsPath.ts';
import type { Contract } from './schema.ts';

/** The key columns, in which no two published rows of a batch are equal (of a partition, if that is the scope); null without deduplication. */
export const dedupeKey = (
  contract: Pick<Contract, 'dedupe'> & Partial<Pick<Contract, 'history'>>,
): string[] | null => {
  const { dedupe } = contract;
  return dedupe
    ? [
        ...(dedupe.scope === 'file' ? ['_object', '_version'] : []),
        ...dedupe.key,
        ...versionColumns(contract),
      ]
    : null;
};

/** Whether the scope compares the rows of a batch with published rows, too. */
export const comparesPublished = ({ scope }: Pick<NonNullable<Contract['dedupe']>, 'scope'>): boolean =>
  scope === 'partition' || scope === 'table';

/** The table that a contract fills. */
export const tableOf = ({ table, dataset }: Pick<Contract, 'table' | 'dataset'>): string =>
  (typeof table === 'object' ? table.name : table) ?? dataset;

/** Its partition keys. All are texts in the names of folders. */
export const partitionKeysOf = ({ partitionBy }: Pick<Contract, 'partitionBy'>): PartitionColumn[] =>
  partitionBy.map((key) => ({
    name: key.name,
    type: 'string',
    ...('transform' in key
      ? { of: key.of, transform: key.width === 0 ? key.transform : `${key.transform}[${key.width}]` }
      : {}),
  }));

/** The format of the table. */
export const tableFormatOf = ({ table }: Pick<Contract, 'table'>): TableFormatName =>
  (typeof table === 'object' ? table.format : undefined) ?? 'hive';

/** A contract on a stage with this `tableFormat`: the format of tables whose contracts name none. */
export function withTableFormat(contract: Contract, format: TableFormatName): Contract {
  const { table } = contract;
  if (format === 'hive' || (typeof table === 'object' && table.format !== undefined)) return contract;
  return { ...contract, table: { ...(typeof table === 'object' ? table : { name: table }), format } };
}

/** Whether a record is a list of texts with names, as in a CSV. */
export const hasFlatTexts = ({ formats }: Pick<Contract['source'], 'formats'>): boolean =>
  formats.includes('csv') || formats.includes('text') || formats.includes('xlsx');

/** The limits of the table's maintenance. */
export const maintenanceOf = ({ table }: Pick<Contract, 'table'>): Maintenance =>
  maintenanceShape.parse((typeof table === 'object' ? table.maintenance : undefined) ?? {});

/**
 * Whether the fields come from the records themselves: a CSV has a header, the contract names those of a text, Parquet and Avro have schemas, a crawler does not know the contract's element of XML, and a crawler cannot separate some records from the document
 * around them.
 */
export const namesOwnFields = ({ source }: Pick<Contract, 'source'>): boolean =>
  hasFlatTexts(source) ||
  source.change !== undefined ||
  source.formats.includes('parquet') ||
  source.formats.includes('avro') ||
  source.formats.includes('xml') ||
  (source.records !== undefined && isBeyondCrawlers(source.records));

/** The datasets that fill a table. */
export const datasetsOfTable = (contracts: ReadonlyMap<string, Contract>, table: string): readonly string[] =>
  [...contracts.values()].filter((c) => tableOf(c) === table).map((c) => c.dataset);

/** The datasets whose prefix matches an object key. There are several if each takes a part of the records. */
export const datasetsOfKey = (contracts: ReadonlyMap<string, Contract>, key: string): readonly Contract[] =>
  [...contracts.values()].filter((contract) => key.startsWith(contract.source.prefix));
