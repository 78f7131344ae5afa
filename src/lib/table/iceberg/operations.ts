/** Sluice's operations on a table. Each is one commit and can be repeated. */
import { TableConflict } from '../../errors.ts';
import type { Attempt } from '../../model/records.ts';
import { type Author, commit, committedBy, type Outcome, provenance, type TableDeps } from './commit.ts';
import { evolve, type WantedTable } from './evolve.ts';
import { type Metadata, mainBranch, type Snapshot, snapshotOf } from './metadata.ts';
import { type Change, revertOf, SnapshotWriter } from './snapshot.ts';

/** An attempt at a batch. */
export interface BatchAuthor extends Author {
  readonly batch: string;
}

/** Publishes a batch or a compaction: adds its objects and drops the replaced ones. */
export function publishChange(
  deps: TableDeps,
  name: string,
  { dataset, batch, fence }: BatchAuthor,
  change: Change,
): Promise<Outcome> {
  const writer = new SnapshotWriter(deps.files, {
    ...change,
    summary: { ...change.summary, ...provenance({ batch, fence }) },
  });
  return commit(deps, name, {
    author: { dataset, fence },
    isDone: (metadata) => committedBy(metadata, { batch, fence }) !== undefined,
    apply: (metadata, now) => writer.on(metadata, now),
  });
}

const revertProperty = 'sluice.reverts';

/** The snapshot that took an attempt's commit back. */
export const revertedBy = (metadata: Metadata, attempt: Attempt): Snapshot | undefined =>
  metadata.snapshots.find(({ summary }) => summary[revertProperty] === named(attempt));
const named = ({ batch, fence }: Attempt): string => `${batch}-f${fence}`;

/**
 * Takes back a batch's commit: drops its objects and adds the objects that it had dropped. Does nothing if the batch was not committed.
 * Throws TableConflict if later commits have changed its objects, or if dropped objects may have been deleted.
 */
export function revertBatch(
  deps: TableDeps,
  name: string,
  author: Author,
  attempt: Attempt,
): Promise<Outcome> {
  let writer: SnapshotWriter | undefined;
  return commit(deps, name, {
    author,
    isDone: (metadata) => revertedBy(metadata, attempt) !== undefined,
    apply: async (metadata, now) => {
      const snapshot = committedBy(metadata, attempt);
      if (snapshot === undefined) return metadata;
      // Checked for each state that others have committed in the meantime, because the snapshot may have expired in it.
      const change = await revertOf(deps.files, metadata, snapshot, { [revertProperty]: named(attempt) });
      writer ??= new SnapshotWriter(deps.files, change);
      return writer.on(metadata, now);
    },
  });
}

/** Changes columns, partitions, sort order and properties to what a contract asks for. Throws TableMismatch for an impossible change. */
export const evolveTable = (deps: TableDeps, wanted: WantedTable, author: Author): Promise<Outcome> =>
  commit(deps, wanted.name, { author, apply: (metadata) => evolve(metadata, wanted) });

/**
 * Pins a snapshot under a name, for `maxAge` milliseconds or forever. It needs no lease. Throws TableConflict if the snapshot has expired,
 * or if the name belongs to another snapshot.
 */
export const tagSnapshot = (
  deps: TableDeps,
  name: string,
  tag: { readonly name: string; readonly snapshotId: bigint; readonly maxAge?: number },
): Promise<Outcome> =>
  commit(deps, name, {
    author: undefined,
    apply(metadata) {
      requireSnapshot(metadata, tag.snapshotId);
      const existing = Object.hasOwn(metadata.refs, tag.name) ? metadata.refs[tag.name] : undefined;
      if (existing?.type === 'tag' && existing['snapshot-id'] === tag.snapshotId) return metadata;
      if (existing !== undefined || tag.name === mainBranch)
        throw new TableConflict(
          `table ${name}: there is a ${existing?.type ?? 'branch'} ${tag.name} already${existing === undefined ? '' : `, of the snapshot ${existing['snapshot-id']}`}`,
        );
      return {
        ...metadata,
        refs: {
          ...metadata.refs,
          [tag.name]: {
            'snapshot-id': tag.snapshotId,
            type: 'tag',
            'max-ref-age-ms': tag.maxAge,
          },
        },
      };
    },
  });

/** Removes a tag. It is no error if the tag does not exist. */
export const dropTag = (deps: TableDeps, name: string, tag: string): Promise<Outcome> =>
  commit(deps, name, {
    author: undefined,
    apply(metadata) {
      if (!Object.hasOwn(metadata.refs, tag) || metadata.refs[tag]?.type !== 'tag') return metadata;
      const { [tag]: _, ...refs } = metadata.refs;
      return { ...metadata, refs };
    },
  });

function requireSnapshot(metadata: Metadata, id: bigint): void {
  if (snapshotOf(metadata, id) === undefined)
    throw new TableConflict(
      `the table has no snapshot ${id}: it has expired, or never belonged to this table`,
    );
}
