/** Which fields that the Data Catalog lacks a contract could use. Free of AWS. */
import { type PathStep, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import type { StructType } from '../model/hiveType.ts';
import { ignoredFields, type MissingField, missingFields, pathsRead } from './rawSchema.ts';

/** Names compare folded: the Catalog has its columns in lower case. */
export const nameOf = ({ keys }: MissingField): string =>
  JSON.stringify(keys.map((key) => key.toLowerCase()));

/**
 * Fields of `seen` that `known` lacks and the contract can use: those on the way to a column or to `explode`, those below
 * `flatten`, and with `drift: passthrough` every top-level field that no column reads. Any other is no reason for a crawl.
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
    // What lies in an array below is JSON text, whatever it is.
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
