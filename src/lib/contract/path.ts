/** Paths into a record: `user.id`, `items[0].sku`, `entities.hashtags[*].text`, `"Miles per Gallon"`, `"the \"best\""`. */

export type PathStep =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'each' };

// DuckDB treats a key `*` as a wildcard, and its SQL ends at a NUL.
const key = `(?:"(?!\\*")(?:[^"\\\\\\0]|\\\\["\\\\])+"|(?!\\*(?:[.[]|$))[^.[\\]"'\\\\\\s\\0]+)`;
const item = String.raw`\[(?:\d{1,9}|\*)\]`;

/** The pattern of a whole path. */
export const pathPattern = new RegExp(`^${key}(?:${item})*(?:\\.${key}(?:${item})*)*$`);

/** The path of a column that reads the object key of the record. A field with this name is written in quotes. */
export const objectKey = '$key';

/** The steps of a path that fits `pathPattern`. */
export function parsePath(path: string): PathStep[] {
  return [...path.matchAll(/\[(\d+|\*)\]|"((?:[^"\\]|\\.)+)"|([^.[\]"]+)/g)].map(
    ([, place, quoted, plain]) => {
      if (place === '*') return { kind: 'each' };
      if (place !== undefined) return { kind: 'index', index: Number(place) };
      return { kind: 'key', key: quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '' };
    },
  );
}

/** Whether a path takes every element of an array. A quoted key may contain the same characters. */
export const hasEach = (path: string): boolean => parsePath(path).some((step) => step.kind === 'each');

/** Writes steps as a path; null if a key has a character that is impossible in a path. */
export function formatPath(steps: readonly PathStep[]): string | null {
  const parts = steps.map((step, i) => {
    if (step.kind === 'each') return '[*]';
    if (step.kind === 'index') return `[${step.index}]`;
    const isPlain =
      pathPattern.test(step.key) && !/[.["]/.test(step.key) && (i > 0 || step.key !== objectKey);
    return `${i === 0 ? '' : '.'}${isPlain ? step.key : `"${quotedKey(step.key)}"`}`;
  });
  const path = parts.join('');
  return pathPattern.test(path) && path.isWellFormed() ? path : null;
}

/** A key for double quotes, in a path of a contract and of DuckDB. */
export const quotedKey = (key: string): string => key.replaceAll(/["\\]/g, '\\$&');

/** The field of the record at the beginning of a path. */
export const firstKey = (path: string): string => {
  const [first] = parsePath(path);
  return first?.kind === 'key' ? first.key : '';
};

/** Whether `path` is `parent` or below it. */
export function isBelow(path: string, parent: string): boolean {
  const steps = parsePath(path);
  return parsePath(parent).every((step, i) => JSON.stringify(step) === JSON.stringify(steps[i]));
}
