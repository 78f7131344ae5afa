/** `npm test` tries more than `npm run check`, which has a minute for everything. */
export const isThorough = process.env.SLUICE_THOROUGH !== undefined;

/** How often a property is tried. */
export const runs = (few: number, many: number): number => (isThorough ? many : few);
