/** The documents within a record: elements of the arrays and maps that `explode` names, and the JSON of the texts that `parse` names. */
import { isBelow, type PathStep, parsePath } from './path.ts';
import type { Contract } from './schema.ts';

type Shapes = Pick<Contract, 'explode' | 'parse'>;

/** An array or a map whose elements become rows. */
export interface Exploded {
  readonly path: string;
  readonly isMap: boolean;
}

/** The arrays and maps that a contract explodes, in its order. */
export const explodesOf = ({ explode }: Pick<Contract, 'explode'>): readonly Exploded[] =>
  [explode ?? []].flat().map((path) => ({ path: path.replace(/\.\*$/, ''), isMap: path.endsWith('.*') }));

/** A document inside another one: an element of an array or a map, or the JSON in a text. */
export interface Inner {
  readonly kind: 'array' | 'map' | 'json';
  readonly path: string;
  /** The index of the document that contains it; null for the record. */
  readonly parent: number | null;
  /** The path from there to the array, the map or the text. */
  readonly rest: readonly PathStep[];
}

/** All documents, each after the one that contains it. A text is parsed before its value is exploded. */
export function innerDocuments(contract: Shapes): readonly Inner[] {
  const named = [
    ...Object.keys(contract.parse ?? {}).map((path) => ({ kind: 'json' as const, path })),
    ...explodesOf(contract).map(({ path, isMap }) => ({
      kind: isMap ? ('map' as const) : ('array' as const),
      path,
    })),
  ].sort((a, b) => parsePath(a.path).length - parsePath(b.path).length);
  const inners: Inner[] = [];
  for (const { kind, path } of named) inners.push({ kind, path, ...placeAmong(inners, path) });
  return inners;
}

/** The place of a column's value: its document, and the path from there. */
export interface PlaceInDocument {
  readonly parent: number | null;
  readonly rest: readonly PathStep[];
}

/** The innermost document on a path, and the rest of the path. */
function placeAmong(
  inners: readonly Inner[],
  path: string,
  isOpen: (inner: Inner) => boolean = () => true,
): PlaceInDocument {
  const parent = inners.findLastIndex((inner) => isOpen(inner) && isBelow(path, inner.path));
  const above = inners[parent];
  return above === undefined
    ? { parent: null, rest: parsePath(path) }
    : { parent, rest: parsePath(path).slice(parsePath(above.path).length) };
}

/** A column at the path of a parsed text reads the text itself, unless it is of type json or an array. */
export const placeOfColumn = (
  inners: readonly Inner[],
  { path, type }: { readonly path: string; readonly type: string },
): PlaceInDocument => {
  const isWhole = type === 'json' || type.startsWith('array<');
  const length = parsePath(path).length;
  const isItself = (inner: Inner) => inner.kind === 'json' && parsePath(inner.path).length === length;
  return placeAmong(inners, path, (inner) => isWhole || !isItself(inner));
};
