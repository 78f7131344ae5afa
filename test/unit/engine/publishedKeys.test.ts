import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { localObjects } from '../../../src/cli/inputs.ts';
import { compile } from '../../../src/lib/compiler/compile.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { fetchPublished } from '../../../src/lib/engine/publishedKeys.ts';
import { EngineOutOfMemory } from '../../../src/lib/errors.ts';
import { contractWith, record, transform } from '../../support/embedded.ts';
import { thoroughTest } from '../../support/thorough.ts';

const contract = contractWith(
  `  - { name: word, path: word, type: string, required: true }
  - { name: born, path: born, type: date, required: true }
  - { name: text, path: text, type: string }`,
  'dedupe: { key: [id, word, born], scope: partition }',
);
const rowOf = (id: number, more: object = {}) =>
  record({ id, word: `w'${id}`, born: '1970-01-01', text: `${id}`.repeat(50), ...more });
const linesOf = (...rows: readonly string[]) => ({ 'test/b.json': rows.join('\n') });
const later = { at: '2025-10-07T00:00:00Z' };

let published: string;
beforeAll(async () => {
  published = await mkdtemp(join(tmpdir(), 'sluice-published-'));
  await transform(
    contract,
    { 'test/a.json': [rowOf(1), rowOf(2), rowOf(3, later)].join('\n') },
    { keep: published },
  );
  for (const day of ['06', '07'])
    await rename(
      join(published, `source=test/day=${day}/data_0.parquet`),
      join(published, `source=test/day=${day}/old-f1-0.parquet`),
    );
});
afterAll(() => rm(published, { recursive: true }));

test('a key that stands in its partition already is a duplicate, whatever types its columns have', async () => {
  const { summary, rows } = await transform(
    contract,
    linesOf(
      rowOf(1),
      rowOf(2, { word: 'other' }),
      rowOf(2, { born: '1970-01-02' }),
      rowOf(2),
      rowOf(3),
      rowOf(3, later),
    ),
    { published },
  );
  expect(summary).toMatchObject({ rowsRead: 6, published: 3, duplicates: 3 });
  expect(rows.map((r) => [r.id, r.word])).toEqual([
    [2n, 'other'],
    [2n, "w'2"],
    [3n, "w'3"],
  ]);
});

test('an object that was never committed is no published row', async () => {
  const asked: string[] = [];
  const { summary } = await transform(contract, linesOf(rowOf(1), rowOf(3, later)), {
    published,
    isLive: (path) => {
      asked.push(path);
      return path.includes('day=07');
    },
  });
  expect(summary).toMatchObject({ published: 1, duplicates: 1 });
  expect(asked.sort()).toEqual([
    'source=test/day=06/old-f1-0.parquet',
    'source=test/day=07/old-f1-0.parquet',
  ]);
});

test('rows that the batch takes the place of are no duplicates', async () => {
  const { summary } = await transform(contract, linesOf(rowOf(1), rowOf(2)), {
    published,
    replaces: [{ object: 'test/a.json', version: 'v1' }],
  });
  expect(summary).toMatchObject({ published: 2, duplicates: 0 });
});

