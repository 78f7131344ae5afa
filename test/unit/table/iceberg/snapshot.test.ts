/** Snapshots: whatever happens in whatever order, every readable state is complete, and deletes of other writers hold. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { TableConflict } from '../../../../src/lib/errors.ts';
import { createTable, requireTable, type TableDeps } from '../../../../src/lib/table/iceberg/commit.ts';
import { mayDelete } from '../../../../src/lib/table/iceberg/deletes.ts';
import { refOf } from '../../../../src/lib/table/iceberg/files.ts';
import { expireSnapshots, orphansOf } from '../../../../src/lib/table/iceberg/maintenance.ts';
import {
  contents,
  type DataFile,
  type ManifestEntry,
  type Partition,
  statuses,
} from '../../../../src/lib/table/iceberg/manifest.ts';
import { currentSnapshot } from '../../../../src/lib/table/iceberg/metadata.ts';
import {
  dropTag,
  evolveTable,
  publishChange,
  revertBatch,
  tagSnapshot,
} from '../../../../src/lib/table/iceberg/operations.ts';
import {
  dataEntries,
  liveEntries,
  manifestsOf,
  partitionKey,
} from '../../../../src/lib/table/iceberg/snapshot.ts';
import {
  bucket,
  changing,
  deleteRowsOf,
  depsOf,
  fakeFile,
  fakeObject,
  icebergAws,
  plainTable,
  readable,
  rollBackTo,
} from '../../../support/iceberg.ts';

const author = { dataset: 'feed', fence: 1 };
const operations = [
  'append',
  'correct',
  'compact',
  'revert',
  'roll back',
  'tag',
  'untag',
  'repartition',
  'expire',
  'remove orphans',
] as const;
const step = fc.record({ kind: fc.constantFrom(...operations), pick: fc.nat(1000) });

/** The objects of a snapshot by name, sorted. */
async function objectsOf(deps: TableDeps, snapshotId: bigint): Promise<string[]> {
  const { metadata } = await requireTable(deps, 't');
  const snapshot = metadata.snapshots.find((s) => s['snapshot-id'] === snapshotId);
  if (!snapshot) throw new Error(`there is no snapshot ${snapshotId}`);
  return (await liveEntries(deps.files, metadata, snapshot)).map(({ file }) => file.path).sort();
}

