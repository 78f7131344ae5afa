/** A compaction that ends before or behind its commit: the rows are in the old objects or in the new one, and never in both. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { beginCompaction, settleCompaction } from '../../../../src/lib/flow/batch/compaction.ts';
import { endOpenBatches } from '../../../../src/lib/flow/batch/endOpen.ts';
import { readPlan } from '../../../../src/lib/flow/batch/manifest.ts';
import { type Live, liveOf, type Published } from '../../../../src/lib/flow/batch/published.ts';
import { ownObject } from '../../../../src/lib/table/objectName.ts';
import { dataset, expectCounted, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const pack = 'e'.repeat(20);

/** Two batches with an object each, and a compaction of both that has written its object. */
async function begun() {
  const world = new World({ format: 'hive' });
  for (const name of ['a', 'b']) {
    world.put(`feed/${name}`, [`${name}@06`]);
    await world.settle();
  }
  const deps = world.deps('maintain');
  const batches = await deps.ledger.batches(dataset);
  const [first] = batches;
  const plan = await readPlan(deps, { dataset, batch: first?.batch ?? '', fence: first?.committed ?? 0 });
  const fence = (await deps.ledger.acquireLease(dataset, 'maintain-x')) ?? 0;
  const attempt = { dataset, batch: pack, fence };
  const before = world.objects();
  const rows = before.flatMap((key) => JSON.parse(world.text('processed', key)) as object[]);
  const key = `feed/source=feed/day=06/${ownObject(attempt, 0)}`;
  const at = places(deps.config).attempt(dataset, attempt);
  const live = await Promise.all(batches.map(({ batch }) => liveOf(deps, dataset, batch)));
  const published: Published = {
    format: 'hive',
    run: 'c',
    objects: [{ key, bytes: 1 }],
    quarantine: [],
    partitions: [],
    rewritten: batches.map(({ batch }, i) => ({
      batch,
      dropped: { objects: live[i]?.objects ?? [], quarantine: [] },
      added: { objects: [], quarantine: [] },
      live: at.live(batch).key,
    })),
  };
  const lives = new Map<string, Live>(
    batches.map(({ batch }) => [batch, { objects: [], quarantine: [], packs: [pack] }]),
  );
  const by = { bytes: 1, engine: 'compaction', execution: 'maintain-x' } as const;
  await beginCompaction(deps, attempt, plan, published, lives, by);
  world.aws.s3.seed('processed', key, JSON.stringify(rows));
  return { world, deps, attempt, before, key };
}

test.each<[string, (of: Awaited<ReturnType<typeof begun>>, fence: number) => Promise<unknown>]>([
  ['by itself', ({ deps, attempt }, fence) => settleCompaction(deps, attempt, fence, new Error('no time'))],
  [
    'by whoever comes next',
    ({ deps }, fence) => endOpenBatches(deps, dataset, fence, { error: 'X', cause: 'y' }),
  ],
])(
  'one that is ended %s before its commit leaves the table as it was, and behind it the new object',
  async (_, end) => {
    for (const isCommitted of [false, true]) {
      const found = await begun();
      const { world, deps, attempt, before, key } = found;
      if (isCommitted) await deps.ledger.commit(dataset, attempt);
      const fence = (await deps.ledger.takeOver(dataset, { execution: 'maintain-x' })) ?? 0;
      // The second call finds it ended.
      for (let n = 0; n < 2; n++) await end(found, fence);
      expect(world.objects()).toEqual(isCommitted ? [key] : before);
      expect(world.lines()).toEqual(['feed/a a@06', 'feed/b b@06']);
      expect(await deps.ledger.openBatches(dataset)).toEqual([]);
      if (!isCommitted) await expectCounted(world);
      const packs = (await world.live()).flatMap((live) => live.packs ?? []);
      expect(packs).toEqual(isCommitted ? [pack, pack] : []);
      // Its record is no batch of files: nobody waits for it, and nobody is told of it.
      expect(world.aws.bus.entries).toHaveLength(2);
    }
  },
);

test('one that was never begun has nothing to end', async () => {
  const { world, deps, attempt, before, key } = await begun();
  await settleCompaction(deps, { ...attempt, batch: 'f'.repeat(20) }, attempt.fence + 1, new Error('x'));
  expect(world.objects()).toEqual([...before, key].sort());
});
