/** The contracts in a package. They were read and checked by the build, so that functions start fast. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contract } from './schema.ts';

const name = '.contracts.json';

/** Writes the file that `readBuilt` reads, into the datasets folder. */
export function writeBuilt(contracts: ReadonlyMap<string, Contract>, folder: string): void {
  writeFileSync(join(folder, name), JSON.stringify([...contracts.values()]));
}

/** Every contract of a package by dataset name. */
export function readBuilt(folder: string): ReadonlyMap<string, Contract> {
  // The build wrote the file and parsed its content.
  const contracts = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Contract[];
  return new Map(contracts.map((contract) => [contract.dataset, contract]));
}

/** Converts a contract to text and back. A batch keeps the contract that it was claimed with. */
export const contractText = (contract: Contract): string => JSON.stringify(contract);
export const contractFrom = (text: string): Contract => JSON.parse(text) as Contract;
