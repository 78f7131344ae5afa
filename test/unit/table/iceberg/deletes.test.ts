/** Objects that stay when some of their rows leave: one delete file for each, in the same commit. */
import { expect, test } from '@jest/globals';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { TableConflict } from '../../../../src/lib/errors.ts';
import type { TableCommit, TableFormat, TableShape } from '../../../../src/lib/table/format.ts';
import { commit, requireTable } from '../../../../src/lib/table/iceberg/commit.ts';
import { icebergFormat } from '../../../../src/lib/table/iceberg/format.ts';
import {
  contents,
  statuses,
  writeManifest,
  writeManifestList,
} from '../../../../src/lib/table/iceberg/manifest.ts';
import {
  currentSnapshot,
  schemaOf,
  specOf,
  withSnapshot,
} from '../../../../src/lib/table/iceberg/metadata.ts';
import { publishChange } from '../../../../src/lib/table/iceberg/operations.ts';
import { liveEntries, manifestsOf } from '../../../../src/lib/table/iceberg/snapshot.ts';
import { deleteRowsOf, depsOf, fakeFile, icebergAws } from '../../../support/iceberg.ts';
import { thoroughTest } from '../../../support/thorough.ts';

const shape: TableShape = {
  name: 't',
  location: 's3://processed/t/',
  columns: [{ name: 'id', type: 'int' }],
  partitionKeys: [{ name: 'day', type: 'string' }],
};
const records = 100;

function start() {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('flow'), aws);
  const store = createStore(aws.actor('flow').s3, { pause: 0 });
  const format = icebergFormat({
    ...deps,
    list: (bucket, prefix) => store.list(bucket, prefix),
    describe: async ({ path, size, partition }) => ({
      ...fakeFile(''),
      path,
      bytes: BigInt(size),
      partition,
      records: BigInt(records),
    }),
  });
  return { aws, deps, format };
}

const at = (name: string, day = '06') => `s3://processed/t/day=${day}/${name}.parquet`;
/** Named as Sluice names it, by a number. */
const by = (n: number, rows: number, day = '06') => ({
  address: `s3://processed/t/${String(n).padStart(20, '0')}-f${n}-of-${'a'.repeat(20)}-r/day=${day}/x-deletes.parquet`,
  bytes: 5,
  rows,
});
const placed = (name: string, day = '06') => ({ address: at(name, day), values: [day] });
const change = (
  fence: number,
  { add = [], drop = [], deletes = [] }: Partial<Pick<TableCommit, 'drop' | 'deletes'>> & { add?: string[] },
): TableCommit => ({
  dataset: 'feed',
  attempt: { batch: `b${fence}`, fence },
  contract: 'v1',
  add: add.map((name) => ({ ...placed(name), bytes: 10 })),
  drop,
  deletes,
});
/** The delete file of each object. */
async function deletesIn(format: TableFormat): Promise<Record<string, string | undefined>> {
  const objects = await format.allObjects(shape);
  return Object.fromEntries(objects.map(({ address, deletes }) => [address, deletes?.address]));
}
const summaryOf = async (deps: ReturnType<typeof start>['deps']) =>
  (await requireTable(deps, 't')).metadata.snapshots.at(-1)?.summary;
const rowsOf = async (format: TableFormat) => (await format.inspect(shape))[0]?.rows;

/** Two objects; the first has lost two rows. */
async function withDeletes() {
  const world = start();
  const { format } = world;
  await format.ensure(shape, { dataset: 'feed', fence: 1 });
  await format.commit(shape, change(1, { add: ['a', 'b'] }));
  const committed = await format.commit(
    shape,
    change(2, { add: ['c'], deletes: [{ ...placed('a'), by: by(2, 2) }] }),
  );
  return { ...world, committed };
}

