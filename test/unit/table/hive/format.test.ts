/** What the format Hive makes of folders and of the Data Catalog's partitions. */
import { GlueClient, InvalidInputException } from '@aws-sdk/client-glue';
import { beforeEach, expect, test } from '@jest/globals';
import { createCatalog, type ParquetTable } from '../../../../src/lib/aws/catalog.ts';
import { createStore, type ListedObject } from '../../../../src/lib/aws/store.ts';
import { TableMismatch } from '../../../../src/lib/errors.ts';
import type { TableFormat } from '../../../../src/lib/table/format.ts';
import { hiveFormat } from '../../../../src/lib/table/hive/format.ts';
import { createMemoryAws, type MemoryAws } from '../../../support/memory/index.ts';

let aws: MemoryAws;
let format: TableFormat;
const table: ParquetTable = {
  name: 't',
  location: 's3://processed/t/',
  columns: [{ name: 'id', type: 'bigint' }],
  partitionKeys: [
    { name: 'source', type: 'string' },
    { name: 'day', type: 'string' },
  ],
};
const plain: ParquetTable = { ...table, name: 'plain', location: 's3://processed/plain/', partitionKeys: [] };
const put = (...keys: string[]) => {
  for (const key of keys) aws.s3.seed('processed', key, 'x'.repeat(key.length));
};
const partition = (source: string, day: string) => ({
  path: `source=${source}/day=${day}/`,
  values: [source, day],
});
const registered = () =>
  aws.glue
    .partitions('sluice', 't')
    .map(({ values, location }) => `${values.join('/')} ${location}`)
    .sort();

beforeEach(async () => {
  aws = createMemoryAws();
  const actor = aws.actor('test');
  const store = createStore(actor.s3, { pause: 0 });
  format = hiveFormat({ store, catalog: createCatalog('sluice', actor.glue, { pause: 0 }) });
});
const holder = { dataset: 'd', fence: 1 };
const attempt = { batch: 'ab'.repeat(10), fence: 1 };

test('it has nothing to commit, to take back or to expire', async () => {
  expect(await format.isThere('t')).toBe(false);
  await format.ensure(table, holder);
  expect(await format.isThere('t')).toBe(true);
  expect(await format.takeBack('t', holder, attempt)).toBe('never committed');
  expect(await format.fieldIds(table)).toBeUndefined();
  expect(await format.committed('t', attempt)).toEqual({ snapshot: undefined });
  expect(await format.verify('t', ['s3://processed/t/a'], () => true)).toEqual({ missing: [], extra: [] });
  expect(await format.orphans('t', async () => [], 0)).toBeNull();
  const retention = { olderThan: Number.POSITIVE_INFINITY, keepLast: 1 };
  expect([await format.expire('t', retention), await format.expirable('t', retention)]).toEqual([null, null]);
  const batch = { dataset: 'd', attempt, contract: 'v1', add: [], drop: [] };
  expect(await format.commit(table, batch)).toEqual({ snapshot: undefined });
  expect(await format.keySource(table)).toEqual({ kind: 'folders', root: 's3://processed/t/' });
  expect([format.history, format.commitsAtOnce, format.isInPlace, format.keepsOldPartitions]).toEqual([
    undefined,
    false,
    false,
    false,
  ]);
});

test('a table whose column has another type is told before a batch begins', async () => {
  await format.check(table);
  await format.ensure(table, holder);
  await format.check(table);
  await expect(format.check({ ...table, columns: [{ name: 'id', type: 'string' }] })).rejects.toThrow(
    TableMismatch,
  );
});

test('a batch registers its partitions, each once, also after somebody has dropped the table', async () => {
  expect(await format.register(table, [partition('a', '06'), partition('a', '07')])).toBe(2);
  expect(await format.register(table, [partition('a', '07'), partition('b', '07')])).toBe(1);
  expect(registered()).toEqual([
    'a/06 s3://processed/t/source=a/day=06/',
    'a/07 s3://processed/t/source=a/day=07/',
    'b/07 s3://processed/t/source=b/day=07/',
  ]);
  expect(await format.register(plain, [{ path: '', values: [] }])).toBe(0);
});

