/** Iceberg behind the table interface of the flow. */
import { DeleteTableCommand } from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import { createPointers } from '../../../../src/lib/aws/pointer.ts';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { LeaseLost, ObjectMissing, TableConflict, TableMismatch } from '../../../../src/lib/errors.ts';
import type { TableFormat, TableShape } from '../../../../src/lib/table/format.ts';
import { requireTable } from '../../../../src/lib/table/iceberg/commit.ts';
import { icebergFormat, icebergOn } from '../../../../src/lib/table/iceberg/format.ts';
import { schemaOf } from '../../../../src/lib/table/iceberg/metadata.ts';
import { liveEntries } from '../../../../src/lib/table/iceberg/snapshot.ts';
import { toBytes } from '../../../../src/lib/table/iceberg/values.ts';
import {
  deleteRowsOf,
  depsOf,
  fakeFile,
  fakeObject,
  icebergAws,
  liveKeys,
} from '../../../support/iceberg.ts';
import { parquetFiles } from '../../../support/parquetFiles.ts';

const shape: TableShape = {
  name: 't',
  location: 's3://processed/t/',
  columns: [{ name: 'id', type: 'int', comment: 'of the post' }],
  partitionKeys: [
    { name: 'source', type: 'string' },
    { name: 'day', type: 'string' },
  ],
};
const start = () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('flow'), aws);
  const store = createStore(aws.actor('flow').s3, { pause: 0 });
  const list = (bucket: string, prefix: string) => store.list(bucket, prefix);
  const format: TableFormat = icebergFormat({
    ...deps,
    list,
    describe: async ({ path, size, partition }) => ({
      ...fakeFile(''),
      path,
      bytes: BigInt(size),
      partition,
      records: 2n,
    }),
  });
  return { aws, deps: { ...deps, list }, format };
};
const at = (name: string) => `s3://processed/t/source=feed/day=06/${name}.parquet`;
const object = (name: string) => ({ address: at(name), bytes: 10, values: ['feed', '06'] });
const batchOf = (batch: string, fence: number, add: string[], drop: string[] = []) => ({
  dataset: 'feed',
  attempt: { batch, fence },
  contract: 'v1',
  add: add.map(object),
  drop: drop.map(object),
});
const holder = (fence: number) => ({ dataset: 'feed', fence });
const counted = async (format: TableFormat, names: readonly string[]) =>
  format.verify('t', names.map(at), () => true);
const none = { missing: [], extra: [] };

test('a batch and its correction are visible as a whole, and the table tells whose they are', async () => {
  const { format, deps } = start();
  await format.ensure(shape, holder(1));
  const first = await format.commit(shape, batchOf('a', 1, ['a1', 'a2']));
  expect(await counted(format, ['a1', 'a2'])).toEqual(none);
  expect(await format.commit(shape, batchOf('a', 1, ['a1', 'a2']))).toEqual(first);
  await format.commit(shape, batchOf('b', 2, ['b1'], ['a2']));
  expect(await counted(format, ['a1', 'b1'])).toEqual(none);
  expect(await counted(format, ['a1', 'c'])).toEqual({ missing: [at('c')], extra: [at('b1')] });
  expect(await format.inspect(shape)).toEqual([
    { names: ['source', 'day'], values: ['feed', '06'], objects: 2, rows: 4, bytes: 20 },
  ]);
  const { metadata, pointer } = await requireTable(deps, 't');
  expect(metadata.snapshots.at(-1)?.summary).toMatchObject({
    operation: 'overwrite',
    'sluice.batch': 'b',
    'sluice.fence': '2',
    'sluice.contract': 'v1',
    'total-data-files': '2',
  });
  expect(pointer.table.StorageDescriptor?.Columns).toMatchObject([
    { Name: 'id', Type: 'int', Comment: 'of the post' },
    { Name: 'source' },
    { Name: 'day' },
  ]);
});

