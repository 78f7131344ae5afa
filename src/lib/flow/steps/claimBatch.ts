/** Puts the pending files of a dataset into one batch. */
import type { z } from 'zod';
import { goesThrough } from '../../aws/dynamo.ts';
import { contractText } from '../../contract/built.ts';
import { tableFormatOf } from '../../contract/contract.ts';
import { inParts } from '../../deadline.ts';
import { BatchOpen, RecordUnreadable, TableMismatch, TableUnsupported } from '../../errors.ts';
import type { Queued } from '../../ledger/files.ts';
import {
  type Decision,
  type FileRecord,
  type ObjectRecord,
  type RawFile,
  reasonOf,
  rejectsRows,
} from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { places } from '../batch/addresses.ts';
import { contractOf, type Deps, formatOf } from '../batch/deps.ts';
import { batchId, isLoser, replayOf } from '../batch/id.ts';
import { nextBatch } from '../batch/limits.ts';
import { type Manifest, readManifest, replacesOf } from '../batch/manifest.ts';
import { requireNothingLost } from '../batch/restored.ts';
import type { claimInput, claimOutput } from '../batch/schemas.ts';
import { tableOfContract } from '../batch/tables.ts';
import { letGo, type WakeDeps } from '../wake.ts';

export type ClaimDeps = Pick<Deps, 'config' | 'contracts' | 'store' | 'ledger' | 'formats' | 'deadline'> &
  WakeDeps;

/**
 * Claims the next batch. Without files, or while an operator has paused the dataset, it releases the lease. A file that cannot be part of a batch is moved out of the way,
 * so that it keeps no other waiting. Throws LeaseLost, WorkLeft, and BatchOpen while an earlier attempt is neither finished nor taken back,
 * and LedgerRestored while the ledger does not know of one.
 */
export async function claimBatch(
  deps: ClaimDeps,
  { dataset, fence, execution }: z.output<typeof claimInput>,
): Promise<z.output<typeof claimOutput>> {
  const { config, store, ledger } = deps;
  const lease = await ledger.requireLease(dataset, fence);
  const open = (await ledger.openBatches(dataset)).filter((o) => o.batch !== lease.batch);
  if (open.length > 0)
    throw new BatchOpen(
      `${dataset}: the batch ${open[0]?.batch} was left open by an earlier execution; it is ended first, and the files that wait are claimed after it`,
      { dataset, batch: open[0]?.batch },
    );
  if (lease.batch === undefined) await requireNothingLost(deps, dataset);
  // An interrupted claim continues with its own files.
  const manifest =
    lease.batch === undefined
      ? (await ledger.pauseOf(dataset)) === undefined
        ? await inParts(nextManifest(deps, dataset, fence))
        : null
      : await readManifest(deps, { dataset, batch: lease.batch, fence });
  if (manifest === null) {
    await letGo(deps, dataset, fence);
    return { outcome: 'idle' };
  }
  const { batch, files } = manifest;
  const attempt = { batch, fence };
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const chosen = await ledger.engineChoice(dataset);
  const engine = chosen === 'auto' ? config.engine : chosen;
  if (lease.batch === undefined) {
    const at = places(config).attempt(dataset, attempt);
    await store.writeOnce(at.contract, contractText(contractOf(deps, dataset)));
    await store.writeOnce(at.manifest, JSON.stringify(manifest));
  }
  const replay = replayOf(files[0]);
  const decision = decisionOf(files[0]);
  const claimed = { id: batch, files, bytes, engine, execution, replay, decision };
  await inParts(ledger.claim(dataset, fence, claimed, deps.deadline));
  const replaces = replacesOf(manifest).length;
  return { outcome: 'claimed', batch, engine, files: files.length, bytes, replaces };
}

/** The decision of a batch is that of its files, without what belongs to one of them. */
function decisionOf(first: RawFile | undefined): Decision | undefined {
  if (first?.decision === undefined) return undefined;
  const { restores: _, ...decision } = first.decision;
  return decision;
}

/** The next batch; null if no files wait. */
async function nextManifest(deps: ClaimDeps, dataset: string, fence: number): Promise<Manifest | null> {
  const { config, ledger, deadline } = deps;
  for (;;) {
    const queued = nextBatch(await ledger.nextFiles(dataset, config.batchFiles), {
      files: config.batchFiles,
      bytes: config.batchLimitBytes,
    });
    const [first] = queued;
    if (!first) return null;
    const records = await readRecords(deps, dataset, fence, queued);
    if (records === null) continue;
    const usable = await parallel(
      queued,
      filesAtOnce,
      (file, i) => prepared(deps, dataset, fence, file, records[i]?.file, records[i]?.object),
      deadline,
    );
    const latest = new Map(records.map(({ object }, i) => [queued[i]?.object, object?.version]));
    const all = usable.flatMap((entry) => entry ?? []);
    const waiting = Map.groupBy(all, ({ file }) => file.object);
    // If two versions of an object wait, only the latest is part of the batch; the other one comes after it.
    const found = all.filter(
      ({ file }) => waiting.get(file.object)?.length === 1 || latest.get(file.object) === file.version,
    );
    // Files with different decisions are never in one batch.
    const kind = found[0]?.file.decision?.kind ?? null;
    const chosen = found.filter(({ file }) => (file.decision?.kind ?? null) === kind);
    if (chosen.length === 0) continue;
    const misfit = await misfitOf(deps, dataset);
    if (misfit !== null) {
      await ledger.holdAll(
        dataset,
        fence,
        chosen.map(({ file }) => file),
        misfit,
        deadline,
      );
      continue;
    }
    const files = chosen.map(({ file }) => file);
    const replay = replayOf(first);
    return {
      dataset,
      batch: await freeId(deps, dataset, files, replay),
      files,
      published: chosen.flatMap(({ file, rows }) => (rows ? [{ object: file.object, ...rows }] : [])),
      decision: kind,
    };
  }
}