test('every snapshot of a random history keeps its objects, and the current one has what the commits say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
      const aws = icebergAws();
      const deps = depsOf(aws.actor('writer'), aws);
      const store = createStore(aws.actor('upkeep').s3);
      await createTable(deps, plainTable);
      /** The objects of each snapshot, and the changes of each batch. */
      const states = new Map<bigint, string[]>();
      const batches: { batch: string; added: string[]; dropped: string[] }[] = [];
      let now: string[] = [];
      let number = 0;
      const at = <T>(list: readonly T[], pick: number): T | undefined => list[pick % list.length];
      const newObject = () => {
        const file = fakeFile(`f${number++}`);
        aws.s3.seed(bucket, refOf(file.path).key, 'rows');
        return file;
      };
      const change = async (added: string[], dropped: string[], run: () => Promise<unknown>) => {
        await run();
        now = [...now.filter((path) => !dropped.includes(path)), ...added].sort();
        const { metadata } = await requireTable(deps, 't');
        states.set(metadata['current-snapshot-id'] ?? 0n, now);
      };
      for (const { kind, pick } of steps) {
        aws.clock.advance(1000);
        const { metadata } = await requireTable(deps, 't');
        const specId = metadata['default-spec-id'];
        const snapshot = at(metadata.snapshots, pick);
        const victim = at(now, pick);
        if (kind === 'append' || (kind === 'correct' && victim !== undefined)) {
          const file = newObject();
          const dropped = kind === 'correct' && victim !== undefined ? [victim] : [];
          const batch = `b${number}`;
          batches.push({ batch, added: [file.path], dropped });
          await change([file.path], dropped, () =>
            publishChange(
              deps,
              't',
              { ...author, batch },
              {
                add: [{ file, specId }],
                drop: dropped.map((path) => ({ path })),
                dropped: 'replaced',
                summary: {},
              },
            ),
          );
        } else if (kind === 'compact' && now.length > 1) {
          const [file, dropped] = [newObject(), now.slice(0, 2)];
          const drop = dropped.map((path) => ({ path }));
          await change([file.path], dropped, () =>
            publishChange(
              deps,
              't',
              { ...author, batch: `c${number}` },
              { add: [{ file, specId }], drop, dropped: 'replaced', isRewrite: true, summary: {} },
            ),
          );
        } else if (kind === 'revert') {
          const batch = at(batches, pick);
          const made = metadata.snapshots.find((s) => s.summary['sluice.batch'] === batch?.batch);
          if (!batch || !made) continue;
          const hasParent = metadata.snapshots.some((s) => s['snapshot-id'] === made['parent-snapshot-id']);
          const isWhole =
            batch.added.every((path) => now.includes(path)) && (hasParent || batch.dropped.length === 0);
          const isDone = metadata.snapshots.some((s) => s.summary['sluice.reverts'] === `${batch.batch}-f1`);
          const revert = () => revertBatch(deps, 't', author, { batch: batch.batch, fence: 1 });
          if (isDone) expect((await revert()).how).toBe('done before');
          else if (isWhole) await change(batch.dropped, batch.added, revert);
          else await expect(revert()).rejects.toThrow(TableConflict);
        } else if (kind === 'roll back' && snapshot) {
          await rollBackTo(deps, 't', snapshot['snapshot-id']);
          now = states.get(snapshot['snapshot-id']) ?? [];
        } else if (kind === 'tag' && snapshot)
          await tagSnapshot(deps, 't', { name: `t${number++}`, snapshotId: snapshot['snapshot-id'] });
        else if (kind === 'untag') {
          const tag = at(
            Object.keys(metadata.refs).filter((name) => name !== 'main'),
            pick,
          );
          if (tag) await dropTag(deps, 't', tag);
        } else if (kind === 'repartition') {
          const partitionBy = [
            [],
            [{ column: 'id', transform: 'bucket[4]' }],
            [{ column: 'id', transform: 'identity' }],
          ][pick % 3];
          await evolveTable(deps, { ...plainTable, partitionBy: partitionBy ?? [] }, author);
        } else if (kind === 'expire') {
          const olderThan = aws.clock.now() - (pick % 10) * 1000;
          await expireSnapshots(deps, 't', { olderThan, keepLast: 1 + (pick % 3) });
        } else if (kind === 'remove orphans') {
          const orphans = await orphansOf(
            deps,
            't',
            (from, prefix) => store.list(from, prefix),
            aws.clock.now(),
          );
          await store.delete(bucket, orphans);
        }
      }
      const { metadata } = await requireTable(deps, 't');
      const there = new Set(aws.s3.keys(bucket).map((key) => `s3://${bucket}/${key}`));
      for (const { 'snapshot-id': id } of metadata.snapshots) {
        const objects = await objectsOf(deps, id);
        expect(objects).toEqual(states.get(id));
        expect(objects.filter((path) => !there.has(path))).toEqual([]);
      }
      const current = metadata['current-snapshot-id'];
      expect(current === undefined ? [] : states.get(current)).toEqual(now);
      for (const ref of Object.values(metadata.refs))
        expect(metadata.snapshots.map((s) => s['snapshot-id'])).toContain(ref['snapshot-id']);
    }),
    { numRuns: Math.min(Number(process.env.SLUICE_HISTORIES ?? 8), 300) },
  );
});

test('a look for a partition reads the manifests that may name it, and no others', async () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  await createTable(deps, {
    ...plainTable,
    columns: [{ name: 'price', type: 'double' }],
    partitionBy: [{ column: 'price', transform: 'identity' }],
  });
  const at = (value: number | null): Partition => new Map([[1000, value]]);
  const batches: readonly (readonly (number | null)[])[] = [
    [1.5],
    [null],
    [Number.NaN],
    [2, 4],
    [5, null],
    [Infinity],
  ];
  for (const [i, values] of batches.entries())
    await publishChange(
      deps,
      't',
      { ...author, batch: `b${i}` },
      {
        ...changing([]),
        add: values.map((value, k) => ({ file: fakeFile(`${i}-${k}`, at(value)), specId: 1 })),
      },
    );
  const { metadata } = await requireTable(deps, 't');
  /** The batches whose manifests were read. */
  const readFor = async (...partitions: readonly Partition[]) => {
    const found = await dataEntries(deps.files, metadata, partitions);
    return [...new Set(found.map(({ file }) => Number(/(\d)-\d\.parquet/.exec(file.path)?.[1])))].sort();
  };
  expect(await readFor(at(1.5))).toEqual([0]);
  expect(await readFor(at(null))).toEqual([1, 4]);
  expect(await readFor(at(Number.NaN))).toEqual([2]);
  expect(await readFor(at(Infinity))).toEqual([5]);
  expect(await readFor(at(2))).toEqual([3]);
  expect(await readFor(at(4))).toEqual([3]);
  expect(await readFor(at(3))).toEqual([3]);
  expect(await readFor(at(1.9))).toEqual([]);
  expect(await readFor(at(4.1))).toEqual([]);
  expect(await readFor(at(5), at(1.5))).toEqual([0, 4]);
  expect(await readFor()).toEqual([]);
  // An object whose own partition spec does not have the field may be anywhere.
  expect(await readFor(new Map())).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await dataEntries(deps.files, metadata)).toHaveLength(8);
});

