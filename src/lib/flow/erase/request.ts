/** Who is erased, in the columns that the contract gives the table. */
import { compile } from '../../compiler/compile.ts';
import { enrichedColumns } from '../../contract/columns.ts';
import { type Persons, personsOfCondition, personsOfFile } from '../../contract/persons.ts';
import type { Sought } from '../../engine/sought.ts';
import { InvalidInput } from '../../errors.ts';
import { loadReferences, noRows } from '../../reference/load.ts';
import { contractOf } from '../batch/deps.ts';
import { readPlan } from '../batch/manifest.ts';
import { lastClosed } from '../batch/restored.ts';
import { readersOf } from './erase.ts';
import type { EraseDeps } from './work.ts';

/** A condition, or the text of a file of keys. */
export type Given = { readonly where: string } | { readonly keys: string };

/**
 * What the search looks for. The plan is that of the latest batch: it has all columns of the table. Throws InvalidInput for a key that is not
 * read from the records.
 */
export async function soughtOf(
  deps: Pick<EraseDeps, 'config' | 'contracts' | 'store' | 'ledger'>,
  dataset: string,
  given: Given,
): Promise<Sought> {
  const contract = contractOf(deps, dataset);
  const references = await loadReferences(contract, deps.config.datasetsFolder, noRows(contract));
  const latest = await lastClosed(deps, dataset);
  const plan = latest ? await readPlan(deps, { dataset, ...latest }) : compile(contract, null, references);
  const columns = new Map(
    plan.columns.flatMap(({ name, type }) => (name.startsWith('_') ? [] : [[name, type] as const])),
  );
  const persons: Persons =
    'where' in given ? personsOfCondition(given.where, columns) : personsOfFile(given.keys, columns);
  const foreign = enrichedColumns(contract).find(({ name }) => persons.columns.includes(name));
  if (foreign !== undefined)
    throw new InvalidInput(
      `${dataset}: the column ${foreign.name} is looked up, and no record has it; name the person by a column that is read from the records`,
      { dataset },
    );
  return { contract, plan, references, persons, isAlone: readersOf(deps, contract).length === 0 };
}
