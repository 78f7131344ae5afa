import { test } from '@jest/globals';
import type { TableFormatName } from '../../src/lib/model/plan.ts';

/** `npm test` runs more cases than `npm run check`, which has a minute in total. */
export const isThorough = process.env.SLUICE_THOROUGH !== undefined;

/** A test for which `npm run check` has no time. */
export const thoroughTest = isThorough ? test : test.skip;

/** The format of the tables of a test that asks for none: `npm test` runs the tests of the flow on both (jest.config.mjs). */
export const formatUnderTest: TableFormatName =
  process.env.SLUICE_TEST_FORMAT === 'iceberg' ? 'iceberg' : 'hive';

/** The number of runs of a property; on Iceberg, where the flow takes longer, `npm test` may run fewer. */
export const runs = (few: number, many: number, onIceberg = many): number =>
  isThorough ? { hive: many, iceberg: onIceberg }[formatUnderTest] : few;
