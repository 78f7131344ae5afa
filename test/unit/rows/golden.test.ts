import { expect, test } from '@jest/globals';
import { stepNames } from '../../../src/cli/explain.ts';
import { compileGolden, readGolden } from '../../support/golden.ts';

const plans = await compileGolden();

test.each(plans.map((plan) => [plan.name, plan] as const))(
  'the SQL of %s is what was reviewed (npm run golden writes it anew)',
  (_, plan) => {
    expect(plan.text).toBe(readGolden(plan));
  },
);

test('every step of a row part can be completed, and every name that is completed is one', () => {
  const names = plans.flatMap(({ text }) => {
    const [, rowPart = ''] = text.split('-- row part (DuckDB)\n');
    return [...(rowPart.split('\n-- set part')[0] ?? '').matchAll(/^(?:WITH |\), )(\w+) AS \($/gm)].map(
      // The second of a kind has a number.
      ([, name = '']) => name.replace(/\d+$/, ''),
    );
  });
  expect([...new Set([...names, 'rows'])].sort()).toEqual([...stepNames].sort());
});
