/** A batch of the feed that looks up the table `users`. */
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { BatchInput } from '../../src/lib/flow/batch/schemas.ts';
import type { TableFormatName } from '../../src/lib/model/plan.ts';
import { type Deps, dataset, World } from './flowWorld.ts';

export const users = (format: TableFormatName): Contract =>
  parseContract(
    'users.yml',
    `
dataset: users
table: { format: ${format} }
source: { prefix: users/, formats: [ndjson] }
columns:
  - { name: id, path: id, type: string, required: true }
  - { name: country, path: country, type: string }
dedupe: { key: [id], scope: table }
partitionBy: []`,
  );

/** The batch has come to its transform, which `actor` carries out. `contracts`: what else is deployed. */
export async function lookingUp(
  actor: string,
  contracts: readonly Contract[],
): Promise<{ world: World; deps: Deps; step: BatchInput }> {
  const world = new World({
    format: 'hive',
    contract: {
      enrich: [
        {
          kind: 'lookup',
          table: 'users',
          on: { id: 'id' },
          columns: { country: 'country' },
          unmatched: 'null',
        },
      ],
    },
  });
  world.put('feed/a', ['1@06']);
  await world.until('transform');
  const deps = world.deps(actor);
  const all = new Map([...deps.contracts, ...contracts.map((c) => [c.dataset, c] as const)]);
  const [open] = await deps.ledger.openBatches(dataset);
  const step = { dataset, batch: open?.batch ?? '', fence: open?.fence ?? 0 };
  return { world, deps: { ...deps, contracts: all }, step };
}
