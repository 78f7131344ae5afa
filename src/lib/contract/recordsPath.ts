/** The place of a document's records: an array (`statuses`), below an array (`edges[*].node`), or a map (`features.*`, `*`). */
import { isJsonObject } from '../json.ts';
import { type PathStep, parsePath, pathPattern } from './path.ts';

/** The parts of a path into a document. */
export interface RecordsPath {
  /** To the array or map. */
  readonly steps: readonly PathStep[];
  /** From an element to the record. */
  readonly below: readonly PathStep[];
  /** Each value of an object is a record, with its key as the field `_key`. */
  readonly isMap: boolean;
}

/** The pattern of a whole records path. */
export const recordsPattern = new RegExp(`^(?:\\*|${pathPattern.source.slice(1, -1)}(?:\\.\\*)?)$`);

/** The parts of a path that fits `recordsPattern`. */
export function parseRecordsPath(path: string): RecordsPath {
  if (path === '*') return { steps: [], below: [], isMap: true };
  if (path.endsWith('.*')) return { steps: parsePath(path.slice(0, -2)), below: [], isMap: true };
  const steps = parsePath(path);
  const each = steps.findIndex((step) => step.kind === 'each');
  return each < 0
    ? { steps, below: [], isMap: false }
    : { steps: steps.slice(0, each), below: steps.slice(each + 1), isMap: false };
}

/** Whether a crawler's type of the document does not show the fields of the records. */
export const isBeyondCrawlers = (path: string): boolean => {
  const { isMap, below } = parseRecordsPath(path);
  return isMap || below.length > 0;
};

/** The records of a document; undefined if it has no such place. */
export function recordsAt(document: unknown, path: string): unknown[] | undefined {
  const { steps, below, isMap } = parseRecordsPath(path);
  const [found] = valuesAt(document, steps);
  if (isMap) return isJsonObject(found) ? Object.entries(found).map(withKey) : undefined;
  return Array.isArray(found) ? found.flatMap((item) => valuesAt(item, below)) : undefined;
}

/** An entry of a map as a record. A value that is not an object becomes the field `_value`. */
const withKey = ([key, value]: [string, unknown]): object =>
  isJsonObject(value) ? { ...value, _key: key } : { _key: key, _value: value };

/** The values at the end of a path: none, one, or any number with `[*]`. */
export function valuesAt(value: unknown, steps: readonly PathStep[]): unknown[] {
  return steps.reduce<unknown[]>(
    (values, step) =>
      values.flatMap((at) => {
        if (step.kind === 'each') return Array.isArray(at) ? at : [];
        if (step.kind === 'index') return Array.isArray(at) && step.index < at.length ? [at[step.index]] : [];
        // Inherited properties such as `constructor` are not fields.
        const own = isJsonObject(at) ? Object.getOwnPropertyDescriptor(at, step.key) : undefined;
        return own === undefined ? [] : [own.value];
      }),
    [value],
  );
}