/** The id of the next batch with these files: the same one in each of its tries. They may have been published before, each time as another batch. */
async function freeId(
  { ledger }: Pick<ClaimDeps, 'ledger'>,
  dataset: string,
  files: readonly RawFile[],
  replay: string | undefined,
): Promise<string> {
  for (let id = batchId(files, replay); ; ) {
    const taken = (await ledger.batch(dataset, id))?.committed;
    if (taken === undefined) return id;
    id = batchId(files, `${replay ?? ''}#${taken}`);
  }
}

/** To look whether a version is still there takes one call, and a batch may have many corrections. */
const filesAtOnce = 48;

/** Records of files of the queue. Null where one cannot be read: it is held, and so keeps no other file waiting. */
async function readRecords(
  { ledger, deadline }: Pick<ClaimDeps, 'ledger' | 'deadline'>,
  dataset: string,
  fence: number,
  queued: readonly Queued[],
) {
  try {
    return await ledger.read(dataset, queued);
  } catch (error) {
    if (!(error instanceof RecordUnreadable)) throw error;
  }
  const holdUnreadable = async (file: Queued) => {
    try {
      await ledger.read(dataset, [file]);
    } catch (error) {
      if (!(error instanceof RecordUnreadable)) throw error;
      // Its record may no longer say where it waits.
      const isHeld = await goesThrough(ledger.hold(dataset, fence, file, reasonOf(error)));
      if (!isHeld) await ledger.dropStray(dataset, fence, file);
    }
  };
  await parallel(queued, filesAtOnce, holdUnreadable, deadline);
  return null;
}

/**
 * Why the dataset's table cannot become what its contract says; null if it can. Files that could not be published are held
 * before they are processed.
 */
async function misfitOf(deps: ClaimDeps, dataset: string): Promise<string | null> {
  const contract = contractOf(deps, dataset);
  try {
    await formatOf(deps, { format: tableFormatOf(contract) }).check(tableOfContract(contract, deps.config));
    return null;
  } catch (error) {
    if (error instanceof TableMismatch || error instanceof TableUnsupported) return reasonOf(error);
    throw error;
  }
}

/**
 * A file of the queue with the published rows of its object. Null for a file that is not processed now: a later version has
 * replaced it, its entry is a stray, or its source is gone while rows of its object are published. In the last case the file is
 * held, because rows disappear only if other rows replace them.
 */
async function prepared(
  { config, store, ledger }: ClaimDeps,
  dataset: string,
  fence: number,
  file: Queued,
  record: FileRecord | undefined,
  object: ObjectRecord | undefined,
): Promise<{ file: Queued & { etag: string }; rows: ObjectRecord['rows'] } | null> {
  if (record?.place !== file.sk) {
    await ledger.dropStray(dataset, fence, file);
    return null;
  }
  const rows = object?.rows;
  if (object !== undefined && object.version !== file.version && rows?.version !== file.version) {
    await ledger.markReplaced(dataset, fence, file, object.version);
    return null;
  }
  const current = { ...file, decision: record.decision, etag: record.etag };
  // A file whose rows are all rejected need not be readable.
  if (rejectsRows(record.decision?.kind)) return { file: current, rows };
  const mayBeGone = rows !== undefined || object?.hasCopies === true;
  const isThere = (version: string) => store.exists({ bucket: config.rawBucket, key: file.object, version });
  if (!mayBeGone || (await isThere(file.version))) return { file: current, rows };
  const copies = object?.version === file.version ? await ledger.versionsOf(dataset, file.object) : [];
  for (const copy of copies)
    if (copy.state === 'same' && copy.etag === record.etag && (await isThere(copy.version))) {
      await ledger.substitute(dataset, fence, file, copy, current);
      return null;
    }
  if (rows === undefined) return { file: current, rows };
  await ledger.hold(
    dataset,
    fence,
    file,
    `ObjectMissing: version ${file.version} is no longer in the raw bucket; its published rows stay${isLoser(file) ? ', and those that had lost to another file do not come back' : ''}. Put the file again to replace them, or reject it as one of the batch "unclaimed"`,
  );
  return null;
}