test('a commit that was made is known again when its objects are gone', async () => {
  const { format, deps } = start();
  await format.ensure(shape, holder(1));
  const first = await format.commit(shape, batchOf('a', 1, ['a1']));
  const describe = async () => {
    throw new ObjectMissing('gone');
  };
  const later = icebergFormat({ ...deps, describe });
  expect(await later.commit(shape, batchOf('a', 1, ['a1']))).toEqual(first);
  await expect(later.commit(shape, batchOf('b', 2, ['b1']))).rejects.toThrow(ObjectMissing);
});

test('an attempt is taken back also when a still later holder has closed the table since', async () => {
  const { format } = start();
  await format.ensure(shape, holder(1));
  await format.commit(shape, batchOf('a', 1, ['a1']));
  await format.ensure({ ...shape, columns: [...shape.columns, { name: 'n', type: 'int' }] }, holder(9));
  expect(await format.takeBack('t', holder(2), { batch: 'a', fence: 1 })).toBe('taken back');
  expect(await counted(format, [])).toEqual(none);
});

test('objects of others are nothing that the ledger lacks', async () => {
  const { format } = start();
  await format.ensure(shape, holder(1));
  await format.commit(shape, batchOf('a', 1, ['a1', 'other']));
  const isOwn = (address: string) => !address.includes('other');
  expect(await format.verify('t', [at('a1')], isOwn)).toEqual(none);
});

test('an attempt that the ledger does not count is taken back, and can commit no more', async () => {
  const { format } = start();
  await format.ensure(shape, holder(1));
  await format.commit(shape, batchOf('a', 1, ['a1']));
  await format.commit(shape, batchOf('b', 2, ['b1'], ['a1']));
  expect(await format.takeBack('t', holder(3), { batch: 'b', fence: 2 })).toBe('taken back');
  expect(await counted(format, ['a1'])).toEqual(none);
  expect(await format.takeBack('t', holder(3), { batch: 'b', fence: 2 })).toBe('taken back');
  expect(await format.takeBack('t', holder(3), { batch: 'c', fence: 2 })).toBe('never committed');
  await expect(format.commit(shape, batchOf('c', 2, ['c1']))).rejects.toThrow(LeaseLost);
  expect(await counted(format, ['a1'])).toEqual(none);
});

test('a second look by who knows only an old fence does not close the table to the present holder', async () => {
  const { format } = start();
  await format.ensure(shape, holder(7));
  await format.commit(shape, batchOf('a', 7, ['a1']));
  expect(await format.takeBack('t', holder(3), { batch: 'b', fence: 2 })).toBe('never committed');
  await format.commit(shape, batchOf('c', 7, ['c1']));
  expect(await counted(format, ['a1', 'c1'])).toEqual(none);
});

test('a table of another format, and a type that a column cannot get, are refused by name', async () => {
  const { aws, format } = start();
  await format.ensure(shape, holder(1));
  const narrow = { ...shape, columns: [{ name: 'id', type: 'string' }] };
  await expect(format.ensure(narrow, holder(1))).rejects.toThrow(TableMismatch);
  const { CreateTableCommand } = await import('@aws-sdk/client-glue');
  await aws
    .actor('person')
    .glue.send(new CreateTableCommand({ DatabaseName: 'db', TableInput: { Name: 'h' } }));
  await expect(format.ensure({ ...shape, name: 'h' }, holder(1))).rejects.toThrow(/not an Iceberg table/);
});

test('a batch of 1,000 partitions is one commit of three objects', async () => {
  const { aws, format } = start();
  await format.ensure(shape, holder(1));
  const before = aws.calls('s3.PutObject');
  await format.commit(shape, {
    ...batchOf('a', 1, []),
    add: Array.from({ length: 1000 }, (_, i) => ({
      address: `s3://processed/t/source=feed/day=${i}/a.parquet`,
      bytes: 1,
      values: ['feed', String(i)],
    })),
  });
  expect(aws.calls('s3.PutObject') - before).toBe(3);
  expect(await format.inspect(shape)).toHaveLength(1000);
});

