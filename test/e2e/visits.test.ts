/** A dataset in an Iceberg table, on both engines: after each commit, other engines read what the ledger counts. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';

import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import * as z from 'zod';
import { createPointers } from '../../src/lib/aws/pointer.ts';
import { placeOf } from '../../src/lib/aws/store.ts';
import { tableOf } from '../../src/lib/contract/contract.ts';
import { contractOf } from '../../src/lib/flow/batch/deps.ts';
import { replay } from '../../src/lib/flow/operate/again.ts';
import { reconcile } from '../../src/lib/flow/repair/reconcile.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { compactNow } from '../support/compactNow.ts';
import { untilSettled } from '../support/faults.ts';
import { startReaders } from '../support/judges.ts';
import { athena, drop, put, sluice, stage, testOnHive } from '../support/stage.ts';
import { WatchedStates } from '../support/watchedStates.ts';

const dataset = 'visits';
const deps = depsOf(stage);
const force = (engine: 'auto' | 'glue') => stage.ledger.chooseEngine(dataset, engine);
afterAll(() => force('auto'));

const visit = (id: number, more: object = {}) =>
  JSON.stringify({
    id,
    time: '2025-11-01T10:00:00Z',
    page: `/${id}`,
    seconds: id,
    revenue: '1.10',
    tags: ['a'],
    ...more,
  });
const linesOf = (...visits: readonly string[]) => visits.join('\n');

const answer = z.object({ pyiceberg: z.unknown(), duckdb: z.unknown() });

/** The answers of pyiceberg and DuckDB's extension, which must agree. */
async function readBack(): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-visits-'));
  try {
    const pointer = await createPointers(stage.config.database, stage.glue, stage.glueOnce).read(dataset);
    const bucket = stage.config.processedBucket;
    for (const { key } of await deps.store.list(bucket, `${dataset}/`)) {
      const path = join(folder, bucket, key);
      await mkdir(dirname(path), { recursive: true });
      await deps.store.download({ bucket, key }, path);
    }
    expect(placeOf(pointer?.file ?? '').bucket).toBe(bucket);
    const sql = `SELECT id, page, seconds, revenue::VARCHAR, tags, _object, day FROM t ORDER BY id`;
    const readers = await startReaders(folder);
    try {
      const { answers } = await readers.ask(pointer?.file ?? '', [{ kind: 'read', sql }]);
      const { pyiceberg, duckdb } = answer.parse(answers[0]);
      expect(duckdb).toEqual(pyiceberg);
      return pyiceberg;
    } finally {
      readers.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('files, a correction, a replay and a batch on Spark are commits that pyiceberg and DuckDB read', async () => {
  const first = await drop(dataset, {
    'visits/a.json': linesOf(visit(1), visit(2, { tags: [] })),
    'visits/b.json': linesOf(visit(3, { time: '2025-11-02T10:00:00Z' }), visit(7), 'no visit'),
  });
  expect(first.map((f) => f.record.state)).toEqual(['published', 'published']);
  const row = (id: number, object: string, more: { day?: string; page?: string; tags?: string[] } = {}) => [
    id,
    more.page ?? `/${id}`,
    id,
    '1.10',
    more.tags ?? ['a'],
    `visits/${object}.json`,
    more.day ?? '01',
  ];
  expect(await readBack()).toEqual([
    row(1, 'a'),
    row(2, 'a', { tags: [] }),
    row(3, 'b', { day: '02' }),
    row(7, 'b'),
  ]);

  const version = await put('visits/a.json', linesOf(visit(1, { page: '/new' }), visit(4)));
  await untilSettled(dataset, ['visits/a.json'], [version]);
  // One batch with both files, so that an object has rows of both.
  await replay(deps, dataset, { prefix: 'visits/' });
  await untilSettled(
    dataset,
    ['visits/a.json', 'visits/b.json'],
    [version, String(first[1]?.record.version)],
  );
  const corrected = [row(1, 'a', { page: '/new' }), row(3, 'b', { day: '02' }), row(4, 'a'), row(7, 'b')];
  expect(await readBack()).toEqual(corrected);

  await force('glue');
  const [onSpark] = await drop(dataset, {
    'visits/c.json': linesOf(
      visit(1, { page: '/late' }),
      visit(5),
      visit(6, { time: '2025-11-03T10:00:00Z' }),
    ),
    // It wins over a published row: of a tie, the first object stays.
    'visits/0.json': linesOf(visit(7, { page: '/first' })),
  });
  expect(onSpark?.record).toMatchObject({
    state: 'published',
    counts: { rowsRead: 3, published: 2, quarantined: 0, duplicates: 1 },
  });
  const all = [
    ...corrected.slice(0, 3),
    row(5, 'c'),
    row(6, 'c', { day: '03' }),
    row(7, '0', { page: '/first' }),
  ];
  expect(await readBack()).toEqual(all);

  // Spark corrects rows that the embedded engine wrote: the object keeps the row of the other file, and a row that had lost comes back.
  const again = await put(
    'visits/a.json',
    linesOf(visit(4, { page: '/moved', time: '2025-11-02T10:00:00Z' })),
  );
  await untilSettled(dataset, ['visits/a.json'], [again]);
  expect(await readBack()).toEqual([
    row(1, 'c', { page: '/late' }),
    row(3, 'b', { day: '02' }),
    row(4, 'a', { page: '/moved', day: '02' }),
    ...all.slice(-3),
  ]);
  // Nothing was copied: rows are where they were staged, in the folders of their attempts.
  const objects = await deps.store.list(stage.config.processedBucket, `${dataset}/`);
  const data = objects.flatMap(({ key }) => (key.endsWith('.parquet') ? [key] : []));
  expect(
    data.filter(
      (key) => !/^visits\/[0-9a-f]{20}-f\d+-[^/]+\/data_source=web\/year=2025\/month=11\/day=/.test(key),
    ),
  ).toEqual([]);
  expect(await reconcile(deps, dataset)).toMatchObject({
    missing: [],
    unknown: 0,
    removed: 0,
    partitions: 3,
  });
}, 600_000);

test('a state is pinned, read, compared and gone back to as a person does it', async () => {
  await force('auto');
  const on = ['--dataset', dataset];
  const listed = await sluice('snapshots', ...on, '--json');
  expect(listed).toMatchObject({ code: 0, err: '' });
  const found = JSON.parse(listed.out) as { id: string; standing: string; attempt: { batch: string } }[];
  const last = found.at(-1);
  expect(last).toMatchObject({ standing: 'current', dataset, tags: [] });
  expect((await sluice('tag', ...on, 'model')).out).toContain(`model: the snapshot ${last?.id} of `);
  expect((await sluice('snapshots', ...on, '--last', '1')).out).toMatch(
    new RegExp(`${last?.id} .*${last?.attempt.batch.slice(0, 8)}.* current +model\n$`),
  );

  const ids = async (...asOf: string[]) => {
    const { code, out, err } = await sluice(
      'query',
      ...asOf,
      '--json',
      `SELECT id FROM ${dataset} ORDER BY id`,
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return (JSON.parse(out) as { id: string }[]).map(({ id }) => id);
  };
  const before = await ids();
  expect(before).toEqual(['1', '3', '4', '5', '6', '7']);
  const corrected = await drop(dataset, { 'visits/0.json': linesOf(visit(8)) });
  await drop(dataset, { 'visits/d.json': linesOf(visit(9, { time: '2025-11-04T10:00:00Z' })) });
  // The row of another file that had lost to the corrected one is back.
  expect(await ids()).toEqual(['1', '3', '4', '5', '6', '7', '8', '9']);
  expect(await ids('--as-of', 'model')).toEqual(before);
  expect(await ids('--as-of', last?.id ?? '')).toEqual(before);

  const compared = await sluice(
    'diff',
    ...on,
    '--json',
    'model',
    corrected[0]?.record.batch?.slice(0, 8) ?? '',
  );
  expect(compared).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(compared.out)).toMatchObject({
    added: 1,
    removed: 1,
    changed: 0,
    keys: [
      { change: 'removed', key: { id: '7' } },
      { change: 'added', key: { id: '8' } },
    ],
  });

  const back = await sluice('rollback', ...on, '--reason', 'a test', '--to', 'model');
  expect(back).toMatchObject({ code: 0, err: '' });
  expect(back.out).toMatch(/2 files in the queue, to be rejected: .*\n1 earlier version processed again/);
  const gone = await waitFor(
    () => ids(),
    (now) => now.join() === before.join(),
    120_000,
  );
  expect(gone).toEqual(before);
  expect((await untilSettled(dataset, ['visits/d.json'])).map(({ state }) => state)).toEqual(['rejected']);
  expect((await sluice('diff', ...on, 'model', '2100-01-01')).out).toMatch(/ {4}0 +0 +0\n$/);
  expect((await sluice('tag', ...on, '--delete', 'model')).out).toBe('model: the tag is deleted\n');
}, 300_000);

testOnHive('a Hive table says that it keeps no earlier state', async () => {
  const hive = contractOf(deps, 'social_media');
  const table = tableOf(hive);
  for (const command of [
    ['snapshots', '--dataset', hive.dataset],
    ['query', '--as-of', '2025-01-01', `SELECT 1 FROM ${table}`],
  ])
    expect(await sluice(...command)).toMatchObject({
      code: 1,
      err: expect.stringContaining('keeps no snapshots'),
    });
});

test('maintenance compacts and expires, and everybody finds the same rows before and after, and corrections too', async () => {
  await force('auto');
  const at = { time: '2025-11-05T10:00:00Z' };
  const byAthena = () => athena(`SELECT id, page, seconds, day FROM ${dataset} ORDER BY id`);
  // Invariant 12: beside the batches, a correction and the compaction, a reader finds committed states only.
  const watched = new WatchedStates('0 0');
  const count = `SELECT count(*) AS n, coalesce(sum(seconds), 0) AS total FROM ${dataset} WHERE day = '05'`;
  const look = async () => {
    const [found] = await athena(count);
    return `${found?.n} ${found?.total}`;
  };
  const [rows, answer] = await watched.during({ look }, async () => {
    const write = async (id: number, seconds: number) => {
      const key = `visits/m${id}.json`;
      await untilSettled(dataset, [key], [await put(key, visit(id, { ...at, seconds }))]);
    };
    await watched.commit('1 21', () => write(21, 21));
    await watched.commit('2 42', () => write(20, 21));
    await watched.commit('2 41', () => write(20, 20));
    const unchanged = [await readBack(), await byAthena()];
    const before = (await deps.formats.iceberg.inspect({ name: dataset, location: '' })).find(
      ({ values }) => values.at(-1) === '05',
    );
    expect(before).toMatchObject({ objects: 2, rows: 2 });
    await watched.commit('2 41', async () => {
      const done = await compactNow(dataset);
      expect(done).toMatchObject({ table: dataset, left: 0 });
      expect(done?.compacted).toBeGreaterThanOrEqual(2);
    });
    return unchanged;
  });
  expect(watched.reads).toBeGreaterThan(3);
  const inDay = (await deps.formats.iceberg.inspect({ name: dataset, location: '' })).find(
    ({ values }) => values.at(-1) === '05',
  );
  expect(inDay).toMatchObject({ objects: 1, rows: 2 });
  expect([await readBack(), await byAthena()]).toEqual([rows, answer]);

  const expired = await deps.formats.iceberg.expire(dataset, { olderThan: Date.now(), keepLast: 1 });
  expect(expired?.snapshots).toBeGreaterThan(3);
  const orphans = await deps.formats.iceberg.orphans(dataset, (...of) => deps.store.list(...of), Infinity);
  await deps.store.delete(stage.config.processedBucket, [...(orphans ?? [])]);
  expect([await readBack(), await byAthena()]).toEqual([rows, answer]);

  const version = await put('visits/m20.json', visit(20, { ...at, page: '/moved' }));
  await untilSettled(dataset, ['visits/m20.json'], [version]);
  expect((await byAthena()).slice(-2)).toMatchObject([
    { id: '20', page: '/moved', day: '05' },
    { id: '21', page: '/21', day: '05' },
  ]);
  expect(await reconcile(deps, dataset)).toMatchObject({ missing: [], unknown: 0 });

  // The person of a row is erased: from an object that a compaction has made, and from the raw file.
  const others = (await readBack()) as readonly (readonly unknown[])[];
  const where = ['--where', 'id = 21', '--reason', 'request 118'];
  const erased = await sluice('erase', '--dataset', dataset, ...where, '--yes', '--json');
  expect({ code: erased.code, err: erased.err.match(/^sluice:.*/gm) }).toEqual({ code: 0, err: null });
  expect(JSON.parse(erased.out)).toMatchObject({
    outcome: 'complete',
    changed: { tableRows: 1, rawVersionsRewritten: 1, rawRecords: 1 },
    left: { tableRows: 0, rawRecords: 0 },
  });
  expect(await readBack()).toEqual(others.filter(([id]) => Number(id) !== 21));
  expect(await deps.store.readText({ bucket: stage.config.rawBucket, key: 'visits/m21.json' })).toBe('');
  await replay(deps, dataset, { prefix: 'visits/m2' });
  await untilSettled(dataset, ['visits/m20.json', 'visits/m21.json']);
  expect((await byAthena()).filter(({ id }) => id === '20' || id === '21')).toMatchObject([{ id: '20' }]);
  expect(await reconcile(deps, dataset)).toMatchObject({ missing: [], unknown: 0 });
}, 300_000);