test('a snapshot sums up what it has changed, and what the table has then', async () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  await createTable(deps, { ...plainTable, partitionBy: [{ column: 'id', transform: 'bucket[4]' }] });
  const file = (name: string, place: number, records: bigint) => ({
    file: fakeFile(name, new Map([[1000, place]]), records),
    specId: 1,
  });
  const summaries: unknown[] = [];
  const run = async (batch: string, add: ReturnType<typeof file>[], drop: readonly string[]) => {
    const change = { ...changing([], drop), add, dropped: 'gone' as const };
    const { metadata } = await publishChange(deps, 't', { ...author, batch }, change);
    const { summary } = metadata.snapshots.at(-1) ?? {};
    summaries.push(
      Object.fromEntries(Object.entries(summary ?? {}).filter(([name]) => !name.startsWith('sluice.'))),
    );
  };
  await run('one', [file('a', 1, 3n), file('b', 1, 4n), file('c', 2, 5n)], []);
  await run('two', [file('d', 3, 10n)], ['a']);
  await run('three', [], ['b', 'c']);
  const none = { 'total-delete-files': '0', 'total-position-deletes': '0', 'total-equality-deletes': '0' };
  expect(summaries).toEqual([
    {
      operation: 'append',
      'added-data-files': '3',
      'added-records': '12',
      'added-files-size': '300',
      'changed-partition-count': '2',
      'total-data-files': '3',
      'total-records': '12',
      'total-files-size': '300',
      ...none,
    },
    {
      operation: 'overwrite',
      'added-data-files': '1',
      'added-records': '10',
      'added-files-size': '100',
      'deleted-data-files': '1',
      'deleted-records': '3',
      'removed-files-size': '100',
      'changed-partition-count': '2',
      'total-data-files': '3',
      'total-records': '19',
      'total-files-size': '300',
      ...none,
    },
    {
      operation: 'delete',
      'deleted-data-files': '2',
      'deleted-records': '9',
      'removed-files-size': '200',
      'changed-partition-count': '2',
      'total-data-files': '1',
      'total-records': '10',
      'total-files-size': '100',
      ...none,
    },
  ]);
  // What has been dropped is named by no manifest of a later snapshot.
  const { metadata } = await requireTable(deps, 't');
  const manifests = await manifestsOf(deps.files, metadata.snapshots.at(-1));
  expect(manifests.map((m) => [m.addedFiles, m.existingFiles, m.deletedFiles])).toEqual([
    [1, 0, 0],
    [0, 0, 2],
  ]);
});

test('partitions are equal if their values are, in whatever order', () => {
  const keys = [
    new Map([
      [1, 'a'],
      [2, null],
    ]),
    new Map([
      [1, 'a'],
      [2, 'null'],
    ]),
    new Map([[1, true]]),
    new Map([[1, 'true']]),
    new Map([[1, Buffer.from([1, 2])]]),
    new Map([[1, Buffer.from([1, 3])]]),
    new Map([[2, 'a']]),
  ].map((partition) => partitionKey(new Map<number, string | boolean | Buffer | null>([...partition])));
  expect(new Set(keys).size).toBe(keys.length);
  expect(
    partitionKey(
      new Map([
        [2, null],
        [1, 'a'],
      ]),
    ),
  ).toBe(keys[0]);
  expect(partitionKey(new Map([[1, new Uint8Array([1, 2])]]))).toBe(keys[4]);
  expect(partitionKey(new Map([[1, 5n]]))).toBe(partitionKey(new Map([[1, 5]])));
});

