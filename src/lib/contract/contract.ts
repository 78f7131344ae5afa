/** What a contract says in so many words: its table, its key, its version, whose an object is. */
import { createHash } from 'node:crypto';
import type { Contract } from './schema.ts';

/** The columns in which no two published rows of a batch are equal; null where nothing is deduplicated. */
export const dedupeKey = ({ dedupe }: Pick<Contract, 'dedupe'>): string[] | null =>
  dedupe ? [...(dedupe.scope === 'file' ? ['_object', '_version'] : []), ...dedupe.key] : null;

/** The Catalog table a contract fills. */
export const tableOf = (contract: Contract): string => contract.table ?? contract.dataset;

/** A short fingerprint of a contract's meaning, written to ledger and events. */
export const contractVersion = (contract: Contract): string =>
  createHash('sha256').update(JSON.stringify(contract)).digest('hex').slice(0, 12);

/** The dataset whose prefix an object key stands under, if any. */
export const datasetOfKey = (contracts: ReadonlyMap<string, Contract>, key: string): Contract | undefined =>
  [...contracts.values()].find((contract) => key.startsWith(contract.source.prefix));
