import { expect, test } from '@jest/globals';
import { WatchedStates } from '../../support/watchedStates.ts';

const readers = (look: () => Promise<string>) => ({ look, every: 0 });
const turn = () => new Promise<void>((done) => setImmediate(done));

test('a reader may find the state before a commit and the one after it, while it runs', async () => {
  const watched = new WatchedStates('old');
  let state = 'old';
  const result = await watched.during(
    readers(async () => state),
    async () => {
      await watched.commit('new', async () => {
        while (watched.reads < 2) await turn();
        state = 'new';
        while (watched.reads < 4) await turn();
      });
      return watched.reads;
    },
  );
  expect(result).toBeGreaterThanOrEqual(4);
});

test.each([
  ['a state that nobody has committed', 'half'],
  ['an older state than was committed when it looked', 'old'],
])('a reader that finds %s fails, and nothing more is committed', async (_, found) => {
  const watched = new WatchedStates('old');
  let state = 'old';
  let isCommitted = false;
  const looked = Promise.withResolvers<void>();
  const look = async () => {
    if (isCommitted) looked.resolve();
    return state;
  };
  const more: string[] = [];
  const work = async () => {
    await watched.commit('new', async () => {});
    [state, isCommitted] = [found, true];
    await looked.promise;
    await turn();
    await watched.commit('newer', async () => more.push('newer'));
  };
  await expect(watched.during(readers(look), work)).rejects.toThrow(
    `a reader found ${found}; the table was new`,
  );
  expect(more).toEqual([]);
});