test('objects of partitions come with their sizes and values', async () => {
  put(
    't/source=a/day=06/1.parquet',
    't/source=a/day=06/22.parquet',
    't/source=a/day=07/3.parquet',
    't/other',
  );
  expect(
    await format.objectsIn(table, [
      ['a', '06'],
      ['b', '06'],
    ]),
  ).toEqual([
    { address: 's3://processed/t/source=a/day=06/1.parquet', bytes: 27, values: ['a', '06'] },
    { address: 's3://processed/t/source=a/day=06/22.parquet', bytes: 28, values: ['a', '06'] },
  ]);
});

test('the partitions of a dataset become those that have objects; those of others stay', async () => {
  await format.register(table, [
    partition('a', '05'),
    partition('a', '06'),
    partition('b', '01'),
    partition('a', '08'),
  ]);
  put('t/source=a/day=06/1.parquet', 't/source=a/day=08/by-hand.txt');
  const isOwn = ([source]: readonly string[]) => source === 'a';
  const standing = [partition('a', '06'), partition('a', '07')];
  expect(await format.repair(table, standing, isOwn)).toEqual({ added: 1, dropped: 1 });
  expect(registered().map((line) => line.split(' ')[0])).toEqual(['a/06', 'a/07', 'a/08', 'b/01']);
  const before = aws.calls('glue.BatchCreatePartition');
  expect(await format.repair(table, standing, isOwn)).toEqual({ added: 0, dropped: 0 });
  expect(aws.calls('glue.BatchCreatePartition')).toBe(before);
  expect(await format.repair(plain, [], isOwn)).toEqual({ added: 0, dropped: 0 });
});

test('a partition that gets an object while it is dropped is registered again', async () => {
  await format.register(table, [partition('a', '05'), partition('a', '06')]);
  aws.plan = ({ operation }) => {
    if (operation === 'BatchDeletePartition') put('t/source=a/day=06/1.parquet');
    return undefined;
  };
  expect(await format.repair(table, [], () => true)).toEqual({ added: 0, dropped: 2 });
  expect(registered()).toEqual(['a/06 s3://processed/t/source=a/day=06/']);
});

test('a look finds the partitions that are gone since the last one', async () => {
  await format.register(table, [partition('a', '05'), partition('a', '06')]);
  const first = await format.observe(table, undefined);
  expect(first).toEqual({
    seen: {
      partitions: [
        ['a', '05'],
        ['a', '06'],
      ],
    },
    gone: [],
    rows: 0,
  });
  const last = {
    ...first?.seen,
    partitions: [
      ['a', '05'],
      ['a', '04'],
      ['a', '03'],
    ],
  };
  expect((await format.observe(table, last))?.gone).toEqual([
    ['a', '04'],
    ['a', '03'],
  ]);
  expect(await format.observe(plain, last)).toEqual({ seen: {}, gone: [], rows: 0 });
});

test('each look takes in one part of a table, and a partition that is in another part by now is not gone', async () => {
  aws = createMemoryAws({ pages: { partitions: 3 } });
  const actor = aws.actor('test');
  const catalog = createCatalog('sluice', actor.glue, { pause: 0 });
  format = hiveFormat({ store: createStore(actor.s3), catalog });
  await format.ensure(table, { dataset: 'd', fence: 1 });
  const days = (...names: string[]) => names.map((day) => ['a', day]);
  await format.register(
    table,
    ['01', '02', '03', '04', '05'].map((day) => partition('a', day)),
  );
  const first = await format.observe(table, undefined);
  expect(first).toEqual({
    seen: { partitions: days('01', '02', '03'), isMore: true },
    gone: [],
    rows: 0,
    next: expect.any(String),
  });
  const second = await format.observe(table, undefined, { number: 1, from: first.next });
  expect(second).toEqual({ seen: { partitions: days('04', '05') }, gone: [], rows: 0 });
  // Two more move the last one of the first part to the second one.
  await format.register(table, [partition('a', '00'), partition('a', '001')]);
  await catalog.dropPartitions('t', days('02'));
  const shifted = await format.observe(table, first.seen);
  expect(shifted.seen.partitions).toEqual(days('00', '001', '01'));
  expect(shifted.gone).toEqual(days('02'));
});

