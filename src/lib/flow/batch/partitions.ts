/** The partitions of a batch in the Data Catalog. */
import type { z } from 'zod';
import { address } from '../../aws/store.ts';
import type { Attempt } from '../../model/records.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';
import { readPlan } from './manifest.ts';
import { readPublished } from './published.ts';
import type { repairOutput } from './schemas.ts';
import { goldenTable, quarantineTable } from './tables.ts';

/** Registers exactly the partitions that Publish touched, and the batch's quarantine. */
export async function registerPartitions(
  deps: Deps,
  { dataset, batch, fence }: { dataset: string } & Attempt,
): Promise<z.output<typeof repairOutput>> {
  const { config, catalog } = deps;
  const plan = await readPlan(deps, { dataset, batch, fence });
  const { partitions, quarantine } = await readPublished(deps, dataset, { batch, fence });
  const registered = await formatOf(deps, plan).register(goldenTable(plan, config), partitions);
  if (quarantine.length > 0) {
    await catalog.ensureTable(quarantineTable(config));
    await catalog.addPartitions(quarantineTable(config), [
      { values: [dataset, batch], location: address(places(config).quarantine(dataset, batch)) },
    ]);
  }
  return { registered };
}
