/** The snapshots and tags of a table, for people and their tools. */
import { TableConflict } from '../../errors.ts';
import type { TableHistory, TableSnapshot } from '../format.ts';
import { attemptOf, requireTable, type TableDeps } from './commit.ts';
import { ancestors, idAt, type Metadata, type Snapshot } from './metadata.ts';
import { dropTag, tagSnapshot } from './operations.ts';

export const historyOf = (deps: TableDeps): TableHistory => ({
  snapshots: async (table) => snapshotsOf((await requireTable(deps, table)).metadata),

  async at(table, time) {
    const { metadata } = await requireTable(deps, table);
    const id = idAt(metadata, time)?.toString();
    return snapshotsOf(metadata).find((snapshot) => snapshot.id === id);
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
});

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
        rowsAdded: rowsIn(snapshot, 'added-records'),
        rowsRemoved: rowsIn(snapshot, 'deleted-records'),
        tags: (tags.get(id) ?? []).map(([name]) => name).sort(),
        standing: id === current ? 'current' : history.has(id) || isBeyond(snapshot) ? 'earlier' : 'aside',
      };
    });
}

/** Writers omit a count of zero. A snapshot without its total has no counts at all. */
function rowsIn({ summary }: Snapshot, count: string): number | undefined {
  const value = summary[count] ?? (summary['total-records'] === undefined ? undefined : '0');
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
