/** Makes the snapshot of a change: writes manifests and their list. Nobody reads them before the commit. */
import { randomBytes, randomUUID } from 'node:crypto';
import { TableConflict } from '../../errors.ts';
import { chunksOf, parallel } from '../../parallel.ts';
import {
  type DataEntry,
  type DeletesFile,
  deletedRows,
  deletesEntry,
  deletesFinder,
  isOwnOf,
  objectIn,
  withDeletes,
} from './deletes.ts';
import type { Files } from './files.ts';
import {
  contents,
  type DataFile,
  hasData,
  hasLiveFiles,
  isAlive,
  liveFilesOf,
  type ManifestEntry,
  type ManifestFile,
  type Partition,
  readManifest,
  readManifestList,
  statuses,
  typedFields,
  writeManifest,
  writeManifestList,
} from './manifest.ts';
import {
  currentSnapshot,
  type Metadata,
  type PartitionSpec,
  type Snapshot,
  schemaOf,
  specOf,
  withSnapshot,
} from './metadata.ts';
import { compare, fromBytes } from './values.ts';

/** A commit's changes to the objects of a table. */
export interface Change {
  readonly add: readonly AddedFile[];
  readonly drop: readonly DroppedFile[];
  /** Objects that stay, with another delete file than before. */
  readonly deletes?: readonly ChangedDeletes[];
  /**
   * replaced: added objects contain rows of the dropped objects. This conflicts with deletes of other writers, because the added
   * objects still have the deleted rows. gone: the rows are removed.
   */
  readonly dropped: 'replaced' | 'gone';
  /** Rows do not change, only their storage, as in a compaction. */
  readonly isRewrite?: boolean;
  /** Manifests no longer name files that earlier snapshots have dropped, nor the bounds of their values. */
  readonly forgets?: boolean;
  /** Kept in the snapshot, such as `sluice.batch`. */
  readonly summary: Readonly<Record<string, string>>;
}

export interface AddedFile {
  readonly file: DataFile;
  /** The id of the partition spec that the file was written for. */
  readonly specId: number;
  /** The sequence number of an existing file: deletes from its time still apply to it. */
  readonly sequenceNumber?: bigint | undefined;
}

export interface DroppedFile {
  readonly path: string;
  /** The partition, if it is known: manifests of other partitions are read only if the object is not found. */
  readonly partition?: Partition | undefined;
  /** Its own delete file, which goes with it: rows that this hides are known. */
  readonly deletes?: string | undefined;
}

export interface ChangedDeletes {
  /** The data object. */
  readonly of: Pick<DroppedFile, 'path' | 'partition'>;
  /** Its delete file from now on. Without one, all its rows are there. */
  readonly by: DeletesFile | undefined;
  /** Its delete file until now. */
  readonly replaces: string | undefined;
}

/** The number of small manifests from which they are merged. */
const manifestsToMerge = 100;
const smallManifestBytes = 8n * 1024n * 1024n;
/**
 * How many objects a manifest names, in a table of so many. A correction reads and writes the whole manifest that names its object, and each
 * commit the list of all manifests, so both grow with the square root of the table: a million objects have 500 manifests.
 */
const entriesPerManifest = (objects: number): number =>
  Math.min(5000, Math.max(1000, Math.ceil(2 * Math.sqrt(objects))));
/** A merge takes the entries of so many full manifests at most, so its cost does not grow with the table. */
const mostMerged = 4;
const readsAtOnce = 32;
/** With more partitions than this, every manifest is likely to name one. */
const mostCompared = 100;

/** What a manifest of deletes has in the place of their kind. https://iceberg.apache.org/spec/#manifest-lists */
const manifestOfDeletes = 1;

const isOfData = ({ content }: DataFile): boolean => content === contents.data;

export const manifestsOf = async (files: Files, snapshot: Snapshot | undefined): Promise<ManifestFile[]> =>
  snapshot === undefined ? [] : readManifestList(await files.read(snapshot['manifest-list']));

export const entriesOf = async (
  files: Files,
  metadata: Metadata,
  manifest: ManifestFile,
): Promise<ManifestEntry[]> =>
  readManifest(
    await files.read(manifest.path),
    manifest,
    typedFields(specOf(metadata, manifest.specId), metadata.schemas),
  );

/** An entry with the partition spec of its manifest. */
export type LiveEntry = ManifestEntry & { readonly specId: number };

