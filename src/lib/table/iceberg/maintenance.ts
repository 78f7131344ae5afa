/** Maintenance: expires snapshots, and finds orphans and what a compaction may replace. */
import type { ListedObject } from '../../aws/store.ts';
import { parallel } from '../../parallel.ts';
import type { Expired, Retention } from '../format.ts';
import { commit, loadTable, requireTable, type TableDeps } from './commit.ts';
import { type DataEntry, deletesFinder, isOwnOf } from './deletes.ts';
import { type Files, refOf } from './files.ts';
import { contents, isAlive, type ManifestEntry } from './manifest.ts';
import {
  ancestors,
  formatMetadata,
  type Metadata,
  mainBranch,
  type Ref,
  type Snapshot,
  snapshotOf,
  versionsProperty,
} from './metadata.ts';
import { entriesOf, manifestsOf, metadataFolder } from './snapshot.ts';

// ---- snapshots

/** Snapshots that were the current state later than this, in milliseconds, never expire: a query may still read them. */
const youngest = 3_600_000;

/**
 * Expires old snapshots. Snapshots of tags and branches stay. The caller must have settled all batches of the table, because a commit
 * is recognized by its snapshot. What only expired snapshots named is an orphan from then on.
 */
export async function expireSnapshots(deps: TableDeps, name: string, retention: Retention): Promise<Expired> {
  let snapshots = 0;
  const outcome = await commit(deps, name, {
    author: undefined,
    apply(metadata, now) {
      const left = withoutExpired(metadata, retention, now);
      snapshots = metadata.snapshots.length - left.snapshots.length;
      return left;
    },
  });
  return { snapshots, metadataBytes: sizeOf(outcome.metadata) };
}

/** What `expireSnapshots` would do. */
export async function expirable(deps: TableDeps, name: string, retention: Retention): Promise<Expired> {
  const { metadata } = await requireTable(deps, name);
  const left = withoutExpired(metadata, retention, (deps.now ?? Date.now)());
  return { snapshots: metadata.snapshots.length - left.snapshots.length, metadataBytes: sizeOf(left) };
}

const sizeOf = (metadata: Metadata): number => Buffer.byteLength(formatMetadata(metadata));

/** Gives the same object if nothing is to expire. */
function withoutExpired(metadata: Metadata, retention: Retention, now: number): Metadata {
  const { metadataBytes, metadataVersions } = retention;
  const bounded = withVersions(metadata, metadataVersions);
  const latest = Math.max(retention.olderThan, now - youngest);
  let left = withoutOlder(bounded, retention, retention.olderThan, now);
  if (metadataBytes === undefined || sizeOf(left) <= metadataBytes) return left;
  // The earliest time from which on the snapshots fit. Whatever it is, more expires with a later one.
  let [low, high] = [retention.olderThan, latest];
  left = withoutOlder(bounded, retention, high, now);
  while (high - low > sizeSteps) {
    const middle = Math.floor((low + high) / 2);
    const tried = withoutOlder(bounded, retention, middle, now);
    if (sizeOf(tried) <= metadataBytes) [left, high] = [tried, middle];
    else low = middle;
  }
  return left;
}

/** The time that fits is looked for up to so many milliseconds. */
const sizeSteps = 600_000;

/** Every writer keeps so many earlier metadata files in the log. */
function withVersions(metadata: Metadata, versions: number | undefined): Metadata {
  const isKnown = versions === undefined || metadata.properties[versionsProperty] === String(versions);
  return isKnown
    ? metadata
    : { ...metadata, properties: { ...metadata.properties, [versionsProperty]: String(versions) } };
}

function withoutOlder(metadata: Metadata, { keepLast }: Retention, olderThan: number, now: number): Metadata {
  const isOver = ({ 'snapshot-id': id, 'max-ref-age-ms': age }: Ref) =>
    age !== undefined && (snapshotOf(metadata, id)?.['timestamp-ms'] ?? now) < now - age;
  const refs = Object.fromEntries(
    Object.entries(metadata.refs).filter(([name, ref]) => name === mainBranch || !isOver(ref)),
  );
  const kept = new Set<bigint>();
  const inBranches = new Set<bigint>();
  for (const ref of Object.values(refs)) {
    kept.add(ref['snapshot-id']);
    if (ref.type === 'tag') continue;
    const { 'min-snapshots-to-keep': least = keepLast, 'max-snapshot-age-ms': age } = ref;
    const limit = age === undefined ? olderThan : now - age;
    let n = 0;
    // The time until which readers found it: a table that rests for a month has an old state that is read today.
    let until = now;
    for (const { 'snapshot-id': id, 'timestamp-ms': at } of ancestors(metadata, ref['snapshot-id'])) {
      inBranches.add(id);
      if (n++ < least || until >= limit) kept.add(id);
      until = at;
    }
  }
  // Snapshots outside all branches, for example after a rollback, stay for the same time.
  const snapshots = metadata.snapshots.filter(
    ({ 'snapshot-id': id, 'timestamp-ms': at }) => kept.has(id) || (at >= olderThan && !inBranches.has(id)),
  );
  if (
    snapshots.length === metadata.snapshots.length &&
    Object.keys(refs).length === Object.keys(metadata.refs).length
  )
    return metadata;
  return keeping(metadata, snapshots, refs);
}

