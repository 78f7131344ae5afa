/** The maintenance of a table on the local stage, in the test's own process. */
import { maintenanceOf, tableFormatOf } from '../../src/lib/contract/contract.ts';
import { mergeFiles } from '../../src/lib/engine/merge.ts';
import { contractOf } from '../../src/lib/flow/batch/deps.ts';
import { type Maintained, maintain } from '../../src/lib/flow/maintain/maintain.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { stage } from './stage.ts';

/** Two small objects of a partition suffice for a compaction. */
export async function compactNow(dataset: string): Promise<Maintained | null> {
  const deps = depsOf(stage);
  const contract = contractOf(deps, dataset);
  const maintenance = { ...maintenanceOf(contract), minObjects: 2 };
  const often = { ...contract, table: { format: tableFormatOf(contract), maintenance } };
  const contracts = new Map([...deps.contracts, [dataset, often]]);
  return maintain({ ...deps, contracts }, mergeFiles, dataset);
}