test('parts that are no longer listed are compared as they were', async () => {
  await format.register(table, [partition('a', '05'), partition('a', '06')]);
  const last = {
    partitions: [
      ['a', '05'],
      ['a', '04'],
    ],
    isMore: true,
  };
  const left = { seen: { partitions: [['a', '05']], isMore: true }, gone: [['a', '04']], rows: 0 };
  // The table has fewer parts now.
  expect(await format.observe(table, last, { number: 1 })).toEqual(left);
  // Glue has forgotten where the part begins.
  aws.plan = ({ operation }) =>
    operation === 'GetPartitions' ? { mode: 'fail', error: 'InvalidInputException' } : undefined;
  expect(await format.observe(table, last, { number: 1, from: 'old' })).toEqual(left);
  await expect(format.observe(table, last)).rejects.toThrow(InvalidInputException);
});

test('what Glue has not looked at is asked for again', async () => {
  await format.register(table, [partition('a', '05'), partition('a', '06')]);
  const last = {
    partitions: [
      ['a', '04'],
      ['a', '05'],
      ['a', '06'],
    ],
  };
  let answers = 0;
  aws.plan = ({ operation }) =>
    operation === 'BatchGetPartition' && answers++ === 0 ? { mode: 'partial', mask: 2 } : undefined;
  expect((await format.observe(table, last, { number: 1 })).gone).toEqual([['a', '04']]);
});

test('all objects of the table are Parquet below as many folders as it has keys', async () => {
  put(
    't/source=a/day=06/1.parquet',
    't/source=a/day=06/2.txt',
    't/source=a/3.parquet',
    't/4.parquet',
    't2/source=a/day=06/5.parquet',
  );
  expect(await format.allObjects(table)).toEqual([
    { address: 's3://processed/t/source=a/day=06/1.parquet', bytes: 27, values: ['a', '06'] },
  ]);
});

test('objects are summed by partition; those that can be compacted are Parquet', async () => {
  put('t/source=a/day=06/1.parquet', 't/source=a/day=06/22.parquet', 't/source=a/day=07/3.txt');
  expect(await format.inspect(table)).toEqual([
    { values: ['a', '06'], rows: undefined, objects: 2, bytes: 55 },
    { values: ['a', '07'], rows: undefined, objects: 1, bytes: 23 },
  ]);
  expect((await format.compactable(table)).objects).toEqual([
    { address: 's3://processed/t/source=a/day=06/1.parquet', bytes: 27, partition: 't/source=a/day=06' },
    { address: 's3://processed/t/source=a/day=06/22.parquet', bytes: 28, partition: 't/source=a/day=06' },
  ]);
});

test('a compaction looks at a part of a large table, and the next one continues behind it', async () => {
  const keys = Array.from({ length: 250_000 }, (_, i) => `t/day=06/${String(i).padStart(6, '0')}.parquet`);
  const asked: (string | undefined)[] = [];
  const listPages = async function* (
    _bucket: string,
    _prefix: string,
    after?: string,
  ): AsyncGenerator<ListedObject[]> {
    asked.push(after);
    for (let i = after === undefined ? 0 : keys.indexOf(after) + 1; i < keys.length; i += 1000)
      yield keys.slice(i, i + 1000).map((key) => ({ key, size: 1, modified: 0 }));
  };
  const catalog = createCatalog('db', new GlueClient({ region: 'us-east-1' }));
  const large = hiveFormat({ catalog, store: { listPages, list: async () => [] } });
  const found: number[] = [];
  let next: string | undefined;
  do {
    const part = await large.compactable({ name: 't', location: 's3://processed/t/' }, next);
    found.push(part.objects.length);
    ({ next } = part);
  } while (next !== undefined);
  expect(found).toEqual([100_000, 100_000, 50_000]);
  expect(asked).toEqual([undefined, 't/day=06/099999.parquet', 't/day=06/199999.parquet']);
});