thoroughTest('of a published object, little more than its footer and its key columns are read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-wide-'));
  try {
    const noise = (id: number) =>
      Array.from({ length: 40 }, (_, i) => ((id * 31 + i) * 2654435761) % 2 ** 32).join(' ');
    const lines = Array.from({ length: 20_000 }, (_, id) => rowOf(id, { text: noise(id) }));
    await transform(contract, linesOf(...lines), { keep: folder });
    const plan = compile(contract, null, []);
    const local = localObjects(folder, plan.partitionKeys);
    let bytes = 0;
    const counted = {
      ...local,
      read: (path: string, start: number, end: number) => {
        bytes += end - start;
        return local.read(path, start, end);
      },
    };
    const into = join(folder, 'fetched');
    await mkdir(into);
    const found = await fetchPublished(counted, plan, 'b', [['test', '06']], into);
    const [{ bytes: size = 0 } = {}] = await local.find([['test', '06']]);
    expect([found.length, await readdir(into)]).toEqual([1, ['0.parquet']]);
    expect(bytes).toBeLessThan(size / 4);
    // More than the embedded engine takes is known before it is fetched.
    const fetching = (most: { bytes: number; objects: number }) =>
      fetchPublished(counted, plan, 'b', [['test', '06']], into, { most });
    const keyBytes = bytes;
    bytes = 0;
    await expect(fetching({ bytes: 1000, objects: 1 })).rejects.toThrow(
      'in 1 objects: the embedded engine takes up to 1000 bytes of their keys',
    );
    // The end of the object alone was read.
    expect(bytes).toBe(64 * 1024);
    await expect(fetching({ bytes: 1e9, objects: 0 })).rejects.toThrow(EngineOutOfMemory);
    // The object is larger, and its keys are not.
    expect(await fetching({ bytes: keyBytes, objects: 1 })).toHaveLength(1);
    // An object of the batch itself is an earlier try of the same rows.
    const own = {
      ...counted,
      find: async () => [{ path: 'day=06/c-f1-0.parquet', bytes: size, values: [] }],
    };
    expect(await fetchPublished(own, plan, 'c', [['test', '06']], into)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('of a published row and a new one, the first in order stays, whichever came first', async () => {
  const upserts = contractWith(
    '  - { name: n, path: n, type: int }\n  - { name: text, path: text, type: string }',
    'dedupe: { key: [id], scope: partition, order: [{ column: n, direction: desc }, { column: text, direction: asc }] }',
  );
  const folder = await mkdtemp(join(tmpdir(), 'sluice-upserts-'));
  const lines = (...rows: readonly object[]) => rows.map((row) => record({ ...row })).join('\n');
  try {
    const before = lines(
      { id: 1, n: 5 },
      { id: 2 },
      { id: 3, n: 5 },
      { id: 4, n: 5, ...later },
      { id: 5, n: 5 },
      { id: 6, n: 5, text: 'b' },
    );
    await transform(upserts, { 'test/a.json': before }, { keep: folder });
    const after = {
      'test/b.json': lines(
        { id: 1, n: 9 },
        { id: 1, n: 7 },
        { id: 2, n: -1 },
        { id: 3, n: 4 },
        { id: 3 },
        { id: 4, n: 1 },
        { id: 5, n: 5 },
        { id: 6, n: 5, text: 'a' },
        { id: 7 },
      ),
      // Of a tie, the first object stays.
      'test/0.json': lines({ id: 5, n: 5 }),
    };
    const { summary, rows, replaced } = await transform(upserts, after, { published: folder });
    expect(rows.map((r) => `${r.id} ${r.n ?? null} ${r._object}`).sort()).toEqual([
      '1 9 test/b.json',
      '2 -1 test/b.json',
      '4 1 test/b.json',
      '5 5 test/0.json',
      '6 5 test/b.json',
      '7 null test/b.json',
    ]);
    expect(replaced.map(({ _path: path, id }) => `${path} ${id}`)).toEqual(
      [1, 2, 5, 6].map((id) => `source=test/day=06/data_0.parquet ${id}`),
    );
    expect(summary).toMatchObject({ rowsRead: 10, published: 6, duplicates: 4, replacedRows: 4 });
    // Of an object of earlier partition keys, it is not known which rows are of the partition: they stay.
    const shared = await transform(upserts, after, { published: folder, isShared: true });
    expect(shared.summary).toMatchObject({ published: 2, duplicates: 8, replacedRows: 0 });
    const none = await transform(upserts, { 'test/c.json': lines({ id: 1, n: 1 }) }, { published: folder });
    expect([none.summary.replacedRows, none.replaced]).toEqual([0, []]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('with the scope table, a newer row replaces the old one of another partition, and a delete needs no partition', async () => {
  const upserts = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'], required: true },
        { name: 'n', path: 'n', type: 'int' },
      ],
      dedupe: {
        key: ['id'],
        scope: 'table',
        order: [{ column: 'n', direction: 'desc' }],
        deleteWhen: 'n = 9',
      },
      partitionBy: [
        { name: 'source', constant: 'test' },
        { name: 'day', of: 'at', part: 'day' },
      ],
    }),
  );
  const folder = await mkdtemp(join(tmpdir(), 'sluice-table-'));
  const lines = (...rows: readonly object[]) => rows.map((row) => record({ ...row })).join('\n');
  try {
    const before = [1, 2, 3, 4].map((id) => ({ id, n: 5, ...(id % 2 === 0 ? later : {}) }));
    await transform(upserts, { 'test/a.json': lines(...before) }, { keep: folder });
    const after = lines(
      { id: 1, n: 6, ...later },
      { id: 2, n: 4 },
      { id: 3, n: 9, at: null },
      { id: 4, n: 7 },
      { id: 4, n: 6, ...later },
      { id: 5, n: 1 },
    );
    const { summary, rows, replaced, partitions } = await transform(
      upserts,
      { 'test/b.json': after },
      { published: folder },
    );
    expect(rows.map((r) => `${r.id} ${r.n}`).sort()).toEqual(['1 6', '4 7', '5 1']);
    expect(replaced.map(({ _path: path, id }) => `${path} ${id}`).sort()).toEqual([
      'source=test/day=06/data_0.parquet 1',
      'source=test/day=06/data_0.parquet 3',
      'source=test/day=07/data_0.parquet 4',
    ]);
    expect(partitions).toEqual(['source=test/day=06', 'source=test/day=07']);
    expect(summary).toMatchObject({
      published: 3,
      deletes: 1,
      duplicates: 2,
      replacedRows: 2,
      deletedRows: 1,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('published objects may be older than a column that decides', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-older-'));
  try {
    await transform(contractWith(''), { 'test/a.json': record({ id: 1 }) }, { keep: folder });
    const upserts = contractWith(
      '  - { name: n, path: n, type: int }',
      'dedupe: { key: [id], scope: partition, order: [{ column: n, direction: desc }] }',
    );
    const { summary } = await transform(
      upserts,
      { 'test/b.json': record({ id: 1, n: 0 }) },
      { published: folder },
    );
    expect(summary).toMatchObject({ published: 1, replacedRows: 1 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a row that deletes its key is not published: the published row goes, and an older row does not bring it back', async () => {
  const changes = contractWith(
    `  - { name: n, path: n, type: int, required: true }
  - { name: op, path: op, type: string }
  - { name: text, path: text, type: string, required: true }
derive: [{ name: key, type: string, expression: "concat('k', lower(word))" }]
filter: n > 0`.replace('derive', '  - { name: word, path: word, type: string, required: true }\nderive'),
    `dedupe:
  { key: [key], scope: partition, order: [{ column: n, direction: desc }], deleteWhen: "op = 'd'" }`,
  );
  const folder = await mkdtemp(join(tmpdir(), 'sluice-deletes-'));
  const lines = (...rows: readonly object[]) => rows.map((row) => record({ text: 'x', ...row })).join('\n');
  const gone = (word: string, n: number, more: object = {}) => ({ word, n, op: 'd', text: null, ...more });
  try {
    const before = lines(
      ...['a', 'b', 'c', 'd'].map((word) => ({ word, n: 5 })),
      { word: 'e', n: 5, ...later },
      gone('old', 9),
    );
    const first = await transform(changes, { 'test/a.json': before }, { keep: folder });
    expect(first.summary).toMatchObject({ published: 5, deletes: 1, replacedRows: 0, deletedRows: 0 });
    expect(first.tombstones).toMatchObject([{ key: 'kold', n: 9, _object: 'test/a.json', day: '06' }]);
    const after = lines(
      gone('a', 9),
      // It loses to the published row.
      gone('b', 4),
      // The newest of a batch decides.
      gone('c', 9),
      { word: 'C', n: 10 },
      gone('d', 7),
      gone('d', 8),
      { word: 'd', n: 6 },
      // Of another partition.
      gone('e', 9),
      // A late row of a deleted key, and a newer one.
      { word: 'old', n: 8 },
      // Neither a key nor an order: quarantined, like a delete that cannot be read.
      { word: null, n: 9, op: 'd' },
      gone('f', 9, { n: 'x' }),
      // A filter is for rows that are published.
      gone('g', -1),
    );
    const { summary, rows, replaced, tombstones } = await transform(
      changes,
      { 'test/b.json': after },
      { published: folder },
    );
    expect(rows.map((r) => `${r.key} ${r.n}`)).toEqual(['kc 10']);
    expect(replaced.map(({ key }) => key)).toEqual(['ka', 'kc', 'kd']);
    expect(tombstones.map((t) => `${t.key} ${t.n}`)).toEqual(['ka 9', 'kd 8', 'ke 9', 'kg -1']);
    expect(summary).toMatchObject({
      rowsRead: 12,
      published: 1,
      deletes: 4,
      duplicates: 5,
      quarantined: 2,
      replacedRows: 1,
      deletedRows: 2,
    });
    const newer = await transform(
      changes,
      { 'test/c.json': lines({ word: 'old', n: 10 }) },
      { published: folder },
    );
    expect(newer.summary).toMatchObject({ published: 1, replacedRows: 0, deletedRows: 0 });
    // The tombstones of a file that the batch replaces do not count.
    const again = await transform(
      changes,
      { 'test/a.json': lines({ word: 'old', n: 1 }) },
      { published: folder, replaces: [{ object: 'test/a.json', version: 'v1' }] },
    );
    expect(again.summary).toMatchObject({ published: 1, replacedRows: 0, duplicates: 0 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the engine tells where the keys of a batch are, unless it needs rows with other keys', async () => {
  const keysOf = async (dedupe: string, ...rows: readonly string[]) => {
    let told: unknown;
    const keyed = contractWith(
      `  - { name: word, path: word, type: string, required: true }
  - { name: born, path: born, type: date, required: true }
  - { name: n, path: n, type: bigint }`,
      dedupe,
    );
    await transform(keyed, linesOf(...rows), {
      published,
      isLive: () => false,
      asked: (keys) => {
        told = keys;
      },
    });
    return told;
  };
  const of = (id: number, word: string) => record({ id, word, born: '2025-01-01', n: 1 });
  const key = 'dedupe: { key: [id, word, born], scope: partition }';
  expect(await keysOf(key, of(9, 'ü'), of(10, 'z'), of(-3, 'a'), 'no JSON')).toEqual([
    { column: 'id', least: '-3', greatest: '10' },
    { column: 'word', least: 'a', greatest: 'ü' },
  ]);
  expect(await keysOf(key, 'no JSON')).toEqual([]);
  expect(await keysOf('load: { replace: partition, by: id }', of(1, 'a'))).toEqual([]);
});
