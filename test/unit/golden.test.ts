import { expect, test } from '@jest/globals';
import { compileGolden, readGolden } from '../support/golden.ts';

const plans = await compileGolden();

test.each(plans.map((plan) => [plan.name, plan] as const))(
  'the SQL of %s is what was reviewed (npm run golden writes it anew)',
  (_, plan) => {
    expect(plan.text).toBe(readGolden(plan));
  },
);
