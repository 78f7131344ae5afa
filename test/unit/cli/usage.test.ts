import { expect, test } from '@jest/globals';
import { isReading } from '../../../src/cli/query.ts';
import { asWord, readTime, suggestion } from '../../../src/cli/usage.ts';

test.each([
  ['statsu', 'status'],
  ['stat', null],
  ['quarentine', 'quarantine'],
  ['x', null],
  ['--datset', '--dataset'],
])('for %s %s is meant', (typed, meant) => {
  const words = ['status', 'quarantine', 'query', '--dataset'];
  expect(suggestion(typed, words)).toBe(meant === null ? '' : `; did you mean "${meant}"?`);
});

test.each([
  ['SELECT 1', true],
  [' -- what\n(( select 1))', true],
  ['/* a */ WITH x AS (SELECT 1) SELECT * FROM x', true],
  ['show tables', true],
  ['DROP TABLE x', false],
  ['/* select */ insert into x select 1', false],
  ['-- select', false],
  ['CREATE TABLE x AS SELECT 1', false],
  ['UNLOAD (SELECT 1) TO x', false],
  ['selection', false],
])('query runs %j without --write: %s', (sql, isAllowed) => {
  expect(isReading(sql)).toBe(isAllowed);
});

test.each([
  ['data/a-1.csv', 'data/a-1.csv'],
  ['2024 Über.csv', "'2024 Über.csv'"],
  ["it's", "'it'\\''s'"],
  ['$(x)', "'$(x)'"],
  ['', "''"],
])('a command names %j as %s', (text, word) => {
  expect(asWord(text)).toBe(word);
});

test.each([
  ['2025-10-06', '2025-10-06T00:00:00.000Z'],
  ['2025-10-06T05:00+02:00', '2025-10-06T03:00:00.000Z'],
  ['2024-02-29T23:59:59.999Z', '2024-02-29T23:59:59.999Z'],
])('%s is the time %s on every machine', (text, time) => {
  expect(readTime(text).toISOString()).toBe(time);
});

test.each([
  '2025-02-30',
  '2025-02-29T05:00:00Z',
  '2025-10-06T05:00:00',
  '2025-10-06 05:00',
  '10/06/2025',
  '2025-10-06T25:00:00Z',
  '2025',
  '1',
  '',
])('"%s" is no time: it would depend on the machine, or be another day', (text) => {
  expect(() => readTime(text)).toThrow(`${text}: is not a time such as`);
});
