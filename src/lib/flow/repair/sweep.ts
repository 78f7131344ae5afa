/**
 * The sweep finds files without an event, batches without an owner, and leftovers of interrupted attempts. Other parts have
 * missed each of them, so each is logged and counted. A sweep that finds nothing acquires no lease, and reads only waiting files
 * and open batches.
 */

import { isFolderMarker, type ObjectVersion } from '../../aws/versions.ts';
import { maintaining, starting } from '../../ledger/leases.ts';
import { rejectsRows } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { contractOf } from '../batch/deps.ts';
import { endOpenBatches, type Failure, type SettleDeps } from '../batch/endOpen.ts';
import { executionName } from '../batch/execution.ts';
import { stopRuns } from '../batch/jobRuns.ts';
import { takeBack } from '../batch/objects.ts';
import { lostAttempts } from '../batch/restored.ts';
import { listedFile, note } from '../dispatch.ts';
import { failBatch } from '../steps/failBatch.ts';
import { letGo, wake } from '../wake.ts';
import { rebuildNext } from './rebuild.ts';

/** The state of an execution by ARN: RUNNING, another one, or null for an execution that does not exist. */
export type ExecutionStatus = (arn: string) => Promise<string | null>;

export interface SweepDeps extends SettleDeps {
  readonly executionStatus: ExecutionStatus;
}

export interface SweepResult {
  readonly dataset: string;
  /** Whether the lease of an execution that has ended was released. */
  readonly leaseRecovered: boolean;
  /** Attempts that were open while the lease was free, or that a restored ledger did not know. */
  readonly batchesRecovered: number;
  /** Objects of the raw bucket without an event, and versions that became current again. */
  readonly filesFound: number;
  /** Objects that could not be noted; the next pass tries them again. */
  readonly filesFailed: number;
  /** Attempts that were taken back some time ago, and were checked once more. */
  readonly attemptsChecked: number;
  /** Whether the Data Catalog had lost the table. */
  readonly isTableMissing: boolean;
  /** Partitions that the Data Catalog had lost since the last sweep, or of the batches of this one. */
  readonly partitionsMissing: number;
  readonly started: boolean;
}

/** An execution that was only just started may not exist yet. */
const startPatience = 120_000;

/** Milliseconds. Maintenance holds the lease for its commits only. */
const maintenancePatience = 300_000;

/**
 * How often the raw bucket is compared from its beginning, in milliseconds. A pass that takes several sweeps continues in each.
 */
const passEvery = 3_600_000;

/** The number of objects that one sweep compares; the next sweep continues after them. */
const objectsPerSweep = 20_000;

/**
 * Sweeps one dataset. `isListingDue` compares the raw bucket now, whenever that was done last. Throws the first error after all
 * parts had their turn.
 */
export async function sweep(
  deps: SweepDeps,
  dataset: string,
  { isListingDue = false }: { isListingDue?: boolean } = {},
): Promise<SweepResult> {
  // A failure in one part does not stop the others: an object that cannot be deleted must not stop a dataset.
  const errors: unknown[] = [];
  const turn = async <T>(part: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await part;
    } catch (error) {
      errors.push(error);
      return otherwise;
    }
  };
  const leaseRecovered = await turn(recoverLease(deps, dataset), false);
  const open = await turn(recoverBatches(deps, dataset), { recovered: 0, started: false });
  const attemptsChecked = await turn(removeGarbage(deps, dataset), 0);
  const found = await turn(findUntold(deps, dataset, isListingDue), { filesFound: 0, filesFailed: 0 });
  await turn(measureAge(deps, dataset), undefined);
  const rebuilt = await turn(rebuildNext(deps, dataset), null);
  const isWoken = await turn(wake(deps, dataset), false);
  if (errors.length > 0) throw errors[0];
  return {
    dataset,
    leaseRecovered,
    batchesRecovered: open.recovered,
    ...found,
    attemptsChecked,
    isTableMissing: rebuilt?.isTableMissing ?? false,
    partitionsMissing: rebuilt?.partitions ?? 0,
    started: isWoken || open.started,
  };
}

async function measureAge({ ledger, measure }: SweepDeps, dataset: string): Promise<void> {
  const since = await ledger.waitsSince(dataset);
  const age = since === undefined ? 0 : Math.max(0, (Date.now() - Date.parse(since)) / 1000);
  measure(dataset, { OldestPendingAge: age });
}

