/** The snapshots and tags of a table, for people and their tools. */
import { TableConflict } from '../../errors.ts';
import { parallel } from '../../parallel.ts';
import type { StateDifference, TableHistory, TableSnapshot } from '../format.ts';
import { attemptOf, requireTable, type TableDeps } from './commit.ts';
import type { Files } from './files.ts';
import { forget, namingOf } from './forget.ts';
import { addressesIn, type DataFile, hasLiveFiles, isAlive, type ManifestFile } from './manifest.ts';
import { ancestors, idAt, type Metadata, type Snapshot, schemaOf, snapshotOf, specOf } from './metadata.ts';
import { dropTag, tagSnapshot } from './operations.ts';
import { entriesOf, manifestsOf } from './snapshot.ts';
import type { Schema } from './types.ts';

export const historyOf = (deps: TableDeps): TableHistory => ({
  snapshots: async (table) => snapshotsOf((await requireTable(deps, table)).metadata),

  async at(table, time) {
    const { metadata } = await requireTable(deps, table);
    const id = idAt(metadata, time)?.toString();
    return snapshotsOf(metadata).find((snapshot) => snapshot.id === id);
  },

  async difference(table, from, to) {
    const { metadata } = await requireTable(deps, table);
    return differenceOf(deps.files, metadata, requireSnapshot(metadata, from), requireSnapshot(metadata, to));
  },

  async tag(table, name, snapshot) {
    const { metadata } = await tagSnapshot(deps, table, { name, snapshotId: idOf(snapshot) });
    const tagged = snapshotsOf(metadata).find((s) => s.id === snapshot);
    if (tagged === undefined)
      throw new TableConflict(
        `table ${table}: the snapshot ${snapshot} expired a moment after it was tagged`,
      );
    return tagged;
  },

  dropTag: async (table, name) => (await dropTag(deps, table, name)).how === 'committed',

  naming: (table, addresses) => namingOf(deps, table, addresses),
  forget: (table, addresses) => forget(deps, table, addresses),
  namedBy: addressesIn,
});

/** Throws TableConflict if the table does not have the snapshot. */
function requireSnapshot(metadata: Metadata, id: string): Snapshot {
  const snapshot = snapshotOf(metadata, idOf(id));
  if (snapshot === undefined) throw new TableConflict(`the table has no snapshot ${id}: it has expired`);
  return snapshot;
}

async function differenceOf(
  files: Files,
  metadata: Metadata,
  from: Snapshot,
  to: Snapshot,
): Promise<StateDifference> {
  const [before, after] = [from, to].map((s) => schemaOf(metadata, s['schema-id']).fields);
  const columns = (before ?? []).flatMap(({ id, name }) => {
    const now = after?.find((field) => field.id === id);
    return now === undefined ? [] : [{ from: name, to: now.name }];
  });
  const [manifestsBefore, manifestsAfter] = await Promise.all([
    manifestsOf(files, from),
    manifestsOf(files, to),
  ]);
  // Most manifests belong to both, and need not be read.
  const entriesIn = async (own: readonly ManifestFile[], other: readonly ManifestFile[]) => {
    const shared = new Set(other.map(({ path }) => path));
    const read = own.filter((manifest) => hasLiveFiles(manifest) && !shared.has(manifest.path));
    const entries = await parallel(read, 16, async (manifest) =>
      (await entriesOf(files, metadata, manifest))
        .filter(isAlive)
        .map((entry) => ({ ...entry, specId: manifest.specId })),
    );
    return new Map(entries.flat().map((entry) => [entry.file.path, entry]));
  };
  const [left, right] = await Promise.all([
    entriesIn(manifestsBefore, manifestsAfter),
    entriesIn(manifestsAfter, manifestsBefore),
  ]);
  const changed = [...left.values(), ...right.values()].filter(
    ({ file: { path } }) => !(left.has(path) && right.has(path)),
  );
  return {
    columns,
    onlyFrom: (before ?? []).flatMap(({ id, name }) => (after?.some((f) => f.id === id) ? [] : [name])),
    onlyTo: (after ?? []).flatMap(({ id, name }) => (before?.some((f) => f.id === id) ? [] : [name])),
    isSame: changed.length === 0,
    // A delete file applies to rows of its partition, or has none.
    partitions: partitionsOf(metadata, after ?? [], changed),
  };
}

