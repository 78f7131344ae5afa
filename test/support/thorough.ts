import { type TableFormatName, tableFormats } from '../../src/lib/model/plan.ts';

/** `npm test` runs more cases than `npm run check`, which has a minute in total. */
export const isThorough = process.env.SLUICE_THOROUGH !== undefined;

/** The table formats on which a property of the flow is tested. */
export const formats: readonly TableFormatName[] = isThorough ? tableFormats : ['hive'];

/** The number of runs of a property. */
export const runs = (few: number, many: number): number => (isThorough ? many : few);
