/** The dependencies of the steps. Each Lambda creates its clients once and passes them in; tests pass their own. */
import type { Athena } from '../../aws/athena.ts';
import type { Catalog } from '../../aws/catalog.ts';
import type { Store } from '../../aws/store.ts';
import type { Config } from '../../config.ts';
import type { Contract } from '../../contract/schema.ts';
import type { Deadline } from '../../deadline.ts';
import { InvalidInput } from '../../errors.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { TableFormat } from '../../table/format.ts';
import type { TableFormats } from '../../table/formats.ts';
import type { Measure } from './measure.ts';

export interface Deps {
  readonly config: Config;
  readonly contracts: ReadonlyMap<string, Contract>;
  readonly store: Store;
  readonly catalog: Catalog;
  readonly athena: Athena;
  readonly formats: TableFormats;
  readonly ledger: Ledger;
  readonly measure: Measure;
  /** The remaining time of the step; undefined if it has no limit. */
  readonly deadline?: Deadline | undefined;
}

/** The table format of a plan, or of what an attempt has published. */
export const formatOf = (
  { formats }: Pick<Deps, 'formats'>,
  { format }: { readonly format: keyof TableFormats },
): TableFormat => formats[format];

/** The contract of a dataset. Throws InvalidInput with the existing datasets. */
export function contractOf({ contracts }: Pick<Deps, 'contracts'>, dataset: string): Contract {
  const contract = contracts.get(dataset);
  if (!contract)
    throw new InvalidInput(`there is no dataset "${dataset}", only ${[...contracts.keys()].join(', ')}`, {
      dataset,
    });
  return contract;
}
