/** The design's invariants in every order in which two functions can make their calls. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { dispatch } from '../../../src/lib/flow/dispatch.ts';
import { decide } from '../../../src/lib/flow/operate/decide.ts';
import { recover } from '../../../src/lib/flow/repair/recover.ts';
import { sweep } from '../../../src/lib/flow/repair/sweep.ts';
import { type Deps, dataset, expectNoOrphans, expectWhole, World } from '../../support/flowWorld.ts';
import { explore } from '../../support/memory/index.ts';
import { runs } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

type Work = (deps: Deps) => Promise<unknown>;

/** The next actions of two functions on a stage. `check` inspects the result; by default each row must exist once. */
interface Scenario {
  readonly programs: Readonly<Record<string, Work>>;
  readonly check?: () => Promise<void>;
}

const scenarios: Record<string, (world: World) => Promise<Scenario>> = {
  'a Publish whose execution has ended, and who takes its batch back': async (world) => {
    world.put('feed/a', ['a1@06', 'a2@07']);
    const publish = await world.until('publish');
    const ended = end(world);
    return { programs: { publish, recover: (deps) => recover(deps, ended) } };
  },
  'a Publish of a correction, and who takes its batch back': async (world) => {
    world.put('feed/a', ['a1@06']);
    await world.settle();
    world.put('feed/a', ['a1@07']);
    const publish = await world.until('publish');
    const ended = end(world);
    return { programs: { publish, recover: (deps) => recover(deps, ended) } };
  },
  'a Publish, and the event of a correction': async (world) => {
    world.put('feed/a', ['a1@06']);
    const publish = await world.until('publish');
    world.put('feed/a', ['a2@07']);
    return { programs: { publish, dispatch: dispatchOf(world) } };
  },
  'a CompleteBatch that finds nothing more, and the event of a new file': async (world) => {
    world.put('feed/a', ['a1@06']);
    const completeBatch = await world.until('completeBatch');
    world.put('feed/b', ['b1@07']);
    return { programs: { completeBatch, dispatch: dispatchOf(world) } };
  },
  'two who take back one batch': async (world) => {
    world.put('feed/a', ['a1@06']);
    await world.until('publish');
    const ended = end(world);
    return { programs: { recover: (deps) => recover(deps, ended), sweep: (deps) => sweep(deps, dataset) } };
  },
  'a FailBatch that is called twice': async (world) => {
    world.put('feed/a', ['a1@06']);
    world.breakEngine();
    const failBatch = await world.until('failBatch');
    world.aws.plan = undefined;
    return { programs: { first: failBatch, second: failBatch } };
  },
  'a ClaimBatch that is called twice': async (world) => {
    world.put('feed/a', ['a1@06']);
    const claimBatch = await world.until('claimBatch');
    return { programs: { first: claimBatch, second: claimBatch } };
  },
  'two who decide differently on a held correction': async (world) => {
    const many = ['1@06', '2@06', '3@07', '4@07', '5@07', '6@06'];
    world.put('feed/a', many);
    await world.settle();
    world.put('feed/a', ['7@06']);
    await world.settle();
    const { batch } =
      (await world.deps('test').ledger.batches(dataset)).findLast((b) => b.state === 'held') ?? {};
    const won: string[] = [];
    const by = (kind: 'release' | 'reject') => async (deps: Deps) => {
      await decide(deps, dataset, batch ?? '', { kind, reason: 'a test', at: '2026-01-05T10:00:00.000Z' });
      won.push(kind);
    };
    return {
      programs: { release: by('release'), reject: by('reject') },
      check: () => {
        expect([won, world.linesOf('feed/a'), world.refused().length]).toEqual(
          won[0] === 'release' ? [['release'], ['7@06'], 0] : [['reject'], many, 1],
        );
        return Promise.resolve();
      },
    };
  },
};

/** The function that receives the latest event. */
const dispatchOf = (world: World): Work => {
  const records = world.events.map((event, i) => ({ id: String(i), body: JSON.stringify(event) }));
  return async (deps) => {
    const { failed } = await dispatch(deps, records);
    // The queue keeps failed messages, and delivers them again.
    if (failed.length === 0) world.events = [];
  };
};

/** Ends the running execution, as StopExecution does. */
function end(world: World) {
  const [execution] = [...world.aws.sfn.executions.values()].filter((e) => e.status === 'RUNNING');
  if (!execution) throw new Error('no execution runs');
  execution.status = 'ABORTED';
  const { arn: executionArn, input } = execution;
  return { executionArn, name: executionArn.split(':').at(-1) ?? '', status: 'ABORTED' as const, input };
}

/** `npm run check` runs the first orders, which differ at their end. */
const limit = runs(8, 350, 15);

test.each(Object.keys(scenarios))(
  'invariants 1, 2, 7 and 12: each row is there once in every order of the calls of %s',
  async (name) => {
    const { orders } = await explore(async () => {
      const world = new World();
      const { programs, check } = (await scenarios[name]?.(world)) ?? { programs: {} };
      return {
        aws: world.aws,
        programs: world.programs(programs),
        check: async () => {
          await world.settle();
          await world.cleanUp();
          await (check?.() ?? expectWhole(world));
          await expectNoOrphans(world);
        },
      };
    }, limit);
    expect(orders).toBeGreaterThan(100);
  },
  600_000,
);