test('the last partitions of a table are whole, and manifests of others are not read', async () => {
  const { aws, format } = start();
  await format.ensure(shape, holder(1));
  const day = (i: number) => String(i).padStart(2, '0');
  const publish = (name: string, days: readonly number[]) =>
    format.commit(shape, {
      ...batchOf(name, 1, []),
      add: days.map((i) => ({
        address: `s3://processed/t/source=feed/day=${day(i)}/${name}.parquet`,
        bytes: 1,
        values: ['feed', day(i)],
      })),
    });
  for (let i = 0; i < 12; i++) await publish(`batch-${i}`, [i]);
  // A late row of the third last day, beside one of the first.
  await publish('late', [0, 9]);
  const readBy = async (last?: number) => {
    const before = aws.calls('s3.GetObject');
    const found = await format.inspect(shape, last);
    const sorted = found.sort((a, b) => String(a.values[1]).localeCompare(String(b.values[1])));
    return { found: sorted, reads: aws.calls('s3.GetObject') - before };
  };
  const whole = await readBy();
  const last = await readBy(3);
  expect(last.found).toEqual(whole.found.slice(-3));
  expect(last.found.map((of) => of.objects)).toEqual([2, 1, 1]);
  expect([whole.reads - last.reads, (await readBy(100)).found]).toEqual([9, whole.found]);
  // A correction reads the manifests that may name its object. If the object is in another partition than its folder says, all of them.
  const correct = async (name: string, i: number, says: number) => {
    const before = aws.calls('s3.GetObject');
    await format.commit(shape, {
      ...batchOf(`correction-of-${name}`, 1, []),
      drop: [
        {
          address: `s3://processed/t/source=feed/day=${day(i)}/${name}.parquet`,
          values: ['feed', day(says)],
        },
      ],
    });
    return aws.calls('s3.GetObject') - before;
  };
  // The list, its own manifest, and that of the late row.
  expect(await correct('batch-5', 5, 5)).toBe(3);
  expect(await correct('batch-6', 6, 7)).toBeGreaterThan(10);
  const left = (await format.inspect(shape)).map((of) => of.values[1]);
  expect([left.length, left.includes('05'), left.includes('06')]).toEqual([10, false, false]);
});

test('published keys are in the objects of the current snapshot, also of those from before the table was partitioned so', async () => {
  const { format, deps, aws } = start();
  const older = { ...shape, partitionKeys: shape.partitionKeys.slice(0, 1) };
  await format.ensure(older, holder(1));
  await format.commit(older, {
    ...batchOf('a', 1, []),
    add: [{ address: 's3://processed/t/source=feed/a.parquet', bytes: 1, values: ['feed'] }],
  });
  await format.ensure(shape, holder(1));
  await format.commit(shape, batchOf('b', 1, ['b1', 'b2']));
  await format.commit(shape, batchOf('c', 1, ['c1'], ['b2']));
  const noDay = { address: 's3://processed/t/source=feed/day=-/d.parquet', bytes: 1, values: ['feed', null] };
  await format.commit(shape, { ...batchOf('d', 1, []), add: [noDay] });
  const found = async (...days: string[]) =>
    (
      await format.objectsIn(
        shape,
        days.map((day) => ['feed', day]),
      )
    ).map(({ address, values }) => `${address.slice(address.lastIndexOf('/') + 1, -8)}@${values[1]}`);
  expect((await found('06', '07')).sort()).toEqual(['a@06', 'a@07', 'b1@06', 'c1@06']);
  expect((await found('__HIVE_DEFAULT_PARTITION__')).sort()).toEqual([
    'a@__HIVE_DEFAULT_PARTITION__',
    'd@__HIVE_DEFAULT_PARTITION__',
  ]);
  const source = await format.keySource(shape);
  const values = source.kind === 'objects' ? source.objects.map((o) => o.values) : [];
  expect(values.map((v) => v.join()).sort()).toEqual([
    'feed,',
    'feed,06',
    'feed,06',
    'feed,__HIVE_DEFAULT_PARTITION__',
  ]);
  const { metadata } = await requireTable(deps, 't');
  expect(await format.objectsIn({ ...shape, name: 'none' }, [['feed', '06']])).toEqual([]);
  expect(metadata['partition-specs']).toHaveLength(2);
  const before = aws.calls('s3.GetObject');
  await format.objectsIn(shape, [['other', '06']]);
  // The list of manifests: no manifest has such a partition, and the metadata were read already.
  expect(aws.calls('s3.GetObject') - before).toBe(1);
});

