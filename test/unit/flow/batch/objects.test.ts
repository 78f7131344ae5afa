/** Which objects of an attempt are removed when it finds that another holder has the lease. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { removeUncounted } from '../../../../src/lib/flow/batch/objects.ts';
import type { Live, Published } from '../../../../src/lib/flow/batch/published.ts';
import { type Deps, dataset, World } from '../../../support/flowWorld.ts';

let world: World;
let deps: Deps;
let fence: number;
const [earlier, own] = ['a', 'b'].map((letter) => letter.repeat(20)) as [string, string];
const live = (objects: string[], quarantine: string[] = [], tombstones: string[] = []): Live => ({
  objects: objects.map((key) => ({ key, bytes: 1 })),
  quarantine,
  tombstones,
});
let published: Published;
const write = (batch: string, document: object) =>
  deps.store.writeText(
    places(deps.config).attempt(dataset, { batch, fence }).published,
    JSON.stringify(document),
  );
const left = () =>
  [
    ...world.aws.s3.keys('processed'),
    ...world.aws.s3.keys('work').filter((key) => /^[qt]\d/.test(key)),
  ].sort();

/** An earlier batch, and an attempt that has replaced its object by another one with the rows that stay. */
beforeEach(async () => {
  world = new World({ format: 'hive' });
  deps = world.deps('test');
  fence = (await deps.ledger.acquireLease(dataset)) ?? 0;
  published = {
    ...live(['feed/1'], ['q1'], ['t1']),
    format: 'hive',
    run: 'r',
    partitions: [],
    rewritten: [
      {
        batch: earlier,
        dropped: live(['feed/0']),
        added: live(['feed/0-left'], ['q0-left'], ['t0-left']),
        live: places(deps.config).attempt(dataset, { batch: own, fence }).live(earlier).key,
      },
    ],
  };
  for (const batch of [earlier, own])
    await deps.ledger.reopen(dataset, fence, { batch, fence }, { files: [], bytes: 0 });
  await deps.ledger.commit(dataset, { batch: earlier, fence });
  await deps.ledger.closePublished(dataset, fence, earlier, { rows: 0, files: 0, found: {} });
  await write(earlier, live(['feed/0']));
  await write(own, published);
  for (const key of ['feed/1', 'feed/0-left']) world.aws.s3.seed('processed', key, '[]');
  for (const key of ['q1', 't1', 'q0-left', 't0-left']) world.aws.s3.seed('work', key, '[]');
});
afterEach(() => {
  jest.restoreAllMocks();
});

const remove = () => removeUncounted(deps, dataset, { batch: own, fence }, published);
const all = ['feed/0-left', 'feed/1', 'q0-left', 'q1', 't0-left', 't1'];

test('all of an attempt that was never committed', async () => {
  await remove();
  expect(left()).toEqual([]);
});

test('nothing of a committed attempt whose batch is not complete: the ledger does not list all of its objects yet', async () => {
  await deps.ledger.commit(dataset, { batch: own, fence });
  await remove();
  expect(left()).toEqual(all);
});

test('of a complete batch what later ones have replaced, and no more', async () => {
  await deps.ledger.commit(dataset, { batch: own, fence });
  await deps.ledger.setLive(dataset, fence, published.rewritten);
  await deps.ledger.closePublished(dataset, fence, own, { rows: 0, files: 0, found: {} });
  const [{ live: key, added } = { live: '', added: live([]) }] = published.rewritten;
  world.aws.s3.seed('work', key, JSON.stringify(added));
  await remove();
  expect(left()).toEqual(all);
  // Later batches have replaced the object, its quarantine and its tombstones, and the rest of the earlier tombstones.
  await write(own, live([]));
  world.aws.s3.seed('work', key, JSON.stringify({ ...added, tombstones: [] }));
  await remove();
  expect(left()).toEqual(['feed/0-left', 'q0-left']);
});
