/** Lists for people are read in pages: the last files, files of a state, and files of a day or a prefix. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { lastFiles } from '../../../src/cli/files.ts';
import { replay } from '../../../src/lib/flow/operate/again.ts';
import { dataset, World } from '../../support/flowWorld.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const listed = async (which: Parameters<typeof lastFiles>[2]) => {
  const { files, isCut } = await lastFiles(world.deps('test').ledger, dataset, which);
  return { keys: files.map((f) => f.object), isCut };
};

/** This many published files, a minute apart. */
async function published(files: number): Promise<string[]> {
  const times: string[] = [];
  for (let i = 0; i < files; i++) {
    world.aws.clock.advance(60_000);
    world.put(`feed/${String(i).padStart(3, '0')}`, [`${i}@06`]);
    times.push(new Date(world.aws.clock.now()).toISOString());
    await world.deliver();
  }
  await world.settle();
  return times;
}

test('the last files are shown in the order in which they came, and pages lead back to the first', async () => {
  // A page of the index, too, ends before everything is read.
  world = new World({ pages: { items: 2 } });
  await published(25);
  const { ledger } = world.deps('test');
  const pages: string[][] = [];
  let before: string | undefined;
  for (;;) {
    const { files, isCut } = await lastFiles(ledger, dataset, { last: 10, before });
    pages.unshift(files.map((f) => f.object));
    before = files[0]?.notedAt;
    if (!isCut) break;
  }
  expect(pages.map((page) => page.length)).toEqual([5, 10, 10]);
  expect(pages.flat()).toEqual(world.aws.s3.keys('raw').sort());
});

test('files that came in one moment are on one page', async () => {
  for (let i = 0; i < 8; i++) world.put(`feed/${i}`, ['1@06']);
  await world.deliver();
  world.aws.clock.advance(60_000);
  world.put('feed/later', ['1@06']);
  await world.deliver();
  const all = Array.from({ length: 8 }, (_, i) => `feed/${i}`);
  const keys = async (last: number) => (await listed({ last })).keys.sort();
  expect(await keys(1)).toEqual(['feed/later']);
  expect(await keys(3)).toEqual([...all, 'feed/later']);
});

test('files of a state are found among others, and only so many are looked at', async () => {
  world.put('feed/bad', ['1@06']);
  world.breakEngine('feed/bad');
  await world.settle();
  await published(12);
  expect(await listed({ state: 'failed', last: 5 })).toEqual({ keys: ['feed/bad'], isCut: false });
  expect(await listed({ state: 'published', last: 2 })).toEqual({
    keys: ['feed/010', 'feed/011'],
    isCut: true,
  });
  expect(await listed({ state: 'rejected', last: 2, looked: 5 })).toEqual({ keys: [], isCut: true });
  expect(await listed({ state: 'rejected', last: 2 })).toEqual({ keys: [], isCut: false });
});

test('the last of many failed files are the latest, and earlier ones are a page back', async () => {
  for (let i = 0; i < 8; i++) {
    world.put(`feed/${i}`, ['1@06']);
    world.breakEngine();
    await world.settle();
  }
  expect(await listed({ state: 'failed', last: 2 })).toEqual({ keys: ['feed/6', 'feed/7'], isCut: true });
  const { files } = await lastFiles(world.deps('test').ledger, dataset, { state: 'failed', last: 2 });
  const before = files[0]?.notedAt;
  expect(await listed({ state: 'failed', last: 2, before })).toEqual({
    keys: ['feed/4', 'feed/5'],
    isCut: true,
  });
});

test('a replay takes the files of its time alone, from its first moment to before its last', async () => {
  const times = await published(10);
  const [from, to] = [new Date(times[3] ?? ''), new Date(times[6] ?? '')];
  const { files } = await world.operate((deps) => replay(deps, dataset, { from, to }));
  expect(files).toBe(3);
  const waiting = await world.deps('test').ledger.pending(dataset);
  expect(waiting.map((f) => f.object).sort()).toEqual(['feed/003', 'feed/004', 'feed/005']);
});

test('a replay of a prefix takes the published versions of its objects, and the prefix and a time both hold', async () => {
  const times = await published(12);
  const newest = world.put('feed/003', ['3@07']);
  await world.settle();
  const pending = () => world.deps('test').ledger.pending(dataset);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/00', to: new Date(times[2] ?? '') }));
  expect((await pending()).map((f) => f.object).sort()).toEqual(['feed/000', 'feed/001']);
  await world.settle();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/003' }));
  expect((await pending()).map((f) => [f.object, f.version])).toEqual([['feed/003', newest]]);
  await world.settle();
  expect(world.linesOf('feed/003')).toEqual(['3@07']);
});

test('a replay goes in batches of as many files as a batch has', async () => {
  world = new World({ batchFiles: 4 });
  await published(10);
  expect(await world.operate((deps) => replay(deps, dataset, { prefix: '' }))).toEqual({
    files: 10,
    batches: 3,
  });
  await world.settle();
  expect(world.rows()).toHaveLength(10);
});