const byTransforms: TableShape = {
  ...shape,
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'at', type: 'timestamp' },
    { name: 'name', type: 'string' },
  ],
  partitionKeys: [
    { name: 'at_day', type: 'string', of: 'at', transform: 'day' },
    { name: 'id_bucket_16', type: 'string', of: 'id', transform: 'bucket[16]' },
    { name: 'name_truncate_4', type: 'string', of: 'name', transform: 'truncate[4]' },
  ],
};

test('partitions of transforms have their values in metadata and their texts in plans', async () => {
  const { format, deps } = start();
  await format.ensure(byTransforms, holder(1));
  const values = [
    ['2025-10-06', '7', 'abcd'],
    ['2025-10-06', '7', '~'],
    [null, null, null],
  ];
  await format.commit(byTransforms, {
    ...batchOf('a', 1, []),
    add: values.map((of, i) => ({ address: `s3://processed/t/${i}.parquet`, bytes: 1, values: of })),
  });
  const { metadata } = await requireTable(deps, 't');
  expect(schemaOf(metadata).fields.map((f) => f.name)).toEqual(['id', 'at', 'name']);
  const entries = await liveEntries(deps.files, metadata);
  expect(entries.map(({ file }) => [...file.partition.values()])).toEqual([
    [20_367, 7, 'abcd'],
    [20_367, 7, ''],
    [null, null, null],
  ]);
  const texts = values.map((of) => of.map((value) => value ?? '__HIVE_DEFAULT_PARTITION__'));
  expect(await format.objectsIn(byTransforms, texts)).toMatchObject(texts.map((of) => ({ values: of })));
  const source = await format.keySource(byTransforms);
  expect(source.kind === 'objects' && source.objects.map((o) => o.values)).toEqual(texts);
  expect((await format.inspect(shape)).map((of) => of.values)).toEqual(values);
});

