/** Maintenance removes nothing that a reader may still need. */
import { expect, test } from '@jest/globals';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { maintenanceOf } from '../../../../src/lib/contract/contract.ts';
import { TableConflict } from '../../../../src/lib/errors.ts';
import {
  commit,
  createTable,
  requireTable,
  type TableDeps,
} from '../../../../src/lib/table/iceberg/commit.ts';
import {
  compactableEntries,
  expirable,
  expireSnapshots,
  orphansOf,
} from '../../../../src/lib/table/iceberg/maintenance.ts';
import { contents, statuses } from '../../../../src/lib/table/iceberg/manifest.ts';
import { formatMetadata } from '../../../../src/lib/table/iceberg/metadata.ts';
import { publishChange, revertBatch, tagSnapshot } from '../../../../src/lib/table/iceberg/operations.ts';
import { liveEntries } from '../../../../src/lib/table/iceberg/snapshot.ts';
import {
  bucket,
  changing,
  depsOf,
  fakeFile,
  icebergAws,
  plainTable,
  readable,
  rollBackTo,
} from '../../../support/iceberg.ts';
import { everyFault, faultAt, type MemoryAws } from '../../../support/memory/index.ts';
import { runs } from '../../../support/thorough.ts';

const author = { dataset: 'feed', fence: 1 };

/** Four batches: a; b for a; c; d for c. Every file that a snapshot names exists. */
async function started(): Promise<{ aws: MemoryAws; deps: TableDeps; snapshots: bigint[] }> {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  await createTable(deps, plainTable);
  const snapshots: bigint[] = [];
  for (const [i, change] of [
    changing(['a']),
    changing(['b'], ['a']),
    changing(['c']),
    changing(['d'], ['c']),
  ].entries()) {
    for (const { file } of change.add) aws.s3.seed(bucket, file.path.slice(`s3://${bucket}/`.length), 'rows');
    const { metadata } = await publishChange(deps, 't', { ...author, batch: String(i) }, change);
    snapshots.push(metadata['current-snapshot-id'] ?? 0n);
    aws.clock.advance(1000);
  }
  return { aws, deps, snapshots };
}