/** The metadata with some of its snapshots and refs. */
export function keeping(
  metadata: Metadata,
  snapshots: readonly Snapshot[],
  refs: Metadata['refs'],
): Metadata {
  const ids = new Set(snapshots.map((s) => s['snapshot-id']));
  // Entries before a gap in the log would give a wrong history.
  const gap = metadata['snapshot-log'].findLastIndex((entry) => !ids.has(entry['snapshot-id']));
  const ofKept = <T extends { 'snapshot-id': bigint }>(list: readonly T[] | undefined) =>
    list?.filter((item) => ids.has(item['snapshot-id']));
  return {
    ...metadata,
    refs,
    snapshots: [...snapshots],
    'snapshot-log': metadata['snapshot-log'].slice(gap + 1),
    ...(metadata.statistics ? { statistics: ofKept(metadata.statistics) } : {}),
    ...(metadata['partition-statistics']
      ? { 'partition-statistics': ofKept(metadata['partition-statistics']) }
      : {}),
  };
}

// ---- objects

/** Addresses of all lists, manifests and live objects of the snapshots. */
async function named(files: Files, metadata: Metadata, snapshots: readonly Snapshot[]): Promise<Set<string>> {
  const paths = new Set<string>();
  const lists = await parallel(snapshots, 16, async (snapshot) => {
    paths.add(snapshot['manifest-list']);
    return manifestsOf(files, snapshot);
  });
  const manifests = new Map(lists.flat().map((manifest) => [manifest.path, manifest]));
  await parallel([...manifests.values()], 16, async (manifest) => {
    paths.add(manifest.path);
    for (const entry of await entriesOf(files, metadata, manifest))
      if (isAlive(entry)) paths.add(entry.file.path);
  });
  return paths;
}

/** Files that Sluice and other engines write below a table. No other file is treated as an orphan. */
const isTableFile = (key: string): boolean => /\.(?:parquet|avro|metadata\.json)$/.test(key);

/**
 * Keys below a table that it does not name, last changed before `olderThan`: leftovers of commits that were not made. Files of a batch in
 * progress are younger. `list` gives the objects below a prefix.
 */
export async function orphansOf(
  deps: TableDeps,
  name: string,
  list: (bucket: string, prefix: string) => Promise<readonly ListedObject[]>,
  olderThan: number,
): Promise<string[]> {
  const first = await loadTable(deps, name);
  if (!first) return [];
  const { bucket, key } = refOf(metadataFolder(first.metadata));
  // The objects are listed before the table is read, so the table names everything that is committed in between.
  const listed = await list(bucket, key.slice(0, -'metadata/'.length));
  const table = await loadTable(deps, name);
  if (!table || table.metadata['table-uuid'] !== first.metadata['table-uuid']) return [];
  const { metadata, pointer } = table;
  const keep = await named(deps.files, metadata, metadata.snapshots);
  keep.add(pointer.file);
  for (const entry of metadata['metadata-log']) keep.add(entry['metadata-file']);
  for (const item of [...(metadata.statistics ?? []), ...(metadata['partition-statistics'] ?? [])])
    keep.add(item['statistics-path']);
  const keys = new Set([...keep].map(refOf).flatMap((ref) => (ref.bucket === bucket ? [ref.key] : [])));
  // Somebody may have created another table below this one.
  const others = new Set(listed.flatMap((object) => rootOfTable(object.key, key) ?? []));
  const isOther = (file: string) => [...others].some((root) => file.startsWith(root));
  return listed
    .filter(
      (object) =>
        isTableFile(object.key) &&
        object.modified < olderThan &&
        !keys.has(object.key) &&
        !isOther(object.key),
    )
    .map((object) => object.key);
}

/** The folder of the table that a metadata file belongs to, if that is not the table with the metadata folder `own`. */
function rootOfTable(key: string, own: string): string | undefined {
  const [, root] = /^(.*\/)metadata\/[^/]+\.metadata\.json$/.exec(key) ?? [];
  return root === undefined || `${root}metadata/` === own ? undefined : root;
}

// ---- compaction

/** The data objects of a partition spec that may be replaced by others with the same rows, with their own delete files. */
export function compactableEntries<T extends ManifestEntry & { readonly specId: number }>(
  entries: readonly T[],
  specId: number,
): DataEntry<T>[] {
  const find = deletesFinder(entries.filter(({ file }) => file.content !== contents.data));
  return entries.flatMap((entry) => {
    if (entry.file.content !== contents.data || entry.specId !== specId) return [];
    const [deletes, ...more] = find(entry);
    if (deletes === undefined) return [entry];
    // Objects with rows that another engine has deleted are left to that engine.
    return more.length === 0 && isOwnOf(deletes, entry.file.path) ? [{ ...entry, deletes }] : [];
  });
}
