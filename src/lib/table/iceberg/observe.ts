/** What other writers have done to a table since the last look. Only its metadata are read. */
import type { Observed, Seen } from '../format.ts';
import { fenceProperty } from './commit.ts';
import { ancestors, currentSnapshot, type Metadata, type Snapshot } from './metadata.ts';

export function observed(metadata: Metadata, last: Seen | undefined): Observed {
  const current = currentSnapshot(metadata);
  if (current === undefined) return { seen: {}, gone: [], rows: last?.snapshot?.rows ?? 0 };
  const snapshot = {
    id: String(current['snapshot-id']),
    rows: countIn(current, 'total-records') - countIn(current, 'total-position-deletes'),
    writer: JSON.stringify(
      Object.entries(metadata.properties).filter(([key]) => key.startsWith(fenceProperty)),
    ),
  };
  return {
    seen: { snapshot },
    gone: [],
    rows: last?.snapshot ? lostSince(metadata, last.snapshot, snapshot) : 0,
  };
}

function lostSince(
  metadata: Metadata,
  last: NonNullable<Seen['snapshot']>,
  now: NonNullable<Seen['snapshot']>,
): number {
  let lost = 0;
  for (const snapshot of ancestors(metadata, BigInt(now.id))) {
    if (String(snapshot['snapshot-id']) === last.id) return Math.max(0, lost);
    if (isForeign(snapshot)) lost += removedBy(snapshot);
  }
  // Somebody has set the table back. Sluice does so only under a new fence.
  const isSetBack =
    metadata.snapshots.some((s) => String(s['snapshot-id']) === last.id) && last.writer === now.writer;
  return Math.max(0, isSetBack ? last.rows - now.rows : lost);
}

const isForeign = ({ summary }: Snapshot): boolean =>
  !Object.keys(summary).some((key) => key.startsWith('sluice.'));

/** Position deletes hide one row each. A compaction removes both. */
const removedBy = (snapshot: Snapshot): number =>
  countIn(snapshot, 'deleted-records') -
  countIn(snapshot, 'added-records') +
  countIn(snapshot, 'added-position-deletes') -
  countIn(snapshot, 'removed-position-deletes');

/** Writers leave out what is zero. */
const countIn = ({ summary }: Snapshot, key: string): number => Number(summary[key] ?? 0) || 0;