/** The objects of a snapshot with their partition specs, including delete files. */
export async function liveEntries(
  files: Files,
  metadata: Metadata,
  snapshot: Snapshot | undefined = currentSnapshot(metadata),
): Promise<LiveEntry[]> {
  return liveEntriesIn(files, metadata, (await manifestsOf(files, snapshot)).filter(hasLiveFiles));
}

/** The same of some manifests. */
export async function liveEntriesIn(
  files: Files,
  metadata: Metadata,
  manifests: readonly ManifestFile[],
): Promise<LiveEntry[]> {
  const entries = await parallel(manifests, readsAtOnce, async (manifest) =>
    (await entriesOf(files, metadata, manifest))
      .filter(isAlive)
      .map((entry) => ({ ...entry, specId: manifest.specId })),
  );
  return entries.flat();
}

/**
 * The data objects of the current snapshot that may have rows of these partitions, or all objects, each with its own delete file; only those
 * that `isMeant` chooses by their paths. Throws TableConflict if another writer has deleted rows of one of them.
 */
export async function dataEntries(
  files: Files,
  metadata: Metadata,
  partitions?: readonly Partition[],
  isMeant: (path: string) => boolean = () => true,
): Promise<DataEntry<LiveEntry>[]> {
  const manifests = (await manifestsOf(files, currentSnapshot(metadata))).filter(hasLiveFiles);
  const isWanted = (manifest: ManifestFile) =>
    partitions?.some((partition) => mayHold(metadata, manifest, { partition })) ?? true;
  const read = manifests.filter((manifest) => hasData(manifest) && isWanted(manifest));
  const data = (await liveEntriesIn(files, metadata, read)).filter(({ file }) => isMeant(file.path));
  return withDeletes(data, await deletesNear(files, metadata, manifests, data));
}

/** The delete files of these manifests that may be about some data objects: a delete file has the partition of its rows. */
export async function deletesNear(
  files: Files,
  metadata: Metadata,
  manifests: readonly ManifestFile[],
  data: readonly ManifestEntry[],
): Promise<LiveEntry[]> {
  const isNear = nearTo(metadata, data);
  return liveEntriesIn(
    files,
    metadata,
    manifests.filter((manifest) => !hasData(manifest) && hasLiveFiles(manifest) && isNear(manifest)),
  );
}

/** Whether a manifest may name a file in one of their partitions. */
function nearTo(
  metadata: Metadata,
  entries: readonly Pick<ManifestEntry, 'file'>[],
): (manifest: ManifestFile) => boolean {
  const partitions = [
    ...new Map(entries.map(({ file: { partition } }) => [partitionKey(partition), partition])).values(),
  ];
  return (manifest) =>
    partitions.length > mostCompared ||
    partitions.some((partition) => mayHold(metadata, manifest, { partition }));
}

/** Writes the files of one commit, for each state of the table that it is rebased on. */
export class SnapshotWriter {
  readonly snapshotId: bigint;
  private readonly files: Files;
  private readonly change: Change;
  private readonly uuid = randomUUID();
  private manifests = 0;
  private lists = 0;
  private perManifest = entriesPerManifest(0);
  /** Manifests of the added files inherit their sequence numbers: they serve every try. */
  private added: ((sequenceNumber: bigint) => ManifestFile)[] | undefined;

  constructor(files: Files, change: Change) {
    this.files = files;
    this.change = change;
    // Positive, like the ids of other writers.
    this.snapshotId = BigInt.asUintN(62, randomBytes(8).readBigUInt64LE()) + 1n;
  }

  /**
   * The metadata with the change as newest snapshot. Throws TableConflict if an object of the change is not in the table, or if its deletes
   * are others than the change knows.
   */
  async on(metadata: Metadata, now: number): Promise<Metadata> {
    const { files, change, snapshotId } = this;
    const parent = currentSnapshot(metadata);
    const sequenceNumber = metadata['last-sequence-number'] + 1n;
    const before = await manifestsOf(files, parent);
    this.perManifest = entriesPerManifest(before.reduce((sum, manifest) => sum + liveFilesOf(manifest), 0));
    this.added ??= await this.writeAdded(metadata, change.add);
    const { manifests, dropped, deletes } = await this.without(metadata, before, sequenceNumber);
    const added = [...this.added, ...(await this.writeAdded(metadata, deletes))];
    const merged = await this.merge(
      metadata,
      [...added.map((manifest) => manifest(sequenceNumber)), ...manifests],
      sequenceNumber,
    );
    const list = `${metadataFolder(metadata)}snap-${snapshotId}-${++this.lists}-${this.uuid}.avro`;
    await files.write(
      list,
      writeManifestList(merged, { id: snapshotId, parent: parent?.['snapshot-id'], sequenceNumber }),
    );
    return withSnapshot(metadata, {
      'snapshot-id': snapshotId,
      ...(parent === undefined ? {} : { 'parent-snapshot-id': parent['snapshot-id'] }),
      'sequence-number': sequenceNumber,
      'timestamp-ms': Math.max(now, metadata['last-updated-ms']),
      'manifest-list': list,
      summary: summaryOf(change, [...change.add, ...deletes], dropped, parent),
      'schema-id': metadata['current-schema-id'],
    });
  }

