/** The table format Iceberg: every batch is one commit, and readers see all of it or nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { Pointers } from '../../aws/pointer.ts';
import type { Store } from '../../aws/store.ts';
import { defaultPartition } from '../../catalog/partitionPath.ts';
import { TableMismatch } from '../../errors.ts';
import type { KeyRange } from '../../model/keyRange.ts';
import type { FieldIds } from '../../model/plan.ts';
import { parallel } from '../../parallel.ts';
import type { AnyKeyObject, Committed, Deletes, TableFormat, TableObject, TableShape } from '../format.ts';
import {
  committedBy,
  createTable,
  fenceOf,
  type LoadedTable,
  loadTable,
  raiseFence,
  requireTable,
  type TableDeps,
} from './commit.ts';
import { type DataEntry, deletesFinder } from './deletes.ts';
import { evolve, mappedNames, newMetadata, type WantedTable } from './evolve.ts';
import { type FileStore, filesOf, refOf } from './files.ts';
import { historyOf } from './history.ts';
import { keyFilter } from './keyRanges.ts';
import { lastEntries } from './lastEntries.ts';
import { compactableEntries, expirable, expireSnapshots, orphansOf } from './maintenance.ts';
import { contents, type DataFile, type ManifestEntry } from './manifest.ts';
import {
  currentSnapshot,
  type Metadata,
  parseMetadata,
  type Snapshot,
  schemaOf,
  specOf,
} from './metadata.ts';
import { observed } from './observe.ts';
import { evolveTable, publishChange, revertBatch, revertedBy } from './operations.ts';
import {
  hasAll,
  keyIn,
  keysOf,
  mayShare,
  partitionOf,
  requireKeys,
  type SpecKey,
  textsOf,
} from './partitions.ts';
import {
  dataEntries,
  deletesNear,
  liveEntries,
  manifestsOf,
  metadataFolder,
  partitionKey,
} from './snapshot.ts';
import { describeObject, type ParquetObject } from './statistics.ts';
import { isPrimitive, type Schema } from './types.ts';

export interface IcebergDeps extends TableDeps {
  /** Reads an object's footer: describeObject. */
  describe(object: Omit<ParquetObject, 'read'>, schema: Schema): Promise<DataFile>;
  /** The objects below a prefix. */
  list(bucket: string, prefix: string): Promise<readonly { readonly key: string }[]>;
}

/** The number of footers that are read at once. */
const footersAtOnce = 64;

/** The format on a stage. */
export const icebergOn = (
  store: FileStore & Pick<Store, 'readRange' | 'list'>,
  pointers: Pointers,
): TableFormat =>
  icebergFormat({
    files: filesOf(store),
    pointers,
    list: (bucket, prefix) => store.list(bucket, prefix),
    describe: (object, schema) => {
      const ref = refOf(object.path);
      return describeObject({ ...object, read: (start, end) => store.readRange(ref, start, end) }, schema);
    },
  });

