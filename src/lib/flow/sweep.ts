/**
 * The second net, on a schedule: what no event told of, and what nobody works on. Each of its finds is one that another
 * part has missed, so each is logged and counted.
 */
import type { RawFile } from '../ledger/records.ts';
import { contractOf } from './deps.ts';
import { wake } from './dispatch.ts';
import { executionName } from './execution.ts';
import { failBatch, giveBackBatch, type SettleDeps } from './settle.ts';

/** The state of an execution by ARN: RUNNING, another one, or null for an execution that is not there. */
export type ExecutionStatus = (arn: string) => Promise<string | null>;

export interface SweepDeps extends SettleDeps {
  readonly executionStatus: ExecutionStatus;
}

export interface SweepResult {
  readonly dataset: string;
  /** Whether a lease was given back whose execution is gone. */
  readonly leaseRecovered: boolean;
  /** Batches that were running in the ledger, and under no lease. */
  readonly batchesRecovered: number;
  /** Objects of the raw bucket that no event told of. */
  readonly filesFound: number;
  readonly started: boolean;
}

/** An execution that was only just started may not be there yet. */
const startPatience = 120_000;

/** The raw bucket is compared from its beginning so often, in milliseconds; a pass that takes several sweeps goes on in each. */
const passEvery = 3_600_000;

/** So many objects are compared in one sweep: the next one goes on behind them. */
const objectsPerSweep = 20_000;

/** One dataset. `isListingDue`: compares the raw bucket now, whenever that was done last. */
export async function sweep(
  deps: SweepDeps,
  dataset: string,
  { isListingDue = false }: { isListingDue?: boolean } = {},
): Promise<SweepResult> {
  const leaseRecovered = await recoverLease(deps, dataset);
  const batchesRecovered = await recoverBatches(deps, dataset);
  const filesFound = await findUntold(deps, dataset, isListingDue);
  const started = await wake(deps, dataset);
  return { dataset, leaseRecovered, batchesRecovered, filesFound, started };
}

async function recoverLease(deps: SweepDeps, dataset: string): Promise<boolean> {
  const lease = await deps.ledger.lease(dataset);
  if (lease?.execution === undefined) return false;
  const isStarting = lease.execution === 'starting';
  if (isStarting && Date.parse(lease.takenAt ?? '') + startPatience > Date.now()) return false;
  const arn = isStarting
    ? `${deps.config.stateMachineArn.replace(':stateMachine:', ':execution:')}:${executionName(dataset, lease.fence)}`
    : lease.execution;
  const status = await deps.executionStatus(arn);
  if (status === 'RUNNING') return false;
  await failBatch(deps, {
    dataset,
    fence: lease.fence,
    batch: null,
    error: {
      Error: 'ExecutionGone',
      Cause: `the execution ${arn} held the lease and is ${status ?? 'not there'}`,
    },
  });
  deps.measure(dataset, { LeasesTakenBack: 1 });
  return true;
}

/** A batch is only worked on under the lease that names it. */
async function recoverBatches(deps: SweepDeps, dataset: string): Promise<number> {
  const fence = await deps.ledger.acquireLease(dataset);
  // Somebody works: the batch that the lease names is theirs, and any other is looked at when they are done.
  if (fence === null) return 0;
  try {
    const stray = (await deps.ledger.batches(dataset)).filter((batch) => batch.state === 'running');
    for (const { batch } of stray)
      await giveBackBatch(deps, dataset, fence, batch, {
        error: 'LeaseLost',
        cause: 'the execution of the batch lost its lease and ended',
      });
    return stray.length;
  } finally {
    await deps.ledger.releaseLease(dataset, fence);
  }
}

async function findUntold(deps: SweepDeps, dataset: string, isDue: boolean): Promise<number> {
  const { ledger, store, config } = deps;
  const { prefix } = contractOf(deps, dataset).source;
  const last = await ledger.lastSweep(dataset);
  const isBetweenPasses = last !== undefined && last.key === undefined;
  if (isBetweenPasses && !isDue && Date.parse(last.at) + passEvery > Date.now()) return 0;
  const { versions, next } = await store.listVersions(config.rawBucket, prefix, last?.key, objectsPerSweep);
  const files = versions.filter((v) => v.isLatest && !v.key.endsWith('/'));
  const known = await ledger.knows(
    dataset,
    files.map((v) => ({ object: v.key, version: v.version })),
  );
  let found = 0;
  for (const [i, { key, version, size, etag }] of files.entries()) {
    if (known[i]) continue;
    const file: RawFile = { object: key, version, size, sequencer: '' };
    if (await ledger.notePending(dataset, { ...file, etag })) found++;
  }
  await ledger.noteSwept(dataset, next);
  if (found > 0) deps.measure(dataset, { FilesFound: found });
  return found;
}
