/** The commit of a compaction, under the dataset's lease. */
import { randomBytes } from 'node:crypto';
import { address, type ObjectRef, placeOf } from '../../aws/store.ts';
import { valuesOfPath } from '../../catalog/partitionPath.ts';
import { LeaseLost, TableConflict } from '../../errors.ts';
import { maintaining } from '../../ledger/leases.ts';
import type { Attempt } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { ownFolder, ownObject } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { beginCompaction, finishCompaction, settleCompaction } from '../batch/compaction.ts';
import { deletesOf } from '../batch/deletes.ts';
import { unlessGone } from '../batch/manifest.ts';
import { removeUncounted } from '../batch/objects.ts';
import { afterRewrite, liveOf, type Published, readPublished } from '../batch/published.ts';
import { requireNothingLost } from '../batch/restored.ts';
import { commitOf } from '../batch/tableCommit.ts';
import { letGo } from '../wake.ts';
import type { SmallObject } from './planCompaction.ts';
import { takeTurn } from './turn.ts';
import { type MaintainDeps, type Maintaining, packRun } from './work.ts';

/** A staged object with all rows of some objects of one partition. */
export interface Packed {
  readonly staged: ObjectRef;
  readonly bytes: number;
  readonly of: readonly (SmallObject & { readonly rowsOf: string })[];
  readonly folder: string;
}

export interface Pack {
  /** Its id. */
  readonly batch: string;
  readonly groups: readonly Packed[];
}

/** The next compaction, without anything yet. Its id looks like that of a batch. */
export const newPack = () => ({
  batch: randomBytes(10).toString('hex'),
  groups: [] as Packed[],
  ofGroups: 0,
});

/**
 * Replaces the objects in one commit. If readers would see it in parts, each group is a compaction of its own, so that they find the rows of
 * one partition twice, and only for as long as its old objects need to be deleted. Objects that a batch has changed since they were read stay
 * as they are. Null if the dataset gave no turn.
 */
export async function publishPack(
  deps: MaintainDeps,
  work: Maintaining,
  pack: Pack,
): Promise<{ compacted: number; into: number } | null> {
  const { dataset } = work;
  const holder = `${maintaining}${pack.batch}`;
  const fence = await takeTurn(deps, dataset, holder);
  if (fence === null) return null;
  let held: number | null = fence;
  let part: Pack = { batch: pack.batch, groups: [] };
  let [compacted, into] = [0, 0];
  try {
    const { ledger } = deps;
    for (const [i, groups] of (work.format.commitsAtOnce
      ? [pack.groups]
      : pack.groups.map((g) => [g])
    ).entries()) {
      if (i > 0) held = await ledger.nextBatch(dataset, held);
      part = { batch: i === 0 ? pack.batch : newPack().batch, groups };
      const done = await publishUnder(deps, work, part, holder, held);
      compacted += done.compacted;
      into += done.into;
    }
    return { compacted, into };
  } catch (error) {
    const attempt = { dataset, batch: part.batch, fence: held ?? fence };
    held = null;
    if (error instanceof LeaseLost) {
      await leaveNothing(deps, work, attempt);
      throw error;
    }
    // A late call of this attempt no longer counts.
    const higher = await deps.ledger.takeOver(dataset, { execution: holder });
    if (higher !== null) await settleCompaction(deps, attempt, higher, error);
    held = higher;
    // Others have rewritten the objects, too.
    if (error instanceof TableConflict) return { compacted, into };
    throw error;
  } finally {
    await deps.ledger.endTurn(dataset);
    // If the compaction is still open, the sweep ends it and releases the lease.
    if (held !== null) await letGo(deps, dataset, held);
  }
}

/** Another holder has ended the attempt. Where readers see more than commits, they see what late calls of it have written since. */
export async function leaveNothing(
  deps: MaintainDeps,
  { format }: Pick<Maintaining, 'format'>,
  { dataset, ...attempt }: { readonly dataset: string } & Attempt,
): Promise<void> {
  if (format.commitsAtOnce) return;
  const published = await unlessGone(readPublished(deps, dataset, attempt));
  if (published !== null) await removeUncounted(deps, dataset, attempt, published);
}

