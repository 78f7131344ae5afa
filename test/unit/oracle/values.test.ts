/**
 * The embedded engine does what docs/contract.md says, checked by an interpreter that shares no code with it. More cases: npm
 * run differential -- --oracle.
 */
import { expect, test } from '@jest/globals';
import { compareExpressions, everyExpression, everyLimit } from '../../oracle/compareExpressions.ts';
import { type Difference, report } from '../../oracle/difference.ts';
import { search } from '../../oracle/search.ts';
import { isThorough, runs } from '../../support/thorough.ts';

test(`columns, expressions and whole files have the values, rows and counts of the reference (${runs(9_000, 60_000)} cases)`, async () => {
  const differences: Difference[] = [];
  for await (const found of search(19, runs(9_000, 60_000))) differences.push(...found.differences);
  expect(report(differences)).toBe('');
});

test('no function and no operator on any limit of any type ends a run, and each has the value of the reference', async () => {
  // All of them take a quarter of a minute.
  const expressions = everyExpression().filter((_, i) => isThorough || i % 10 === 0);
  const differences: Difference[] = [];
  for (let i = 0; i < expressions.length; i += 500)
    differences.push(...(await compareExpressions(expressions.slice(i, i + 500), everyLimit())));
  expect(report(differences)).toBe('');
});
