/** Tables that a contract looks up, as local folders with published rows. */
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { heldReferenceBytes } from '../lib/compiler/compile.ts';
import { partitionKeysOf, tableOf } from '../lib/contract/contract.ts';
import { readContract, requireLookups } from '../lib/contract/load.ts';
import { tableLookupOf } from '../lib/contract/lookups.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { SluiceError } from '../lib/errors.ts';
import type { ReadTable } from '../lib/reference/load.ts';
import { readTable } from '../lib/reference/table.ts';
import { localObjects } from './inputs.ts';
import { UsageError } from './usage.ts';

/** The contracts of these files. Those with faults are left out. */
export const soundContracts = (files: readonly string[]): { file: string; contract: Contract }[] =>
  files.flatMap((file) => {
    try {
      return [{ file, contract: readContract(file) }];
    } catch (error) {
      if (error instanceof SluiceError) return [];
      throw error;
    }
  });

/** The same of a folder. */
export const contractsIn = (folder: string): { file: string; contract: Contract }[] =>
  soundContracts(
    readdirSync(folder)
      .filter((name) => name.endsWith('.yml'))
      .map((name) => join(folder, name)),
  );

/** `given`: folders of tables, as TABLE=DIR. Their contracts are next to `file`. Throws UsageError for a table without a folder. */
export function localTables(file: string, contract: Contract, given: readonly string[]): ReadTable {
  const folders = new Map(
    given.map((text) => {
      const [, table = '', folder = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
      if (table === '') throw new UsageError(`--lookup ${text}: must be TABLE=DIR`);
      return [table, resolve(folder)];
    }),
  );
  const tables = contract.enrich.flatMap((e) => (e.kind === 'lookup' && e.table ? [e.table] : []));
  const unused = [...folders.keys()].find((table) => !tables.includes(table));
  if (unused !== undefined) throw new UsageError(`--lookup ${unused}: the contract does not look it up`);
  const missing = tables.find((table) => !folders.has(table));
  if (missing !== undefined)
    throw new UsageError(
      `the contract looks up the table ${missing}: name its rows by --lookup ${missing}=DIR (an earlier DIR/data)`,
    );
  const contracts = tables.length === 0 ? [] : contractsIn(dirname(file)).map((c) => c.contract);
  requireLookups(file, contract, contracts);
  return async (lookup) => {
    const filledBy = contracts.find((c) => tableOf(c) === lookup.table) ?? contract;
    const objects = localObjects(folders.get(lookup.table) ?? '', partitionKeysOf(filledBy));
    const all = await objects.all();
    const { rows, ...found } = await readTable(all, tableLookupOf(contract, lookup, filledBy), {
      read: (path, start, end) => objects.read(path, start, end),
      limit: heldReferenceBytes,
    });
    return { ...found, table: { table: lookup.table, version: 'local', objects: all.length, rows } };
  };
}
