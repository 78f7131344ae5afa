/** Where the records of a document stand: an array (`statuses`), below one (`edges[*].node`), or a map (`features.*`, `*`). */
import { isJsonObject } from '../json.ts';
import { type PathStep, parsePath, pathPattern } from './path.ts';

/** A path into a document, taken apart. */
export interface RecordsPath {
  /** To the array or map. */
  readonly steps: readonly PathStep[];
  /** From an element to the record. */
  readonly below: readonly PathStep[];
  /** Each value of an object is a record, which has its key as the field `_key`. */
  readonly isMap: boolean;
}

/** What such a path looks like, whole. */
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

/** Whether the fields of such records cannot be told from the type that a crawler gives the document. */
export const isBeyondCrawlers = (path: string): boolean => {
  const { isMap, below } = parseRecordsPath(path);
  return isMap || below.length > 0;
};

/** The records of a document; undefined where nothing of the kind stands there. */
export function recordsAt(document: unknown, path: string): unknown[] | undefined {
  const { steps, below, isMap } = parseRecordsPath(path);
  const [found] = valuesAt(document, steps);
  if (isMap) return isJsonObject(found) ? Object.entries(found).map(withKey) : undefined;
  return Array.isArray(found) ? found.flatMap((item) => valuesAt(item, below)) : undefined;
}

/** An entry of a map as a record: what is no object is its field `_value`. */
const withKey = ([key, value]: [string, unknown]): object =>
  isJsonObject(value) ? { ...value, _key: key } : { _key: key, _value: value };

/** The values at the end of steps: none, one, or with `[*]` any number. */
export function valuesAt(value: unknown, steps: readonly PathStep[]): unknown[] {
  return steps.reduce<unknown[]>(
    (values, step) =>
      values.flatMap((at) => {
        if (step.kind === 'each') return Array.isArray(at) ? at : [];
        if (step.kind === 'index') return Array.isArray(at) && step.index < at.length ? [at[step.index]] : [];
        // What an object inherits, such as `constructor`, is none of its fields.
        const own = isJsonObject(at) ? Object.getOwnPropertyDescriptor(at, step.key) : undefined;
        return own === undefined ? [] : [own.value];
      }),
    [value],
  );
}
