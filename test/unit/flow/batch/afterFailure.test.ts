import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  afterFailure,
  afterOutage,
  failuresInARow,
  isOutage,
  restAfter,
} from '../../../../src/lib/flow/batch/afterFailure.ts';

/** Runs batches until no file waits; `breaks` says which files are poison. Returns the states and the number of tries. */
function work(files: readonly number[], breaks: (file: number) => boolean) {
  const attempts = new Map<string, number>();
  const states = new Map<number, string>();
  let queue: (readonly number[])[] = [files];
  let inARow = 0;
  let tries = 0;
  while (queue.length > 0) {
    const [batch = [], ...rest] = queue;
    queue = rest;
    tries++;
    if (!batch.some(breaks)) {
      inARow = 0;
      for (const file of batch) states.set(file, 'published');
      continue;
    }
    inARow++;
    const id = batch.join();
    attempts.set(id, (attempts.get(id) ?? 0) + 1);
    const verdict = afterFailure(batch, attempts.get(id) ?? 0, inARow);
    if (verdict.kind === 'retry') queue = [...queue, ...verdict.groups];
    else for (const file of batch) states.set(file, verdict.kind);
  }
  return { states, tries };
}

test('one poison file among a hundred stands alone in the end, and all others are published', () => {
  for (const poison of [0, 41, 99]) {
    const files = Array.from({ length: 100 }, (_, i) => i);
    const { states, tries } = work(files, (file) => file === poison);
    expect(states.get(poison)).toBe('fail');
    expect([...states.values()].filter((s) => s === 'published')).toHaveLength(99);
    expect(tries).toBeLessThan(25);
  }
});

test('a poison file whose half is always tried first is found in the largest batch, too', () => {
  let size = 100_000;
  let failures = 0;
  for (let attempts = 1; ; attempts++) {
    const verdict = afterFailure(Array.from({ length: size }), attempts, ++failures);
    if (verdict.kind === 'hold') throw new Error(verdict.why);
    if (verdict.kind === 'fail') break;
    const larger = verdict.groups[0]?.length ?? 0;
    if (larger < size) attempts = 0;
    size = larger;
  }
  expect([size, failures]).toEqual([1, 37]);
});

test('when everything breaks, the files are held after a bounded number of tries', () => {
  const files = Array.from({ length: 1000 }, (_, i) => i);
  const { states, tries } = work(files, () => true);
  expect(new Set(states.values())).toContain('hold');
  expect(states.size).toBe(1000);
  expect(tries).toBeLessThan(failuresInARow + 60);
});

test('property: every file ends in a state, whatever breaks, and no good file is failed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.array(fc.nat(199), { maxLength: 4 }), (n, poison) => {
      const files = Array.from({ length: n }, (_, i) => i);
      const { states } = work(files, (file) => poison.includes(file));
      for (const file of files) {
        const state = states.get(file);
        expect(['published', 'fail', 'hold']).toContain(state);
        if (state === 'fail') expect(poison).toContain(file);
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});

test.each<[string, number, number, number, object]>([
  ['two files are tried together once more', 2, 1, 1, { kind: 'retry', groups: [[0, 1]] }],
  ['then they are tried apart', 2, 2, 2, { kind: 'retry', groups: [[0], [1]] }],
  ['the first of two parts is the larger one', 3, 2, 2, { kind: 'retry', groups: [[0, 1], [2]] }],
  ['a file alone is tried again', 1, 2, 2, { kind: 'retry', groups: [[0]] }],
  ['after its third try it has failed', 1, 3, 3, { kind: 'fail' }],
  ['39 failures in a row hold nothing', 2, 1, 39, { kind: 'retry', groups: [[0, 1]] }],
  ['40 do', 2, 1, 40, { kind: 'hold', why: 'the last 40 batches of the dataset all failed' }],
])('%s', (_, files, attempts, inARow, verdict) => {
  expect(afterFailure([...Array(files).keys()], attempts, inARow)).toEqual(verdict);
});

test.each<[string, Parameters<typeof isOutage>, boolean]>([
  ['the first transient error is an outage', [{ outages: 0 }, 7], true],
  ['so is the next one, if no file was published since', [{ outages: 1, publishedBefore: 7 }, 7], true],
  ['if one was, AWS works', [{ outages: 1, publishedBefore: 7 }, 8], false],
  ['the 150th is still one', [{ outages: 149, publishedBefore: 7 }, 7], true],
  ['no further one is', [{ outages: 150, publishedBefore: 7 }, 7], false],
])('%s', (_, [batch, published], is) => {
  expect(isOutage(batch, published)).toBe(is);
});

test('several files are tried apart from the third outage on; a file alone is tried again', () => {
  expect([0, 1, 2, 3].map((outages) => afterOutage([0, 1, 2], outages).length)).toEqual([1, 1, 2, 2]);
  expect(afterOutage([0, 1, 2], 2)).toEqual([[0, 1], [2]]);
  expect(afterOutage([0], 5)).toEqual([[0]]);
});

test('a dataset rests from the second outage in a row on, and never longer than files of a failed batch have patience', () => {
  expect([0, 1, 2, 3, 4, 5, 99].map((n) => restAfter(n) / 60_000)).toEqual([0, 0, 1, 2, 4, 4, 4]);
});