const path = 's3://processed/t/day=06/a-long-name.parquet';
const in06 = new Map([[1000, '06']]);
/** The reserved field id of the paths in files of position deletes. */
const pathField = 2147483546;
const bound = (text: string) => new Map([[pathField, Buffer.from(text)]]);
const entry = (sequenceNumber: bigint | undefined, file: DataFile): ManifestEntry => ({
  status: statuses.added,
  snapshotId: 1n,
  sequenceNumber,
  fileSequenceNumber: sequenceNumber,
  file,
});
const data = entry(5n, fakeObject(path, { partition: in06 }));
const positions = (of: Partial<DataFile> = {}) =>
  fakeObject('d', { content: contents.positionDeletes, ...of });
const equality = (partition: DataFile['partition'] = in06) =>
  fakeObject('d', { content: contents.equalityDeletes, partition });

test.each([
  ['positions of a later commit', 6n, positions(), true],
  ['positions of the same commit', 5n, positions(), true],
  ['positions of an earlier commit', 4n, positions(), false],
  ['positions of an unknown time', undefined, positions(), true],
  ['positions in the object alone', 6n, positions({ referencedDataFile: path }), true],
  ['positions in another object alone', 6n, positions({ referencedDataFile: 'other' }), false],
  [
    'positions in exactly this object',
    6n,
    positions({ lowerBounds: bound(path), upperBounds: bound(path) }),
    true,
  ],
  ['positions in objects before', 6n, positions({ upperBounds: bound('s3://processed/t/day=05/z') }), false],
  ['positions in objects after', 6n, positions({ lowerBounds: bound('s3://processed/t/day=07/a') }), false],
  ['positions up to a bound that was cut', 6n, positions({ upperBounds: bound(path.slice(0, 16)) }), true],
  ['values of a later commit', 6n, equality(), true],
  ['values of the same commit', 5n, equality(), false],
  ['values of an earlier commit', 4n, equality(), false],
  ['values of an unknown time', undefined, equality(), true],
  ['values in another partition', 6n, equality(new Map([[1000, '07']])), false],
  ['values in the partition without a value', 6n, equality(new Map([[1000, null]])), false],
  ['values in all partitions', 6n, equality(new Map()), true],
  ['values under another spec', 6n, equality(new Map([[1001, 3]])), false],
])('whether deletes by %s may concern an object', (_, sequenceNumber, file, may) => {
  expect(mayDelete(entry(sequenceNumber, file), data)).toBe(may);
});

test('deletes in the partition without a value concern its objects', () => {
  const none = new Map([[1000, null]]);
  const there = entry(5n, fakeObject(path, { partition: none }));
  expect(mayDelete(entry(6n, equality(none)), there)).toBe(true);
});

test('an object with deleted rows is neither read for keys nor replaced, and others are', async () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  const by = (batch: string) => ({ dataset: 'feed', fence: 1, batch });
  await createTable(deps, plainTable);
  await publishChange(deps, 't', by('one'), changing(['a']));
  await publishChange(deps, 't', by('two'), changing(['b']));
  await deleteRowsOf(deps, fakeFile('a').path);
  const keys = async () => dataEntries(deps.files, (await requireTable(deps, 't')).metadata);
  await expect(keys()).rejects.toThrow(TableConflict);
  await expect(publishChange(deps, 't', by('three'), changing(['c'], ['a']))).rejects.toThrow(
    /rows of .*\/a\.parquet/,
  );
  await publishChange(deps, 't', by('four'), changing(['c'], ['b']));
  expect(await readable(deps)).toEqual(['a', 'c', 'deletes-1003']);
  // The rows go with their object: nothing brings the deleted ones back.
  await publishChange(deps, 't', by('five'), { ...changing([], ['a']), dropped: 'gone' });
  expect((await keys()).map(({ file }) => file.path)).toEqual([fakeFile('c').path]);
  const { metadata } = await requireTable(deps, 't');
  // A total that the other engine has not written as a number is not continued.
  expect(currentSnapshot(metadata)?.summary).not.toHaveProperty('total-records');
  expect(currentSnapshot(metadata)?.summary).toMatchObject({
    operation: 'delete',
    'total-delete-files': '1',
  });
});