/** The partitions of objects. Undefined if a query cannot name them: for another transform or type, or a value that is absent. */
function partitionsOf(
  metadata: Metadata,
  fields: Schema['fields'],
  entries: readonly { readonly file: DataFile; readonly specId: number }[],
): readonly Readonly<Record<string, string>>[] | undefined {
  const found = new Map<string, Readonly<Record<string, string>>>();
  for (const { file, specId } of entries) {
    const { fields: keys } = specOf(metadata, specId);
    const values = keys.map((key) => {
      const column = fields.find(({ id }) => id === key['source-id']);
      const value = file.partition.get(key['field-id']);
      return key.transform === 'identity' && column?.type === 'string' && typeof value === 'string'
        ? ([column.name, value] as const)
        : undefined;
    });
    if (values.length === 0 || values.includes(undefined)) return undefined;
    found.set(
      JSON.stringify([specId, values]),
      Object.fromEntries(values.flatMap((value) => (value ? [value] : []))),
    );
  }
  return [...found.values()];
}

/** Throws TableConflict for a text that cannot be the id of a snapshot. */
function idOf(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new TableConflict(`the table has no snapshot ${text}`);
  return BigInt(text);
}

function snapshotsOf(metadata: Metadata): TableSnapshot[] {
  const current = metadata['current-snapshot-id'];
  const chain = [...ancestors(metadata, current)];
  const history = new Set(chain.map((s) => s['snapshot-id']));
  const oldest = chain.at(-1);
  // Where snapshots have expired in between, an older one that a tag keeps counts as an earlier state.
  const isBeyond = (s: Snapshot) =>
    oldest?.['parent-snapshot-id'] !== undefined && s['sequence-number'] < oldest['sequence-number'];
  const tags = Map.groupBy(
    Object.entries(metadata.refs).filter(([, ref]) => ref.type === 'tag'),
    ([, ref]) => ref['snapshot-id'],
  );
  return [...metadata.snapshots]
    .sort((a, b) => Number(a['sequence-number'] - b['sequence-number']))
    .map((snapshot) => {
      const { summary } = snapshot;
      const id = snapshot['snapshot-id'];
      return {
        id: String(id),
        at: new Date(snapshot['timestamp-ms']).toISOString(),
        operation: summary.operation ?? 'unknown',
        attempt: attemptOf(snapshot),
        dataset: summary['sluice.dataset'],
        contract: summary['sluice.contract'],
        ...changedRows(snapshot),
        tags: (tags.get(id) ?? []).map(([name]) => name).sort(),
        standing: id === current ? 'current' : history.has(id) || isBeyond(snapshot) ? 'earlier' : 'aside',
      };
    });
}

/** A position delete takes one row out, and brings it back when it is removed while its object stays. */
function changedRows(snapshot: Snapshot): Pick<TableSnapshot, 'rowsAdded' | 'rowsRemoved'> {
  const [added, removed, hidden = 0, shown = 0] = [
    'added-records',
    'deleted-records',
    'added-position-deletes',
    'removed-position-deletes',
  ].map((count) => rowsIn(snapshot, count));
  if (added === undefined || removed === undefined) return { rowsAdded: added, rowsRemoved: removed };
  // Those of a removed object had left before.
  const left = removed + hidden - shown;
  return { rowsAdded: added - Math.min(0, left), rowsRemoved: Math.max(0, left) };
}

/** Writers omit a count of zero. A snapshot without its total has no counts at all. */
function rowsIn({ summary }: Snapshot, count: string): number | undefined {
  const value = summary[count] ?? (summary['total-records'] === undefined ? undefined : '0');
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