  private async writeAdded(
    metadata: Metadata,
    files: readonly AddedFile[],
  ): Promise<((sequenceNumber: bigint) => ManifestFile)[]> {
    const alike = Map.groupBy(files, ({ specId, file }) => `${specId} ${isOfData(file)}`);
    const written = [...alike.values()].map((added) => {
      const { specId = 0, file = undefined } = added[0] ?? {};
      const entries = added.map((each) => ({
        status: statuses.added,
        snapshotId: this.snapshotId,
        sequenceNumber: each.sequenceNumber,
        fileSequenceNumber: undefined,
        file: each.file,
      }));
      const content = file === undefined || isOfData(file) ? contents.data : manifestOfDeletes;
      return this.write(metadata, specOf(metadata, specId), content, entries);
    });
    return (await Promise.all(written)).flat();
  }

  private async write(
    metadata: Metadata,
    spec: PartitionSpec,
    content: number,
    entries: readonly ManifestEntry[],
  ): Promise<((sequenceNumber: bigint) => ManifestFile)[]> {
    return parallel(chunksOf(entries, this.perManifest), 4, async (chunk) => {
      const path = `${metadataFolder(metadata)}${this.uuid}-m${this.manifests++}.avro`;
      const { bytes, manifest } = writeManifest(chunk, {
        spec,
        schema: schemaOf(metadata),
        schemas: metadata.schemas,
        content,
        snapshotId: this.snapshotId,
      });
      await this.files.write(path, bytes);
      return (sequenceNumber) => manifest(path, sequenceNumber);
    });
  }

  /** The manifests without the dropped files, and the new delete files. Manifests that name a dropped one are written anew. */
  private async without(
    metadata: Metadata,
    before: readonly ManifestFile[],
    sequenceNumber: bigint,
  ): Promise<{ manifests: ManifestFile[]; dropped: ManifestEntry[]; deletes: AddedFile[] }> {
    const { drop, deletes = [], dropped: why } = this.change;
    // Manifests with only files that earlier snapshots have dropped are not needed any more.
    const live = before.filter(hasLiveFiles);
    if (this.change.forgets)
      return {
        manifests: await this.forgetful(metadata, live, sequenceNumber),
        dropped: [],
        deletes: [],
      };
    if (drop.length + deletes.length === 0) return { manifests: live, dropped: [], deletes: [] };
    const named = [...drop, ...deletes.map(({ of }) => of)];
    const staying = new Set(deletes.map(({ of }) => of.path));
    const wanted = new Set(named.map(({ path }) => path));
    const found: LiveEntry[] = [];
    const without = (some: readonly ManifestFile[]) =>
      parallel(some, readsAtOnce, async (manifest) => {
        const entries = (await entriesOf(this.files, metadata, manifest)).filter(isAlive);
        const own = entries.filter(({ file }) => wanted.has(file.path));
        found.push(...own.map((entry) => ({ ...entry, specId: manifest.specId })));
        const gone = new Set(own.filter(({ file }) => !staying.has(file.path)));
        return this.writtenWithout(metadata, manifest, entries, gone, sequenceNumber);
      });
    const partitions = new Map(named.map((file) => [file.partition && partitionKey(file.partition), file]));
    const isLikely = (manifest: ManifestFile) =>
      hasData(manifest) &&
      (partitions.size > mostCompared ||
        [...partitions.values()].some((file) => mayHold(metadata, manifest, file)));
    const likely = new Set(live.filter(isLikely));
    const others = live.filter((manifest) => hasData(manifest) && !likely.has(manifest));
    const rest = await without([...likely]);
    // An object may be in another partition than its folder says: then all manifests are read.
    rest.push(...(found.length === wanted.size ? [others] : await without(others)));
    for (const { file } of found) wanted.delete(file.path);
    const [missing] = wanted;
    if (missing !== undefined)
      throw new TableConflict(
        `${wanted.size} of ${named.length} objects to replace are no longer in the table, the first is ${missing}: another writer has rewritten them`,
      );
    const ofDeletes = live.filter((manifest) => !hasData(manifest));
    const known = new Map<string, string>();
    for (const { path, deletes: own } of drop) if (own !== undefined) known.set(path, own);
    for (const { of, replaces } of deletes) if (replaces !== undefined) known.set(of.path, replaces);
    const isAsked = why === 'replaced' || known.size > 0;
    const changed = isAsked
      ? await this.withoutDeletes(metadata, ofDeletes, found, known, sequenceNumber)
      : { manifests: ofDeletes, dropped: [] };
    const objects = new Map(found.map((entry) => [entry.file.path, entry]));
    return {
      manifests: [...rest.flat(), ...changed.manifests],
      dropped: [...found.filter(({ file }) => !staying.has(file.path)), ...changed.dropped],
      deletes: deletes.flatMap(({ of, by }) => {
        const object = objects.get(of.path);
        return by === undefined || object === undefined
          ? []
          : [
              {
                file: deletesEntry(by, object.file),
                specId: object.specId,
                sequenceNumber: by.sequenceNumber,
              },
            ];
      }),
    };
  }

