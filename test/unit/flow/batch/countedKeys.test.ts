import { afterEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { countedKeys } from '../../../../src/lib/flow/batch/countedKeys.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('what the ledger counts of a batch is known once it is committed, and unknown without its record or document', async () => {
  const world = new World();
  const { ledger, ...deps } = world.deps('maintain');
  const fence = (await ledger.acquireLease(dataset)) ?? 0;
  const of = (letter: string) => ({ batch: letter.repeat(20), fence });
  const live = { objects: [{ key: 'feed/x', bytes: 1 }], quarantine: ['q'], tombstones: ['t'] };
  for (const letter of ['a', 'b', 'c', 'd']) {
    await ledger.reopen(dataset, fence, of(letter), { files: [], bytes: 0 });
    if (letter !== 'a') await ledger.commit(dataset, of(letter));
    await ledger.closePublished(dataset, fence, of(letter).batch, { rows: 0, files: 0, found: {} });
    const at = places(deps.config).attempt(dataset, of(letter)).published;
    if (letter !== 'c') await deps.store.writeText(at, JSON.stringify(live));
  }
  const record = world.aws.dynamo.items('ledger').find(({ sk }) => sk === `BATCH#${of('d').batch}`);
  world.aws.dynamo.seed('ledger', { ...record, state: { not: 'known' } });
  const keysOf = countedKeys({ ...deps, ledger }, dataset);
  const found = async (letter: string) => {
    const keys = await keysOf(of(letter).batch);
    return keys && [...keys];
  };
  expect(await found('a')).toEqual([]);
  expect(await found('b')).toEqual(['feed/x', 'q', 't']);
  // The document is gone, the record cannot be read, and there is none.
  for (const letter of ['c', 'd', 'e']) expect([letter, await found(letter)]).toEqual([letter, null]);
  const before = world.aws.calls();
  for (const letter of ['a', 'b', 'c', 'd', 'e']) await found(letter);
  expect(world.aws.calls()).toBe(before);
});