export const icebergFormat = (deps: IcebergDeps): TableFormat => ({
  history: historyOf(deps),
  commitsAtOnce: true,
  isInPlace: true,
  keepsOldPartitions: true,

  async check(shape) {
    const loaded = await loadTable(deps, shape.name);
    metadataToBe(loaded, shape);
    if (!loaded) await requireNew(deps, shape);
  },

  async fieldIds(shape) {
    const metadata = metadataToBe(await loadTable(deps, shape.name), shape);
    const { fields } = schemaOf(metadata);
    const ids: Record<string, FieldIds[string]> = {};
    for (const { name } of shape.columns) {
      const field = fields.find((f) => f.name === name);
      if (!field) return undefined;
      const { id, type } = field;
      const mapped = mappedNames(metadata, id);
      const names = isDeepStrictEqual(mapped, [name]) ? {} : { names: mapped };
      if (isPrimitive(type)) ids[name] = { id, ...names };
      // An object has ids for all its columns, or none and is read by names.
      else if (type.type !== 'list' || !isPrimitive(type.element)) return undefined;
      else ids[name] = { id, element: type['element-id'], ...names };
    }
    return ids;
  },

  isThere: async (table) => (await deps.pointers.read(table)) !== undefined,

  async ensure(shape, holder) {
    const wanted = wantedOf(shape);
    if (!(await deps.pointers.read(shape.name))) await requireNew(deps, shape);
    await createTable(deps, wanted);
    await evolveTable(deps, wanted, holder);
  },

  async commit(
    { name, partitionKeys },
    { dataset, attempt, contract, add, drop, deletes = [], isRewrite = false },
    deadline,
  ) {
    const { metadata } = await requireTable(deps, name);
    const done = committedBy(metadata, attempt);
    // The objects of an earlier commit may have been replaced.
    if (done) return committedIn(done);
    const schema = schemaOf(metadata);
    const spec = specOf(metadata);
    const keys = keysOf(metadata, spec);
    requireKeys(keys, partitionKeys);
    const rests = await entriesOfRests(deps, metadata, add);
    const files = await parallel(
      add,
      footersAtOnce,
      async ({ address, bytes, values, restOf = '', end }) => {
        const of = rests.get(restOf);
        const partition = of?.file.partition ?? partitionOf(keys, values);
        const file = await deps.describe({ path: address, size: bytes, partition, end }, schema);
        return { file, specId: of?.specId ?? spec['spec-id'] };
      },
      deadline,
    );
    deadline?.check();
    // An earlier spec may have had other fields: then their addresses alone say where they are.
    const isOne = metadata['partition-specs'].length === 1;
    const placed = ({ address, values }: Pick<TableObject, 'address' | 'values'>) => ({
      path: address,
      partition: isOne ? partitionOf(keys, values) : undefined,
    });
    const outcome = await publishChange(
      deps,
      name,
      { dataset, ...attempt },
      {
        add: files,
        drop: drop.map((object) => ({ ...placed(object), deletes: object.deletes })),
        deletes: deletes.map(({ by, replaces, ...object }) => ({
          of: placed(object),
          by: { path: by.address, bytes: by.bytes, rows: by.rows },
          replaces,
        })),
        dropped: 'replaced',
        isRewrite,
        summary: { 'sluice.dataset': dataset, 'sluice.contract': contract },
      },
    );
    return committedIn(committedBy(outcome.metadata, attempt));
  },

  async committed(table, attempt) {
    const loaded = await loadTable(deps, table);
    return committedIn(loaded && committedBy(loaded.metadata, attempt));
  },

  async objectsIn(shape, partitions, ranges = []) {
    const loaded = await loadTable(deps, shape.name);
    if (!loaded) return [];
    const { metadata } = loaded;
    const { schema, keys } = tableToBe(loaded, shape);
    const wanted = partitions.map((values) => ({ values, partition: partitionOf(keys, values) }));
    const found = await dataEntries(
      deps.files,
      metadata,
      wanted.map((w) => w.partition),
    );
    const mayHold = keyFilter(schema, ranges);
    const entries = found.filter(({ file }) => mayHold(file));
    const [same, others] = [
      entries.filter(({ file }) => hasAll(keys, file.partition)),
      entries.filter(({ file }) => !hasAll(keys, file.partition)),
    ];
    const byKey = Map.groupBy(same, ({ file }) => keyIn(keys, file.partition));
    return wanted.flatMap(({ values, partition }) =>
      [
        ...(byKey.get(keyIn(keys, partition)) ?? []).map((entry) => ({ entry, isShared: false })),
        ...others
          .filter(({ file }) => mayShare(keys, file, partition))
          .map((entry) => ({ entry, isShared: true })),
      ].map(({ entry, isShared }) => ({
        ...objectOf(entry),
        values,
        ...(isShared ? { isShared } : {}),
      })),
    );
  },

  allObjects: (shape, ranges) => allObjects(deps, shape, ranges),
  keySource: async (shape) => ({ kind: 'objects', objects: await allObjects(deps, shape) }),

  async deletesOf({ name }, objects) {
    const loaded = objects.length === 0 ? undefined : await loadTable(deps, name);
    if (!loaded) return new Map();
    const { metadata } = loaded;
    const keys = keysOf(metadata, specOf(metadata));
    const wanted = new Set(objects.map(({ address }) => address));
    // The folders of an earlier spec are called otherwise, and its objects may be anywhere.
    const partitions =
      metadata['partition-specs'].length > 1
        ? undefined
        : [...new Map(objects.map(({ values }) => [JSON.stringify(values), values])).values()].map((values) =>
            partitionOf(keys, values),
          );
    const entries = await dataEntries(deps.files, metadata, partitions, (path) => wanted.has(path));
    return new Map(
      entries.map((entry) => {
        const { address, deletes } = objectOf(entry);
        return [address, { rows: Number(entry.file.records), deletes }];
      }),
    );
  },

  // The snapshot names the objects, so there are no partitions to register.
  register: async () => 0,
  repair: async () => ({ added: 0, dropped: 0 }),

  async takeBack(table, { dataset, fence }, attempt) {
    if (!(await loadTable(deps, table))) return 'never committed';
    const closed = await raiseFence(deps, table, { dataset, fence });
    if (!committedBy(closed.metadata, attempt))
      // Its snapshot may have expired while a later one still names its objects.
      return revertedBy(closed.metadata, attempt) ? 'taken back' : 'never committed';
    // A later holder may have closed the table. The attempt must be removed anyway.
    const author = { dataset, fence: Math.max(fence, fenceOf(closed.metadata, dataset)) };
    await revertBatch(deps, table, author, attempt);
    return 'taken back';
  },

  async verify(table, counted, isOwn) {
    const loaded = await loadTable(deps, table);
    const entries = loaded ? await liveEntries(deps.files, loaded.metadata) : [];
    const found = new Set(
      entries.filter(({ file }) => file.content === contents.data).map(({ file }) => file.path),
    );
    const known = new Set(counted);
    return {
      missing: [...known].filter((address) => !found.has(address)),
      extra: [...found].filter((address) => isOwn(address) && !known.has(address)),
    };
  },

  async compactable({ name: table }) {
    const loaded = await loadTable(deps, table);
    if (!loaded) return { objects: [] };
    const { metadata } = loaded;
    const whole = compactableEntries(await liveEntries(deps.files, metadata), specOf(metadata)['spec-id']);
    const objects = whole.map((entry) => ({
      ...objectOf(entry),
      partition: partitionKey(entry.file.partition),
    }));
    return { objects };
  },

  expire: (table, retention) => expireSnapshots(deps, table, retention),
  expirable: (table, retention) => expirable(deps, table, retention),

  async orphans(table, list, olderThan) {
    return new Set(await orphansOf(deps, table, list, olderThan));
  },

  async observe({ name }, last) {
    const loaded = await loadTable(deps, name);
    return loaded ? observed(loaded.metadata, last) : { seen: {}, gone: [], rows: 0 };
  },

  async inspect({ name }, last) {
    const loaded = await loadTable(deps, name);
    if (!loaded) return [];
    const { metadata } = loaded;
    const entries =
      last === undefined
        ? await liveEntries(deps.files, metadata)
        : await lastEntries(deps.files, metadata, last);
    const data = entries.filter(({ file }) => file.content === contents.data);
    const manifests = await manifestsOf(deps.files, currentSnapshot(metadata));
    const deletes = await deletesNear(deps.files, metadata, manifests, data);
    const placeOf = ({ specId, file }: (typeof data)[number]) => `${specId} ${partitionKey(file.partition)}`;
    const find = deletesFinder(deletes.filter(({ file }) => file.content === contents.positionDeletes));
    // Other writers may leave delete files of objects that they have dropped.
    const positions = Map.groupBy(new Set(data.flatMap(find)), placeOf);
    return [...Map.groupBy(data, placeOf)].map(([place, of]) => {
      const sum = (each: (file: DataFile) => bigint, some = of) =>
        Number(some.reduce((total, { file }) => total + each(file), 0n));
      const { specId = 0, file = undefined } = of[0] ?? {};
      const keys = keysOf(metadata, specOf(metadata, specId));
      return {
        names: keys.map((key) => key.name),
        values: textsOf(keys, file?.partition ?? new Map()).map((text) => text ?? null),
        objects: of.length,
        rows: sum((file) => file.records) - sum((file) => file.records, positions.get(place) ?? []),
        bytes: sum((file) => file.bytes),
      };
    });
  },
});