test('after other partitions, published keys are in objects of both kinds, as far as their bounds reach', async () => {
  const { format, deps, aws } = start();
  const before = { ...byTransforms, partitionKeys: [] };
  await format.ensure(before, holder(1));
  const micros = (text: string) => toBytes('long', BigInt(Date.parse(text)) * 1000n);
  const old = icebergFormat({
    ...deps,
    list: async () => [],
    describe: async ({ path, partition }) =>
      fakeObject(path, {
        partition,
        lowerBounds: new Map([[2, micros('2025-10-05T10:00:00Z')]]),
        upperBounds: new Map([[2, micros('2025-10-06T10:00:00Z')]]),
        nullCounts: new Map([[2, 0n]]),
      }),
  });
  await old.commit(before, { ...batchOf('a', 1, []), add: [{ address: at('old'), bytes: 1, values: [] }] });
  const found = async (...of: string[]) => (await format.objectsIn(byTransforms, [of])).map((o) => o.address);
  // The table has these partitions only after the batch that asks.
  expect(await found('2025-10-06', '7', 'abcd')).toEqual([at('old')]);
  expect(await found('2025-10-07', '7', 'abcd')).toEqual([]);
  expect(await found('__HIVE_DEFAULT_PARTITION__', '7', 'abcd')).toEqual([]);
  await format.ensure(byTransforms, holder(2));
  const added = { address: at('new'), bytes: 1, values: ['2025-10-06', '7', 'abcd'] };
  const rest = { address: at('rest'), bytes: 1, values: [], restOf: at('old') };
  await format.commit(byTransforms, {
    ...batchOf('b', 2, []),
    add: [added, rest],
    drop: [{ address: at('old'), values: [] }],
  });
  const { metadata } = await requireTable(deps, 't');
  const entries = await liveEntries(deps.files, metadata);
  expect(entries.map(({ specId, file }) => [file.path, specId, file.partition.size]).sort()).toEqual([
    [at('new'), 1, 3],
    [at('rest'), 0, 0],
  ]);
  expect((await found('2025-10-06', '7', 'abcd')).sort()).toEqual([at('new'), at('rest')]);
  expect(await format.takeBack('t', holder(3), { batch: 'b', fence: 2 })).toBe('taken back');
  expect(liveKeys(aws, 't')).toEqual([at('old').slice('s3://processed/'.length)]);
});

test('columns have ids before the table is there, and keep them; elements of arrays have their own', async () => {
  const { format } = start();
  const wanted = { ...shape, columns: [...shape.columns, { name: 'tags', type: 'array<string>' }] };
  const ids = await format.fieldIds(wanted);
  expect(ids).toEqual({ id: { id: 1 }, tags: { id: 2, element: 5 } });
  await format.ensure(wanted, holder(1));
  expect(await format.fieldIds(wanted)).toEqual(ids);
  const wider = { ...wanted, columns: [{ name: 'more', type: 'int' }, ...wanted.columns] };
  const more = await format.fieldIds(wider);
  expect(more).toEqual({ ...ids, more: { id: 6 } });
  await format.ensure(wider, holder(1));
  expect(await format.fieldIds(wider)).toEqual(more);
  const lists = { ...shape, columns: [{ name: 's', type: 'array<struct<a:int>>' }] };
  expect(await start().format.fieldIds(lists)).toBeUndefined();
  const nested = { ...shape, columns: [{ name: 's', type: 'struct<a:int>' }] };
  expect(await format.fieldIds({ ...nested, name: 'n' })).toBeUndefined();
});

test('a table with rows that somebody has dropped is not made anew; what an interrupted creation has left is none', async () => {
  const { format, aws } = start();
  const { glue } = aws.actor('person');
  const drop = () => glue.send(new DeleteTableCommand({ DatabaseName: 'db', Name: 't' }));
  await format.ensure(shape, holder(1));
  await drop();
  await format.check(shape);
  await format.ensure(shape, holder(1));
  await format.commit(shape, batchOf('a', 1, ['a1']));
  await drop();
  const newest = aws.s3.keys('processed', 't/metadata/').find((key) => /\/00001-.*metadata\.json$/.test(key));
  await expect(format.check(shape)).rejects.toThrow(`register it again from s3://processed/${newest}`);
  await expect(format.ensure(shape, holder(1))).rejects.toThrow(TableMismatch);
  expect(await format.isThere('t')).toBe(false);
});

test('what a table cannot become is told before a batch begins, and nothing is written for it', async () => {
  const { format, aws } = start();
  const before = aws.s3.keys('processed').length;
  await format.check(shape);
  await expect(format.check({ ...shape, columns: [{ name: 'id', type: 'interval' }] })).rejects.toThrow();
  await format.ensure(shape, holder(1));
  const written = aws.s3.keys('processed').length;
  await format.check(shape);
  await expect(format.check({ ...shape, columns: [{ name: 'id', type: 'string' }] })).rejects.toThrow(
    TableMismatch,
  );
  expect([before, aws.s3.keys('processed').length]).toEqual([0, written]);
});