test('an object stays with a delete file: readers of objects are told, and rows are counted without those that have left', async () => {
  const { format, deps, committed } = await withDeletes();
  expect(committed.rows).toEqual({ before: 200, after: 298 });
  expect(await rowsOf(format)).toBe(298);
  expect(await deletesIn(format)).toEqual({
    [at('a')]: by(2, 2).address,
    [at('b')]: undefined,
    [at('c')]: undefined,
  });
  const [a] = (await format.objectsIn(shape, [['06']])).filter(({ address }) => address === at('a'));
  expect(a?.deletes).toEqual(by(2, 2));
  expect(await format.deletesOf(shape, [placed('a'), placed('b'), placed('gone')])).toEqual(
    new Map([
      [at('a'), { rows: records, deletes: by(2, 2) }],
      [at('b'), { rows: records, deletes: undefined }],
    ]),
  );
  expect((await format.compactable(shape)).objects.map(({ deletes }) => deletes?.rows)).toContain(2);
  expect(await format.verify('t', [at('a'), at('b'), at('c')], () => true)).toEqual({
    missing: [],
    extra: [],
  });
  expect(await summaryOf(deps)).toMatchObject({
    operation: 'overwrite',
    'added-delete-files': '1',
    'added-position-deletes': '2',
    'total-delete-files': '1',
    'total-position-deletes': '2',
    'total-data-files': '3',
    'total-files-size': '35',
  });
  const { metadata } = await requireTable(deps, 't');
  const [deletes] = (await liveEntries(deps.files, metadata)).filter(
    ({ file }) => file.content === contents.positionDeletes,
  );
  expect(deletes).toMatchObject({ sequenceNumber: 2n, file: { referencedDataFile: at('a'), records: 2n } });
  expect([...(deletes?.file.partition.values() ?? [])]).toEqual(['06']);
  expect((await format.history?.snapshots('t'))?.at(-1)).toMatchObject({ rowsAdded: 100, rowsRemoved: 2 });
});

test('a later delete file of the object has the place of the first', async () => {
  const { format, deps } = await withDeletes();
  const { rows } = await format.commit(
    shape,
    change(3, { deletes: [{ ...placed('a'), by: by(3, 5), replaces: by(2, 2).address }] }),
  );
  expect(rows).toEqual({ before: 298, after: 295 });
  expect(await deletesIn(format)).toMatchObject({ [at('a')]: by(3, 5).address });
  expect(await summaryOf(deps)).toMatchObject({
    operation: 'delete',
    'total-position-deletes': '5',
    'total-delete-files': '1',
  });
  expect((await format.history?.snapshots('t'))?.at(-1)).toMatchObject({ rowsAdded: 0, rowsRemoved: 3 });
});

test('two states differ in the partitions of their delete files', async () => {
  const { format } = await withDeletes();
  await format.commit(shape, { ...change(3, {}), add: [{ ...placed('o', '07'), bytes: 1 }] });
  const before = await format.committed('t', { batch: 'b3', fence: 3 });
  await format.commit(
    shape,
    change(4, { deletes: [{ ...placed('a'), by: by(4, 5), replaces: by(2, 2).address }] }),
  );
  const after = await format.committed('t', { batch: 'b4', fence: 4 });
  expect(await format.history?.difference('t', before.snapshot ?? '', after.snapshot ?? '')).toMatchObject({
    isSame: false,
    partitions: [{ day: '06' }],
  });
});

test('an object that leaves takes its delete file with it', async () => {
  const { format, deps } = await withDeletes();
  const { rows } = await format.commit(
    shape,
    change(3, { add: ['a-rest'], drop: [{ ...placed('a'), deletes: by(2, 2).address }] }),
  );
  expect(rows).toEqual({ before: 298, after: 300 });
  expect(await deletesIn(format)).toEqual({
    [at('a-rest')]: undefined,
    [at('b')]: undefined,
    [at('c')]: undefined,
  });
  expect(await summaryOf(deps)).toMatchObject({
    'total-delete-files': '0',
    'total-position-deletes': '0',
    'total-data-files': '3',
  });
  expect((await format.history?.snapshots('t'))?.at(-1)).toMatchObject({ rowsAdded: 100, rowsRemoved: 98 });
});

