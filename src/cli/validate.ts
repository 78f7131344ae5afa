/** `sluice validate`: checks contracts and their references, and shows the place of every fault. */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { conflictOf, readContract, requireLookups } from '../lib/contract/load.ts';
import { looksUpTables } from '../lib/contract/lookups.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { ContractError, SluiceError } from '../lib/errors.ts';
import { loadReferences, noRows } from '../lib/reference/load.ts';
import { complain, print } from '../stage/terminal.ts';
import { contractsIn, soundContracts } from './lookups.ts';
import { requireFiles } from './paths.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- validate CONTRACT…

Checks contracts and their reference files, each alone and all together: two contracts may not have the same prefix, or fill one
table in different ways. A contract in datasets/ is compared with the others there. The exit status is 1 if one has a fault.

Example:
  npm run sluice -- validate datasets/*.yml`;

export async function run(args: string[]): Promise<number> {
  const { positionals } = readOptions(args, {});
  if (positionals.length === 0) throw new UsageError('at least one CONTRACT is needed');
  await requireFiles(positionals, 'pipe');
  let faults = 0;
  const valid = neighboursOf(positionals);
  const neighbours = [...valid];
  let known: Contract[] | undefined;
  for (const file of positionals)
    try {
      const contract = readContract(file);
      await loadReferences(contract, dirname(file), noRows(contract));
      requireBuildable(file, contract, valid);
      // A pipe is read once.
      if (looksUpTables(contract)) {
        known ??= [...neighbours, ...soundContracts(positionals)].map((each) => each.contract);
        requireLookups(file, contract, known);
      }
      valid.push({ file, contract });
      print(`${file}: valid`);
      if (hasNewMeaning(file)) print(note);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      faults++;
      complain(error.message);
    }
  return faults === 0 ? 0 : 1;
}

/** An order without a scope decided only between the rows of a batch before. */
const hasNewMeaning = (file: string): boolean => {
  const { dedupe } = written.parse(parse(readFileSync(file, 'utf8'), { logLevel: 'silent' }));
  return dedupe?.scope === undefined && (dedupe?.order?.length ?? 0) > 0;
};
const written = z.object({
  dedupe: z.object({ scope: z.string().optional(), order: z.array(z.unknown()).optional() }).optional(),
});
const note =
  '  note: dedupe has an order and no scope, so it compares rows with the published rows of their partition, too: a newer row replaces a published one. To compare only the rows of a batch, as before, write scope: batch';

interface Known {
  readonly file: string;
  readonly contract: Contract;
}

/** The project's other contracts, which are built together with the named ones. Their own faults are not reported. */
function neighboursOf(named: readonly string[]): Known[] {
  const paths = new Set(named.map((file) => resolve(file)));
  if (![...paths].some(isOfProject)) return [];
  return contractsIn(datasets).flatMap(({ file, contract }) =>
    paths.has(file) ? [] : [{ file: basename(file), contract }],
  );
}

const datasets = resolve(import.meta.dirname, '../../datasets');
const isOfProject = (path: string): boolean => dirname(path) === datasets;

/** Throws ContractError if the build would reject a contract because of another one. */
function requireBuildable(file: string, contract: Contract, others: readonly Known[]): void {
  const fault = (message: string) => {
    throw new ContractError(file, [{ line: 1, column: 1, path: '', message }]);
  };
  if (isOfProject(resolve(file)) && contract.dataset !== basename(file, '.yml'))
    fault(`the dataset "${contract.dataset}" must be in ${contract.dataset}.yml`);
  for (const other of others) {
    const conflict = conflictOf(other.contract, contract);
    if (conflict !== null) fault(`${conflict} (${other.file})`);
  }
}