const names = (paths: readonly string[]) =>
  paths.filter((p) => p.endsWith('.parquet')).map((p) => p.replace(/^.*\/t\//, ''));
const objectsOf = async (deps: TableDeps, snapshotId: bigint) => {
  const { metadata } = await requireTable(deps, 't');
  const snapshot = metadata.snapshots.find((s) => s['snapshot-id'] === snapshotId);
  return (await liveEntries(deps.files, metadata, snapshot)).map(({ file }) => file.path);
};

const strays = (aws: MemoryAws, deps: TableDeps) => {
  const store = createStore(aws.actor('upkeep').s3);
  return orphansOf(deps, 't', (of, prefix) => store.list(of, prefix), Number.POSITIVE_INFINITY);
};

test('expired snapshots are forgotten, and only what no other snapshot names may be deleted', async () => {
  const { aws, deps, snapshots } = await started();
  await tagSnapshot(deps, 't', { name: 'model', snapshotId: snapshots[0] ?? 0n });
  const retention = { olderThan: aws.clock.now(), keepLast: 1 };
  expect(await expirable(deps, 't', retention)).toMatchObject({ snapshots: 2 });
  expect(await expireSnapshots(deps, 't', retention)).toMatchObject({ snapshots: 2 });
  const { metadata } = await requireTable(deps, 't');
  expect(metadata.snapshots.map((s) => s['snapshot-id'])).toEqual([snapshots[0], snapshots[3]]);
  const orphans = await strays(aws, deps);
  expect(names(orphans)).toEqual(['t/c.parquet']);
  await createStore(aws.actor('upkeep').s3).delete(bucket, orphans);
  expect(await readable(deps)).toEqual(['b', 'd']);
  expect(names(await objectsOf(deps, snapshots[0] ?? 0n))).toEqual(['a.parquet']);
  expect(aws.s3.keys(bucket).filter((key) => key.endsWith('.parquet'))).toEqual([
    't/a.parquet',
    't/b.parquet',
    't/d.parquet',
  ]);
});

test('what a batch has replaced does not come back once the snapshot that named it was forgotten', async () => {
  const { aws, deps } = await started();
  await expireSnapshots(deps, 't', { olderThan: aws.clock.now(), keepLast: 1 });
  await expect(revertBatch(deps, 't', author, { batch: '3', fence: 1 })).rejects.toThrow(TableConflict);
  expect(await readable(deps)).toEqual(['b', 'd']);
});

test('young snapshots and the last ones stay, and a tag goes at its own age', async () => {
  const { aws, deps, snapshots } = await started();
  await tagSnapshot(deps, 't', { name: 'short', snapshotId: snapshots[0] ?? 0n, maxAge: 10 });
  const kept = await expireSnapshots(deps, 't', { olderThan: 0, keepLast: 1 });
  expect(kept.snapshots).toBe(0);
  const { metadata } = await requireTable(deps, 't');
  expect(metadata.refs).not.toHaveProperty('short');
  expect(metadata.snapshots).toHaveLength(4);
  expect(names(await strays(aws, deps))).toEqual([]);
  const again = await expireSnapshots(deps, 't', { olderThan: aws.clock.now(), keepLast: 4 });
  expect(again.snapshots).toBe(0);
});

test('the age of a snapshot counts from when another took its place: until then queries begin on it', async () => {
  const { aws, deps, snapshots } = await started();
  aws.clock.advance(90 * 86_400_000);
  const before = aws.clock.now();
  aws.clock.advance(1000);
  await publishChange(deps, 't', { ...author, batch: 'late' }, changing(['e'], ['d']));
  await expireSnapshots(deps, 't', { olderThan: before, keepLast: 1 });
  const { metadata } = await requireTable(deps, 't');
  expect(metadata.snapshots.map((s) => s['snapshot-id'])).toEqual([
    snapshots[3],
    metadata['current-snapshot-id'],
  ]);
});

test('where the metadata become too large, younger snapshots go, but none of the last hour', async () => {
  const { aws, deps } = await started();
  for (let i = 4; i < 40; i++) {
    await publishChange(deps, 't', { ...author, batch: String(i) }, changing([`f${i}`]));
    aws.clock.advance(600_000);
  }
  const { metadata: before } = await requireTable(deps, 't');
  const [all] = [formatMetadata(before).length];
  const retention = { olderThan: 0, keepLast: 2 };
  expect((await expireSnapshots(deps, 't', { ...retention, metadataBytes: all })).snapshots).toBe(0);
  const half = await expireSnapshots(deps, 't', { ...retention, metadataBytes: all / 2 });
  expect(half.metadataBytes).toBeLessThanOrEqual(all / 2);
  // As few as possible.
  expect(half.metadataBytes).toBeGreaterThan(all / 2 - (3 * all) / before.snapshots.length);
  const least = await expireSnapshots(deps, 't', { ...retention, metadataBytes: 1 });
  expect(least.metadataBytes).toBeGreaterThan(1);
  const { metadata } = await requireTable(deps, 't');
  const hour = aws.clock.now() - 3_600_000;
  const young = before.snapshots.filter((s) => s['timestamp-ms'] >= hour - 600_000);
  expect(metadata.snapshots.map((s) => s['snapshot-id'])).toEqual(young.map((s) => s['snapshot-id']));
});

test('the number of earlier metadata files that stay is a property of the table, and the others are orphans', async () => {
  const { aws, deps } = await started();
  await expireSnapshots(deps, 't', { olderThan: 0, keepLast: 1, metadataVersions: 2 });
  const { metadata } = await requireTable(deps, 't');
  expect(metadata.properties['write.metadata.previous-versions-max']).toBe('2');
  expect(metadata['metadata-log']).toHaveLength(2);
  expect((await strays(aws, deps)).filter((key) => key.endsWith('.metadata.json'))).toHaveLength(3);
});

test('an expiry that is not confirmed forgets all of it or nothing, and can be repeated', async () => {
  for (const fault of everyFault.filter(({ mode }) => ['fail', 'lost', 'twice'].includes(mode))) {
    const { aws, deps } = await started();
    aws.plan = faultAt(fault, { operation: 'UpdateTable', times: 100 });
    const retention = { olderThan: aws.clock.now(), keepLast: 1 };
    await expireSnapshots(deps, 't', retention).catch(() => undefined);
    aws.plan = undefined;
    const again = depsOf(aws.actor('next'), aws);
    await expireSnapshots(again, 't', retention);
    expect((await requireTable(again, 't')).metadata.snapshots).toHaveLength(1);
    expect(await readable(again)).toEqual(['b', 'd']);
  }
});

test('orphans are old, lie below the table and are named by no snapshot', async () => {
  const { aws, deps, snapshots } = await started();
  aws.s3.seed(bucket, 't/data/lost.parquet', 'x');
  aws.s3.seed(bucket, 't/metadata/lost-m0.avro', 'x');
  aws.s3.seed(bucket, 't/notes.txt', 'x');
  aws.s3.seed(bucket, 't2/other.parquet', 'x');
  // Another table, below this one.
  aws.s3.seed(bucket, 't/copy/metadata/00000-x.metadata.json', '{}');
  aws.s3.seed(bucket, 't/copy/data/theirs.parquet', 'x');
  aws.clock.advance(10);
  const before = aws.clock.now();
  aws.clock.advance(10);
  aws.s3.seed(bucket, 't/data/young.parquet', 'x');
  const store = createStore(aws.actor('upkeep').s3);
  const orphans = () => orphansOf(deps, 't', (of, prefix) => store.list(of, prefix), before);
  expect(await orphans()).toEqual(['t/data/lost.parquet', 't/metadata/lost-m0.avro']);
  await rollBackTo(deps, 't', snapshots[0] ?? 0n);
  expect(await orphans()).toEqual(['t/data/lost.parquet', 't/metadata/lost-m0.avro']);
});

test('what a commit names while orphans are listed is none', async () => {
  const { aws, deps } = await started();
  aws.s3.seed(bucket, 't/late.parquet', 'x');
  aws.clock.advance(10);
  const store = createStore(aws.actor('upkeep').s3);
  const orphans = await orphansOf(
    deps,
    't',
    async (of, prefix) => {
      const listed = await store.list(of, prefix);
      await publishChange(deps, 't', { ...author, batch: 'late' }, changing(['late']));
      return listed;
    },
    aws.clock.now(),
  );
  expect(orphans).toEqual([]);
});

const entry = (name: string, day: string, bytes: bigint, sequenceNumber = 1n) => ({
  status: statuses.added,
  snapshotId: 1n,
  sequenceNumber,
  fileSequenceNumber: sequenceNumber,
  specId: 0,
  file: { ...fakeFile(name, new Map([[1000, day]])), bytes },
});

test('objects with rows that another engine has deleted are not compacted, nor replaced by a copy', async () => {
  const deleted = {
    ...entry('x', '06', 1n, 2n),
    file: {
      ...fakeFile('deletes', new Map([[1000, '06']])),
      content: contents.positionDeletes,
      referencedDataFile: fakeFile('a').path,
    },
  };
  const earlier = { ...entry('c', '06', 1n), specId: 1 };
  const whole = compactableEntries([entry('a', '06', 1n), entry('b', '06', 1n), earlier, deleted], 0);
  expect(whole.map(({ file }) => file.path)).toEqual([fakeFile('b').path]);
});

test('a compaction is a commit of its own, and conflicts with a correction of the same objects', async () => {
  const { deps } = await started();
  const { add, drop, summary } = changing(['bd'], ['b', 'd']);
  const change = { add, drop, summary, dropped: 'replaced', isRewrite: true } as const;
  const compact = () => publishChange(deps, 't', { ...author, batch: 'c1' }, change);
  const { metadata } = await compact();
  expect(metadata.snapshots.at(-1)?.summary.operation).toBe('replace');
  expect((await compact()).how).toBe('done before');
  expect(await readable(deps)).toEqual(['bd']);
  await expect(publishChange(deps, 't', { ...author, batch: '9' }, changing(['e'], ['b']))).rejects.toThrow(
    TableConflict,
  );
});

/** The cost of one commit: calls, and bytes that are read and written. */
async function costOf(aws: MemoryAws): Promise<{ calls: number; bytes: number }> {
  const deps = depsOf(aws.actor('batch'), aws);
  let bytes = 0;
  const count = <T extends string | Uint8Array>(content: T): T => {
    bytes += content.length;
    return content;
  };
  const files = {
    read: async (path: string) => count(await deps.files.read(path)),
    write: (path: string, content: string | Uint8Array) => deps.files.write(path, count(content)),
  };
  const before = aws.calls();
  await publishChange({ ...deps, files }, 't', { ...author, fence: 9, batch: 'next' }, changing(['next']));
  return { calls: aws.calls() - before, bytes };
}

test('invariant 11: with maintenance on, a commit costs less than twice as much after 10,000 snapshots as after 10', async () => {
  const most = runs(1000, 10_000);
  const costs = [];
  for (const [snapshots, isMaintained] of [
    [10, true],
    [most, true],
    [most, false],
  ] as const) {
    const { aws, deps } = await started();
    const now = aws.clock.now();
    // As if a batch had come every 10 minutes.
    await commit(deps, 't', {
      author: undefined,
      apply: (metadata) => {
        const [first] = metadata.snapshots;
        if (!first) throw new Error('there is no snapshot');
        const earlier = Array.from({ length: snapshots - metadata.snapshots.length }, (_, i) => ({
          ...first,
          'snapshot-id': BigInt(i + 1),
          'parent-snapshot-id': BigInt(i),
          'timestamp-ms': now - (snapshots - i) * 600_000,
        }));
        const chained = { ...first, 'parent-snapshot-id': earlier.at(-1)?.['snapshot-id'] ?? 0n };
        return {
          ...metadata,
          snapshots: [...earlier, chained, ...metadata.snapshots.slice(1)],
          'snapshot-log': [
            ...earlier.map((s) => ({ 'timestamp-ms': s['timestamp-ms'], 'snapshot-id': s['snapshot-id'] })),
            ...metadata['snapshot-log'],
          ],
        };
      },
    });
    aws.clock.advance(8 * 86_400_000);
    const { keepDays, keepSnapshots } = maintenanceOf({ table: undefined });
    const retention = { olderThan: aws.clock.now() - keepDays * 86_400_000, keepLast: keepSnapshots };
    if (isMaintained) await expireSnapshots(deps, 't', retention);
    costs.push(await costOf(aws));
  }
  const [few, many, unmaintained] = costs;
  expect(many?.calls).toBe(few?.calls);
  expect(many?.bytes).toBeLessThan(2 * (few?.bytes ?? 0));
  expect(unmaintained?.bytes).toBeGreaterThan(10 * (few?.bytes ?? 0));
});
