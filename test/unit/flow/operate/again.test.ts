/** Which files are processed again, and in which batches. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { batchOf, replay, requireReason, retry } from '../../../../src/lib/flow/operate/again.ts';
import { longestReason } from '../../../../src/lib/model/records.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** A stage whose files a, b, … were recorded one after the other, and published. */
async function published(count: number, batchFiles = 1000): Promise<World> {
  const world = new World({ batchFiles });
  for (const name of [...'abcdefgh'].slice(0, count)) {
    world.put(`feed/${name}`, [`${name}@06`]);
    await world.deliver();
  }
  await world.settle();
  return world;
}
const waiting = async (world: World) =>
  (await world.deps('test').ledger.pending(dataset)).map(({ object }) => object.slice(-1)).sort();

test('a replay takes files that were recorded from a time on, and before another', async () => {
  const chosen = async (
    which: (at: (name: string) => Date) => { from?: Date; to?: Date; prefix?: string },
  ) => {
    const world = await published(3);
    const { ledger } = world.deps('test');
    const noted = new Map(
      (await Array.fromAsync(ledger.files(dataset))).map((f) => [f.object.slice(-1), f.notedAt]),
    );
    const found = await world.operate((deps) =>
      replay(
        deps,
        dataset,
        which((name) => new Date(noted.get(name) ?? '')),
      ),
    );
    expect([found.files, found.batches]).toEqual([(await waiting(world)).length, found.files === 0 ? 0 : 1]);
    return (await waiting(world)).join('');
  };
  expect(await chosen((at) => ({ from: at('b') }))).toBe('bc');
  expect(await chosen((at) => ({ to: at('b') }))).toBe('a');
  expect(await chosen((at) => ({ from: at('b'), to: at('c') }))).toBe('b');
  await expect(chosen((at) => ({ from: at('b'), to: at('b') }))).rejects.toThrow('must be after the first');
  expect(await chosen((at) => ({ prefix: 'feed/', from: at('b'), to: at('c') }))).toBe('b');
  expect(await chosen((at) => ({ prefix: 'feed/c', to: at('c') }))).toBe('');
});

test('a replay of many files is several batches, each as full as a batch may be', async () => {
  const world = await published(5, 2);
  expect(await world.operate((deps) => replay(deps, dataset, {}))).toEqual({ files: 5, batches: 3 });
  const groups = (await world.deps('test').ledger.pending(dataset)).map(({ group }) => group);
  expect([...Map.groupBy(groups, (group) => group).values()].map((of) => of.length).sort()).toEqual([
    1, 2, 2,
  ]);
  // Those that wait already are not taken twice, and a replay of them starts nothing.
  expect(await world.operate((deps) => replay(deps, dataset, {}))).toEqual({ files: 0, batches: 0 });
  await world.settle();
  expect(world.lines()).toHaveLength(5);
});

test('a retry takes what failed or is held, of a batch or of a key', async () => {
  const world = new World();
  world.breakEngine();
  for (const name of ['a', 'b']) {
    world.put(`feed/${name}`, [`${name}@06`]);
    await world.settle();
  }
  world.aws.plan = undefined;
  const [first, second] = await world.deps('test').ledger.batches(dataset);
  expect(await world.operate((deps) => retry(deps, dataset, { object: 'feed/none' }))).toBe(0);
  expect(await world.operate((deps) => retry(deps, dataset, { object: 'feed/a' }))).toBe(1);
  expect(await waiting(world)).toEqual(['a']);
  expect(await world.operate((deps) => retry(deps, dataset, {}))).toBe(1);
  await world.settle();
  expect(world.lines()).toHaveLength(2);
  for (const batch of [first?.batch, second?.batch])
    await expect(world.operate((deps) => retry(deps, dataset, { batch: batch ?? '' }))).rejects.toThrow(
      /has no file that is held or failed/,
    );
});

test('a batch is known by the start of its id, if no other begins with it', async () => {
  const world = await published(2, 1);
  const deps = world.deps('operator');
  const [first, second] = await deps.ledger.batches(dataset);
  const id = first?.batch ?? '';
  const shared = [...id].findIndex((digit, i) => digit !== second?.batch[i]);
  expect((await batchOf(deps, dataset, id.slice(0, shared + 1))).batch).toBe(id);
  await expect(batchOf(deps, dataset, id.slice(0, shared))).rejects.toThrow('several batches begin with');
  await expect(batchOf(deps, dataset, 'x')).rejects.toThrow('no batch begins with x');
  await expect(batchOf(deps, 'none', id)).rejects.toMatchObject({ name: 'InvalidInput', dataset: 'none' });
});

test('a reason is as long as a record keeps', () => {
  requireReason('x'.repeat(longestReason));
  expect(() => requireReason('x'.repeat(longestReason + 1))).toThrow(
    `the reason has ${longestReason + 1} characters`,
  );
});