test.each<[string, Parameters<typeof change>[1]]>([
  ['an object without the deletes that it has', { drop: [placed('a')] }],
  ['an object with deletes that it has not', { drop: [{ ...placed('b'), deletes: by(2, 2).address }] }],
  ['deletes in the place of none', { deletes: [{ ...placed('a'), by: by(3, 1) }] }],
  [
    'deletes in the place of others',
    { deletes: [{ ...placed('a'), by: by(3, 1), replaces: by(9, 1).address }] },
  ],
  ['deletes of an object that is gone', { deletes: [{ ...placed('z'), by: by(3, 1) }] }],
])('a commit is a conflict if it replaces %s', async (_, of) => {
  const { format } = await withDeletes();
  await expect(format.commit(shape, change(3, of))).rejects.toThrow(TableConflict);
  expect(await rowsOf(format)).toBe(298);
});

test('rows that another writer deletes are a conflict, before a commit and beside it', async () => {
  const { format, deps } = await withDeletes();
  await deleteRowsOf(deps, at('a'));
  await expect(format.allObjects(shape)).rejects.toThrow(TableConflict);
  await expect(format.deletesOf(shape, [placed('a')])).rejects.toThrow(TableConflict);
  // Others are not concerned.
  expect((await format.deletesOf(shape, [placed('b')])).size).toBe(1);
  for (const of of [
    { drop: [{ ...placed('a'), deletes: by(2, 2).address }] },
    { deletes: [{ ...placed('a'), by: by(3, 5), replaces: by(2, 2).address }] },
  ])
    await expect(format.commit(shape, change(3, of))).rejects.toThrow(TableConflict);
  await format.commit(shape, change(4, { deletes: [{ ...placed('b'), by: by(4, 1) }] }));
  expect((await format.compactable(shape)).objects.map(({ address }) => address).sort()).toEqual([
    at('b'),
    at('c'),
  ]);
});

test('what is taken back brings the earlier delete files back', async () => {
  const { format } = await withDeletes();
  const before = await deletesIn(format);
  await format.commit(
    shape,
    change(3, {
      drop: [{ ...placed('b') }],
      deletes: [
        { ...placed('a'), by: by(3, 5), replaces: by(2, 2).address },
        { ...placed('c'), by: by(4, 1) },
      ],
    }),
  );
  const taken = { dataset: 'feed', fence: 4 };
  expect(await format.takeBack('t', taken, { batch: 'b3', fence: 3 })).toBe('taken back');
  expect(await deletesIn(format)).toEqual(before);
  expect(await rowsOf(format)).toBe(298);
  // An object comes back with the delete file that it had.
  await format.commit(
    shape,
    change(5, { add: ['d'], drop: [{ ...placed('a'), deletes: by(2, 2).address }] }),
  );
  expect(await format.takeBack('t', { ...taken, fence: 6 }, { batch: 'b5', fence: 5 })).toBe('taken back');
  expect(await deletesIn(format)).toEqual(before);
  expect(await rowsOf(format)).toBe(298);
});

