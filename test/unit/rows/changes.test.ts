/** Change feeds by name: the rows in the changes, whatever stands around them. */
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import type { Contract } from '../../../src/lib/contract/schema.ts';
import { Dice } from '../../oracle/dice.ts';
import { transform } from '../../support/embedded.ts';
import { isThorough } from '../../support/thorough.ts';

const contractOf = (source: object, columns: readonly object[], more: object = {}): Contract =>
  parseContract(
    'changes.yml',
    JSON.stringify({
      dataset: 'changes',
      source: { prefix: 'x/', formats: ['ndjson'], ...source },
      columns,
      dedupe: { key: ['id'] },
      partitionBy: [{ name: 'source', constant: 'x' }],
      ...more,
    }),
  );
const id = { name: 'id', path: 'id', type: 'bigint', required: true };
const linesOf = (...records: readonly unknown[]) =>
  records.map((record) => JSON.stringify(record)).join('\n');

/** The state after some files, one batch each, and the counts of each batch. */
async function stateAfter(contract: Contract, ...batches: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-changes-'));
  try {
    const rows = new Map<unknown, { row: Record<string, unknown>; batch: number }>();
    const counts: Record<string, number | undefined>[] = [];
    let last: Awaited<ReturnType<typeof transform>> | undefined;
    for (const [i, text] of batches.entries()) {
      last = await transform(contract, { [`x/${i}`]: text }, { published: folder, keep: folder });
      // The next batch has objects of the same names.
      const kept = await readdir(folder, { recursive: true });
      for (const path of kept.filter((name) => name.endsWith('data_0.parquet')))
        await rename(join(folder, path), join(folder, path.replace('data_0', `batch-${i}`)));
      // Rows that were replaced before are still in the folder.
      for (const { id, _path: path } of last.replaced)
        if (String(path).endsWith(`batch-${rows.get(id)?.batch}.parquet`)) rows.delete(id);
      for (const row of last.rows) rows.set(row.id, { row, batch: i });
      const { published, deletes, duplicates, skipped, quarantined } = last.summary;
      counts.push({ published, deletes, duplicates, skipped, quarantined });
    }
    return { rows: [...rows.values()].map(({ row }) => row), counts, quarantine: last?.quarantine ?? [] };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('Debezium: the row after a change, the key of a deleted one, and messages without a row', async () => {
  const contract = contractOf(
    { change: 'debezium' },
    [
      id,
      { name: 'name', path: 'name', type: 'string', required: true },
      { name: 'price', path: 'price', type: 'json' },
      { name: 'changed', path: '_time', type: 'timestamp', formats: ['epoch_ms'] },
    ],
    { drift: 'rescue' },
  );
  const change = (op: string, lsn: number, before: object | null, after: object | null) => ({
    op,
    ts_ms: 1,
    source: { connector: 'postgresql', lsn, ts_ms: 1759729200000 },
    before,
    after,
  });
  const { rows, counts, quarantine } = await stateAfter(
    contract,
    linesOf(
      { schema: {}, payload: change('r', 9, null, { id: 1, name: 'a' }) },
      change('c', 10, null, { id: 2, name: 'b' }),
      change('d', 99, { id: 3, name: null }, null),
      null,
      { status: 'BEGIN', id: '1' },
      { source: {}, ddl: 'CREATE TABLE t' },
      change('m', 11, null, null),
    ),
    [
      // The numbers of a row stay as they are written.
      '{"op":"u","source":{"lsn":100},"before":{"id":1,"name":"a"},"after":{ "id":1,"name":"A","price":1.50e2,"x":1.10 }}',
      linesOf(
        change('d', 12, { id: 2 }, null),
        change('u', 50, null, { id: 3, name: 'late' }),
        change('u', 13, { id: 4 }, null),
        change('t', 14, null, null),
      ),
    ].join('\n'),
  );
  expect(rows).toMatchObject([
    {
      id: 1n,
      name: 'A',
      price: '1.50e2',
      changed: null,
      change_sequence: '00000000000000000100',
      _rescued: '{"x":1.10}',
    },
  ]);
  expect(counts).toEqual([
    { published: 2, deletes: 1, duplicates: 0, skipped: 4, quarantined: 0 },
    // The truncate is newer than one delete.
    { published: 1, deletes: 1, duplicates: 2, skipped: 0, quarantined: 1 },
  ]);
  expect(quarantine.map((q) => [q.reason, q.column_name])).toEqual([['missing_required', 'id']]);
});

test('a truncate deletes what is older, in the table and in late files', async () => {
  const contract = contractOf({ change: 'debezium' }, [id]);
  const row = (n: number, lsn: number, op = 'u') => ({
    op,
    source: { lsn },
    after: { id: n },
    before: { id: n },
  });
  const truncate = (lsn: number) => ({ op: 't', source: { lsn } });
  const { rows, counts } = await stateAfter(
    contract,
    linesOf(row(1, 10), row(2, 20), row(7, 12)),
    linesOf(truncate(15), truncate(14), row(3, 12), row(4, 16), row(7, 17), {
      op: 'x',
      source: { lsn: 1 },
      after: { id: 1 },
    }),
    linesOf(row(5, 14), row(6, 30), row(1, 15), row(2, 25, 'd')),
  );
  expect(rows.map((r) => r.id)).toEqual([4n, 7n, 1n, 6n]);
  expect(counts).toEqual([
    { published: 3, deletes: 0, duplicates: 0, skipped: 0, quarantined: 0 },
    { published: 2, deletes: 2, duplicates: 1, skipped: 0, quarantined: 1 },
    { published: 2, deletes: 1, duplicates: 1, skipped: 0, quarantined: 0 },
  ]);
});

test('Debezium: the order of changes, by the fields of each database', async () => {
  const orders = [
    [
      { file: 'mysql-bin.000009', pos: 4, row: 0 },
      { file: 'mysql-bin.000010', pos: 1, row: 0 },
    ],
    // Rows of one event of MySQL.
    [
      { file: 'b.1', pos: 4, row: 9 },
      { file: 'b.1', pos: 4, row: 10 },
    ],
    // Oracle.
    [{ scn: '99' }, { scn: '100' }],
    // SQL Server.
    [
      { commit_lsn: '0027:01', change_lsn: '0027:02' },
      { commit_lsn: '0027:03', change_lsn: '0027:02' },
    ],
    // MongoDB.
    [
      { ts_ms: 1000, ord: 9 },
      { ts_ms: 1000, ord: 10 },
    ],
    // Another database.
    [{ ts_ms: 999 }, { ts_ms: 1000 }],
  ] as const;
  const contract = contractOf({ change: 'debezium' }, [id]);
  const change = (of: number, source: object, op = 'u') => ({
    op,
    source,
    after: { id: of },
    before: { id: of },
  });
  const { rows, counts } = await stateAfter(
    contract,
    linesOf(
      ...orders.flatMap(([before, after], i) => [
        change(i, after),
        change(i, before, 'd'),
        change(i, {}, 'r'),
      ]),
    ),
  );
  expect(rows.map((row) => Number(row.id))).toEqual([...orders.keys()]);
  expect(counts[0]).toMatchObject({ published: 6, duplicates: 12 });
});

if (isThorough)
  test('changes in disorder end in the state of the source, however they are cut into batches', async () => {
    const seed = Number(process.env.SLUICE_SEED ?? 1);
    const dice = new Dice(seed);
    const contract = contractOf(
      { change: 'debezium' },
      [id, { name: 'n', path: 'n', type: 'int' }, { name: 'v', path: 'v', type: 'int' }],
      {
        partitionBy: [
          { name: 'source', constant: 'x' },
          { name: 'n', of: 'n' },
        ],
      },
    );
    const state = new Map<number, { id: number; n: number; v: number }>();
    const changes: { at: number; text: string }[] = [];
    const tell = (op: string, before: object | null, after: object | null) =>
      changes.push({
        at: changes.length,
        text: linesOf({ op, source: { lsn: 100 + changes.length }, before, after }),
      });
    while (changes.length < 2000) {
      const key = dice.from(1, 150);
      const there = state.get(key);
      const row = { id: key, n: dice.from(1, 3), v: changes.length };
      if (dice.isOne(400)) {
        state.clear();
        tell('t', null, null);
      } else if (there === undefined) {
        state.set(key, row);
        tell(dice.isOne(5) ? 'r' : 'c', null, row);
      } else if (dice.isOne(4)) {
        state.delete(key);
        tell('d', { id: key }, null);
      } else if (dice.isOne(6)) {
        // The key of the row changes.
        const other = { ...row, id: key + 1000 };
        state.delete(key);
        state.set(other.id, other);
        tell('d', { id: key }, null);
        tell('c', null, other);
      } else {
        state.set(key, row);
        tell('u', there, row);
      }
    }
    const repeated = [...changes, ...dice.some(changes, 0.1)];
    const disordered = repeated
      .map(({ at, text }) => ({ at: at + dice.from(0, 600), text }))
      .sort((a, b) => a.at - b.at);
    const batches: string[] = [];
    for (let from = 0; from < disordered.length; ) {
      const size = dice.from(1, 250);
      batches.push(
        disordered
          .slice(from, from + size)
          .map(({ text }) => text)
          .join('\n'),
      );
      from += size;
    }
    const { rows, counts } = await stateAfter(contract, ...batches);
    const told = rows.map((row) => `${row.id} ${row.v}`).sort();
    expect({ seed, told }).toEqual({
      seed,
      told: [...state.values()].map((row) => `${row.id} ${row.v}`).sort(),
    });
    expect(counts.reduce((sum, c) => sum + (c.quarantined ?? 0), 0)).toBe(0);
  });

test('DMS: a full load without operations, then changes in the order of the source, in CSV', async () => {
  const contract = contractOf(
    {
      change: 'dms',
      formats: ['csv'],
      csv: { header: ['Op', 'AR_H_CHANGE_SEQ', 'id', 'name'] },
    },
    [id, { name: 'name', path: 'name', type: 'string' }],
  );
  const { rows, counts } = await stateAfter(
    contract,
    'U,20,1,new\nD,30,2,b\nI,40,3,c',
    ',,1,a\n,,2,b\n,,4,d\nX,1,5,e',
  );
  expect(rows.map((r) => [r.id, r.name])).toEqual([
    [1n, 'new'],
    [3n, 'c'],
    [4n, 'd'],
  ]);
  expect(counts[1]).toEqual({ published: 1, deletes: 0, duplicates: 2, skipped: 0, quarantined: 1 });
});

test('DynamoDB: streams and exports', async () => {
  const contract = contractOf({ change: 'dynamodb' }, [
    { ...id, path: 'id.N' },
    { name: 'name', path: 'name.S', type: 'string' },
  ]);
  const item = (n: number, name: string) => ({ id: { N: String(n) }, name: { S: name } });
  const change = (eventName: string, sequence: string, n: number, name?: string) => ({
    eventName,
    dynamodb: {
      Keys: { id: { N: String(n) } },
      SequenceNumber: sequence,
      ...(name === undefined ? {} : { NewImage: item(n, name) }),
    },
  });
  const { rows, counts } = await stateAfter(
    contract,
    linesOf(change('REMOVE', '100', 2), change('MODIFY', '1000', 1, 'z'), change('INSERT', '99', 3, 'c'), {
      Item: item(4, 'd'),
    }),
    linesOf(
      change('INSERT', '90', 1, 'a'),
      change('INSERT', '95', 2, 'b'),
      { Item: item(3, 'old') },
      { x: 1 },
    ),
  );
  expect(rows.map((r) => [r.id, r.name])).toEqual([
    [1n, 'z'],
    [3n, 'c'],
    [4n, 'd'],
  ]);
  expect(counts[1]).toEqual({ published: 0, deletes: 0, duplicates: 3, skipped: 1, quarantined: 0 });
});

test('MongoDB: change events with the whole document', async () => {
  const contract = contractOf({ change: 'mongodb' }, [
    { name: 'id', path: '_id."$oid"', type: 'string', required: true },
    { name: 'name', path: 'name', type: 'string' },
  ]);
  const change = (operationType: string, token: string, oid: string, name?: string) => ({
    _id: { _data: token },
    operationType,
    documentKey: { _id: { $oid: oid } },
    ...(name === undefined ? {} : { fullDocument: { _id: { $oid: oid }, name } }),
  });
  const { rows, counts, quarantine } = await stateAfter(
    contract,
    linesOf(
      change('insert', '8201', 'a', 'first'),
      change('update', '8205', 'a', 'second'),
      change('delete', '8206', 'b'),
      { _id: { _data: '8209' }, operationType: 'invalidate' },
    ),
    linesOf(
      change('replace', '8204', 'a', 'late'),
      change('insert', '8202', 'b', 'late'),
      change('update', '8207', 'a'),
      { _id: { _data: '8208' }, operationType: 'drop' },
    ),
  );
  expect(counts[1]).toEqual({ published: 0, deletes: 1, duplicates: 2, skipped: 0, quarantined: 1 });
  // An update without its document is no row, and the collection was dropped after all others.
  expect(quarantine.map((q) => q.reason)).toEqual(['missing_required']);
  expect(rows).toEqual([]);
});
