/** Makes the snapshot of a change: writes manifests and their list. Nobody reads them before the commit. */
import { randomBytes, randomUUID } from 'node:crypto';
import { TableConflict } from '../../errors.ts';
import { chunksOf, parallel } from '../../parallel.ts';
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
import { compare, fromBytes, type Value } from './values.ts';

/** A commit's changes to the objects of a table. */
export interface Change {
  readonly add: readonly AddedFile[];
  readonly drop: readonly DroppedFile[];
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
 * The data objects of the current snapshot that may have rows of these partitions, or all objects. Throws TableConflict if another
 * writer has deleted rows of one of them, because a reader of the object alone would find these rows.
 */
export async function dataEntries(
  files: Files,
  metadata: Metadata,
  partitions?: readonly Partition[],
): Promise<ManifestEntry[]> {
  const manifests = (await manifestsOf(files, currentSnapshot(metadata))).filter(hasLiveFiles);
  const isWanted = (manifest: ManifestFile) =>
    partitions?.some((partition) => mayHold(metadata, manifest, { partition })) ?? true;
  const read = (some: readonly ManifestFile[]) => liveEntriesIn(files, metadata, some);
  const data = await read(manifests.filter((manifest) => hasData(manifest) && isWanted(manifest)));
  for (const deletes of await read(manifests.filter((manifest) => !hasData(manifest)))) {
    const hit = data.find((entry) => mayDelete(deletes, entry));
    if (hit) throw deletedRows(hit, deletes);
  }
  return data;
}

const deletedRows = (data: ManifestEntry, deletes: ManifestEntry): TableConflict =>
  new TableConflict(
    `another writer has deleted rows of ${data.file.path} by ${deletes.file.path}: rewrite the object without them (OPTIMIZE), then try again`,
  );

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
   * The metadata with the change as newest snapshot. Throws TableConflict if a dropped object is not in the table, or if another writer
   * has deleted rows of it.
   */
  async on(metadata: Metadata, now: number): Promise<Metadata> {
    const { files, change, snapshotId } = this;
    const parent = currentSnapshot(metadata);
    const sequenceNumber = metadata['last-sequence-number'] + 1n;
    const before = await manifestsOf(files, parent);
    this.perManifest = entriesPerManifest(before.reduce((sum, manifest) => sum + liveFilesOf(manifest), 0));
    this.added ??= await this.writeAdded(metadata);
    const { manifests, dropped } = await this.without(metadata, before, sequenceNumber);
    const merged = await this.merge(
      metadata,
      [...this.added.map((manifest) => manifest(sequenceNumber)), ...manifests],
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
      summary: summaryOf(change, dropped, parent),
      'schema-id': metadata['current-schema-id'],
    });
  }

  private async writeAdded(metadata: Metadata): Promise<((sequenceNumber: bigint) => ManifestFile)[]> {
    const bySpec = Map.groupBy(this.change.add, ({ specId }) => specId);
    const written = [...bySpec].map(([specId, added]) => {
      const entries = added.map(({ file, sequenceNumber }) => ({
        status: statuses.added,
        snapshotId: this.snapshotId,
        sequenceNumber,
        fileSequenceNumber: undefined,
        file,
      }));
      return this.write(metadata, specOf(metadata, specId), contents.data, entries);
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

  /** The manifests without the dropped files. Manifests that name one are written anew. */
  private async without(
    metadata: Metadata,
    before: readonly ManifestFile[],
    sequenceNumber: bigint,
  ): Promise<{ manifests: ManifestFile[]; dropped: ManifestEntry[] }> {
    // Manifests with only files that earlier snapshots have dropped are not needed any more.
    const live = before.filter(hasLiveFiles);
    const wanted = new Map(this.change.drop.map((file) => [file.path, file]));
    if (this.change.forgets)
      return { manifests: await this.forgetful(metadata, live, sequenceNumber), dropped: [] };
    if (wanted.size === 0) return { manifests: live, dropped: [] };
    const dropped: ManifestEntry[] = [];
    const without = (some: readonly ManifestFile[]) =>
      parallel(some, readsAtOnce, async (manifest) => {
        const entries = (await entriesOf(this.files, metadata, manifest)).filter(isAlive);
        const gone = entries.filter(({ file }) => wanted.has(file.path));
        if (gone.length === 0) return [manifest];
        dropped.push(...gone);
        const changed = entries.map((entry) =>
          wanted.has(entry.file.path)
            ? { ...entry, status: statuses.deleted, snapshotId: this.snapshotId }
            : { ...entry, status: statuses.existing },
        );
        const written = await this.write(metadata, specOf(metadata, manifest.specId), contents.data, changed);
        return written.map((place) => place(sequenceNumber));
      });
    const partitions = new Map(
      this.change.drop.map((file) => [file.partition && partitionKey(file.partition), file]),
    );
    const isLikely = (manifest: ManifestFile) =>
      hasData(manifest) &&
      (partitions.size > mostCompared ||
        [...partitions.values()].some((file) => mayHold(metadata, manifest, file)));
    const likely = new Set(live.filter(isLikely));
    const others = live.filter((manifest) => !likely.has(manifest));
    const rest = await without([...likely]);
    for (const { file } of dropped) wanted.delete(file.path);
    // An object may be in another partition than its folder says: then all manifests are read.
    if (wanted.size === 0) rest.push(others);
    else {
      rest.push(others.filter((manifest) => !hasData(manifest)));
      rest.push(...(await without(others.filter(hasData))));
      for (const { file } of dropped) wanted.delete(file.path);
    }
    const [missing] = wanted.keys();
    if (missing !== undefined)
      throw new TableConflict(
        `${wanted.size} of ${this.change.drop.length} objects to replace are no longer in the table, the first is ${missing}: another writer has rewritten them`,
      );
    if (this.change.dropped === 'replaced') await this.requireNoDeletes(metadata, live, dropped);
    return { manifests: rest.flat(), dropped };
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

  /** Throws TableConflict if others have deleted rows of a dropped object, because the added objects would bring them back. */
  private async requireNoDeletes(
    metadata: Metadata,
    manifests: readonly ManifestFile[],
    dropped: readonly ManifestEntry[],
  ): Promise<void> {
    for (const manifest of manifests.filter((m) => m.content !== 0))
      for (const entry of await entriesOf(this.files, metadata, manifest)) {
        const hit = isAlive(entry) ? dropped.find((data) => mayDelete(entry, data)) : undefined;
        if (hit) throw deletedRows(hit, entry);
      }
  }

  /** Merges the smallest data manifests, so that commits and readers have few of them to read. Half-full ones stay as they are. */
  private async merge(
    metadata: Metadata,
    manifests: readonly ManifestFile[],
    sequenceNumber: bigint,
  ): Promise<ManifestFile[]> {
    const small = manifests.filter(
      (m) => hasData(m) && m.length < smallManifestBytes && liveFilesOf(m) < this.perManifest / 2,
    );
    const bySpec = [...Map.groupBy(small, (m) => m.specId)].filter(([, of]) => of.length >= manifestsToMerge);
    const merged = await Promise.all(
      bySpec.map(async ([specId, of]) => {
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
        const written = await this.write(metadata, specOf(metadata, specId), contents.data, kept);
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

/** The field id of `file_path` in files of position deletes: https://iceberg.apache.org/spec/#reserved-field-ids */
const filePathId = 2147483546;

/** Whether a delete file may apply to rows of a data file. */
export function mayDelete({ file, sequenceNumber }: ManifestEntry, data: ManifestEntry): boolean {
  // Equality deletes apply to strictly older files, position deletes also to files of the same commit.
  if (sequenceNumber !== undefined && data.sequenceNumber !== undefined) {
    const isOlder = sequenceNumber < data.sequenceNumber;
    if (isOlder || (file.content === contents.equalityDeletes && sequenceNumber === data.sequenceNumber))
      return false;
  }
  if (file.content === contents.equalityDeletes)
    return [...file.partition].every(([id, value]) => sameValue(value, data.file.partition.get(id)));
  if (file.referencedDataFile !== null) return file.referencedDataFile === data.file.path;
  const path = Buffer.from(data.file.path);
  const low = file.lowerBounds?.get(filePathId);
  const high = file.upperBounds?.get(filePathId);
  return (
    (low === undefined || Buffer.compare(low, path) <= 0) &&
    // The bound may be truncated, so a path that begins with it may match.
    (high === undefined || Buffer.compare(path.subarray(0, high.length), high) <= 0)
  );
}

const sameValue = (a: Value | null, b: Value | null | undefined): boolean =>
  a === null || b === null || b === undefined ? a === (b ?? null) : compare(a, b) === 0;

/** https://iceberg.apache.org/spec/#optional-snapshot-summary-fields */
function summaryOf(
  { add, isRewrite = false, summary }: Change,
  dropped: readonly ManifestEntry[],
  parent: Snapshot | undefined,
): Record<string, string> {
  const sum = (files: readonly { readonly file: DataFile }[], of: (file: DataFile) => bigint) =>
    files.reduce((total, { file }) => total + of(file), 0n);
  const records = (file: DataFile) => file.records;
  const bytes = (file: DataFile) => file.bytes;
  const added = { files: BigInt(add.length), records: sum(add, records), bytes: sum(add, bytes) };
  const deleted = {
    files: BigInt(dropped.length),
    records: sum(dropped, records),
    bytes: sum(dropped, bytes),
  };
  const partitions = new Set([...add, ...dropped].map(({ file }) => partitionKey(file.partition)));
  const operation = isRewrite
    ? 'replace'
    : dropped.length === 0
      ? 'append'
      : add.length === 0
        ? 'delete'
        : 'overwrite';
  const result: Record<string, string> = {
    operation,
    ...counts({
      'added-data-files': added.files,
      'added-records': added.records,
      'added-files-size': added.bytes,
      'deleted-data-files': deleted.files,
      'deleted-records': deleted.records,
      'removed-files-size': deleted.bytes,
    }),
    'changed-partition-count': String(partitions.size),
  };
  /** A total is omitted if the parent does not have it. */
  const total = (name: string, change: bigint) => {
    const before = parent === undefined ? '0' : parent.summary[name];
    if (before !== undefined && /^\d+$/.test(before)) result[name] = String(BigInt(before) + change);
  };
  total('total-records', added.records - deleted.records);
  total('total-files-size', added.bytes - deleted.bytes);
  total('total-data-files', added.files - deleted.files);
  for (const name of ['total-delete-files', 'total-position-deletes', 'total-equality-deletes'])
    total(name, 0n);
  return { ...result, ...summary };
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
 * The reverse of a snapshot's change: drops its objects and adds the objects that it had dropped. Throws TableConflict if the snapshot
 * before it has expired, because objects that only that one named may have been deleted.
 */
export async function revertOf(
  files: Files,
  metadata: Metadata,
  snapshot: Snapshot,
  summary: Readonly<Record<string, string>>,
): Promise<Change> {
  const { 'snapshot-id': id, 'parent-snapshot-id': parent } = snapshot;
  const own = (await manifestsOf(files, snapshot)).filter((m) => hasData(m) && m.addedSnapshotId === id);
  const entries = await parallel(own, readsAtOnce, async (manifest) =>
    (await entriesOf(files, metadata, manifest))
      .filter((entry) => entry.snapshotId === id)
      .map((entry) => ({ ...entry, specId: manifest.specId })),
  );
  const of = (status: number) => entries.flat().filter((entry) => entry.status === status);
  const dropped = of(statuses.deleted);
  if (dropped.length > 0 && !metadata.snapshots.some((s) => s['snapshot-id'] === parent))
    throw new TableConflict(
      `the snapshot ${id} cannot be taken back: the snapshot before it has expired, and with it the ${dropped.length} objects that it has replaced`,
    );
  return {
    add: dropped.map(({ file, specId, sequenceNumber }) => ({ file, specId, sequenceNumber })),
    drop: of(statuses.added).map(({ file }) => ({ path: file.path, partition: file.partition })),
    dropped: 'gone',
    summary,
  };
}
