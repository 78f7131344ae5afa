/** An erasure: no snapshot names certain objects any more, not even as dropped ones. */
import { TableConflict } from '../../errors.ts';
import { parallel } from '../../parallel.ts';
import type { Naming } from '../format.ts';
import { commit, requireTable, type TableDeps } from './commit.ts';
import { keeping } from './maintenance.ts';
import { isAlive } from './manifest.ts';
import { currentSnapshot, type Metadata, mainBranch } from './metadata.ts';
import { entriesOf, manifestsOf, SnapshotWriter } from './snapshot.ts';

export async function namingOf(
  deps: TableDeps,
  name: string,
  addresses: ReadonlySet<string>,
): Promise<Naming> {
  const { metadata } = await requireTable(deps, name);
  return namingIn(deps, metadata, addresses);
}

async function namingIn(
  { files }: Pick<TableDeps, 'files'>,
  metadata: Metadata,
  addresses: ReadonlySet<string>,
): Promise<Naming> {
  const lists = await parallel(metadata.snapshots, 16, (snapshot) => manifestsOf(files, snapshot));
  const manifests = [...new Map(lists.flat().map((manifest) => [manifest.path, manifest])).values()];
  const named = new Map<string, { alive: string[] }>();
  await parallel(manifests, 16, async (manifest) => {
    const entries = (await entriesOf(files, metadata, manifest)).filter(({ file }) =>
      addresses.has(file.path),
    );
    if (entries.length > 0)
      named.set(manifest.path, { alive: entries.filter(isAlive).map(({ file }) => file.path) });
  });
  const current = metadata.snapshots.findIndex(
    (s) => s['snapshot-id'] === currentSnapshot(metadata)?.['snapshot-id'],
  );
  const ids = new Set(
    metadata.snapshots.flatMap((snapshot, i) =>
      lists[i]?.some(({ path }) => named.has(path)) ? [snapshot['snapshot-id']] : [],
    ),
  );
  const refs = Object.entries(metadata.refs).filter(
    ([ref, { 'snapshot-id': id }]) => ref !== mainBranch && ids.has(id),
  );
  return {
    current: (lists[current] ?? []).flatMap(({ path }) => named.get(path)?.alive ?? []),
    snapshots: [...ids].map(String),
    tags: refs.filter(([, { type }]) => type === 'tag').map(([ref]) => ref),
    branches: refs.filter(([, { type }]) => type === 'branch').map(([ref]) => ref),
  };
}

/** What the new snapshot is for, in its summary. */
const forgets = { 'sluice.forgets': 'true' };

export async function forget(
  deps: TableDeps,
  name: string,
  addresses: ReadonlySet<string>,
): Promise<{ snapshots: number; tags: readonly string[] }> {
  const writer = new SnapshotWriter(deps.files, {
    add: [],
    drop: [],
    dropped: 'gone',
    isRewrite: true,
    forgets: true,
    summary: forgets,
  });
  let done: { snapshots: number; tags: readonly string[] } = { snapshots: 0, tags: [] };
  await commit(deps, name, {
    author: undefined,
    async apply(metadata, now) {
      const { current, snapshots, tags, branches } = await namingIn(deps, metadata, addresses);
      const ids = new Set(snapshots);
      if (ids.size === 0) return metadata;
      if (current.length > 0 || branches.length > 0)
        throw new TableConflict(
          current.length > 0
            ? `table ${name}: readers still find rows in ${current[0]}`
            : `table ${name}: the branch ${branches[0]} has rows that are erased; drop the branch`,
        );
      const isCurrent = ids.has(String(metadata['current-snapshot-id'] ?? ''));
      const next = isCurrent ? await writer.on(metadata, now) : metadata;
      done = { snapshots: ids.size, tags };
      return keeping(
        next,
        next.snapshots.filter((s) => !ids.has(String(s['snapshot-id']))),
        Object.fromEntries(
          Object.entries(next.refs).filter(([, ref]) => !ids.has(String(ref['snapshot-id']))),
        ),
      );
    },
  });
  return done;
}
