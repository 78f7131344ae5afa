/** `load: replace`: files are snapshots of the whole table or of its partitions, and the newest one counts. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import type { Contract } from '../../../src/lib/contract/schema.ts';
import { decide } from '../../../src/lib/flow/operate/decide.ts';
import { tableOf } from '../../support/changesWorld.ts';
import { dataset, expectCounted, World } from '../../support/flowWorld.ts';
import { realEngine } from '../../support/realEngine.ts';
import { formatUnderTest, thoroughTest } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const worldOf = (replace: 'table' | 'partition') =>
  new World({
    engine: realEngine,
    contract: parseContract(
      'feed.yml',
      JSON.stringify({
        dataset,
        table: { format: formatUnderTest },
        source: { prefix: 'feed/', formats: ['csv'], csv: { header: ['id', 'n', 'v'] } },
        columns: ['id', 'n', 'v'].map((name) => ({ name, path: name, type: 'bigint', required: true })),
        load: { replace, by: 'v' },
        partitionBy: [
          { name: 'source', constant: 'feed' },
          { name: 'part', of: 'n' },
        ],
      }),
    ),
  });
/** Rows of a snapshot `v`: ids of a partition. */
const rows = (v: number, n: number, ...ids: number[]) => ids.map((id) => `${id},${n},${v}\n`).join('');
const stateOf = (v: number, n: number, ...ids: number[]) => ids.map((id) => `${id} ${n} ${v}`);

/** Releases the batch that is held. Returns the reason why it was. */
async function releaseHeld(world: World): Promise<string | undefined> {
  const held = (await world.deps('test').ledger.batches(dataset)).find(({ state }) => state === 'held');
  const decision = { kind: 'release', reason: 'a test', at: new Date().toISOString() } as const;
  await world.operate((deps) => decide(deps, dataset, held?.batch ?? '', decision));
  await world.settle();
  return held?.reason;
}

test('a snapshot of the whole table replaces the one before it; a late one does not; one that is corrected away gives it back', async () => {
  const world = worldOf('table');
  const put = async (key: string, text: string) => {
    world.putText(key, text);
    await world.settle();
  };
  await put('feed/b', rows(2, 1, 1, 2, 2, 3) + rows(2, 2, 4));
  await put('feed/c', rows(3, 1, 1, 5) + rows(3, 3, 6));
  // The first file of a batch is an old snapshot, and its rows are duplicates, as of a snapshot that comes late.
  world.putText('feed/a', rows(1, 9, 9, 8));
  await put('feed/d', rows(3, 1, 7));
  expect(await tableOf(world)).toEqual(
    [...stateOf(3, 1, 1, 5), ...stateOf(3, 3, 6), ...stateOf(3, 1, 7)].sort(),
  );
  const counts = (await world.deps('test').ledger.batches(dataset)).map(({ counts: c }) => [
    c?.published,
    c?.duplicates,
    c?.replacedRows,
  ]);
  expect(counts.sort()).toEqual([
    [1, 2, 0],
    [3, 0, 5],
    [5, 0, 0],
  ]);
  // One file of the snapshot, then the other one.
  await put('feed/c', rows(0, 1, 1, 5) + rows(0, 3, 6));
  expect(await tableOf(world)).toEqual(stateOf(3, 1, 7));
  await put('feed/d', rows(0, 1, 7));
  expect(await tableOf(world)).toEqual([...stateOf(2, 1, 1, 2, 2, 3), ...stateOf(2, 2, 4)].sort());
  await world.cleanUp();
  await expectCounted(world);
});

thoroughTest(
  'a snapshot of partitions replaces these alone; one that is much smaller is held, and an empty one changes nothing',
  async () => {
    const world = worldOf('partition');
    world.putText('feed/a', rows(1, 1, 1, 2, 3, 4, 5, 6, 7) + rows(1, 2, 8, 9));
    await world.settle();
    world.putText('feed/b', rows(2, 2, 9));
    await world.settle();
    const before = [...stateOf(1, 1, 1, 2, 3, 4, 5, 6, 7), ...stateOf(2, 2, 9)].sort();
    expect(await tableOf(world)).toEqual(before);
    world.putText('feed/c', '\n');
    await world.settle();
    world.putText('feed/d', rows(3, 1, 1));
    await world.settle();
    expect(await tableOf(world)).toEqual(before);
    expect(await releaseHeld(world)).toMatch(/ReplacementDoubtful.*1 row in place of 7/);
    expect(await tableOf(world)).toEqual([...stateOf(3, 1, 1), ...stateOf(2, 2, 9)].sort());
    await world.cleanUp();
    await expectCounted(world);
  },
);

test('the first snapshot replaces rows that were published before the contract named snapshots; they come back with its rollback', async () => {
  const world = worldOf('table');
  const withoutLoad = (contract: Contract): Contract => {
    const { load: _, ...rest } = contract;
    return { ...rest, columns: contract.columns.filter(({ name }) => name !== 'v') };
  };
  let snapshots: Contract | undefined;
  world.deploy((contract) => {
    snapshots = contract;
    return withoutLoad(contract);
  });
  world.putText('feed/a', rows(1, 1, 1, 2));
  await world.settle();
  world.deploy((contract) => snapshots ?? contract);
  world.putText('feed/b', rows(2, 1, 1, 3));
  await world.settle();
  expect(await tableOf(world)).toEqual(stateOf(2, 1, 1, 3));
  world.putText('feed/b', '\n');
  await world.settle();
  await releaseHeld(world);
  expect(await tableOf(world)).toEqual(stateOf(1, 1, 1, 2));
});
