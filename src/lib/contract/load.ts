/** Reads contract files from a folder. Errors name file, line, column and path. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LineCounter, type Node, parseDocument, visit } from 'yaml';
import { ContractError, type ContractProblem } from '../errors.ts';
import type { TableFormatName } from '../model/plan.ts';
import { contractSchema } from './check.ts';
import { disagreements } from './columns.ts';
import { tableOf, withTableFormat } from './contract.ts';
import { faultsOf } from './faults.ts';
import { lookupFaults } from './lookups.ts';
import type { Contract } from './schema.ts';

/**
 * All contracts of a folder by dataset name, as on a stage with this `tableFormat`. Throws ContractError for the first file with faults.
 */
export function loadContracts(
  folder: string,
  tableFormat: TableFormatName = 'hive',
): ReadonlyMap<string, Contract> {
  const contracts = new Map<string, Contract>();
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.yml'))
    .sort()) {
    const path = join(folder, file);
    const contract = withTableFormat(readContract(path), tableFormat);
    const fault = (message: string) => {
      throw new ContractError(path, [{ line: 1, column: 1, path: '', message }]);
    };
    if (contract.dataset !== basename(file, '.yml'))
      fault(`the dataset "${contract.dataset}" must be in ${contract.dataset}.yml`);
    for (const other of contracts.values()) {
      const conflict = conflictOf(other, contract);
      if (conflict !== null) fault(conflict);
    }
    contracts.set(contract.dataset, contract);
  }
  for (const contract of contracts.values())
    requireLookups(join(folder, `${contract.dataset}.yml`), contract, contracts.values());
  return contracts;
}

/** Throws ContractError for lookups of tables that the other contracts do not fill as the lookup needs. */
export function requireLookups(file: string, contract: Contract, contracts: Iterable<Contract>): void {
  const faults = lookupFaults(contract, contracts);
  if (faults.length > 0)
    throw new ContractError(
      file,
      faults.map(({ enrichment, message }) => ({
        line: 1,
        column: 1,
        path: `enrich.${enrichment}.table`,
        message,
      })),
    );
}

/** Why two contracts cannot be built together; null if they can. */
export function conflictOf(one: Contract, other: Contract): string | null {
  if (one.dataset === other.dataset) return `the dataset "${one.dataset}" has a contract already`;
  if (one.source.prefix === other.source.prefix && (one.when === undefined || other.when === undefined))
    return `the prefix ${other.source.prefix} belongs to the dataset "${one.dataset}" already; two share one if both have "when", which says whose a record is`;
  if (tableOf(one) !== tableOf(other)) return null;
  const [difference] = disagreements(one, other);
  return difference === undefined
    ? null
    : `the table "${tableOf(other)}" is that of the dataset "${one.dataset}" too, and ${difference}`;
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
      // A syntax error causes further errors that add nothing.
      document.errors.slice(0, 1).map((e) => {
        const [message = e.message] = e.message.split('\n');
        return at(e.pos[0], '', message.startsWith('Maximum call stack') ? 'is nested too deeply' : message);
      }),
    );
  const unusable = unusableIn(document);
  if (unusable) throw new ContractError(file, [at(unusable.offset, '', unusable.message)]);
  const data = dataOf(file, document, at);
  const parsed = contractSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new ContractError(
    file,
    faultsOf(parsed.error.issues, data).map(({ path, message }) =>
      at(offsetOf(document, path), path.join('.'), message),
    ),
  );
}

/** The first text or key that is impossible in SQL or in an object. */
function unusableIn(document: ReturnType<typeof parseDocument>): { offset: number; message: string } | null {
  let found: { offset: number; message: string } | null = null;
  visit(document, {
    Alias(_, alias, ancestors) {
      const named = alias.resolve(document);
      if (named === undefined || !ancestors.includes(named)) return undefined;
      found = {
        offset: alias.range?.[0] ?? 0,
        message: `the alias *${alias.source} refers to itself`,
      };
      return visit.BREAK;
    },
    Scalar(role, { value, range }) {
      const message =
        role === 'key' && value === '__proto__'
          ? 'no key may be called __proto__'
          : typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())
            ? 'a text may not hold a NUL character or half a surrogate pair'
            : null;
      if (message === null) return undefined;
      found = { offset: range?.[0] ?? 0, message };
      return visit.BREAK;
    },
  });
  return found;
}

/** The value of a document. Throws ContractError for unknown aliases, and for aliases that expand beyond the size of a contract. */
function dataOf(
  file: string,
  document: ReturnType<typeof parseDocument>,
  at: (offset: number, path: string, message: string) => ContractProblem,
): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // The error of yaml for an alias: https://eemeli.org/yaml/#tojs-options
    if (!(error instanceof ReferenceError)) throw error;
    let offset = 0;
    visit(document, {
      Alias(_, { range }) {
        offset = range?.[0] ?? 0;
        return visit.BREAK;
      },
    });
    throw new ContractError(file, [at(offset, '', `an alias cannot be used: ${error.message}`)]);
  }
}

/** The start of the deepest node on a path. A missing key is shown at its parent. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly (string | number)[]): number {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as Node | undefined;
    if (node?.range) return node.range[0];
  }
  return 0;
}
