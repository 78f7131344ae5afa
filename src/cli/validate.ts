/** `sluice validate`: contracts and their references, with the place of every fault. */
import { dirname } from 'node:path';
import { readContract } from '../lib/contract/load.ts';
import { SluiceError } from '../lib/errors.ts';
import { loadReferences } from '../lib/reference/load.ts';
import { complain, print } from '../stage/terminal.ts';
import { requireFiles } from './paths.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- validate CONTRACT…

Checks contracts and the references they name. Exit status 1 when one has a fault.

Example:
  npm run sluice -- validate datasets/*.yml`;

export async function run(args: string[]): Promise<number> {
  const { positionals } = readOptions(args, {});
  if (positionals.length === 0) throw new UsageError('at least one CONTRACT is needed');
  await requireFiles(positionals, 'pipe');
  let faults = 0;
  for (const file of positionals)
    try {
      await loadReferences(readContract(file), dirname(file));
      print(`${file}: valid`);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      faults++;
      complain(error.message);
    }
  return faults === 0 ? 0 : 1;
}
