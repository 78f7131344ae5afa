/** The cost of a sweep, a claim, a status, a list and a replay does not grow with the history of a dataset. */
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterEach, expect, jest, test } from '@jest/globals';
import { lastFiles } from '../../../src/cli/files.ts';
import { statusOf } from '../../../src/cli/status.ts';
import { replay } from '../../../src/lib/flow/operate/again.ts';
import { sweep } from '../../../src/lib/flow/repair/sweep.ts';
import { claimBatch } from '../../../src/lib/flow/steps/claimBatch.ts';
import { type Deps, dataset, World } from '../../support/flowWorld.ts';
import { type Cost, costsOf, lakeOf } from '../../support/lake.ts';
import { oldBatch } from '../../support/oldBatch.ts';
import { thoroughTest } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** A dataset with this many published batches of one file each. */
async function datasetOf(batches: number): Promise<World> {
  const world = new World();
  world.put('feed/first', ['1@06']);
  await world.settle();
  const { documents } = world.aws.actor('past');
  for (let i = 0; i < batches; i++)
    for (const Item of oldBatch(dataset, i, 'feed/'))
      await documents.send(new PutCommand({ TableName: 'ledger', Item }));
  return world;
}

/** Calls of one function, by operation. */
async function callsOf(world: World, name: string, work: (deps: Deps) => Promise<unknown>) {
  let counts: Readonly<Record<string, number>> = {};
  await world.call(name, async (deps) => {
    await work(deps);
    counts = deps.actor.counts;
  });
  return counts;
}

test('invariant 11: FailBatch of a batch whose manifest somebody has deleted does not read the history', async () => {
  const costs = [];
  for (const batches of [300, 3000]) {
    const world = await datasetOf(batches);
    for (const key of ['feed/x', 'feed/y']) world.put(key, ['2@06']);
    let isDeleted = false;
    world.watch('checkCrawler', async () => {
      const manifests = world.aws.s3.keys('work').filter((key) => key.endsWith('manifest.json'));
      // The later one belongs to the open batch.
      const fenceOf = (key: string) => Number(/f(\d+)\/manifest/.exec(key)?.[1]);
      const [key = ''] = manifests.sort((a, b) => fenceOf(b) - fenceOf(a));
      if (!isDeleted) world.aws.s3.expire('work', key, world.aws.s3.versions('work', key)[0]?.id ?? '');
      isDeleted = true;
    });
    await world.settle();
    expect([world.linesOf('feed/x'), world.linesOf('feed/y')]).toEqual([['2@06'], ['2@06']]);
    costs.push(world.aws.calls('dynamodb.BatchGetItem'));
    jest.restoreAllMocks();
  }
  expect(costs[1]).toBe(costs[0]);
});

test('invariant 11: with 10,000 batches in the ledger a sweep, a status, every step of a batch, a list and a replay of a day or a prefix make the calls that they make with 10', async () => {
  const costs = [];
  for (const batches of [10, 10_000]) {
    const world = await datasetOf(batches);
    const swept = await callsOf(world, 'sweep', (deps) => sweep(deps, dataset));
    const status = await callsOf(world, 'status', (deps) => statusOf(deps.ledger, dataset));
    world.put('feed/next', ['2@06']);
    await world.deliver();
    const [execution] = [...world.aws.sfn.executions.values()].filter((e) => e.status === 'RUNNING');
    const { fence } = JSON.parse(execution?.input ?? '{}') as { fence: number };
    const claimed = await callsOf(world, 'claim', (deps) =>
      claimBatch(deps, { dataset, fence, execution: execution?.arn ?? '' }),
    );
    // The rest of its steps, and a correction.
    const before = world.aws.calls();
    await world.execute(execution?.arn ?? '');
    const batch = world.aws.calls() - before;
    world.put('feed/first', ['3@06', '4@07']);
    await world.deliver();
    await world.executeAll();
    expect(world.linesOf('feed/first')).toEqual(['3@06', '4@07']);
    const correction = world.aws.calls() - before - batch;
    const listed = await callsOf(world, 'files', (deps) => lastFiles(deps.ledger, dataset, { last: 5 }));
    const byDay = await callsOf(world, 'replay', (deps) =>
      replay(deps, dataset, { from: new Date('2025-01-01'), to: new Date('2025-01-01T00:10:00Z') }),
    );
    const byPrefix = await callsOf(world, 'replay', (deps) =>
      replay(deps, dataset, { prefix: 'feed/first' }),
    );
    costs.push({ swept, status, claimed, batch, correction, listed, byDay, byPrefix });
    expect((await world.deps('test').ledger.pending(dataset)).map((f) => f.object).sort()).toEqual(
      [
        'feed/first',
        ...Array.from({ length: 10 }, (_, i) => `feed/old-${String(i).padStart(8, '0')}`),
      ].sort(),
    );
    jest.restoreAllMocks();
  }
  expect(costs[1]).toEqual(costs[0]);
  // A sweep that finds nothing writes nothing to the lease.
  expect(Object.keys(costs[0]?.swept ?? {})).not.toContain('dynamodb.UpdateItem');
});

/** The cost of comparing every object, by the size of the lake. */
const perDay = (cost: Cost | undefined, days: number): Cost => ({
  calls: (cost?.calls ?? 0) / days,
  items: (cost?.items ?? 0) / days,
  bytes: (cost?.bytes ?? 0) / days,
  memory: 0,
});

thoroughTest(
  'invariant 11: three times the files, batches and partitions change no calls, items or bytes of any work by a fifth, nor those of a reconcile by day',
  async () => {
    const costs: Record<string, Cost>[] = [];
    for (const days of [250, 750]) {
      const { reconcile, ...others } = await costsOf(await lakeOf(days, 4), {
        withReconcile: true,
        steps: { objects: 100, batches: 20 },
      });
      costs.push({ ...others, reconcile: perDay(reconcile, days) });
      jest.restoreAllMocks();
    }
    const [few = {}, many = {}] = costs;
    const grown = Object.entries(many).flatMap(([name, cost]) =>
      (['calls', 'items', 'bytes'] as const).flatMap((kind) => {
        const before = few[name]?.[kind] ?? 0;
        return cost[kind] <= 1.2 * before ? [] : [`${name}: ${before} ${kind}, then ${cost[kind]}`];
      }),
    );
    expect(grown).toEqual([]);
  },
);
