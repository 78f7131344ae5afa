/** Objects that the Glue job rewrites: the same rows as those of ReplaceRows, whatever happens on the way. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { Dice } from '../../oracle/dice.ts';
import { tellChanges } from '../../support/changes.ts';
import { historyOf, runChanges, tableOf } from '../../support/changesWorld.ts';
import {
  after,
  correction,
  expectRecovered,
  newerRows,
  published,
  runWithFault,
} from '../../support/everyCall.ts';
import { expectCounted } from '../../support/flowWorld.ts';
import type { Fault } from '../../support/memory/index.ts';
import { formatUnderTest, isThorough, thoroughTest } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const scenarios = { 'a correction': correction, 'newer rows': newerRows };
const faults: Record<string, Fault> = {
  'fails for good': { mode: 'fail', error: 'AccessDenied' },
  'fails for a moment': { mode: 'fail' },
  'loses its answer': { mode: 'lost' },
  'happens twice': { mode: 'twice' },
  'kills its function before': { mode: 'hang' },
  'kills its function after': { mode: 'hang', effect: true },
  'comes late': { mode: 'stall' },
};
/** The functions of the route, and the job itself. */
const isOfRoute = ({ actor }: { actor: string }) => /^(startRewriting|checkGlueJob|glueJob)~/.test(actor);

test.each(Object.entries(scenarios))(
  'invariants 1 and 2: whatever call fails while the Glue job rewrites, %s is published once',
  async (_, scenario) => {
    const ways = Object.entries(faults);
    const stride = isThorough ? ways.length : 9 * ways.length;
    for (const [i, [how, fault]] of ways.entries())
      for (let n = 1 + (((isThorough ? 1 : 9) * i) % stride); ; n += stride) {
        const world = await published({ isRewrittenByGlue: true, isDeduped: scenario === newerRows });
        await scenario(world);
        const hit = await runWithFault(world, n, fault, isOfRoute);
        if (!hit) break;
        await after(`call ${n}, ${hit.actor} ${hit.service}.${hit.operation} ${how}`, () =>
          expectRecovered(world, fault),
        );
      }
  },
  300_000,
);

const size = { changes: 100, keys: 24, fileLines: 25, window: 50 };

thoroughTest.each(['partition', 'table'])(
  'invariant 10: changes whose objects the Glue job rewrites end in the state of the source, with scope %s',
  async (scope) => {
    const dice = new Dice(7);
    const told = tellChanges('debezium', dice, size);
    const world = await runChanges('debezium', told, dice, {
      format: formatUnderTest,
      scope,
      filesAtOnce: 6,
      isRewrittenByGlue: true,
    });
    expect(await tableOf(world)).toEqual(told.state);
    await expectCounted(world);
    expect([...world.aws.glue.jobRuns.values()].some(({ state }) => state === 'SUCCEEDED')).toBe(true);
  },
);

thoroughTest('a history whose objects the Glue job rewrites has each version with its validity', async () => {
  const dice = new Dice(8);
  const told = tellChanges('debezium', dice, { ...size, truncates: false });
  const world = await runChanges('debezium', told, dice, {
    format: formatUnderTest,
    hasHistory: true,
    filesAtOnce: 6,
    isRewrittenByGlue: true,
  });
  expect(await historyOf(world)).toEqual(told.versions);
  await expectCounted(world);
});
