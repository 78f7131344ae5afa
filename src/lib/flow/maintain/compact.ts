/**
 * Compaction: gathers small objects of a partition in larger, sorted ones. The rows are merged into staging without the lease. The lease is
 * taken between two batches for the commit alone. A compaction is a batch without files: whoever finds it interrupted ends it. See
 * docs/decisions/compaction.md.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { address, placeOf } from '../../aws/store.ts';
import { folderOf } from '../../catalog/partitionPath.ts';
import { maintenanceOf } from '../../contract/contract.ts';
import { isTimeFor } from '../../deadline.ts';
import { EngineOutOfMemory, ObjectMissing } from '../../errors.ts';
import { parallel } from '../../parallel.ts';
import type { CompactableObject } from '../../table/format.ts';
import { objectName, withinAttempt } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { countedKeys } from '../batch/countedKeys.ts';
import { fetchDeletes } from '../batch/deletes.ts';
import { contractOf } from '../batch/deps.ts';
import { newPack, type Packed, publishPack } from './pack.ts';
import { planCompaction, type SmallObject } from './planCompaction.ts';
import { commitTime, type MaintainDeps, type Maintaining, packRun } from './work.ts';

export interface Compacted {
  /** Small objects that were replaced, or would be. */
  readonly compacted: number;
  /** The number of larger objects that replace them; 0 in a dry run. */
  readonly into: number;
  /** Groups of objects that are left for the next run: the time was up, the dataset was busy, or they did not fit into memory. */
  readonly left: number;
  /** Where the next run looks for small objects; undefined: from the start of the table. */
  readonly next?: string;
}

/** Merges local Parquet files: see engine/merge.ts. */
export type Merge = (
  files: readonly { readonly path: string; readonly deletes?: string | undefined }[],
  folder: string,
  sort: readonly string[],
) => Promise<readonly { readonly of: readonly number[]; readonly path: string; readonly rows: number }[]>;

/** The most that is replaced in one turn: the new objects are copied under the lease. */
const packLimits = { bytes: 1024 ** 3, objects: 1000, commits: 50 };
/** Milliseconds that the work on a group may take. */
const groupTime = 120_000;

interface OwnObject extends SmallObject {
  readonly folder: string;
  readonly rowsOf: string;
}

/** `from`: the `next` of the last run. */
export async function compact(
  deps: MaintainDeps,
  work: Maintaining,
  merge: Merge,
  from?: string,
): Promise<Compacted> {
  const { shape, format, dataset, isDryRun } = work;
  const limits = maintenanceOf(contractOf(deps, dataset));
  if (!limits.compact) return { compacted: 0, into: 0, left: 0 };
  const { objects, next } = await format.compactable(shape, from);
  const keysOf = countedKeys(deps, dataset);
  const isCounted = async ({ key, rowsOf }: OwnObject) => (await keysOf(rowsOf))?.has(key) ?? false;
  const groups = planCompaction(
    objects.flatMap((object) => ownObject(work, object) ?? []),
    {
      targetBytes: limits.targetMb * 1024 * 1024,
      minObjects: limits.minObjects,
    },
  );
  let [compacted, into, done] = [0, 0, 0];
  let pack = newPack();
  const publish = async () => {
    if (pack.groups.length === 0) return;
    const published = await publishPack(deps, work, pack);
    if (published === null) return;
    compacted += published.compacted;
    into += published.into;
    done += pack.ofGroups;
    pack = newPack();
  };
  for (const group of groups) {
    if (!isTimeFor(deps.deadline, groupTime + commitTime)) break;
    const counted = await parallel(group, 16, isCounted);
    const own = group.filter((_, i) => counted[i]);
    // Of other datasets, or of a batch that is ending now.
    if (own.length < 2) {
      done++;
      continue;
    }
    if (isDryRun) {
      compacted += own.length;
      done++;
      continue;
    }
    const merged = await mergeGroup(deps, work, merge, pack, own);
    if (merged === null) continue;
    pack.groups.push(...merged);
    pack.ofGroups++;
    const sum = (of: (packed: Packed) => number) => pack.groups.reduce((n, each) => n + of(each), 0);
    const commits = format.commitsAtOnce ? 1 : pack.groups.length;
    if (
      sum((p) => p.bytes) >= packLimits.bytes ||
      sum((p) => p.of.length) >= packLimits.objects ||
      commits >= packLimits.commits
    ) {
      await publish();
      // The dataset gives no turn.
      if (pack.groups.length > 0) break;
    }
  }
  await publish();
  return { compacted, into, left: groups.length - done, ...(next === undefined ? {} : { next }) };
}

/** Null for an object that Sluice has not written. */
function ownObject({ shape: { name, location } }: Maintaining, object: CompactableObject): OwnObject | null {
  const prefix = address({ ...placeOf(location), key: `${name}/` });
  if (!object.address.startsWith(prefix)) return null;
  const path = object.address.slice(prefix.length);
  const key = `${name}/${path}`;
  const rowsOf = objectName(key)?.rowsOf;
  const folder = folderOf(withinAttempt(path));
  const { bytes, partition, deletes } = object;
  return rowsOf === undefined
    ? null
    : { key, bytes, partition: `${partition} ${folder}`, folder, rowsOf, deletes };
}

/** Merges a group into staging. Null if it does not fit into memory, or an object is gone. */
async function mergeGroup(
  deps: MaintainDeps,
  { dataset, plan }: Maintaining,
  merge: Merge,
  { batch, groups }: { readonly batch: string; readonly groups: readonly Packed[] },
  objects: readonly OwnObject[],
): Promise<Packed[] | null> {
  const { config, store, deadline } = deps;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-compact-'));
  try {
    const files = await parallel(
      objects,
      16,
      async ({ key, deletes }, i) => {
        const path = join(folder, `${i}.parquet`);
        await store.download({ bucket: config.processedBucket, key }, path);
        return { path, deletes: await fetchDeletes(deps, deletes, `${path}-deletes`) };
      },
      deadline,
    );
    const staged = places(config).run(dataset, batch, packRun).data;
    return await parallel(await merge(files, folder, plan.set.sort), 4, async ({ of, path }, i) => {
      const at = { bucket: staged.bucket, key: `${staged.key}${groups.length + i}.parquet` };
      const bytes = await store.uploadOnce(path, at);
      return { staged: at, bytes, of: of.flatMap((n) => objects[n] ?? []), folder: objects[0]?.folder ?? '' };
    });
  } catch (error) {
    if (error instanceof EngineOutOfMemory || error instanceof ObjectMissing) return null;
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
