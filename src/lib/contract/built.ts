/** Contracts as a package has them: read and checked when it was built, so that no function has to when it starts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contract } from './schema.ts';

const name = '.contracts.json';

/** Writes what `readBuilt` reads, into the datasets folder. */
export function writeBuilt(contracts: ReadonlyMap<string, Contract>, folder: string): void {
  writeFileSync(join(folder, name), JSON.stringify([...contracts.values()]));
}

/** Every contract of a package by dataset name. */
export function readBuilt(folder: string): ReadonlyMap<string, Contract> {
  // Its own build wrote it: what it holds was parsed then.
  const contracts = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Contract[];
  return new Map(contracts.map((contract) => [contract.dataset, contract]));
}

/** One contract as text, and back: a batch keeps the one that it was claimed with. */
export const contractText = (contract: Contract): string => JSON.stringify(contract);
export const contractFrom = (text: string): Contract => JSON.parse(text) as Contract;