async function recoverLease(deps: SweepDeps, dataset: string): Promise<boolean> {
  const lease = await deps.ledger.lease(dataset);
  if (lease?.execution === undefined) return false;
  const isMaintenance = lease.execution.startsWith(maintaining);
  if (isMaintenance && Date.parse(lease.takenAt ?? '') + maintenancePatience > Date.now()) return false;
  const isStarting = lease.execution === starting;
  if (isStarting && Date.parse(lease.takenAt ?? '') + startPatience > Date.now()) return false;
  const arn = isStarting
    ? `${deps.config.stateMachineArn.replace(':stateMachine:', ':execution:')}:${executionName(dataset, lease.fence)}`
    : lease.execution;
  // Maintenance has no execution: it has died, or takes too long.
  const status = isMaintenance ? null : await deps.executionStatus(arn);
  if (status === 'RUNNING') return false;
  await failBatch(deps, {
    dataset,
    fence: lease.fence,
    execution: arn,
    error: {
      Error: 'ExecutionGone',
      Cause: `the execution ${arn} held the lease and ${status === null ? 'does not exist' : `is ${status}`}`,
    },
  });
  deps.measure(dataset, { LeasesTakenBack: 1 });
  return true;
}

const abandoned: Failure = {
  error: 'LeaseLost',
  cause: 'the execution of the batch lost its lease and ended',
};

/**
 * A batch is processed only under a lease: a batch that is open while the lease is free has no owner. The same is true of a
 * batch that the ledger has lost.
 */
async function recoverBatches(
  deps: SweepDeps,
  dataset: string,
): Promise<{ recovered: number; started: boolean }> {
  const nothing = { recovered: 0, started: false };
  const isNothingOpen = (await deps.ledger.openBatches(dataset)).length === 0;
  if (isNothingOpen && (await lostAttempts(deps, dataset)).length === 0) return nothing;
  const fence = await deps.ledger.acquireLease(dataset);
  // Somebody holds the lease: an open batch is theirs, or is handled when they finish.
  if (fence === null) return nothing;
  // If this fails, the lease stays, and a later sweep finds it.
  const recovered = await endOpenBatches(deps, dataset, fence, abandoned);
  return { recovered, started: await letGo(deps, dataset, fence) };
}

/**
 * A late call of an attempt may take effect after it was taken back. When none of its functions can still run, its objects are
 * removed once again.
 */
async function removeGarbage(deps: SweepDeps, dataset: string): Promise<number> {
  const due = (await deps.ledger.garbage(dataset)).filter((g) => Date.parse(g.due) < Date.now());
  // An object that cannot be removed does not stop the others.
  const errors: unknown[] = [];
  for (const garbage of due) {
    deps.deadline?.check();
    try {
      await stopRuns(deps, dataset, garbage);
      await takeBack(deps, dataset, garbage);
      await deps.ledger.dropGarbage(dataset, garbage);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return due.length;
}

async function findUntold(
  deps: SweepDeps,
  dataset: string,
  isDue: boolean,
): Promise<{ filesFound: number; filesFailed: number }> {
  const { ledger, store, config } = deps;
  const { prefix } = contractOf(deps, dataset).source;
  const last = await ledger.lastSweep(dataset);
  const isBetweenPasses = last !== undefined && last.key === undefined;
  if (isBetweenPasses && !isDue && Date.parse(last.at) + passEvery > Date.now())
    return { filesFound: 0, filesFailed: 0 };
  const { versions, next } = await store.listVersions(config.rawBucket, prefix, last?.key, objectsPerSweep);
  const files = versions.filter((v) => v.isLatest && !isFolderMarker(v));
  const states = await ledger.states(
    dataset,
    files.map((v) => ({ object: v.key, version: v.version })),
  );
  const untold = files.filter((_, i) => states[i] === undefined);
  const noted = await note(deps, dataset, untold.map(listedFile));
  // One file must not stop a sweep.
  const filesFailed = noted.filter((result) => result instanceof Error).length;
  const filesFound =
    noted.filter((result) => result === true).length +
    (await reviveCurrent(
      deps,
      dataset,
      files.filter((_, i) => states[i] === 'replaced'),
    ));
  await ledger.noteSwept(dataset, next);
  if (filesFound > 0) deps.measure(dataset, { FilesFound: filesFound });
  if (filesFailed > 0) deps.measure(dataset, { FilesNotNoted: filesFailed });
  return { filesFound, filesFailed };
}

/**
 * Replaced versions whose successor was deleted before it was read: they are current in S3 again, so they are processed. Returns
 * their number.
 */
async function reviveCurrent(
  { ledger }: Pick<SweepDeps, 'ledger'>,
  dataset: string,
  versions: readonly ObjectVersion[],
): Promise<number> {
  const records = await ledger.read(
    dataset,
    versions.map((v) => ({ object: v.key, version: v.version })),
  );
  const revived = await parallel(records, 8, async ({ file, object }) => {
    const isUnread = object?.etag === '' && object.version !== file?.version;
    // A version that a person has rejected or rolled back does not come back by itself.
    const isDecided = rejectsRows(file?.decision?.kind);
    return file !== undefined && isUnread && !isDecided && ledger.revive(dataset, file, object.version);
  });
  return revived.filter(Boolean).length;
}
