/** Reference data of a contract -> tables that the row part joins by equality. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReferenceData } from '../compiler/plan.ts';
import type { Contract } from '../contract/schema.ts';
import { ReferenceRefused } from '../errors.ts';
import { loadLookup } from './lookup.ts';
import { indexPolygons, readPolygons } from './polygons.ts';

/** One table for each enrichment, in the contract's order. Throws ReferenceRefused, naming the file. */
export function loadReferences(contract: Contract, folder: string): ReferenceData[] {
  return contract.enrich.map((enrichment, index) => {
    const name = `reference_${index}`;
    const text = readReference(folder, enrichment.file);
    if (enrichment.kind === 'polygon')
      return indexPolygons(name, readPolygons(enrichment.file, text, enrichment));
    const keyTypes = Object.fromEntries(
      Object.entries(enrichment.on).map(([column, key]) => [
        key,
        contract.columns.find((c) => c.name === column)?.type ?? 'string',
      ]),
    );
    return loadLookup(name, enrichment.file, text, keyTypes, Object.values(enrichment.columns));
  });
}

function readReference(folder: string, file: string): string {
  try {
    return readFileSync(join(folder, file), 'utf8');
  } catch (cause) {
    throw new ReferenceRefused(`${file}: cannot be read below ${folder}`, { cause });
  }
}
