/** What an operator may do with files that wait for a person. Each wakes the dataset; the flow does the rest. */
import { InvalidInput } from '../errors.ts';
import type { BatchRecord, Decision, FileRecord } from '../ledger/records.ts';
import { nextBatch, replayPrefix } from './batch.ts';
import { contractOf, type Deps } from './deps.ts';
import { type DispatchDeps, wake } from './dispatch.ts';

export interface OperatorDeps extends Deps {
  readonly start: DispatchDeps['start'];
}

/**
 * Runs a held batch again, past its expectations (`release`: its rows are published), or with every row refused
 * (`reject`: they go to quarantine as `rejected`). Throws InvalidInput for a batch that is not held.
 */
export async function decide(
  deps: OperatorDeps,
  dataset: string,
  id: string,
  decision: Decision,
): Promise<{ batch: string; files: number }> {
  const { batch, group, files } = await filesOfBatch(deps, dataset, id, ['held']);
  await deps.ledger.annotateBatch(dataset, batch, { decision });
  await deps.ledger.requeue(dataset, files, group);
  await wake(deps, dataset);
  return { batch, files: files.length };
}

/** Tries held and failed files again: those of a batch, of one key, or all. Gives how many there were. */
export async function retry(
  deps: OperatorDeps,
  dataset: string,
  which: { batch?: string | undefined; object?: string | undefined },
): Promise<number> {
  contractOf(deps, dataset);
  if (which.batch !== undefined) {
    const { group, files } = await filesOfBatch(deps, dataset, which.batch, ['held', 'failed']);
    await deps.ledger.requeue(dataset, files, group);
    await wake(deps, dataset);
    return files.length;
  }
  const files = (await deps.ledger.files(dataset)).filter(
    (f) => ['held', 'failed'].includes(f.state) && (which.object === undefined || f.object === which.object),
  );
  await deps.ledger.requeue(dataset, files);
  await wake(deps, dataset);
  return files.length;
}

/**
 * Processes published files again, from exactly the versions in the raw bucket, and replaces what came from them. They
 * are chosen by the time they were noted, or by the beginning of their keys. Gives how many there are.
 */
export async function replay(
  deps: OperatorDeps,
  dataset: string,
  which: { from?: Date | undefined; to?: Date | undefined; prefix?: string | undefined },
): Promise<{ files: number; batches: number }> {
  contractOf(deps, dataset);
  const chosen = (await deps.ledger.files(dataset)).filter((file) => {
    const noted = Date.parse(file.notedAt ?? '');
    return (
      file.state === 'published' &&
      (which.prefix === undefined || file.object.startsWith(which.prefix)) &&
      (which.from === undefined || noted >= which.from.getTime()) &&
      (which.to === undefined || noted < which.to.getTime())
    );
  });
  const stamp = `${replayPrefix}${Date.now().toString(36)}`;
  let batches = 0;
  for (let rest = chosen; rest.length > 0; batches++) {
    const files = nextBatch(rest, { files: deps.config.batchFiles, bytes: deps.config.batchLimitBytes });
    await deps.ledger.replay(dataset, files, `${stamp}-${batches}`);
    rest = rest.slice(files.length);
  }
  await wake(deps, dataset);
  return { files: chosen.length, batches };
}

/** A batch by its id, or the beginning of it. Throws InvalidInput. */
export async function batchOf(
  { ledger, contracts }: Pick<OperatorDeps, 'ledger' | 'contracts'>,
  dataset: string,
  id: string,
): Promise<BatchRecord> {
  contractOf({ contracts }, dataset);
  const found = (await ledger.batches(dataset)).filter((b) => b.batch.startsWith(id));
  const [record] = found;
  if (!record || found.length > 1)
    throw new InvalidInput(
      `${dataset}: ${found.length === 0 ? 'no batch begins' : 'several batches begin'} with ${id}`,
    );
  return record;
}

/** A batch by its id, or the beginning of it, with its files that are in one of `states`. Throws InvalidInput. */
async function filesOfBatch(
  { ledger, contracts }: Pick<OperatorDeps, 'ledger' | 'contracts'>,
  dataset: string,
  id: string,
  states: readonly string[],
): Promise<{ batch: string; group: string; files: FileRecord[] }> {
  const record = await batchOf({ ledger, contracts }, dataset, id);
  const files = (await ledger.files(dataset)).filter(
    (f) => f.batch === record.batch && states.includes(f.state),
  );
  if (files.length === 0)
    throw new InvalidInput(
      `${dataset}: the batch ${record.batch} is ${record.state}, and has no file that is ${states.join(' or ')}`,
    );
  return { batch: record.batch, group: record.replay ?? record.batch, files };
}