  /**
   * Manifests of deletes without the `known` delete files, which are named by their data objects. Throws TableConflict if one of them is not
   * there, or if others have deleted rows of an object: added objects would bring these back.
   */
  private async withoutDeletes(
    metadata: Metadata,
    manifests: readonly ManifestFile[],
    objects: readonly LiveEntry[],
    known: ReadonlyMap<string, string>,
    sequenceNumber: bigint,
  ): Promise<{ manifests: ManifestFile[]; dropped: ManifestEntry[] }> {
    const isNear = nearTo(metadata, objects);
    const read = await parallel(manifests.filter(isNear), readsAtOnce, async (manifest) => ({
      manifest,
      entries: (await entriesOf(this.files, metadata, manifest)).filter(isAlive),
    }));
    const find = deletesFinder(read.flatMap(({ entries }) => entries));
    const gone = new Set<ManifestEntry>();
    for (const object of objects) {
      const { path } = object.file;
      for (const entry of find(object))
        if (entry.file.path === known.get(path) && isOwnOf(entry, path)) gone.add(entry);
        else if (this.change.dropped === 'replaced') throw deletedRows(object, entry);
    }
    if (gone.size !== known.size) {
      const there = new Set([...gone].map(({ file }) => file.path));
      const [of, path] = [...known].find(([, deletes]) => !there.has(deletes)) ?? [];
      throw new TableConflict(
        `${path}, which has the deleted rows of ${of}, is no longer in the table: another writer has rewritten it`,
      );
    }
    const rest = await parallel(read, readsAtOnce, ({ manifest, entries }) =>
      this.writtenWithout(metadata, manifest, entries, gone, sequenceNumber),
    );
    return {
      manifests: [...manifests.filter((manifest) => !isNear(manifest)), ...rest.flat()],
      dropped: [...gone],
    };
  }

  /** The manifest itself if none of its live entries goes. */
  private async writtenWithout(
    metadata: Metadata,
    manifest: ManifestFile,
    entries: readonly ManifestEntry[],
    gone: ReadonlySet<ManifestEntry>,
    sequenceNumber: bigint,
  ): Promise<ManifestFile[]> {
    if (!entries.some((entry) => gone.has(entry))) return [manifest];
    const changed = entries.map((entry) =>
      gone.has(entry)
        ? { ...entry, status: statuses.deleted, snapshotId: this.snapshotId }
        : { ...entry, status: statuses.existing },
    );
    const { content, specId } = manifest;
    const written = await this.write(metadata, specOf(metadata, specId), content, changed);
    return written.map((place) => place(sequenceNumber));
  }

