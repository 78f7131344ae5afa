import { type TableFormatName, tableFormats } from '../../src/lib/model/plan.ts';

/** `npm test` tries more than `npm run check`, which has a minute for everything. */
export const isThorough = process.env.SLUICE_THOROUGH !== undefined;

/** The formats of tables on which a property of the flow is tried. */
export const formats: readonly TableFormatName[] = isThorough ? tableFormats : ['hive'];

/** How often a property is tried. */
export const runs = (few: number, many: number): number => (isThorough ? many : few);
