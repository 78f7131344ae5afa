/** Work on a table between two batches: it waits for the running one, for a limited time, and then lets the next one go on. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { deadlineAfter } from '../../../../src/lib/deadline.ts';
import { takeTurn } from '../../../../src/lib/flow/maintain/turn.ts';
import { type Deps, dataset, World } from '../../../support/flowWorld.ts';

let world: World;
let deps: Deps;
/** What happens at each look at the lease. */
let looks: number;
let atLook: (look: number) => Promise<void>;

beforeEach(() => {
  world = new World();
  deps = world.deps('maintain');
  looks = 0;
  atLook = async () => {};
});
afterEach(() => {
  jest.restoreAllMocks();
});

const take = (more: object = {}) =>
  takeTurn(
    {
      ...deps,
      turnPause: 1,
      ledger: {
        ...deps.ledger,
        acquireLease: async (of: string, holder?: string) => {
          await atLook(++looks);
          return deps.ledger.acquireLease(of, holder);
        },
      },
      ...more,
    },
    dataset,
    'maintain-x',
  );
/** A file waits while a batch runs. */
const busy = async () => {
  const fence = (await deps.ledger.acquireLease(dataset, 'running')) ?? 0;
  const noted = { object: 'feed/a', version: 'v', size: 1, sequencer: '1', etag: 'e' };
  await deps.ledger.notePending(dataset, [noted], async () => []);
  return fence;
};
const lease = () => deps.ledger.lease(dataset);

test('a free lease is taken at once', async () => {
  const fence = await take();
  expect([looks, await lease()]).toEqual([1, expect.objectContaining({ fence, execution: 'maintain-x' })]);
});

test('the lease of a running batch is taken when it ends; until then no other batch begins', async () => {
  const fence = await busy();
  let pause: unknown;
  atLook = async (look) => {
    if (look !== 4) return;
    pause = await deps.ledger.pauseOf(dataset);
    await deps.ledger.releaseLease(dataset, fence);
  };
  const own = await take();
  expect([looks, pause]).toEqual([4, expect.objectContaining({ reason: 'maintenance takes its turn' })]);
  expect(await lease()).toMatchObject({ fence: own, execution: 'maintain-x' });
});

test.each<[string, number, object]>([
  ['after five minutes', 100_000, {}],
  ['when there is too little time for a commit', 0, { deadline: deadlineAfter(() => 74_000) }],
])('who waits gives up %s, and batches begin again', async (_, passing, more) => {
  await busy();
  atLook = async () => world.aws.clock.advance(passing);
  expect(await take(more)).toBeNull();
  expect(looks).toBe(passing === 0 ? 1 : 4);
  expect(await lease()).toMatchObject({ execution: 'running' });
  expect(await deps.ledger.pauseOf(dataset)).toBeUndefined();
});

test('a batch that ends just before it is given up leaves its files to a new execution', async () => {
  const fence = await busy();
  const endTurn = async (of: string) => {
    await deps.ledger.releaseLease(dataset, fence);
    await deps.ledger.endTurn(of);
  };
  expect(await take({ ledger: { ...deps.ledger, endTurn }, turnPause: 0 })).toBeNull();
  expect(await lease()).toMatchObject({ execution: 'starting' });
  expect(world.aws.sfn.executions.size).toBe(1);
});
