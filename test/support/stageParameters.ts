/** The parameters of the stage that end-to-end tests run on. One that is deployed with the same ones needs no package of its own. */
import type { TableFormatName } from '../../src/lib/model/plan.ts';

export const stageParameters = (tableFormat: TableFormatName) => ({
  tableFormat,
  // Large rewrites are within the tests' reach.
  rewriteLimitMb: '40',
});
