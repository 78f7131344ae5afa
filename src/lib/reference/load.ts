/** Turns the reference data of a contract into tables for equi-joins. */

import { keyTypesOf } from '../contract/lookups.ts';
import type { Contract, Lookup } from '../contract/schema.ts';
import type { ReferenceData } from '../model/plan.ts';
import { readIndex } from './index.ts';
import { loadLookup } from './lookup.ts';
import { indexPolygons, readPolygons } from './polygons.ts';
import { readReference, readRows } from './rows.ts';
import { columnsOf } from './table.ts';

/** Gives the rows of a published table, whose reference has this name. */
export type ReadTable = (
  lookup: Lookup & { readonly table: string },
  name: string,
) => Promise<Omit<ReferenceData, 'name'>>;

/** For what needs the form of a plan, and no rows. */
export const noRows =
  (contract: Contract): ReadTable =>
  async (lookup) => ({
    columns: columnsOf({ keys: keyTypesOf(contract, lookup), values: Object.values(lookup.columns) }),
    ndjson: '',
  });

/**
 * One table for each enrichment, in the contract's order. Built indexes are read, all others are made now. Throws ReferenceRefused with
 * the file.
 */
export function loadReferences(
  contract: Contract,
  folder: string,
  readTable: ReadTable,
): Promise<ReferenceData[]> {
  return Promise.all(
    contract.enrich.map(async (enrichment, i) => {
      const name = `reference_${i}`;
      if (enrichment.kind === 'polygon') {
        const { file, object, property } = enrichment;
        const bytes = await readReference(folder, file);
        const options = { object, property };
        const indexed = await readIndex(folder, bytes, options);
        return { name, ...(indexed ?? indexPolygons(readPolygons(file, bytes.toString('utf8'), options))) };
      }
      const { file = '', table } = enrichment;
      if (table !== undefined) return { name, ...(await readTable({ ...enrichment, table }, name)) };
      const rows = await readRows(file, await readReference(folder, file));
      const keys = keyTypesOf(contract, enrichment);
      return { name, ...loadLookup(file, rows, keys, Object.values(enrichment.columns)) };
    }),
  );
}
