/** Turns the reference data of a contract into tables for equi-joins. */

import type { Contract } from '../contract/schema.ts';
import type { ReferenceData } from '../model/plan.ts';
import { readIndex } from './index.ts';
import { loadLookup } from './lookup.ts';
import { indexPolygons, readPolygons } from './polygons.ts';
import { readReference, readRows } from './rows.ts';

/**
 * One table for each enrichment, in the contract's order. Built indexes are read, all others are made now. Throws ReferenceRefused with
 * the file.
 */
export function loadReferences(contract: Contract, folder: string): Promise<ReferenceData[]> {
  return Promise.all(
    contract.enrich.map(async (enrichment, i) => {
      const name = `reference_${i}`;
      const { file } = enrichment;
      const bytes = await readReference(folder, file);
      if (enrichment.kind === 'polygon') {
        const options = { object: enrichment.object, property: enrichment.property };
        const indexed = await readIndex(folder, bytes, options);
        return { name, ...(indexed ?? indexPolygons(readPolygons(file, bytes.toString('utf8'), options))) };
      }
      const keyTypes = Object.fromEntries(
        Object.entries(enrichment.on).map(([column, key]) => [
          key,
          contract.columns.find((c) => c.name === column)?.type ?? 'string',
        ]),
      );
      const rows = await readRows(file, bytes);
      return { name, ...loadLookup(file, rows, keyTypes, Object.values(enrichment.columns)) };
    }),
  );
}
