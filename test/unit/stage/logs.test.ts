import { expect, test } from '@jest/globals';
import { sinceTime } from '../../../src/cli/logs.ts';
import { type LogEvent, linesAbout } from '../../../src/stage/logs.ts';

const request = (n: number) => `00000000-0000-0000-0000-00000000000${n}`;
let next = 0;
const line = (message: string | object): LogEvent => ({
  id: String(next++),
  at: next,
  function: 'publish',
  message: typeof message === 'string' ? message : JSON.stringify(message),
});

const about = (dataset: string, batch: string, n: number) =>
  line({ dataset, batch, function_request_id: request(n), message: 'step done' });
const [a1, a2, b1] = [about('a', '1', 1), about('a', '2', 2), about('b', '1', 3)];
const [start1, report3] = [
  line(`START RequestId: ${request(1)}`),
  line(`REPORT RequestId: ${request(3)}\tDuration: 1`),
];
const crash = line('node: internal error without a request');
const all = [start1, a1, a2, b1, report3, crash];

test('lines about a dataset or a batch come with the plain lines of the same invocations', () => {
  expect(linesAbout(all, { dataset: 'a' })).toEqual([start1, a1, a2]);
  expect(linesAbout(all, { dataset: 'a', batch: '2' })).toEqual([a2]);
  expect(linesAbout(all, { dataset: 'b' })).toEqual([b1, report3]);
});

test('the line of ClaimBatch, which has the batch only as its result, belongs to the batch', () => {
  const claim = line({
    dataset: 'a',
    function_request_id: request(4),
    result: { outcome: 'claimed', batch: '1' },
  });
  expect(linesAbout([claim, a1, b1], { dataset: 'a', batch: '1' })).toEqual([claim, a1]);
});

test('who asks for nothing in particular gets every line', () => {
  expect(linesAbout(all, {})).toEqual(all);
});

test('--since is a duration or a time', () => {
  expect(sinceTime('15m', 1_000_000)).toBe(100_000);
  expect(sinceTime('2d', 200_000_000)).toBe(27_200_000);
  expect(sinceTime('1970-01-01T00:00:07Z', 0)).toBe(7000);
  for (const text of ['soon', '15', '-1m', '15w', '', '9999999m', '2025-10-06T05:00:00'])
    expect(() => sinceTime(text, 1e12)).toThrow(`--since ${text}: must be`);
});
