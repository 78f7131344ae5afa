/**
 * Takes published files out of a table again. They are processed once more, as files whose rows are all rejected. Their rows leave the
 * table in one commit, under the lease, and go to quarantine. If a file had replaced an earlier version of its object, CompleteBatch puts
 * this version back into the queue.
 */
import { InvalidInput } from '../../errors.ts';
import type { BatchRecord, Decision, FileId } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import type { TableSnapshot } from '../../table/format.ts';
import { isLoser, replayPrefix, restored } from '../batch/id.ts';
import { type Manifest, readManifest, unlessGone } from '../batch/manifest.ts';
import { wake } from '../wake.ts';
import { batchOf, type OperatorDeps, requireReason } from './again.ts';
import { stateOf, tableHistory } from './history.ts';

export interface RolledBack {
  /** The batches, in the order of their commits. */
  readonly batches: readonly string[];
  /** Files whose rows leave the table. They are not published again by themselves. */
  readonly rejected: readonly FileId[];
  /** The versions that are processed again: those that they had replaced, each when its successor has left the table. */
  readonly pending: readonly FileId[];
  /** Files of these batches that stay: another batch has their rows now, or they are being processed again. */
  readonly others: number;
}

/** A file that leaves the table, with the version that comes back in its place. */
interface Leaving extends FileId {
  readonly restores: string | undefined;
}

type Why = Pick<Decision, 'reason' | 'at'>;

/**
 * Rolls a batch back, or one object of it. An interrupted call can be repeated. Throws InvalidInput if the batch is not published, or if no
 * file of it is.
 */
export async function rollback(
  deps: OperatorDeps,
  dataset: string,
  id: string,
  { object, ...why }: Why & { object?: string | undefined },
): Promise<RolledBack> {
  requireReason(why.reason);
  const record = await batchOf(deps, dataset, id);
  const { batch, committed, state } = record;
  if (committed === undefined || state !== 'published')
    throw new InvalidInput(
      `${dataset}: the batch ${batch} is ${state}; only a published batch can be rolled back`,
      { dataset, batch },
    );
  const manifest = await readManifest(deps, { dataset, batch, fence: committed });
  if (manifest.isCompaction)
    throw new InvalidInput(
      `${dataset}: the batch ${batch} has gathered or erased rows of other batches, and has no files of its own`,
      { dataset, batch },
    );
  const before = await notRolledBack(deps, dataset, await publishedBefore(deps, manifest));
  const all = manifest.files
    .filter((file) => object === undefined || file.object === object)
    .map(({ object: key, version }) => leaving({ object: key, version }, before.get(key)));
  const to = { group: `rollback-${batch}`, why };
  const moved = await reject(deps, dataset, all, { batch, ...to });
  const gone = new Set(moved);
  const left = all.filter((file) => !gone.has(file));
  for (const [present, files] of await readAgain(deps, dataset, left, batch))
    moved.push(...(await reject(deps, dataset, files, { batch: present, ...to })));
  await wake(deps, dataset);
  if (moved.length === 0)
    throw new InvalidInput(
      `${dataset}: no file of the batch ${batch}${object === undefined ? '' : ` with the key ${object}`} is published by it; it was rolled back, corrected or replayed`,
      { dataset, batch },
    );
  return { batches: [batch], ...resultOf(moved), others: all.length - moved.length };
}

/**
 * The versions that may come back. One whose own rollback was still to come when its successor was published does not: the version comes
 * back that it would have given its place to.
 */
async function notRolledBack(
  { ledger }: Pick<OperatorDeps, 'ledger'>,
  dataset: string,
  before: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const versions = [...before].map(([object, version]) => ({ object, version }));
  const records = await ledger.read(dataset, versions);
  return new Map(
    versions.flatMap(({ object, version }, i) => {
      const decision = records[i]?.file?.decision;
      const back = decision?.kind === 'rollback' ? decision.restores : version;
      return back === undefined ? [] : [[object, back] as const];
    }),
  );
}

/**
 * The files of a batch whose rows have another batch by now, only because the stage has read them again for rows that had lost: whoever rolls
 * the batch back does not know of this. By that batch.
 */
