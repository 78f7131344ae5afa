/** Invariant 3 for scheduled functions: they stop in time, and every dataset still gets its turn. */
import { expect, test } from '@jest/globals';
import { deadlineAfter } from '../../../../src/lib/deadline.ts';
import { OutOfTime } from '../../../../src/lib/errors.ts';
import { inTurn } from '../../../../src/lib/flow/repair/inTurn.ts';
import { ledgerOn } from '../../../../src/lib/ledger/ledger.ts';
import { createMemoryAws } from '../../../support/memory/index.ts';

/** Calls of a function that has time for `seconds`; each dataset takes ten. */
function scheduled(names: readonly string[]) {
  const ledger = ledgerOn('ledger', createMemoryAws().actor('sweep').documents);
  const contracts = new Map(names.map((name) => [name, {} as never]));
  return async (seconds: number, failing: readonly string[] = []) => {
    let left = seconds * 1000;
    const deadline = deadlineAfter(() => left);
    const done: string[] = [];
    const work = async (dataset: string) => {
      deadline.check();
      left -= 10_000;
      done.push(dataset);
      if (failing.includes(dataset)) throw new Error(dataset);
    };
    const { failures } = await inTurn({ contracts, ledger }, 'swept', work, deadline);
    return { done, failed: failures.map((f) => f.dataset) };
  };
}

test('invariant 3: a call whose time is up goes on in the next call, behind the dataset where it stopped', async () => {
  const call = scheduled(['a', 'b', 'c', 'd', 'e']);
  expect((await call(34)).done).toEqual(['a', 'b']);
  expect((await call(34)).done).toEqual(['c', 'd']);
  expect((await call(34)).done).toEqual(['e', 'a']);
  // After its end it starts again with the first dataset.
  expect((await call(900)).done).toEqual(['b', 'c', 'd', 'e', 'a']);
  expect((await call(900)).done).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('a dataset to which others have left too little time is the first in the next call, and no failure', async () => {
  const ledger = ledgerOn('ledger', createMemoryAws().actor('sweep').documents);
  const contracts = new Map(['a', 'b', 'c'].map((name) => [name, {} as never]));
  const call = (slow: string) =>
    inTurn({ contracts, ledger }, 'reconciled', async (dataset) => {
      if (dataset === slow) throw new OutOfTime('too little');
      return dataset;
    });
  const { results, failures, left } = await call('b');
  expect({ done: results.map((r) => r.dataset), failures, left }).toEqual({
    done: ['a'],
    failures: [],
    left: ['b', 'c'],
  });
  // It has the whole time now, and reports that this is not enough.
  expect((await call('b')).failures.map((f) => f.dataset)).toEqual(['b']);
});

test('a dataset that fails, or for which there was no time, keeps no other from its turn', async () => {
  const call = scheduled(['a', 'b', 'c']);
  expect(await call(900, ['a'])).toEqual({ done: ['a', 'b', 'c'], failed: ['a'] });
  // Not enough time for any: each dataset still has a turn, in which it may find that out.
  expect(await call(5)).toEqual({ done: [], failed: ['a'] });
  expect(await call(5)).toEqual({ done: [], failed: ['b'] });
  expect((await call(900)).done).toEqual(['c', 'a', 'b']);
});
