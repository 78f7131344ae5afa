/** Files in the shape of reported ones, with values and shapes as a data engineer expects them. */
import { expect, test } from '@jest/globals';
import { contractOfShape, filesOf, outcomeOf, shapeCases } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

test.each(shapeCases.map((each, i) => [`${i}, ${each.name}`, each] as const))(
  'the case %s',
  async (_, each) => {
    const contract = contractOfShape(each);
    const result = await transform(contract, filesOf(each.name));
    expect(outcomeOf(contract, result)).toEqual({ rows: each.rows, refused: each.refused ?? [] });
  },
);
