/** What a contract says in so many words: its table, its key, whose an object is. */
import type { OutputColumn, TableFormatName } from '../model/plan.ts';
import { isBeyondCrawlers } from './recordsPath.ts';
import type { Contract } from './schema.ts';

/** The columns in which no two published rows of a batch are equal; null where nothing is deduplicated. */
export const dedupeKey = ({ dedupe }: Pick<Contract, 'dedupe'>): string[] | null =>
  dedupe ? [...(dedupe.scope === 'file' ? ['_object', '_version'] : []), ...dedupe.key] : null;

/** The Catalog table a contract fills. */
export const tableOf = ({ table, dataset }: Pick<Contract, 'table' | 'dataset'>): string =>
  (typeof table === 'object' ? table.name : table) ?? dataset;

/** Its partition keys: each is a text. */
export const partitionKeysOf = ({ partitionBy }: Pick<Contract, 'partitionBy'>): OutputColumn[] =>
  partitionBy.map(({ name }) => ({ name, type: 'string' }));

/** How that table is laid out. */
export const tableFormatOf = ({ table }: Pick<Contract, 'table'>): TableFormatName =>
  typeof table === 'object' ? table.format : 'hive';

/**
 * Whether the records themselves say which fields there are: a CSV by its header, and records that a crawler cannot tell from
 * the document around them.
 */
export const namesOwnFields = ({ source }: Pick<Contract, 'source'>): boolean =>
  source.formats.includes('csv') || (source.records !== undefined && isBeyondCrawlers(source.records));

/** The datasets whose prefix an object key stands under: several, where each takes some of the records. */
export const datasetsOfKey = (contracts: ReadonlyMap<string, Contract>, key: string): readonly Contract[] =>
  [...contracts.values()].filter((contract) => key.startsWith(contract.source.prefix));