async function readAgain(
  deps: OperatorDeps,
  dataset: string,
  files: readonly Leaving[],
  batch: string,
): Promise<Map<string, Leaving[]>> {
  const { ledger } = deps;
  const manifests = new Map<string, Manifest | null>();
  const manifestOf = async (id: string): Promise<Manifest | null> => {
    const record = await ledger.batch(dataset, id);
    return record?.committed !== undefined && isLoser({ group: record.replay })
      ? unlessGone(readManifest(deps, { dataset, batch: id, fence: record.committed }))
      : null;
  };
  const records = await ledger.read(dataset, files);
  const found = new Map<string, Leaving[]>();
  for (const [i, file] of files.entries()) {
    const { rows } = records[i]?.object ?? {};
    if (rows === undefined || rows.version !== file.version || rows.isRejected) continue;
    let from: string | undefined = rows.batch;
    while (from !== undefined && from !== batch) {
      const manifest: Manifest | null = manifests.get(from) ?? (await manifestOf(from));
      manifests.set(from, manifest);
      from = manifest?.published.find(({ object }) => object === file.object)?.batch;
    }
    if (from === batch) found.set(rows.batch, [...(found.get(rows.batch) ?? []), file]);
  }
  return found;
}

export interface RolledBackTo extends RolledBack {
  /** The snapshot. */
  readonly to: TableSnapshot;
  /** Files that were replayed since: their version is that of the snapshot, so they stay as they are. */
  readonly replayed: number;
  /** Batches in progress, which are not rolled back. */
  readonly running: readonly string[];
}

/**
 * Rolls back every batch of the dataset that was committed after a state of its Iceberg table (a tag, the id of a snapshot, or a time), so
 * that each object has the version of this state again, or no rows. A version of this state that was rolled back since is published again.
 * An interrupted call can be repeated. Throws InvalidInput if the table has no such state, or if nothing was published after it.
 */
export async function rollbackTo(
  deps: OperatorDeps,
  dataset: string,
  which: string,
  why: Why,
): Promise<RolledBackTo> {
  requireReason(why.reason);
  const to = await stateOf(deps, dataset, which);
  if (to.standing === 'aside')
    throw new InvalidInput(
      `${dataset}: the snapshot ${to.id} is not one that the current one is based on; the command snapshots lists those that are`,
      { dataset },
    );
  const { later, running } = await batchesAfter(deps, dataset, to);
  const manifests = await parallel(later, 16, ({ batch, fence }) =>
    readManifest(deps, { dataset, batch, fence }),
  );
  /** The versions of the state: the first later batch with an object's rows knows what was published before it. */
  const then = new Map<string, string | undefined>();
  for (const manifest of manifests) {
    const before = await publishedBefore(deps, manifest);
    for (const { object } of manifest.files) if (!then.has(object)) then.set(object, before.get(object));
  }
  const group = `rollback-to-${to.id}`;
  let others = 0;
  const moved: Leaving[] = [];
  for (const { batch, files } of manifests) {
    const changed = files.filter((file) => then.get(file.object) !== file.version);
    const leave = changed.map(({ object, version }) => leaving({ object, version }, then.get(object)));
    const gone = await reject(deps, dataset, leave, { batch, group, why });
    moved.push(...gone);
    others += changed.length - gone.length;
  }
  const back = await bringBack(deps, dataset, then, `${replayPrefix}${group}${restored}`);
  const isChanged = new Set([...moved, ...back].map(({ object }) => object));
  const stays = manifests.flatMap(({ files }) =>
    files.filter(({ object, version }) => then.get(object) === version && !isChanged.has(object)),
  );
  await wake(deps, dataset);
  if (moved.length + back.length === 0)
    throw new InvalidInput(
      `${dataset}: no file was published after the snapshot ${to.id} of ${to.at}, or all of them were rolled back already${running.length === 0 ? '' : `; the batch ${running[0]} is in progress`}`,
      { dataset },
    );
  const { rejected, pending } = resultOf(moved);
  const batches = later.map(({ batch }) => batch);
  return {
    to,
    batches,
    rejected,
    pending: [...pending, ...back],
    others,
    replayed: stays.length,
    running,
  };
}