/**
 * Throws TableMismatch if somebody has dropped the table from the Data Catalog, because a new table would not show its rows. Files of an
 * interrupted creation do not count: they have no rows.
 */
async function requireNew({ files, list }: IcebergDeps, { name, location }: TableShape): Promise<void> {
  const { bucket, key } = refOf(metadataFolder({ location }));
  const numberOf = (path: string) => Number(/\/(\d+)-[^/]*\.metadata\.json$/.exec(path)?.[1] ?? -1);
  const found = (await list(bucket, key)).filter((object) => numberOf(object.key) >= 0);
  const newest = found.sort((a, b) => numberOf(a.key) - numberOf(b.key)).at(-1);
  if (newest === undefined) return;
  const file = `s3://${bucket}/${newest.key}`;
  const { snapshots } = parseMetadata(Buffer.from(await files.read(file)).toString('utf8'));
  if (snapshots.length > 0)
    throw new TableMismatch(
      `table ${name}: somebody has dropped it from the Data Catalog, and a new one would have none of its rows; register it again from ${file}, or delete the metadata beside that file and replay the dataset's files`,
    );
}

async function allObjects(
  deps: IcebergDeps,
  shape: TableShape,
  ranges: readonly KeyRange[] = [],
): Promise<AnyKeyObject[]> {
  const loaded = await loadTable(deps, shape.name);
  if (!loaded) return [];
  const { schema, keys } = tableToBe(loaded, shape);
  const mayHold = keyFilter(schema, ranges);
  const found = await dataEntries(deps.files, loaded.metadata);
  const entries = found.filter(({ file }) => mayHold(file));
  return entries.map((entry) => ({
    ...objectOf(entry),
    values: textsOf(keys, entry.file.partition).map((text) =>
      text === undefined ? null : (text ?? defaultPartition),
    ),
  }));
}

