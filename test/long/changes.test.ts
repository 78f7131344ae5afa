/**
 * `npm run test:changes -- --changes N --seed N`: a long feed of each kind, on both formats, with corrections, replays and faults, through the flow in
 * memory and DuckDB. Each table must end as the source.
 */
import { afterEach, expect, jest, test } from '@jest/globals';
import { tableFormats } from '../../src/lib/model/plan.ts';
import { Dice } from '../oracle/dice.ts';
import { feeds, tellChanges } from '../support/changes.ts';
import { historyOf, runChanges, tableOf } from '../support/changesWorld.ts';
import { expectCounted } from '../support/flowWorld.ts';

const changes = Number(process.env.SLUICE_CHANGES ?? 100_000);
const seed = Number(process.env.SLUICE_SOAK_SEED ?? 1);

afterEach(() => {
  jest.restoreAllMocks();
});

const sizes = {
  changes,
  keys: Math.ceil(changes / 20),
  fileLines: Math.ceil(changes / 50),
  window: Math.ceil(changes / 10),
};
const all = feeds.flatMap((feed) => tableFormats.map((format) => [feed, format] as const));

test.each(all)(
  '%s on %s ends in the state of the source',
  async (feed, format) => {
    const dice = new Dice(seed);
    const told = tellChanges(feed, dice, sizes);
    const world = await runChanges(feed, told, dice, { format, filesAtOnce: 10 });
    expect({ seed, table: await tableOf(world) }).toEqual({ seed, table: told.state });
    await expectCounted(world);
  },
  3_600_000,
);

test.each(all)(
  '%s on %s with a history has each version with its validity',
  async (feed, format) => {
    const dice = new Dice(seed);
    const told = tellChanges(feed, dice, { ...sizes, truncates: false });
    const world = await runChanges(feed, told, dice, { format, hasHistory: true, filesAtOnce: 10 });
    expect({ seed, table: await historyOf(world) }).toEqual({ seed, table: told.versions });
    await expectCounted(world);
  },
  3_600_000,
);
