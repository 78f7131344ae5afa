/** The objects of a table's last partitions. Of a large table, only the manifests that may name one are read. */
import type { Files } from './files.ts';
import { hasData, hasLiveFiles, liveFilesOf, type ManifestFile, typedFields } from './manifest.ts';
import { currentSnapshot, type Metadata, specOf } from './metadata.ts';
import { type LiveEntry, liveEntriesIn, manifestsOf, partitionKey } from './snapshot.ts';
import { compare, fromBytes, type Value } from './values.ts';

type Values = readonly (Value | null)[];

/**
 * The data objects of the current snapshot in its last `count` partitions, in the order of their values. All objects if manifests belong to
 * several partition specs.
 */
export async function lastEntries(files: Files, metadata: Metadata, count: number): Promise<LiveEntry[]> {
  const manifests = (await manifestsOf(files, currentSnapshot(metadata))).filter(
    (manifest) => hasLiveFiles(manifest) && hasData(manifest),
  );
  const read = (some: readonly ManifestFile[]) => liveEntriesIn(files, metadata, some);
  const [first] = manifests;
  if (manifests.some((manifest) => manifest.specId !== first?.specId)) return read(manifests);
  const fields = typedFields(specOf(metadata, first?.specId), metadata.schemas);
  // Without bounds, a manifest may name any partition.
  const isBounded = ({ partitions }: ManifestFile) => partitions !== null;
  const most = ({ partitions }: ManifestFile): Values =>
    fields.map(({ type }, i) => {
      const bound = partitions?.[i]?.upperBound ?? null;
      return bound && fromBytes(type, bound);
    });
  const bounded = manifests.filter(isBounded).map((manifest) => ({ manifest, most: most(manifest) }));
  bounded.sort((a, b) => order(b.most, a.most));
  const entries = await read(manifests.filter((manifest) => !isBounded(manifest)));
  const found = new Map<string, Values>();
  const valuesOf = ({ file }: LiveEntry): Values => fields.map(({ id }) => file.partition.get(id) ?? null);
  const note = (some: readonly LiveEntry[]) => {
    for (const entry of some) found.set(partitionKey(entry.file.partition), valuesOf(entry));
  };
  const leastWanted = () => [...found.values()].sort((a, b) => order(b, a))[count - 1];
  note(entries);
  for (let rest = bounded; rest.length > 0; ) {
    const least = leastWanted();
    if (least !== undefined && rest.every((one) => order(one.most, least) < 0)) break;
    // As many as could name the missing partitions.
    const next: ManifestFile[] = [];
    let missing = count - found.size;
    for (const { manifest } of rest) {
      next.push(manifest);
      missing -= liveFilesOf(manifest);
      if (missing <= 0) break;
    }
    rest = rest.slice(next.length);
    const some = await read(next);
    entries.push(...some);
    note(some);
  }
  // Others may have more objects in manifests that were not read.
  const least = leastWanted();
  return least === undefined ? entries : entries.filter((entry) => order(valuesOf(entry), least) >= 0);
}

/** No value comes first. */
function order(a: Values, b: Values): number {
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? null;
    if (value === null || other === null) {
      if (value !== other) return value === null ? -1 : 1;
    } else {
      const difference = compare(value, other);
      if (difference !== 0) return difference;
    }
  }
  return 0;
}