test('a table that does not exist has no objects, states or losses', async () => {
  const { format } = start();
  expect(await format.allObjects(shape)).toEqual([]);
  expect(await format.compactable(shape)).toEqual({ objects: [] });
  expect(await format.inspect(shape)).toEqual([]);
  expect(await format.verify('t', [at('x')], () => true)).toEqual({ missing: [at('x')], extra: [] });
  expect(await format.observe(shape, { snapshot: { id: '1', rows: 7, writer: '' } })).toEqual({
    seen: {},
    gone: [],
    rows: 0,
  });
  expect(await format.takeBack('t', holder(3), { batch: 'b', fence: 2 })).toBe('never committed');
  expect(await format.committed('t', { batch: 'b', fence: 2 })).toEqual({ snapshot: undefined });
  expect([format.commitsAtOnce, format.isInPlace, format.keepsOldPartitions]).toEqual([true, true, true]);
});

test('a batch does not go into partitions that another writer has made since it was planned', async () => {
  const { format } = start();
  await format.ensure(shape, holder(1));
  await format.ensure(
    { ...shape, partitionKeys: shape.partitionKeys.slice(0, 1) },
    { dataset: 'other', fence: 1 },
  );
  await expect(format.commit(shape, batchOf('a', 1, ['a1']))).rejects.toThrow(TableConflict);
  expect(await format.inspect(shape)).toEqual([]);
});

test('objects with rows that another engine has deleted are counted without its own files, and not replaced', async () => {
  const { format, deps } = start();
  await format.ensure(shape, holder(1));
  await format.commit(shape, batchOf('a', 1, ['a1', 'a2']));
  await deleteRowsOf(deps, at('a1'));
  expect(await format.inspect(shape)).toMatchObject([{ values: ['feed', '06'], objects: 2 }]);
  expect(await counted(format, ['a1', 'a2'])).toEqual(none);
  expect((await format.compactable(shape)).objects.map(({ address }) => address)).toEqual([at('a2')]);
  await expect(format.commit(shape, batchOf('b', 2, ['b1'], ['a1']))).rejects.toThrow(TableConflict);
  await expect(format.objectsIn(shape, [['feed', '06']])).rejects.toThrow(TableConflict);
});

test('a dry run of an expiry says what it would do; rows of an object are sorted as the contract says', async () => {
  const { format, aws, deps } = start();
  await format.ensure({ ...shape, sortBy: ['id'] }, holder(1));
  for (const name of ['a', 'b']) {
    await format.commit(shape, batchOf(name, 1, [name]));
    aws.clock.advance(1000);
  }
  const retention = { olderThan: aws.clock.now(), keepLast: 1 };
  expect(await format.expirable('t', retention)).toMatchObject({ snapshots: 1 });
  const { metadata } = await requireTable(deps, 't');
  expect(metadata.snapshots).toHaveLength(2);
  expect(metadata['sort-orders'].at(-1)?.fields.map((field) => field['source-id'])).toEqual([1]);
  expect(await format.expire('t', retention)).toMatchObject({ snapshots: 1 });
});

test('on a stage, the rows of a batch are counted from the footers of its objects', async () => {
  const { aws, format: other } = start();
  const actor = aws.actor('publish');
  const format = icebergOn(createStore(actor.s3, { pause: 0 }), createPointers('db', actor.glue, actor.glue));
  const [content = Buffer.alloc(0)] = Object.values(await parquetFiles());
  aws.s3.seed('processed', 't/source=feed/day=06/a.parquet', content);
  await format.ensure(shape, holder(1));
  await format.commit(shape, { ...batchOf('a', 1, []), add: [{ ...object('a'), bytes: content.length }] });
  const [partition] = await other.inspect(shape);
  expect(partition).toMatchObject({ objects: 1, bytes: content.length });
  expect(partition?.rows).toBeGreaterThan(0);
});
