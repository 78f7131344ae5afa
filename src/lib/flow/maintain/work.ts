/** What the parts of the maintenance of a table work on. */

import type { Plan } from '../../model/plan.ts';
import type { TableFormat, TableShape } from '../../table/format.ts';
import type { Deps } from '../batch/deps.ts';
import type { WakeDeps } from '../wake.ts';

export interface Maintaining {
  readonly dataset: string;
  /** All datasets of the table. */
  readonly sharing: readonly string[];
  /** Of the latest published batch. */
  readonly plan: Plan;
  readonly shape: TableShape;
  readonly format: TableFormat;
  /** Nothing is changed. */
  readonly isDryRun: boolean;
}

export type MaintainDeps = Pick<
  Deps,
  'config' | 'contracts' | 'store' | 'formats' | 'ledger' | 'measure' | 'deadline'
> &
  WakeDeps & {
    /** Milliseconds between two looks at a lease that others hold. */
    readonly turnPause?: number;
  };

/** The one run of a compaction. */
export const packRun = 'c';

/** Milliseconds that the commit of a compaction may take. */
export const commitTime = 60_000;
