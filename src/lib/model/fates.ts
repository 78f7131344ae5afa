/** The fates of rows that were read. A separate file, because the pages in the browser need it without the schemas. */
import type { Accounting } from './plan.ts';

export type Fate = Exclude<keyof Accounting, 'rowsRead' | 'replacedRows'>;

/** The fates of every batch, in the order in which people read them. */
export const alwaysFates = ['published', 'quarantined', 'duplicates'] as const satisfies readonly Fate[];

/** Those to show for some batches: `skipped` appears if a dataset takes only some of the records. */
export const fatesOf = (all: readonly (Pick<Accounting, 'skipped'> | undefined)[]): readonly Fate[] =>
  all.some((counts) => counts?.skipped !== undefined) ? [...alwaysFates, 'skipped'] : alwaysFates;
