/** A paused dataset starts no batch, and loses nothing: its files wait until it is resumed. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { statusOf } from '../../../../src/cli/status.ts';
import { pause, resume } from '../../../../src/lib/flow/operate/pause.ts';
import { correction, expectWholeOnceThawed, published } from '../../../support/everyCall.ts';
import { dataset, expectWhole, World } from '../../../support/flowWorld.ts';
import { explore } from '../../../support/memory/index.ts';
import { runs } from '../../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const pauseIt = (world: World) => world.operate((deps) => pause(deps, dataset, 'a test'));
const resumeIt = (world: World) => world.operate((deps) => resume(deps, dataset));
/** What happens by itself: events, executions, sweeps. */
async function wait(world: World): Promise<void> {
  await world.deliver();
  await world.executeAll();
  await world.sweep(true);
  await world.executeAll();
}

test('a paused dataset keeps its files waiting, and status says so', async () => {
  const world = new World();
  await pauseIt(world);
  world.put('feed/a', ['a1@06']);
  await wait(world);
  expect(world.aws.sfn.executions.size).toBe(0);
  const { ledger } = world.deps('test');
  expect(await statusOf(ledger, dataset)).toMatchObject({
    pending: 1,
    next: 'feed/a',
    paused: { reason: 'a test' },
    lease: 'free',
  });
  expect(await resumeIt(world)).toBe(true);
  await world.settle();
  await expectWhole(world);
  expect(await statusOf(ledger, dataset)).toMatchObject({ pending: 0, next: null, paused: null });
});

test('the turn of maintenance is no pause that a person has to end', async () => {
  const { ledger } = new World().deps('test');
  await ledger.askTurn(dataset, 60_000);
  expect(await ledger.pauseOf(dataset)).toMatchObject({ isTurn: true });
  expect((await statusOf(ledger, dataset)).paused).toBeNull();
  await ledger.pause(dataset, 'a test');
  expect((await statusOf(ledger, dataset)).paused).toMatchObject({ reason: 'a test' });
});

test('the first of two reasons stays; whoever resumes twice changes nothing', async () => {
  const world = new World();
  await pauseIt(world);
  const again = await world.operate((deps) => pause(deps, dataset, 'another'));
  expect(again.reason).toBe('a test');
  await resumeIt(world);
  expect(await resumeIt(world)).toBe(false);
});

test('a choice of an engine and a pause leave each other alone', async () => {
  const { ledger } = new World().deps('test');
  await ledger.pause(dataset, 'a test');
  await ledger.chooseEngine(dataset, 'glue');
  expect(await ledger.pauseOf(dataset)).toMatchObject({ reason: 'a test' });
  await ledger.resume(dataset);
  expect(await ledger.engineChoice(dataset)).toBe('glue');
});

test('a batch that runs goes on to its end, and what waits behind it stays', async () => {
  const world = new World({ batchFiles: 1 });
  world.put('feed/a', ['a1@06']);
  world.put('feed/b', ['b1@06']);
  world.watch('publish', async ({ ledger }) => {
    await ledger.pause(dataset, 'a test');
  });
  await wait(world);
  expect(world.lines()).toHaveLength(1);
  expect((await world.deps('test').ledger.lease(dataset))?.execution).toBeUndefined();
  await resumeIt(world);
  await world.settle();
  await expectWhole(world);
});

test('a stopped execution of a paused dataset starts no other', async () => {
  const world = new World();
  world.put('feed/a', ['a1@06']);
  await world.until('publish');
  await pauseIt(world);
  for (const execution of world.aws.sfn.executions.values()) execution.status = 'ABORTED';
  await world.sweep();
  expect([...world.aws.sfn.executions.values()].map((e) => e.status)).toEqual(['ABORTED']);
  expect(await world.statesOf('feed/a')).toEqual(['pending']);
  await resumeIt(world);
  await world.settle();
  await expectWhole(world);
});

test.each(['fail', 'lost', 'twice', 'hang', 'stall'] as const)(
  'a resume one of whose calls meets the fault "%s" is tried again, and no file waits for ever',
  async (mode) => {
    for (let nth = 1; ; nth += runs(3, 1)) {
      const world = await published();
      await pauseIt(world);
      await correction(world);
      await wait(world);
      let calls = 0;
      world.aws.plan = ({ actor }) =>
        actor.startsWith('operator') && ++calls === nth ? { mode } : undefined;
      await resumeIt(world).catch(() => {});
      world.aws.plan = undefined;
      await resumeIt(world);
      await expectWholeOnceThawed(world);
      if (calls < nth) break;
    }
  },
);

test('in no order of their calls a resume and a ClaimBatch leave a file without an execution', async () => {
  const { orders } = await explore(
    async () => {
      const world = new World();
      world.put('feed/a', ['a1@06']);
      const claimBatch = await world.until('claimBatch');
      await pauseIt(world);
      const programs = { claimBatch, resume: (deps: Parameters<typeof resume>[0]) => resume(deps, dataset) };
      let isStarted = false;
      return {
        aws: world.aws,
        programs: world.programs(programs),
        check: async () => {
          // No sweep helps: the batch is claimed, or another execution is starting.
          const { ledger } = world.deps('test');
          const running = [...world.aws.sfn.executions.values()].filter((e) => e.status === 'RUNNING').length;
          isStarted = (await ledger.openBatches(dataset)).length > 0 || running > 1;
          expect(isStarted).toBe(true);
          await world.settle();
          await expectWhole(world);
        },
      };
    },
    runs(10, 500),
  );
  expect(orders).toBeGreaterThan(10);
});
