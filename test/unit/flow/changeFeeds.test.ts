/** Change feeds in the flow, on DuckDB: whatever happens on the way, the table ends as the source. */
import { afterEach, expect, jest } from '@jest/globals';
import { Dice } from '../../oracle/dice.ts';
import { feeds, tellChanges } from '../../support/changes.ts';
import { historyOf, runChanges, tableOf } from '../../support/changesWorld.ts';
import { expectCounted } from '../../support/flowWorld.ts';
import { formatUnderTest, thoroughTest } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const seed = Number(process.env.SLUICE_SEED ?? 23);
const size = { changes: 160, keys: 24, fileLines: 25, window: 50 };

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
    // Objects that no row has left would test nothing.
    expect(world.stored().some((key) => key.endsWith('-deletes.parquet'))).toBe(world.format === 'iceberg');
  },
);

// One feed: the set part is the same for all, and `npm run test:changes` has each of them.
thoroughTest(
  'invariant 10: a history has each version of a row with its validity, whatever happens on the way',
  async () => {
    const dice = new Dice(seed);
    const told = tellChanges('debezium', dice, { ...size, changes: 120, truncates: false });
    const world = await runChanges('debezium', told, dice, {
      format: formatUnderTest,
      hasHistory: true,
      filesAtOnce: 6,
    });
    expect({ seed, table: await historyOf(world) }).toEqual({ seed, table: told.versions });
    await expectCounted(world);
  },
);
