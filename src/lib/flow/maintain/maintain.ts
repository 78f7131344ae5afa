/**
 * The maintenance of a table: old states of it expire, objects that nothing names any more are removed, and small ones are gathered. Every
 * part can be interrupted at any point, and the next run continues.
 */
import { datasetsOfTable } from '../../contract/contract.ts';
import { contractOf, formatOf } from '../batch/deps.ts';
import { readPlan } from '../batch/manifest.ts';
import { lastClosed, requireNothingLost } from '../batch/restored.ts';
import { goldenTable } from '../batch/tables.ts';
import { type Compacted, compact, type Merge } from './compact.ts';
import { type Expiry, expire } from './expire.ts';
import { removeOrphans } from './orphans.ts';
import type { MaintainDeps, Maintaining } from './work.ts';

export interface Maintained extends Expiry, Compacted {
  readonly table: string;
  /** Objects that nothing names: they are removed, or would be. */
  readonly orphans: number;
}

/**
 * `merge` is passed in, because only some packages have DuckDB's native code. Null for a dataset that has published nothing, or whose table does not exist. Throws LedgerRestored while the ledger has lost attempts of
 * a dataset of the table.
 */
export async function maintain(
  deps: MaintainDeps,
  merge: Merge,
  dataset: string,
  { isDryRun = false }: { isDryRun?: boolean } = {},
): Promise<Maintained | null> {
  contractOf(deps, dataset);
  await requireNothingLost(deps, dataset);
  const latest = await lastClosed(deps, dataset);
  if (!latest) return null;
  const plan = await readPlan(deps, { dataset, ...latest });
  // Until the dataset has published into another table, it shares the one that its contract named earlier.
  const others = datasetsOfTable(deps.contracts, plan.table).filter((each) => each !== dataset);
  for (const each of others) await requireNothingLost(deps, each);
  const sharing = [dataset, ...others];
  const work: Maintaining = {
    dataset,
    sharing,
    plan,
    shape: goldenTable(plan, deps.config),
    format: formatOf(deps, plan),
    isDryRun,
  };
  if (!(await work.format.isThere(work.shape.name))) return null;
  const expired = await expire(deps, work);
  deps.deadline?.check();
  const orphans = await removeOrphans(deps, work);
  deps.deadline?.check();
  const last = await deps.ledger.lastMaintained(dataset);
  const compaction = await compact(deps, work, merge, last?.next);
  const done = { ...expired, orphans, ...compaction };
  if (!isDryRun) {
    deps.measure(dataset, {
      SnapshotsExpired: expired.snapshots,
      OrphansRemoved: orphans,
      ObjectsCompacted: compaction.compacted,
    });
    await deps.ledger.noteMaintained(dataset, done);
  }
  return { table: work.shape.name, ...done };
}
