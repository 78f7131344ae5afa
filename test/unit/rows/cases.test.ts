/** Files in the shape of reported ones, with values and shapes as a data engineer expects them. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { contractOfShape, csvCases, filesOf, outcomeOf, shapeCases } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

test.each(shapeCases.map((each, i) => [`${i}, ${each.name}`, each] as const))(
  'the case %s',
  async (_, each) => {
    const contract = contractOfShape(each);
    const result = await transform(contract, filesOf(each.name));
    expect(outcomeOf(contract, result)).toEqual({ rows: each.rows, refused: each.refused ?? [] });
  },
);

// Two contracts of one prefix, without a file: when.test.ts and validate.test.ts.
const elsewhere = ['i05-same-prefix'];

test('each reported case has its expected rows', () => {
  const folders = readdirSync(join(import.meta.dirname, '../../fixtures/cases'));
  const known = new Set([...csvCases, ...shapeCases].map(({ name }) => name));
  expect(folders.filter((name) => !known.has(name))).toEqual(elsewhere);
});