/** Puts versions back into the queue that were in the table then, and were rolled back since. Returns those that it has put back. */
async function bringBack(
  { ledger }: Pick<OperatorDeps, 'ledger'>,
  dataset: string,
  then: ReadonlyMap<string, string | undefined>,
  group: string,
): Promise<FileId[]> {
  const versions = [...then].flatMap(([object, version]) =>
    version === undefined ? [] : [{ object, version }],
  );
  const records = await ledger.read(dataset, versions);
  const out = versions.flatMap((id, i) => {
    const { file, object } = records[i] ?? {};
    return file && object?.rows?.isRejected ? [{ ...id, file, last: object.rows.version }] : [];
  });
  const own = out.filter(({ file, version, last }) => last === version && file.decision?.kind === 'rollback');
  const back: FileId[] = await ledger.unreject(dataset, own, group);
  // Another version was rolled back last.
  for (const one of out.filter(({ version, last }) => last !== version))
    if (await ledger.revive(dataset, one.file, one.last, group)) back.push(one);
  return back.map(({ object, version }) => ({ object, version }));
}

const leaving = ({ object, version }: FileId, before: string | undefined): Leaving => ({
  object,
  version,
  restores: before === version ? undefined : before,
});

/**
 * The version of each object that had rows when the batch was claimed. A copy with the same bytes, which was read because that version was
 * gone, counts as that version: it replaced nothing.
 */
async function publishedBefore(
  { ledger }: Pick<OperatorDeps, 'ledger'>,
  { dataset, files, published }: Manifest,
): Promise<Map<string, string>> {
  const own = new Map(files.map((file) => [file.object, file]));
  const before = published.filter(({ isRejected }) => !isRejected);
  const others = before.filter(({ object, version }) => own.get(object)?.version !== version);
  const records = await ledger.read(dataset, others);
  const copied = new Set(
    others.flatMap(({ object }, i) => {
      const etag = records[i]?.file?.etag ?? '';
      return etag !== '' && etag === own.get(object)?.etag ? [object] : [];
    }),
  );
  return new Map(
    before.map(({ object, version }) => [
      object,
      copied.has(object) ? (own.get(object)?.version ?? version) : version,
    ]),
  );
}

/** Puts files back into the queue, to be rejected. Gives those that went. */
const reject = (
  { ledger }: Pick<OperatorDeps, 'ledger'>,
  dataset: string,
  files: readonly Leaving[],
  { batch, group, why }: { batch: string; group: string; why: Why },
): Promise<Leaving[]> =>
  ledger.rollback(dataset, files, {
    group: `${replayPrefix}${group}`,
    decision: { kind: 'rollback', isReplacement: true, ...why },
    batch,
  });

const resultOf = (moved: readonly Leaving[]): Pick<RolledBack, 'rejected' | 'pending'> => ({
  rejected: moved.map(({ object, version }) => ({ object, version })),
  pending: moved.flatMap(({ object, restores }) =>
    restores === undefined ? [] : [{ object, version: restores }],
  ),
});

interface Later {
  readonly batch: string;
  /** Of the committed attempt. */
  readonly fence: number;
  /** The time of its commit, or of its end (ISO 8601). */
  readonly at: string;
}

/** The batches of the dataset that were committed after a snapshot, in the order of their commits. */
async function batchesAfter(
  deps: OperatorDeps,
  dataset: string,
  to: TableSnapshot,
): Promise<{ later: Later[]; running: string[] }> {
  const { table, history } = await tableHistory(deps, dataset);
  const snapshots = await history.snapshots(table);
  const nth = (id: string) => snapshots.findIndex((s) => s.id === id);
  const made = new Map(
    snapshots.flatMap((s) => (s.attempt ? [[`${s.attempt.batch}-${s.attempt.fence}`, s] as const] : [])),
  );
  const later: Later[] = [];
  const running: string[] = [];
  const add = ({ batch, state, files, committed, endedAt, committedAt = endedAt }: BatchRecord): void => {
    // A compaction or an erasure.
    if (files === 0) return;
    if (state === 'running') running.push(batch);
    if (committed === undefined || committedAt === undefined || state !== 'published') return;
    const own = made.get(`${batch}-${committed}`);
    // Its own snapshot may have expired.
    const isLater = own ? nth(own.id) > nth(to.id) : committedAt > to.at && batch !== to.attempt?.batch;
    if (isLater) later.push({ batch, fence: committed, at: own?.at ?? committedAt });
  };
  for await (const { batches } of deps.ledger.batchPages(dataset, 100)) for (const each of batches) add(each);
  return { later: later.sort((a, b) => (a.at < b.at ? -1 : 1)), running };
}
