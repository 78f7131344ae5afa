import { writeBuilt } from '../src/lib/contract/built.ts';
import { loadContracts } from '../src/lib/contract/load.ts';
import type { Contract } from '../src/lib/contract/schema.ts';
import type { TableFormatName } from '../src/lib/model/plan.ts';
import { buildIndexes } from '../src/lib/reference/index.ts';

/**
 * Writes what functions read next to the contracts of a folder: the checked contracts and the indexed polygons.
 * Gives the contracts by dataset name. Throws ContractError and ReferenceRefused.
 */
export async function buildDatasets(
  folder: string,
  tableFormat?: TableFormatName,
): Promise<ReadonlyMap<string, Contract>> {
  const contracts = loadContracts(folder, tableFormat);
  writeBuilt(contracts, folder);
  await buildIndexes(contracts.values(), folder);
  return contracts;
}
