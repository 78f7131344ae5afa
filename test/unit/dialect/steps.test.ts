import { expect, test } from '@jest/globals';
import { statementOf, upTo } from '../../../src/lib/dialect/steps.ts';

const steps = [
  ['one', 'SELECT 1 AS a'],
  ['two', 'SELECT a + 1 AS b FROM one'],
  ['three', 'SELECT b FROM two'],
] as const;

test('steps are one statement: each reads those before it', () => {
  expect(statementOf(steps)).toBe(
    'WITH one AS (\n  SELECT 1 AS a\n), two AS (\n  SELECT a + 1 AS b FROM one\n)\nSELECT b FROM two',
  );
});

test('up to a step there are those before it, and up to the first only itself', () => {
  expect(statementOf(upTo(steps, 'one') ?? [])).toBe('SELECT 1 AS a');
  expect(upTo(steps, 'two')).toHaveLength(2);
  expect(upTo(steps, 'four')).toBeNull();
});
