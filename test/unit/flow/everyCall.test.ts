/**
 * The design's invariants under every fault at every call: the published rows are those of the files, once, whoever died
 * when.
 */
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  after,
  correction,
  expectWholeOnceThawed,
  newFile,
  published,
  runWithFault,
  type Scenario,
} from '../../support/everyCall.ts';
import { dataset, expectNoOrphans, expectWhole, type World } from '../../support/flowWorld.ts';
import type { Fault } from '../../support/memory/index.ts';
import { formats, isThorough } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** The effect of a run on the stage. */
const scenarios: Record<string, Scenario> = {
  'a new file': newFile,
  'a new file that a crawl has to look at first': async (world) => {
    await world.forget();
    await newFile(world);
  },
  'a correction': correction,
  'a correction beside a new file': (world) => {
    world.put('feed/a', ['a1@08', 'a3@06']);
    world.put('feed/c', ['c1@06']);
  },
};

/** At every moment a reader finds what was published before: of each file all old rows, or all new ones. */
function watchReaders(world: World): string[] {
  const missed: string[] = [];
  const goodOf = (lines: readonly string[]) => lines.filter((line) => line.includes('@'));
  const before = new Map(
    [...new Set(world.rows().map((row) => row.object))].map((object) => [
      object,
      world
        .rows()
        .filter((row) => row.object === object)
        .map((row) => `${row.id}@${row.day}`),
    ]),
  );
  const { wire } = world.aws;
  const tick = wire.onCall;
  let looked: string | undefined;
  wire.onCall = () => {
    tick();
    // On Iceberg, only the pointer changes what readers see.
    const pointer = world.aws.glue.tableInput('db', dataset)?.Parameters?.metadata_location;
    if (pointer !== undefined && pointer === looked) return;
    looked = pointer;
    const seen = new Set(world.rows().map((row) => `${row.object} ${row.id}@${row.day}`));
    const has = (object: string, lines: readonly string[]) =>
      lines.every((line) => seen.has(`${object} ${line}`));
    for (const [object, lines] of before)
      if (!has(object, lines) && !has(object, goodOf(world.wanted.get(object) ?? []))) missed.push(object);
  };
  return missed;
}

const faults: Record<string, Fault> = {
  'fails for good': { mode: 'fail', error: 'AccessDenied' },
  'fails for a moment': { mode: 'fail' },
  'loses its answer': { mode: 'lost' },
  'happens twice': { mode: 'twice' },
  'answers for a part': { mode: 'partial', mask: 1 },
  'kills its function before': { mode: 'hang' },
  'kills its function after': { mode: 'hang', effect: true },
  'comes late': { mode: 'stall' },
};

/** `npm test` runs all of it, `npm run check` a part. */
const turn = Number(process.env.SLUICE_SEED ?? 0);

test.each(Object.keys(scenarios).flatMap((name) => formats.map((format) => [name, format] as const)))(
  'invariants 1, 4 and 12: whatever call fails in whatever way, %s is published once, and no reader misses what was there, on %s',
  async (name, format) => {
    const scenario = scenarios[name];
    const ways = Object.entries(faults);
    // In the short run, and on the slower format, some calls fail, each in one way; SLUICE_SEED selects them.
    const stride = isThorough && format === 'hive' ? 1 : 4 * ways.length;
    for (const [i, [how, fault]] of ways.entries())
      for (let n = 1 + ((4 * i + turn) % stride); ; n += stride) {
        const world = await published({ format });
        const missed = watchReaders(world);
        await scenario?.(world);
        const hit = await runWithFault(world, n, fault, (call) => !call.actor.startsWith('test'));
        if (!hit) break;
        await after(`call ${n}, ${hit.actor} ${hit.service}.${hit.operation} ${how}`, async () => {
          await world.settle();
          // Unneeded objects are removed at once; only late calls leave some for the sweep.
          if (fault.mode !== 'stall') await expectWhole(world);
          world.aws.runStalled();
          await world.settle();
          await world.cleanUp();
          await expectWhole(world);
          await expectNoOrphans(world);
          expect(missed).toEqual([]);
        });
      }
  },
  300_000,
);

test.each(
  Object.keys(scenarios).flatMap((name) =>
    formats.flatMap((format) => [
      [name, 'times out', format] as const,
      [name, 'is called again', format] as const,
    ]),
  ),
)(
  'invariant 2: a function that stands still at whatever call, and goes on when others have done its work, harms nothing: %s, its state %s, on %s',
  async (name, then, format) => {
    const scenario = scenarios[name];
    // In the short run, and on the slower format, some calls; SLUICE_SEED selects them.
    const stride = isThorough && format === 'hive' ? 1 : 12;
    for (let n = 1 + (turn % stride); ; n += stride) {
      const world = await published({ format, isRetriedWhenFrozen: then === 'is called again' });
      await scenario?.(world);
      const frozen = world.freeze(n, (actor) => !actor.startsWith('test'));
      await world.deliver();
      await world.executeAll();
      if (frozen.hit === '') break;
      await after(`frozen at call ${n}, ${frozen.hit}`, async () => {
        await world.settle();
        // Its successors are done; the same file may have been corrected since.
        if (n % 2 === 0) {
          world.put('feed/a', ['a9@06']);
          await world.settle();
        }
        await expectWholeOnceThawed(world);
      });
    }
  },
  300_000,
);

test('invariant 2: FailBatch that stands still at whatever call, and goes on when others have published the batch, harms nothing', async () => {
  for (let n = 1; ; n++) {
    const world = await published();
    world.put('feed/a', ['a1@08', 'a3@06', 'a4@06', 'worst']);
    world.put('feed/c', ['c1@06']);
    // The batch fails once, in the middle of its copies.
    let copies = 0;
    world.aws.plan = (call) =>
      call.actor.startsWith('publish') && call.operation === 'CopyObject' && ++copies === 3
        ? { mode: 'fail', error: 'AccessDenied' }
        : undefined;
    const frozen = world.freeze(n, (actor) => actor.startsWith('failBatch'));
    await world.deliver();
    await world.executeAll();
    if (frozen.hit === '') break;
    await after(`frozen at call ${n}, ${frozen.hit}`, async () => {
      await world.settle();
      await expectWholeOnceThawed(world);
    });
  }
}, 300_000);