test('a delete file stays the own one of its object when another writer merges the manifests, and does not know the field for the object', async () => {
  const { format, deps } = await withDeletes();
  await commit(deps, 't', {
    author: undefined,
    async apply(metadata) {
      const parent = currentSnapshot(metadata);
      const sequenceNumber = metadata['last-sequence-number'] + 1n;
      const [id, folder] = [sequenceNumber + 1000n, 's3://processed/t/metadata/'];
      const before = await manifestsOf(deps.files, parent);
      const entries = (await liveEntries(deps.files, metadata)).filter(({ file }) => file.content > 0);
      const { bytes, manifest } = writeManifest(
        entries.map((entry) => ({
          ...entry,
          status: statuses.existing,
          file: { ...entry.file, referencedDataFile: null },
        })),
        {
          spec: specOf(metadata),
          schema: schemaOf(metadata),
          schemas: metadata.schemas,
          content: contents.positionDeletes,
          snapshotId: id,
        },
      );
      await deps.files.write(`${folder}merged.avro`, bytes);
      const manifests = [
        manifest(`${folder}merged.avro`, sequenceNumber),
        ...before.filter(({ content }) => content === 0),
      ];
      await deps.files.write(
        `${folder}list.avro`,
        writeManifestList(manifests, { id, parent: parent?.['snapshot-id'], sequenceNumber }),
      );
      return withSnapshot(metadata, {
        'snapshot-id': id,
        'sequence-number': sequenceNumber,
        'timestamp-ms': metadata['last-updated-ms'],
        'manifest-list': `${folder}list.avro`,
        summary: { ...parent?.summary, operation: 'replace' },
      });
    },
  });
  expect(await deletesIn(format)).toMatchObject({ [at('a')]: by(2, 2).address });
  await format.commit(
    shape,
    change(3, { deletes: [{ ...placed('a'), by: by(3, 5), replaces: by(2, 2).address }] }),
  );
  expect(await rowsOf(format)).toBe(295);
  expect(await format.takeBack('t', { dataset: 'feed', fence: 4 }, { batch: 'b3', fence: 3 })).toBe(
    'taken back',
  );
  expect(await deletesIn(format)).toMatchObject({ [at('a')]: by(2, 2).address });
});

test('an object of another partition spec is found, whatever its folders are called', async () => {
  const { format } = await withDeletes();
  const evolved: TableShape = {
    ...shape,
    columns: [...shape.columns, { name: 'at', type: 'timestamp' }],
    partitionKeys: [{ name: 'at_day', type: 'string', of: 'at', transform: 'day' }],
  };
  await format.ensure(evolved, { dataset: 'feed', fence: 3 });
  const found = await format.deletesOf(evolved, [{ address: at('a'), values: ['no day'] }]);
  expect(found.get(at('a'))?.deletes).toEqual(by(2, 2));
});

test('deletes of an object that another writer has dropped without them take no rows away', async () => {
  const { format, deps } = await withDeletes();
  await publishChange(
    deps,
    't',
    { dataset: 'other', batch: 'theirs', fence: 1 },
    { add: [], drop: [{ path: at('a') }], dropped: 'gone', summary: {} },
  );
  expect(await rowsOf(format)).toBe(200);
});

test('an attempt whose object another writer has rewritten since cannot be taken back', async () => {
  const { format, deps } = await withDeletes();
  await publishChange(
    deps,
    't',
    { dataset: 'other', batch: 'theirs', fence: 1 },
    { add: [], drop: [{ path: at('a') }], dropped: 'gone', summary: {} },
  );
  await expect(
    format.takeBack('t', { dataset: 'feed', fence: 3 }, { batch: 'b2', fence: 2 }),
  ).rejects.toThrow(TableConflict);
});

thoroughTest('manifests of deletes are merged, and those of other partitions are not read', async () => {
  const { format, deps, aws } = await withDeletes();
  const names = Array.from({ length: 105 }, (_, i) => `n${i}`);
  await format.commit(shape, change(3, { add: names }));
  for (const [i, name] of names.entries())
    await format.commit(shape, change(4 + i, { deletes: [{ ...placed(name), by: by(4 + i, 1) }] }));
  const { metadata } = await requireTable(deps, 't');
  const ofDeletes = (await manifestsOf(deps.files, metadata.snapshots.at(-1))).filter(
    (m) => m.content !== contents.data,
  );
  expect(ofDeletes.length).toBeLessThan(20);
  expect(ofDeletes.reduce((sum, m) => sum + m.addedFiles + m.existingFiles, 0)).toBe(106);
  expect((await format.deletesOf(shape, [placed('a'), placed('n7')])).get(at('n7'))?.deletes?.rows).toBe(1);
  const other = { ...change(200, {}), add: [{ ...placed('o', '07'), bytes: 1 }] };
  await format.commit(shape, other);
  const calls = aws.calls();
  await format.objectsIn(shape, [['07']]);
  expect(aws.calls() - calls).toBeLessThan(5);
});
