/** Maintenance removes nothing that a reader may still need. */
import { expect, test } from '@jest/globals';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { TableConflict } from '../../../../src/lib/errors.ts';
import { createTable, requireTable, type TableDeps } from '../../../../src/lib/table/iceberg/commit.ts';
import { expireSnapshots, orphansOf, planCompaction } from '../../../../src/lib/table/iceberg/maintenance.ts';
import { contents, statuses } from '../../../../src/lib/table/iceberg/manifest.ts';
import {
  publishChange,
  revertBatch,
  rewriteObjects,
  rollBackTo,
  tagSnapshot,
} from '../../../../src/lib/table/iceberg/operations.ts';
import { liveEntries } from '../../../../src/lib/table/iceberg/snapshot.ts';
import {
  bucket,
  changing,
  depsOf,
  fakeFile,
  icebergAws,
  plainTable,
  readable,
} from '../../../support/iceberg.ts';
import { everyFault, faultAt, type MemoryAws } from '../../../support/memory/index.ts';

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

test('expired snapshots are forgotten, and only what no other snapshot names may be deleted', async () => {
  const { aws, deps, snapshots } = await started();
  await tagSnapshot(deps, 't', { name: 'model', snapshotId: snapshots[0] ?? 0n });
  const { unreachable } = await expireSnapshots(deps, 't', author, {
    olderThan: aws.clock.now(),
    keepLast: 1,
  });
  const { metadata } = await requireTable(deps, 't');
  expect(metadata.snapshots.map((s) => s['snapshot-id'])).toEqual([snapshots[0], snapshots[3]]);
  expect(names(unreachable)).toEqual(['c.parquet']);
  await createStore(aws.actor('upkeep').s3).delete(
    bucket,
    unreachable.map((path) => path.slice(`s3://${bucket}/`.length)),
  );
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
  await expireSnapshots(deps, 't', author, { olderThan: aws.clock.now(), keepLast: 1 });
  await expect(revertBatch(deps, 't', author, { batch: '3', fence: 1 })).rejects.toThrow(TableConflict);
  expect(await readable(deps)).toEqual(['b', 'd']);
});

test('young snapshots and the last ones stay, and a tag goes at its own age', async () => {
  const { aws, deps, snapshots } = await started();
  await tagSnapshot(deps, 't', { name: 'short', snapshotId: snapshots[0] ?? 0n, maxAge: 10 });
  const kept = await expireSnapshots(deps, 't', author, { olderThan: 0, keepLast: 1 });
  expect(kept.outcome.metadata.refs).not.toHaveProperty('short');
  expect(kept.outcome.metadata.snapshots).toHaveLength(4);
  expect(kept.unreachable).toEqual([]);
  const again = await expireSnapshots(deps, 't', author, { olderThan: aws.clock.now(), keepLast: 4 });
  expect(again.outcome.how).toBe('nothing to do');
});

test('an expiry that is not confirmed names nothing to delete', async () => {
  for (const fault of everyFault.filter(({ mode }) => mode === 'fail' || mode === 'lost')) {
    const { aws, deps } = await started();
    aws.plan = faultAt(fault, { operation: 'UpdateTable', times: 100 });
    const expiry = await expireSnapshots(deps, 't', author, {
      olderThan: aws.clock.now(),
      keepLast: 1,
    }).catch(() => undefined);
    aws.plan = undefined;
    const { metadata } = await requireTable(deps, 't');
    if (metadata.snapshots.length === 4) expect(expiry?.unreachable ?? []).toEqual([]);
    expect(await readable(deps)).toEqual(['b', 'd']);
  }
});

test('orphans are old, lie below the table and are named by no snapshot', async () => {
  const { aws, deps, snapshots } = await started();
  aws.s3.seed(bucket, 't/data/lost.parquet', 'x');
  aws.s3.seed(bucket, 't/metadata/lost-m0.avro', 'x');
  aws.s3.seed(bucket, 't/notes.txt', 'x');
  aws.s3.seed(bucket, 't2/other.parquet', 'x');
  aws.clock.advance(10);
  const before = aws.clock.now();
  aws.clock.advance(10);
  aws.s3.seed(bucket, 't/data/young.parquet', 'x');
  const store = createStore(aws.actor('upkeep').s3);
  const orphans = () => orphansOf(deps, 't', (of, prefix) => store.list(of, prefix), before);
  expect(await orphans()).toEqual(['t/data/lost.parquet', 't/metadata/lost-m0.avro']);
  await rollBackTo(deps, 't', author, snapshots[0] ?? 0n);
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

test('small objects of a partition are compacted together, up to the target', () => {
  const entries = [
    ...['a', 'b', 'c', 'd', 'e'].map((name) => entry(name, '06', 30n)),
    ...['f', 'g'].map((name) => entry(name, '07', 10n)),
    entry('big', '06', 90n),
  ];
  const groups = planCompaction(entries, { targetBytes: 100, minObjects: 2 });
  expect(groups.map(({ files }) => files.map(({ file }) => file.path.at(-9)))).toEqual([
    ['a', 'b', 'c'],
    ['d', 'e'],
    ['f', 'g'],
  ]);
  expect(planCompaction(entries, { targetBytes: 100, minObjects: 4 })).toEqual([]);
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
  const groups = planCompaction([entry('a', '06', 1n), entry('b', '06', 1n), deleted], {
    targetBytes: 100,
    minObjects: 1,
  });
  expect(groups.flatMap(({ files }) => files.map(({ file }) => file.path))).toEqual([fakeFile('b').path]);
});

test('a compaction is a commit of its own, and conflicts with a correction of the same objects', async () => {
  const { deps } = await started();
  const { add, drop, summary } = changing(['bd'], ['b', 'd']);
  const compact = () => rewriteObjects(deps, 't', author, { id: 'c1', add, drop, summary });
  const { metadata } = await compact();
  expect(metadata.snapshots.at(-1)?.summary.operation).toBe('replace');
  expect((await compact()).how).toBe('done before');
  expect(await readable(deps)).toEqual(['bd']);
  await expect(publishChange(deps, 't', { ...author, batch: '9' }, changing(['e'], ['b']))).rejects.toThrow(
    TableConflict,
  );
});
