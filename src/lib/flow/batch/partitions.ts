/** The partitions of a batch in the Data Catalog. */
import { address } from '../../aws/store.ts';
import type { Plan } from '../../model/plan.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';
import type { Published } from './published.ts';
import { goldenTable, quarantineTable } from './tables.ts';

/** Registers exactly the partitions that Publish touched, and the batch's quarantine. Gives the number of new partitions of the table. */
export async function registerPartitions(
  deps: Deps,
  { dataset, batch }: { readonly dataset: string; readonly batch: string },
  plan: Plan,
  { partitions, quarantine }: Published,
): Promise<number> {
  const { config, catalog } = deps;
  const registered = await formatOf(deps, plan).register(goldenTable(plan, config), partitions);
  if (quarantine.length > 0) {
    await catalog.ensureTable(quarantineTable(config));
    await catalog.addPartitions(quarantineTable(config), [
      { values: [dataset, batch], location: address(places(config).quarantine(dataset, batch)) },
    ]);
  }
  return registered;
}
