/** Change feeds in the flow, on DuckDB: whatever happens on the way, the table ends as the source. */
import { afterEach, expect, jest } from '@jest/globals';
import { Dice } from '../../oracle/dice.ts';
import { feeds, tellChanges } from '../../support/changes.ts';
import { runChanges, tableOf } from '../../support/changesWorld.ts';
import { expectCounted } from '../../support/flowWorld.ts';
import { formatUnderTest, thoroughTest } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const seed = Number(process.env.SLUICE_SEED ?? 23);
const size = { changes: 200, keys: 24, fileLines: 25, window: 50 };

thoroughTest.each(feeds)(
  'invariant 10: %s: changes, corrections, replays and faults in any order end in the state of the source',
  async (feed) => {
    const dice = new Dice(seed);
    const told = tellChanges(feed, dice, size);
    const world = await runChanges(feed, told, dice, {
      format: formatUnderTest,
      filesAtOnce: 6,
    });
    expect({ seed, table: await tableOf(world) }).toEqual({ seed, table: told.state });
    await expectCounted(world);
  },
);
