/** StartValidation: starts the Athena query over the staged rows. */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { address } from '../../aws/store.ts';
import { expectationQuery } from '../../compiler/expectations.ts';
import { columnAggregates } from '../../quality/columns.ts';
import type { Deps } from '../batch/deps.ts';
import { readContract, readPlan } from '../batch/manifest.ts';
import type { validationStart, validationStarted } from '../batch/schemas.ts';
import { stagedBy } from '../batch/staged.ts';
import { stagingPartition, stagingTable } from '../batch/tables.ts';

/** Registers the run's staged rows and starts the one query over them: expectations, and facts of the columns. */
export async function startValidation(
  deps: Deps,
  { dataset, batch, run, fence, broken }: z.output<typeof validationStart>,
): Promise<z.output<typeof validationStarted>> {
  const { config, catalog, athena } = deps;
  const attempt = { dataset, batch, fence };
  const contract = await readContract(deps, attempt);
  const plan = await readPlan(deps, attempt);
  const table = stagingTable(plan, config);
  const partition = stagingPartition(batch, run);
  await catalog.ensureTable(table, { hasNoPast: true });
  const location = address(stagedBy(deps, plan, attempt, run).data);
  await catalog.addPartitions(table, [{ values: [partition], location }]);
  const sql = expectationQuery(
    contract,
    { table: table.name, column: 'run', value: partition },
    columnAggregates(contract),
  );
  const token = createHash('sha256')
    .update([partition, sql, ...(broken > 0 ? [broken] : [])].join('\n'))
    .digest('hex');
  return { query: await athena.start(sql, token) };
}
