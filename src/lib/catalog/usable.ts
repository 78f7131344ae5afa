/** Finds the fields that the Data Catalog lacks and a contract could use. Free of AWS. */
import { type PathStep, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import type { StructType } from '../model/hiveType.ts';
import { ignoredFields, type MissingField, missingFields, pathsRead } from './rawSchema.ts';

/** Names are compared in lower case, as the Catalog's columns are. */
export const nameOf = ({ keys }: MissingField): string =>
  JSON.stringify(keys.map((key) => key.toLowerCase()));

/**
 * Fields of `seen` that `known` lacks and the contract can use: fields on the path of a column or of `explode`, fields below `flatten`,
 * and with `drift: passthrough` every top-level field that no column reads. No other field causes a crawl.
 */
export function usableMissing(contract: Contract, known: StructType, seen: StructType): MissingField[] {
  const ways = pathsRead(contract).map((path) => keysOf(parsePath(path)));
  const flattened = contract.flatten.map((f) => ({
    keys: keysOf(parsePath(f.path)),
    except: folded(f.except),
  }));
  const passed = new Set(contract.drift === 'passthrough' ? folded(ignoredFields(contract, seen)) : []);
  return missingFields(known, seen).filter((field) => {
    const keys = folded(field.keys);
    if (ways.some((way) => keys.every((key, i) => key === way[i]))) return true;
    // An array below it becomes JSON text, so its content does not matter.
    if (field.isInArray) return false;
    if (keys.length === 1 && passed.has(keys[0] ?? '')) return true;
    return flattened.some(
      ({ keys: of, except }) =>
        keys.length > of.length &&
        of.every((key, i) => key === keys[i]) &&
        !except.includes(keys[of.length] ?? ''),
    );
  });
}

const folded = (names: readonly string[]): string[] => names.map((name) => name.toLowerCase());

const keysOf = (steps: readonly PathStep[]): string[] =>
  steps.flatMap((step) => (step.kind === 'key' ? [step.key.toLowerCase()] : []));
