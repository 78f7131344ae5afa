/** Reads contract files from a folder, with errors that name file, line, column and path. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LineCounter, type Node, parseDocument } from 'yaml';
import { ContractError, type ContractProblem } from '../errors.ts';
import { disagreements } from './columns.ts';
import { tableOf } from './contract.ts';
import { type Contract, contractSchema } from './schema.ts';

/** Every contract of a folder by dataset name. Throws ContractError at the first file with faults. */
export function loadContracts(folder: string): ReadonlyMap<string, Contract> {
  const contracts = new Map<string, Contract>();
  const owners = new Map<string, string>();
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.yml'))
    .sort()) {
    const path = join(folder, file);
    const contract = readContract(path);
    const fault = (message: string) => {
      throw new ContractError(path, [{ line: 1, column: 1, path: '', message }]);
    };
    if (contract.dataset !== basename(file, '.yml'))
      fault(`the dataset "${contract.dataset}" must be in ${contract.dataset}.yml`);
    const owner = owners.get(contract.source.prefix);
    if (owner) fault(`the prefix ${contract.source.prefix} belongs to the dataset "${owner}" already`);
    owners.set(contract.source.prefix, contract.dataset);
    for (const other of contracts.values())
      if (tableOf(other) === tableOf(contract))
        for (const difference of disagreements(other, contract).slice(0, 1))
          fault(
            `the table "${tableOf(contract)}" is that of the dataset "${other.dataset}" too, and ${difference}`,
          );
    contracts.set(contract.dataset, contract);
  }
  return contracts;
}

/** One contract from its file. Throws ContractError with every fault, and the file system's error for a missing file. */
export const readContract = (file: string): Contract => parseContract(file, readFileSync(file, 'utf8'));

/** One contract from its text. Throws ContractError with every fault found. */
export function parseContract(file: string, text: string): Contract {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number, path: string, message: string): ContractProblem => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col, path, message };
  };
  if (document.errors.length > 0)
    throw new ContractError(
      file,
      // One slip in the syntax is followed by many that say nothing new.
      document.errors.slice(0, 1).map((e) => at(e.pos[0], '', e.message.split('\n')[0] ?? e.message)),
    );
  const parsed = contractSchema.safeParse(contentOf(document, file));
  if (parsed.success) return parsed.data;
  throw new ContractError(
    file,
    parsed.error.issues.map((issue) => {
      const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
      return at(offsetOf(document, path), path.join('.'), issue.message);
    }),
  );
}

/** Throws ContractError for an alias without its anchor, and for aliases that multiply: a few lines can stand for gigabytes. */
function contentOf(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new ContractError(file, [{ line: 1, column: 1, path: '', message: error.message }]);
  }
}

/** Start of the deepest node that a path reaches: a missing key is shown at its parent. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly (string | number)[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as Node | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}
