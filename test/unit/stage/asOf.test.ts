/** A query as of an earlier state reads this state, or says why it cannot: never another state unnoticed. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { snapshots, tag } from '../../../src/lib/flow/operate/history.ts';
import { statementAsOf } from '../../../src/stage/asOf.ts';
import { dataset, World } from '../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('each table of a dataset becomes a subquery that reads its snapshot', async () => {
  const world = new World({ format: 'iceberg' });
  world.put('feed/a', ['a1@06']);
  await world.settle();
  world.put('feed/b', ['b1@06']);
  await world.settle();
  const deps = world.deps('person');
  const [first, second] = await snapshots(deps, dataset);
  await tag(deps, dataset, 'model', first?.id);
  const as = (sql: string, which = 'model') => statementAsOf(deps, sql, which);
  const reads = (id = first?.id) => `"feed" AS (SELECT * FROM "feed" FOR VERSION AS OF ${id})`;

  expect(await as('SELECT 1 FROM feed')).toBe(`WITH ${reads()} SELECT 1 FROM feed`);
  expect(await as('SELECT 1 FROM "feed" f', second?.id)).toBe(
    `WITH ${reads(second?.id)} SELECT 1 FROM "feed" f`,
  );
  expect(await as('TABLE FEED', second?.at)).toBe(`WITH ${reads(second?.id)} TABLE FEED`);
  expect(await as('TABLE feed', String(second?.at).replace('Z', '+00:00'))).toContain(reads(second?.id));
  expect(await as('TABLE feed', '2100-01-01')).toContain(reads(second?.id));
  expect(await as('(SELECT 1 FROM feed) UNION (SELECT 2)')).toBe(
    `WITH ${reads()} (SELECT 1 FROM feed) UNION (SELECT 2)`,
  );
  expect(await as("-- 'of'\nwith a AS (SELECT feed.id FROM feed) SELECT 'feed' FROM a")).toBe(
    `WITH ${reads()},  a AS (SELECT feed.id FROM feed) SELECT 'feed' FROM a`,
  );

  await expect(as('SELECT 1 FROM feed', 'nothing')).rejects.toThrow('no snapshot or tag nothing');
  await expect(as('SELECT 1 FROM feed', '2000-01-01')).rejects.toThrow(
    `its oldest snapshot is of ${first?.at}`,
  );
  await expect(as('SELECT 1 FROM feed', '2000-13-01')).rejects.toThrow('no snapshot or tag');
  await expect(as('SELECT 1 FROM db.feed')).rejects.toThrow('without its database');
  await expect(as('SELECT 1 FROM feed JOIN "db" . "FEED" f ON true')).rejects.toThrow('without its database');
  await expect(as("SELECT 'feed' -- feed\n/* feed */")).rejects.toThrow('names no table of a dataset');
  await expect(as('SELECT 1 FROM feed, quarantine')).rejects.toThrow('quarantine is a Hive table');
  await expect(as('WITH RECURSIVE a(n) AS (SELECT 1) SELECT 1 FROM feed')).rejects.toThrow('RECURSIVE');
  for (const sql of ['DELETE FROM feed', 'EXPLAIN SELECT 1 FROM feed', '', '"select" 1 FROM feed'])
    await expect(as(sql)).rejects.toThrow('only a SELECT');
});

test('a Hive table is named as one that keeps no earlier state', async () => {
  await expect(
    statementAsOf(new World({ format: 'hive' }).deps('person'), 'SELECT 1 FROM feed', '2025-01-01'),
  ).rejects.toThrow('is a Hive table, which keeps no snapshots');
});
