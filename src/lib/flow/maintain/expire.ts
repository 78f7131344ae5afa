/** Old states of a table expire, as far as its contracts allow. */
import { maintenanceOf } from '../../contract/contract.ts';
import type { Retention } from '../../table/format.ts';
import { contractOf } from '../batch/deps.ts';
import type { MaintainDeps, Maintaining } from './work.ts';

export interface Expiry {
  readonly snapshots: number;
  /** The size of the table's metadata afterwards; 0 where it has none. */
  readonly metadataBytes: number;
  /** Why nothing has expired, if something kept it. */
  readonly waitsFor?: string;
}

/**
 * A commit is recognized by its state, and that of a batch that has not ended must stay. No state of the last hour expires, so only an older
 * batch matters, in milliseconds.
 */
const batchPatience = 1_800_000;
/** The same for the second look at an attempt that was taken back. It is due half an hour later. */
const garbagePatience = 900_000;

export async function expire(
  deps: MaintainDeps,
  { shape, format, sharing, isDryRun }: Maintaining,
): Promise<Expiry> {
  const retention = retentionOf(deps, sharing);
  const waitsFor = isDryRun ? null : await unsettled(deps, sharing);
  const expired =
    isDryRun || waitsFor !== null
      ? await format.expirable(shape.name, retention)
      : await format.expire(shape.name, retention);
  if (expired === null) return { snapshots: 0, metadataBytes: 0 };
  return waitsFor === null ? expired : { ...expired, snapshots: 0, waitsFor };
}

/** Where datasets share a table, what one of them wants to keep stays. */
function retentionOf(deps: Pick<MaintainDeps, 'contracts'>, sharing: readonly string[]): Retention {
  const limits = sharing.map((dataset) => maintenanceOf(contractOf(deps, dataset)));
  const most = (of: (limit: (typeof limits)[number]) => number) => Math.max(...limits.map(of));
  return {
    olderThan: Date.now() - most(({ keepDays }) => keepDays) * 86_400_000,
    keepLast: most(({ keepSnapshots }) => keepSnapshots),
    metadataBytes: most(({ metadataMb }) => metadataMb) * 1024 * 1024,
    metadataVersions: most(({ metadataVersions }) => metadataVersions),
  };
}

/** An attempt whose commit may have to be found in the table, though it is old; null if there is none. */
async function unsettled(
  { ledger }: Pick<MaintainDeps, 'ledger'>,
  sharing: readonly string[],
): Promise<string | null> {
  for (const dataset of sharing) {
    for (const { batch } of await ledger.openBatches(dataset)) {
      const record = await ledger.batch(dataset, batch);
      const since = Date.parse(record?.claimedAt ?? '');
      if (!(since + batchPatience > Date.now())) return `the batch ${batch} of ${dataset} to end`;
    }
    for (const { batch, due } of await ledger.garbage(dataset))
      if (Date.parse(due) + garbagePatience < Date.now())
        return `the sweep to remove what the batch ${batch} of ${dataset} has left`;
  }
  return null;
}
