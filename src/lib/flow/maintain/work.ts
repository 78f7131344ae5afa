/** What the parts of the maintenance of a table work on. */
import type { TableFormat, TableShape } from '../../table/format.ts';
import type { Deps } from '../batch/deps.ts';

export interface Maintaining {
  readonly dataset: string;
  /** All datasets of the table. */
  readonly sharing: readonly string[];
  readonly shape: TableShape;
  readonly format: TableFormat;
  /** Nothing is changed. */
  readonly isDryRun: boolean;
}

export type MaintainDeps = Pick<
  Deps,
  'config' | 'contracts' | 'store' | 'formats' | 'ledger' | 'measure' | 'deadline'
>;