/** All that happens under the lease. */
async function publishUnder(
  deps: MaintainDeps,
  { dataset, plan, shape, format }: Maintaining,
  { batch, groups }: Pack,
  execution: string,
  fence: number,
): Promise<{ compacted: number; into: number }> {
  const { config, store, ledger, deadline } = deps;
  const nothing = { compacted: 0, into: 0 };
  // Whoever takes the lease next ends it.
  if ((await ledger.openBatches(dataset)).length > 0) return nothing;
  await requireNothingLost(deps, dataset);
  const attempt = { batch, fence };
  const at = places(config).attempt(dataset, attempt);
  const sources = [...new Set(groups.flatMap(({ of }) => of.map((o) => o.rowsOf)))];
  const lists = await parallel(sources, 16, (each) => liveOf(deps, dataset, each));
  const before = new Map(sources.map((each, i) => [each, lists[i] ?? { objects: [], quarantine: [] }]));
  const counted = new Set(lists.flatMap(({ objects }) => objects.map((o) => o.key)));
  const all = groups.flatMap(({ of }) => of);
  const bucket = config.processedBucket;
  const known = await deletesOf(
    deps,
    plan,
    all.map(({ key }) => ({ ref: { bucket, key } })),
  );
  const isSame = ({ key, deletes }: SmallObject) =>
    counted.has(key) && known.get(address({ bucket, key }))?.deletes?.address === deletes?.address;
  const current = groups.filter(({ of }) => of.every(isSame));
  if (current.length === 0) return nothing;
  const copies = current.map(({ staged, bytes, folder, of }, i) => ({
    staged,
    folder,
    to: {
      key: format.isInPlace
        ? `${plan.table}/${ownFolder(attempt, packRun)}${folder}${i}.parquet`
        : `${plan.table}/${folder}${ownObject(attempt, i)}`,
      bytes,
      restOf: of[0]?.key,
    },
  }));
  const replaced = Map.groupBy(
    current.flatMap(({ of }) => of),
    (o) => o.rowsOf,
  );
  const folders = [...new Set(current.map(({ folder }) => folder))].sort();
  const published: Published = {
    format: plan.format,
    run: packRun,
    objects: copies.map(({ to }) => to),
    quarantine: [],
    partitions: folders.map((path) => ({ path, values: valuesOfPath(path) })),
    rewritten: [...replaced].map(([rowsOf, objects]) => ({
      batch: rowsOf,
      dropped: {
        objects: objects.map(({ key, deletes }) => ({
          key,
          bytes: 0,
          deletes: deletes && placeOf(deletes.address).key,
        })),
        quarantine: [],
      },
      added: { objects: [], quarantine: [] },
      live: at.live(rowsOf).key,
    })),
  };
  const bytes = copies.reduce((sum, { to }) => sum + to.bytes, 0);
  const lives = new Map(
    published.rewritten.map(({ batch: rowsOf, dropped, added }) => {
      const live = before.get(rowsOf) ?? { objects: [], quarantine: [] };
      const after = afterRewrite(live, dropped, added);
      return [rowsOf, { ...after, packs: [...(live.packs ?? []), batch] }];
    }),
  );
  await beginCompaction(deps, { dataset, ...attempt }, plan, published, lives, {
    bytes,
    engine: 'compaction',
    execution,
  });
  await parallel(
    copies,
    16,
    ({ staged, to }) => store.copy(staged, { bucket: config.processedBucket, key: to.key }),
    deadline,
  );
  await format.commit(
    shape,
    { ...commitOf(config, dataset, attempt, plan, published), isRewrite: true },
    deadline,
  );
  await ledger.commit(dataset, attempt);
  await finishCompaction(deps, { dataset, ...attempt }, fence);
  return { compacted: current.reduce((sum, { of }) => sum + of.length, 0), into: copies.length };
}
