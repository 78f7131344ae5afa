/**
 * The design's invariants under every fault at every call: the published rows are those of the files, once, whoever died
 * when.
 */
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  after,
  correction,
  expectRecovered,
  expectWholeOnceThawed,
  newerRows,
  newFile,
  published,
  runWithFault,
  type Scenario,
} from '../../support/everyCall.ts';
import { dataset, type World, type WorldOptions } from '../../support/flowWorld.ts';
import type { Fault } from '../../support/memory/index.ts';
import { formatUnderTest, isThorough } from '../../support/thorough.ts';

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
  'rows that replace published ones': newerRows,
};
/** What a scenario asks of the stage. */
const optionsOf = (name: string): WorldOptions => ({ isDeduped: scenarios[name] === newerRows });

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
    // A row of another file may stand for a row.
    const object = (of: string) => (world.isDeduped ? '' : of);
    const seen = new Set(world.rows().map((row) => `${object(row.object)} ${row.id}@${row.day}`));
    const deleted = new Set([...world.wanted.values()].flat().filter((line) => line.startsWith('-')));
    const has = (of: string, lines: readonly string[]) =>
      lines.every(
        (line) => deleted.has(line) || deleted.has(`-${line}`) || seen.has(`${object(of)} ${line}`),
      );
    for (const [of, lines] of before)
      if (!has(of, lines) && !has(of, goodOf(world.wanted.get(of) ?? []))) missed.push(of);
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

/** On Hive, `npm test` fails each call in half of the ways. On Iceberg, and in `npm run check`, some calls fail. SLUICE_SEED selects which. */
const isDense = isThorough && formatUnderTest === 'hive';
const sparse = isThorough ? 1 : 4;
const turn = Number(process.env.SLUICE_SEED ?? 0);

test.each(Object.keys(scenarios))(
  'invariants 1, 4 and 12: whatever call fails in whatever way, %s is published once, and no reader misses what was there',
  async (name) => {
    const scenario = scenarios[name];
    const ways = Object.entries(faults);
    // Of the calls that are tried, each fails in one way.
    const stride = isDense ? 2 : 4 * sparse * ways.length;
    for (const [i, [how, fault]] of ways.entries())
      for (let n = 1 + (((isDense ? i : 4 * i) + turn) % stride); ; n += stride) {
        const world = await published(optionsOf(name));
        const missed = watchReaders(world);
        await scenario?.(world);
        const hit = await runWithFault(world, n, fault, (call) => !call.actor.startsWith('test'));
        if (!hit) break;
        await after(`call ${n}, ${hit.actor} ${hit.service}.${hit.operation} ${how}`, async () => {
          await expectRecovered(world, fault);
          expect(missed).toEqual([]);
        });
      }
  },
  300_000,
);

test.each(
  Object.keys(scenarios).flatMap((name) => [
    [name, 'times out'] as const,
    [name, 'is called again'] as const,
  ]),
)(
  'invariant 2: a function that stands still at whatever call, and goes on when others have done its work, harms nothing: %s, its state %s',
  async (name, then) => {
    const scenario = scenarios[name];
    const stride = isDense ? 3 : 12 * sparse;
    for (let n = 1 + (turn % stride); ; n += stride) {
      const world = await published({ ...optionsOf(name), isRetriedWhenFrozen: then === 'is called again' });
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
  for (let n = 1; ; n += sparse) {
    const world = await published();
    world.put('feed/a', ['a1@08', 'a3@06', 'a4@06', 'worst']);
    world.put('feed/c', ['c1@06']);
    // The batch fails once: in the middle of its copies, or at the swap.
    let calls = 0;
    world.aws.plan = ({ actor, operation, input }) =>
      actor.startsWith('publish') &&
      world.isPublishing(operation, input) &&
      ++calls === (world.format === 'hive' ? 2 : 1)
        ? { mode: 'fail', error: world.publishingDenied }
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
