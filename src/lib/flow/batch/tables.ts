/** The tables of a batch in the Data Catalog. */
import type { ParquetTable } from '../../aws/catalog.ts';
import { address } from '../../aws/store.ts';
import type { Config } from '../../config.ts';
import { goldenColumns, sortColumns } from '../../contract/columns.ts';
import { partitionKeysOf, tableOf } from '../../contract/contract.ts';
import type { Contract } from '../../contract/schema.ts';
import { type Plan, quarantineColumns } from '../../model/plan.ts';
import type { TableShape } from '../../table/format.ts';

/** The table that readers see. */
export const goldenTable = (
  plan: Pick<Plan, 'table' | 'columns' | 'partitionKeys' | 'dropped'> & {
    readonly set: Pick<Plan['set'], 'sort'>;
  },
  config: Pick<Config, 'processedBucket'>,
): TableShape => ({
  name: plan.table,
  columns: plan.columns,
  partitionKeys: plan.partitionKeys,
  ...(plan.set.sort.length === 0 ? {} : { sortBy: plan.set.sort }),
  ...(plan.dropped === undefined ? {} : { dropped: plan.dropped }),
  location: address({ bucket: config.processedBucket, key: `${plan.table}/` }),
});

/** The same before there is a plan: without the columns that come from the Data Catalog. */
export function tableOfContract(contract: Contract, config: Pick<Config, 'processedBucket'>): TableShape {
  const columns = goldenColumns(contract);
  const names = new Set(columns.map(({ name }) => name));
  return goldenTable(
    {
      table: tableOf(contract),
      columns,
      partitionKeys: partitionKeysOf(contract),
      dropped: contract.dropped,
      set: { sort: sortColumns(contract, names) },
    },
    config,
  );
}

/** The table that Athena validates before anything is published: a partition for each run of a batch. */
export const stagingTable = (plan: Plan, config: Pick<Config, 'workBucket'>): ParquetTable => ({
  name: stagingName(plan.dataset),
  columns: plan.columns.map(({ name, type }) => ({ name, type })),
  partitionKeys: [{ name: 'run', type: 'string' }],
  location: address({ bucket: config.workBucket, key: `staging/${plan.dataset}/` }),
});

export const stagingName = (dataset: string): string => `staging_${dataset}`;

/** Name of a run's partition in the staging table. */
export const stagingPartition = (batch: string, run: string): string => `${batch}-${run}`;

/** Rows that were refused, of all datasets. */
export const quarantineTable = (config: Pick<Config, 'workBucket'>): ParquetTable => ({
  name: 'quarantine',
  columns: quarantineColumns,
  partitionKeys: [
    { name: 'dataset', type: 'string' },
    { name: 'batch', type: 'string' },
  ],
  location: address({ bucket: config.workBucket, key: 'quarantine/' }),
});