const objectOf = ({ file, deletes }: DataEntry): { address: string; bytes: number; deletes?: Deletes } => ({
  address: file.path,
  bytes: Number(file.bytes),
  ...(deletes === undefined
    ? {}
    : {
        deletes: {
          address: deletes.file.path,
          bytes: Number(deletes.file.bytes),
          rows: Number(deletes.file.records),
        },
      }),
});

/** The metadata of the table in its new shape. Throws TableMismatch and TableUnsupported for a shape that it cannot have. */
function metadataToBe(loaded: LoadedTable | undefined, shape: TableShape): Metadata {
  const wanted = wantedOf(shape);
  return loaded ? evolve(loaded.metadata, wanted) : newMetadata(wanted, 0);
}

/** Partition keys that are no transforms are the last columns. Their values are the texts in the folder names. */
const wantedOf = ({ name, location, columns, partitionKeys, sortBy, dropped }: TableShape): WantedTable => ({
  name,
  location,
  columns: [
    ...columns.map(({ comment, ...column }) => ({ ...column, doc: comment })),
    ...partitionKeys.flatMap((key) =>
      key.transform === undefined ? [{ name: key.name, type: key.type }] : [],
    ),
  ],
  partitionBy: partitionKeys.map(({ name: key, of = key, transform = 'identity' }) => ({
    column: of,
    transform,
  })),
  ...(sortBy === undefined ? {} : { sortBy }),
  ...(dropped === undefined ? {} : { dropped }),
});

/** The columns and keys of the table in its new shape. Objects of other specs have none or some of the keys. */
function tableToBe(loaded: LoadedTable, shape: TableShape): { schema: Schema; keys: readonly SpecKey[] } {
  const metadata = metadataToBe(loaded, shape);
  return { schema: schemaOf(metadata), keys: keysOf(metadata, specOf(metadata)) };
}

/** The objects whose remaining rows are added: these stay in their partitions. */
async function entriesOfRests(
  { files }: IcebergDeps,
  metadata: Metadata,
  add: readonly TableObject[],
): Promise<ReadonlyMap<string, ManifestEntry & { readonly specId: number }>> {
  const wanted = new Set(add.flatMap(({ restOf }) => restOf ?? []));
  // Their folders say it, unless the table was partitioned otherwise.
  if (wanted.size === 0 || metadata['partition-specs'].length === 1) return new Map();
  const entries = await liveEntries(files, metadata);
  return new Map(entries.flatMap((entry) => (wanted.has(entry.file.path) ? [[entry.file.path, entry]] : [])));
}

/** What a snapshot says of its commit. Commits of others between the batch's plan and its commit are in its parent. */
function committedIn(snapshot: Snapshot | undefined): Committed {
  if (snapshot === undefined) return { snapshot: undefined };
  const { summary } = snapshot;
  const count = (name: string, missing: number) => {
    const text = summary[name];
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : missing;
  };
  // Without a total, the snapshots of another writer have none. A position delete hides one row.
  const after = count('total-records', Number.NaN) - count('total-position-deletes', 0);
  const before =
    after -
    (count('added-records', 0) - count('added-position-deletes', 0)) +
    (count('deleted-records', 0) - count('removed-position-deletes', 0));
  return {
    snapshot: snapshot['snapshot-id'].toString(),
    at: new Date(snapshot['timestamp-ms']).toISOString(),
    rows: Number.isNaN(after) ? undefined : { before, after },
  };
}