  private async forgetful(
    metadata: Metadata,
    manifests: readonly ManifestFile[],
    sequenceNumber: bigint,
  ): Promise<ManifestFile[]> {
    const rest = await parallel(manifests, readsAtOnce, async (manifest) => {
      const entries = await entriesOf(this.files, metadata, manifest);
      if (entries.every(isAlive)) return [manifest];
      const alive = entries.filter(isAlive).map((entry) => ({ ...entry, status: statuses.existing }));
      const spec = specOf(metadata, manifest.specId);
      const written = await this.write(metadata, spec, manifest.content, alive);
      return written.map((place) => place(sequenceNumber));
    });
    return rest.flat();
  }

  /** Merges the smallest manifests, so that commits and readers have few of them to read. Half-full ones stay as they are. */
  private async merge(
    metadata: Metadata,
    manifests: readonly ManifestFile[],
    sequenceNumber: bigint,
  ): Promise<ManifestFile[]> {
    const small = manifests.filter(
      (m) => m.length < smallManifestBytes && liveFilesOf(m) < this.perManifest / 2,
    );
    const alike = [...Map.groupBy(small, (m) => `${m.specId} ${m.content}`).values()];
    const merged = await Promise.all(
      alike.map(async (of) => {
        const [first] = of;
        if (first === undefined || of.length < manifestsToMerge) return { old: [], written: [] };
        // This snapshot's own manifests stay, because they show its changes.
        let room = mostMerged * this.perManifest;
        const old = of
          .filter((m) => m.addedSnapshotId !== this.snapshotId)
          .sort((a, b) => liveFilesOf(a) - liveFilesOf(b))
          .filter((m) => {
            room -= liveFilesOf(m);
            return room >= 0;
          });
        const entries = await parallel(old, readsAtOnce, (m) => entriesOf(this.files, metadata, m));
        const kept = entries
          .flat()
          .filter(isAlive)
          .map((entry) => ({ ...entry, status: statuses.existing }));
        const spec = specOf(metadata, first.specId);
        const written = await this.write(metadata, spec, first.content, kept);
        return { old, written: written.map((place) => place(sequenceNumber)) };
      }),
    );
    const gone = new Set(merged.flatMap(({ old }) => old));
    return [...manifests.filter((m) => !gone.has(m)), ...merged.flatMap(({ written }) => written)];
  }
}

export const metadataFolder = ({ location }: Pick<Metadata, 'location'>): string =>
  `${location.replace(/\/+$/, '')}/metadata/`;

/** Whether a manifest may name a file, according to its partition summaries. */
function mayHold(
  metadata: Metadata,
  { specId, partitions }: ManifestFile,
  { partition }: Pick<DroppedFile, 'partition'>,
): boolean {
  if (partition === undefined || partitions === null) return true;
  return typedFields(specOf(metadata, specId), metadata.schemas).every(({ id, type }, i) => {
    const value = partition.get(id);
    const summary = partitions[i];
    // A field that is not in the file's spec decides nothing.
    if (value === undefined || summary === undefined) return true;
    if (value === null) return summary.containsNull;
    if (Number.isNaN(value)) return summary.containsNan !== false;
    const { lowerBound: low, upperBound: high } = summary;
    return (
      low !== null &&
      high !== null &&
      compare(fromBytes(type, low), value) <= 0 &&
      compare(value, fromBytes(type, high)) <= 0
    );
  });
}

/** https://iceberg.apache.org/spec/#optional-snapshot-summary-fields */
function summaryOf(
  { isRewrite = false, summary }: Change,
  add: readonly AddedFile[],
  dropped: readonly ManifestEntry[],
  parent: Snapshot | undefined,
): Record<string, string> {
  const [added, removed] = [countsOf(add), countsOf(dropped)];
  const partitions = new Set([...add, ...dropped].map(({ file }) => partitionKey(file.partition)));
  const takesRows = dropped.length + Number(added.deletes) > 0;
  const operation = isRewrite
    ? 'replace'
    : !takesRows
      ? 'append'
      : added.objects === 0n
        ? 'delete'
        : 'overwrite';
  const result: Record<string, string> = {
    operation,
    ...counts({
      'added-data-files': added.objects,
      'added-records': added.records,
      'added-delete-files': added.deletes,
      'added-position-delete-files': added.deletes,
      'added-position-deletes': added.positions,
      'added-files-size': added.bytes,
      'deleted-data-files': removed.objects,
      'deleted-records': removed.records,
      'removed-delete-files': removed.deletes,
      'removed-position-delete-files': removed.deletes,
      'removed-position-deletes': removed.positions,
      'removed-files-size': removed.bytes,
    }),
    'changed-partition-count': String(partitions.size),
  };
  /** A total is omitted if the parent does not have it. */
  const total = (name: string, of: (counted: typeof added) => bigint) => {
    const before = parent === undefined ? '0' : parent.summary[name];
    if (before !== undefined && /^\d+$/.test(before))
      result[name] = String(BigInt(before) + of(added) - of(removed));
  };
  total('total-records', ({ records }) => records);
  total('total-files-size', ({ bytes }) => bytes);
  total('total-data-files', ({ objects }) => objects);
  total('total-delete-files', ({ deletes }) => deletes);
  total('total-position-deletes', ({ positions }) => positions);
  total('total-equality-deletes', () => 0n);
  return { ...result, ...summary };
}

