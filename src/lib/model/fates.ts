/** The fates of rows that were read. A separate file, because the pages in the browser need it without the schemas. */
import type { Accounting } from './plan.ts';

export type Fate = Exclude<keyof Accounting, 'rowsRead' | 'replacedRows' | 'deletedRows' | 'changedRows'>;

/** The fates of every batch, in the order in which people read them. */
export const alwaysFates = ['published', 'quarantined', 'duplicates'] as const satisfies readonly Fate[];

/** Those that only some datasets have: rows that delete keys, and records of other datasets. */
const sometimes = ['deletes', 'skipped'] as const satisfies readonly Fate[];

/** Those to show for some batches. */
export const fatesOf = (
  all: readonly (Pick<Accounting, (typeof sometimes)[number]> | undefined)[],
): readonly Fate[] => [
  ...alwaysFates,
  ...sometimes.filter((fate) => all.some((counts) => counts?.[fate] !== undefined)),
];
