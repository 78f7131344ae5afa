/** StartValidation, called twice. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { startValidation } from '../../../../src/lib/flow/steps/startValidation.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('a repeated start is the same query, and one that Athena broke off is started anew', async () => {
  const world = new World();
  world.put('feed/a', ['1@06']);
  await world.until('startValidation');
  const deps = world.deps('startValidation');
  const [open] = await world.deps('test').ledger.openBatches(dataset);
  const of = { dataset, batch: open?.batch ?? '', fence: open?.fence ?? 0, run: 'r' };
  const tokens: string[] = [];
  const start = deps.athena.start;
  const athena = {
    ...deps.athena,
    start: (sql: string, token: string) => {
      tokens.push(token);
      return start(sql, token);
    },
  };
  for (const broken of [0, 0, 1, 2]) await startValidation({ ...deps, athena }, { ...of, broken });
  expect(tokens[1]).toBe(tokens[0]);
  expect(new Set(tokens).size).toBe(3);
  // The query is that of the staged rows of this run, which are a partition of their table.
  const name = `${of.batch}-r`;
  expect(world.aws.athena.queries[0]?.sql).toContain(`"run" = '${name}'`);
  const staged = world.aws.glue.partitions('db', 'staging_feed').map(({ values }) => values);
  expect(staged).toContainEqual([name]);
});
