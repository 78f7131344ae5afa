/** Maintenance removes nothing that a reader may still need. */
import { describe, expect, test } from '@jest/globals';
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
import { formatMetadata, type Metadata, type Ref } from '../../../../src/lib/table/iceberg/metadata.ts';
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
  const orphans = (table = 't') => orphansOf(deps, table, (of, prefix) => store.list(of, prefix), before);
  expect(await orphans('no table')).toEqual([]);
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

describe('of a table with five states, a second each', () => {
  const now = 10_000_000;
  type State = { id: bigint; parent?: bigint; at: number };
  const chain: readonly State[] = [1, 2, 3, 4, 5].map((n) => ({
    id: BigInt(n),
    ...(n === 1 ? {} : { parent: BigInt(n - 1) }),
    at: now - 6000 + n * 1000,
  }));
  const main: Ref = { 'snapshot-id': 5n, type: 'branch' };
  /** The ids and refs that an expiry leaves. */
  const left = async (
    retention: Parameters<typeof expireSnapshots>[2],
    {
      states = chain,
      refs = {},
      more = {},
    }: { states?: readonly State[]; refs?: Record<string, Ref>; more?: Partial<Metadata> } = {},
  ) => {
    const aws = icebergAws();
    const deps = { ...depsOf(aws.actor('upkeep'), aws), now: () => now };
    await createTable(deps, plainTable);
    await commit(deps, 't', {
      author: undefined,
      apply: (metadata) => ({
        ...metadata,
        'current-snapshot-id': 5n,
        refs: { main, ...refs },
        snapshots: states.map(({ id, parent, at }) => ({
          'snapshot-id': id,
          ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
          'sequence-number': id,
          'timestamp-ms': at,
          'manifest-list': 's3://b/list.avro',
          summary: {},
        })),
        'snapshot-log': states.map(({ id, at }) => ({ 'snapshot-id': id, 'timestamp-ms': at })),
        ...more,
      }),
    });
    const expected = await expirable(deps, 't', retention);
    const done = await expireSnapshots(deps, 't', retention);
    const { metadata } = await requireTable(deps, 't');
    expect([done.snapshots, expected.snapshots]).toEqual(
      Array(2).fill(states.length - metadata.snapshots.length),
    );
    return {
      ids: metadata.snapshots.map((s) => Number(s['snapshot-id'])),
      refs: Object.keys(metadata.refs),
      metadata,
    };
  };
  const at = (n: number) => now - 6000 + n * 1000;

  test('the last ones stay, whatever their age, and those that were current at the limit or later', async () => {
    expect((await left({ olderThan: now, keepLast: 2 })).ids).toEqual([4, 5]);
    expect((await left({ olderThan: now + 1, keepLast: 1 })).ids).toEqual([5]);
    // The third was current until the fourth came.
    expect((await left({ olderThan: at(4), keepLast: 1 })).ids).toEqual([3, 4, 5]);
    expect((await left({ olderThan: at(4) + 1, keepLast: 1 })).ids).toEqual([4, 5]);
  });

  test('a branch has its own limits, and a tag keeps its snapshot until its own age', async () => {
    const branch: Ref = { 'snapshot-id': 2n, type: 'branch', 'min-snapshots-to-keep': 2 };
    const aged: Ref = { 'snapshot-id': 3n, type: 'branch', 'max-snapshot-age-ms': now - at(3) };
    const retention = { olderThan: now, keepLast: 1 };
    expect((await left(retention, { refs: { branch } })).ids).toEqual([1, 2, 5]);
    expect((await left(retention, { refs: { aged } })).ids).toEqual([2, 3, 5]);
    const tag = (age: number | undefined): Ref => ({
      'snapshot-id': 1n,
      type: 'tag',
      ...(age === undefined ? {} : { 'max-ref-age-ms': age }),
    });
    expect(await left(retention, { refs: { tag: tag(undefined) } })).toMatchObject({
      ids: [1, 5],
      refs: ['main', 'tag'],
    });
    expect(await left(retention, { refs: { tag: tag(now - at(1)) } })).toMatchObject({
      ids: [1, 5],
      refs: ['main', 'tag'],
    });
    expect(await left(retention, { refs: { tag: tag(now - at(1) - 1) } })).toMatchObject({
      ids: [5],
      refs: ['main'],
    });
    // The main branch has no age.
    expect(await left(retention, { refs: { main: { ...main, 'max-ref-age-ms': 1 } } })).toMatchObject({
      refs: ['main'],
    });
    // The snapshots before that of a tag are not kept for its sake.
    const second: Ref = { 'snapshot-id': 2n, type: 'tag' };
    expect((await left(retention, { refs: { second } })).ids).toEqual([2, 5]);
  });

  test('a snapshot outside all branches stays as long as one inside', async () => {
    const states = [...chain, { id: 9n, parent: 1n, at: at(3) }];
    expect((await left({ olderThan: at(3), keepLast: 1 }, { states })).ids).toEqual([2, 3, 4, 5, 9]);
    expect((await left({ olderThan: at(3) + 1, keepLast: 1 }, { states })).ids).toEqual([3, 4, 5]);
  });

  test('what the metadata say of an expired snapshot goes with it, and the log begins behind it', async () => {
    const statistics = [1n, 4n, 5n].map((id) => ({ 'snapshot-id': id, 'statistics-path': `s3://b/${id}` }));
    const tag: Ref = { 'snapshot-id': 1n, type: 'tag' };
    const more = { statistics, 'partition-statistics': statistics };
    const { metadata } = await left({ olderThan: now, keepLast: 2 }, { refs: { tag }, more });
    expect(metadata.snapshots).toHaveLength(3);
    expect(metadata.statistics).toEqual(statistics);
    expect(metadata['partition-statistics']).toEqual(statistics);
    // Between the first and the fourth there is a gap.
    expect(metadata['snapshot-log'].map((entry) => Number(entry['snapshot-id']))).toEqual([4, 5]);
    const without = await left({ olderThan: now, keepLast: 1 }, { more });
    expect(without.metadata.statistics).toEqual(statistics.slice(2));
    expect(without.metadata['partition-statistics']).toEqual(statistics.slice(2));
    expect((await left({ olderThan: now, keepLast: 1 })).metadata).not.toHaveProperty('statistics');
    expect((await left({ olderThan: now, keepLast: 5 })).metadata['snapshot-log']).toHaveLength(5);
  });
});