/** The data objects among some files, and the files of position deletes, with their rows. */
function countsOf(files: readonly { readonly file: DataFile }[]) {
  const sum = (some: typeof files, of: (file: DataFile) => bigint) =>
    some.reduce((total, { file }) => total + of(file), 0n);
  const [objects, deletes] = [
    files.filter(({ file }) => isOfData(file)),
    files.filter(({ file }) => !isOfData(file)),
  ];
  const records = ({ records: n }: DataFile) => n;
  return {
    objects: BigInt(objects.length),
    records: sum(objects, records),
    deletes: BigInt(deletes.length),
    positions: sum(deletes, records),
    bytes: sum(files, ({ bytes }) => bytes),
  };
}

const counts = (values: Readonly<Record<string, bigint>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).flatMap(([name, n]) => (n === 0n ? [] : [[name, String(n)]])));

/** A text that is equal for equal partitions. */
export const partitionKey = (partition: Partition): string =>
  JSON.stringify(
    [...partition]
      .sort(([a], [b]) => a - b)
      .map(([id, value]) => [
        id,
        value === null || typeof value === 'boolean'
          ? value
          : value instanceof Uint8Array
            ? Buffer.from(value).toString('base64')
            : String(value),
      ]),
  );

/**
 * The reverse of a snapshot's change: drops its files and adds the files that it had dropped. Throws TableConflict if the snapshot before it has
 * expired, because files that only that one named may have been deleted.
 */
export async function revertOf(
  files: Files,
  metadata: Metadata,
  snapshot: Snapshot,
  summary: Readonly<Record<string, string>>,
): Promise<Change> {
  const { 'snapshot-id': id, 'parent-snapshot-id': parent } = snapshot;
  const own = (await manifestsOf(files, snapshot)).filter((m) => m.addedSnapshotId === id);
  const entries = await parallel(own, readsAtOnce, async (manifest) =>
    (await entriesOf(files, metadata, manifest))
      .filter((entry) => entry.snapshotId === id)
      .map((entry) => ({ ...entry, specId: manifest.specId })),
  );
  const of = (status: number) => entries.flat().filter((entry) => entry.status === status);
  const [added, dropped] = [of(statuses.added), of(statuses.deleted)];
  if (dropped.length > 0 && !metadata.snapshots.some((s) => s['snapshot-id'] === parent))
    throw new TableConflict(
      `the snapshot ${id} cannot be taken back: the snapshot before it has expired, and with it the ${dropped.length} objects that it has replaced`,
    );
  const back = new Set(dropped.filter(({ file }) => isOfData(file)).map(({ file }) => file.path));
  const returns = ({ file }: LiveEntry) => back.has(objectIn(file) ?? file.path);
  /** The delete files of objects that stayed in the table. */
  const changed = Map.groupBy(
    [...added, ...dropped].filter((entry) => !isOfData(entry.file) && !returns(entry)),
    ({ file }) => objectIn(file) ?? '',
  );
  return {
    add: dropped
      .filter(returns)
      .map(({ file, specId, sequenceNumber }) => ({ file, specId, sequenceNumber })),
    drop: added
      .filter(({ file }) => isOfData(file))
      .map(({ file }) => ({ path: file.path, partition: file.partition })),
    deletes: [...changed].map(([path, some]) => {
      const earlier = some.find(({ status }) => status === statuses.deleted);
      return {
        of: { path, partition: some[0]?.file.partition },
        by: earlier && {
          path: earlier.file.path,
          bytes: Number(earlier.file.bytes),
          rows: Number(earlier.file.records),
          sequenceNumber: earlier.sequenceNumber,
        },
        replaces: some.find(({ status }) => status === statuses.added)?.file.path,
      };
    }),
    dropped: 'gone',
    summary,
  };
}
