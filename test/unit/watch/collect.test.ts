/** The watch page's view of a table that the flow has published. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { checkQuery } from '../../../offline/athena/guard.ts';
import { goldenTable } from '../../../src/lib/flow/batch/tables.ts';
import { maintain } from '../../../src/lib/flow/maintain/maintain.ts';
import { tableDetail } from '../../../src/watch/collect.ts';
import { dataset, mergeRows, plan, World } from '../../support/flowWorld.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Athena's answer to the query for the last partitions of a table. */
function lastOf(sql: string): string[][] {
  const [, limit] = /ORDER BY "source" DESC, "day" DESC LIMIT (\d+)$/.exec(sql) ?? [];
  const all = world.aws.glue
    .partitions('db', dataset)
    .map(({ values }) => values)
    .sort()
    .reverse();
  return all.slice(0, Number(limit)).map((values) => [...values, String(all.length)]);
}

/** The page's view of the table, and the queries that count its rows. */
async function shown(limit?: number) {
  const { actor, contracts, config, ledger } = world.deps('watch');
  const counted: string[] = [];
  world.aws.athena.answerOf = (sql) => {
    // The local Athena answers it.
    checkQuery(sql);
    if (sql.includes('$partitions')) return { columns: ['source', 'day', 'n'], rows: lastOf(sql) };
    counted.push(sql);
    const rows = world.rows().reduce((days, { day }) => days.set(day, (days.get(day) ?? 0) + 1), new Map());
    return {
      columns: ['source', 'day', 'n'],
      rows: [...rows].map(([day, n]) => ['feed', day, String(n)]),
    };
  };
  const stage = {
    contracts,
    ledger,
    s3: actor.s3,
    glue: actor.glue,
    athena: actor.athena,
    config: { ...config, crawler: '', job: '', queueUrl: '', deadLettersUrl: '' },
  };
  const detail = await tableDetail(stage, dataset, limit);
  return { detail, counted };
}

const days = ['01', '02', '03', '04', '05'];

test('a table shows its partitions in the order of their names, with rows, bytes and objects', async () => {
  world.put('feed/a', [...days.map((day) => `1@${day}`), '2@03']);
  await world.settle();
  const { detail, counted } = await shown();
  expect(detail).toMatchObject({ dataset, registered: 5 });
  expect(detail.partitions.map((p) => [p.name, p.rows, p.files])).toEqual(
    days.map((day) => [`source=feed/day=${day}`, day === '03' ? 2 : 1, 1]),
  );
  for (const { bytes } of detail.partitions) expect(bytes).toBeGreaterThan(0);
  expect(counted).toEqual([expect.not.stringContaining('WHERE')]);
});

test('of many partitions the last are shown, and folders and rows of these alone are read', async () => {
  world.put('feed/a', [...days.map((day) => `1@${day}`), "1@9'"]);
  await world.settle();
  const all = (await shown()).detail;
  const { detail, counted } = await shown(3);
  expect(detail).toEqual({ ...all, partitions: all.partitions.slice(-3) });
  expect(counted).toEqual([
    expect.stringContaining(
      `WHERE ("source", "day") IN (('feed', '04'), ('feed', '05'), ('feed', '9''')) GROUP BY`,
    ),
  ]);
});

test('of any number of partitions, the page makes the same calls, and knows how many there are', async () => {
  world.put('feed/a', [...days.map((day) => `1@${day}`), '1@y']);
  await world.settle();
  const { catalog, config } = world.deps('person');
  const table = goldenTable(plan, config);
  const calls = async () => {
    const before = world.aws.calls();
    const { detail } = await shown(3);
    return { calls: world.aws.calls() - before, detail };
  };
  const few = await calls();
  const others = Array.from({ length: 4000 }, (_, i) => ({
    values: ['feed', `x${i}`],
    location: `${table.location}source=feed/day=x${i}/`,
  }));
  await catalog.addPartitions(table, others);
  const many = await calls();
  expect(many.calls).toBe(few.calls);
  expect(many.detail.registered).toBe(4006);
  expect(many.detail.partitions.map((p) => [p.name, p.rows, p.files])).toEqual([
    ['source=feed/day=x998', 0, 0],
    ['source=feed/day=x999', 0, 0],
    ['source=feed/day=y', 1, 1],
  ]);
});

test('a table without partitions is empty, and Athena is not asked', async () => {
  const { detail, counted } = await shown();
  expect(detail).toMatchObject({ registered: 0, partitions: [] });
  expect(counted).toEqual([]);
});

test('a table says what the Data Catalog lacked of it', async () => {
  world.put('feed/a', ['1@01']);
  await world.settle();
  expect((await shown()).detail.drift).toBeNull();
  await world
    .deps('sweep')
    .ledger.noteDrift(dataset, { table: dataset, isTableMissing: false, partitions: 2, rows: 7 });
  expect((await shown()).detail.drift).toMatch(
    /^at 20\S+ the Data Catalog lacked 2 partitions of feed with 7 rows$/,
  );
});

test('an Iceberg table tells of its partitions itself', async () => {
  world = new World({ format: 'iceberg' });
  world.put('feed/a', ['1@01', '1@02']);
  await world.settle();
  world.put('feed/a', ['1@02', '2@03']);
  await world.settle();
  const { detail, counted } = await shown(2);
  expect(detail).toMatchObject({ dataset, registered: 2 });
  expect(detail.partitions.map((p) => [p.name, p.files])).toEqual([
    ['source=feed/day=02', 1],
    ['source=feed/day=03', 1],
  ]);
  expect(counted).toEqual([]);
});

test('an Iceberg table shows its last snapshots and what maintenance did', async () => {
  world = new World({ format: 'iceberg' });
  world.put('feed/a', ['1@01']);
  await world.settle();
  world.put('feed/a', ['2@01', '3@01']);
  await world.settle();
  await world.call('maintain', (deps) => maintain(deps, mergeRows, dataset));
  const { detail } = await shown();
  expect(detail).toMatchObject({
    states: 2,
    snapshots: [
      { operation: 'overwrite', attempt: { batch: expect.any(String) }, tags: [] },
      { operation: 'append', tags: [] },
    ],
    maintained: { compacted: 0, snapshots: 0, orphans: 0, at: expect.any(String) },
  });
});
