/** DuckDB's SQL that extracts the leaves of a record with one parse for all of them. */

import type { Column } from '../contract/columnSchema.ts';
import { hasFlatTexts } from '../contract/contract.ts';
import { type Inner, innerDocuments, placeOfColumn } from '../contract/documents.ts';
import { objectKey, type PathStep } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import type { Leaf } from './duckdbColumns.ts';
import { jsonPath } from './duckdbDocuments.ts';
import { brokenText, documentName, isBroken } from './duckdbInner.ts';
import { identifier, list, literal } from './duckdbNames.ts';
import { hasOddNumber, marked, quoted, unmarked } from './duckdbNumbers.ts';

/**
 * The shape for json_transform: a type for each leaf, by key. JSON stays unchanged, VARCHAR is a text. It is a Map, because feeds choose the
 * keys, and an object has `constructor` and `__proto__`.
 */
type Shape = Map<string, Shape | LeafType>;
type LeafType = 'VARCHAR' | 'JSON';

/** The place of a column's value in its document: below these keys, then at `rest`, which begins with an array index. */
interface Place {
  /** The document's name. */
  readonly document: string;
  /** Whether a text on the path to it is not JSON, and the shown part of that text. */
  readonly isBroken: string | null;
  readonly broken: string;
  /** The key of the object, and nothing in a document. */
  readonly isKey: boolean;
  readonly isJson: boolean;
  readonly keys: readonly string[];
  readonly rest: readonly PathStep[];
  readonly path: string;
  readonly levels: readonly string[];
}

/**
 * The layers that name each column's leaf: `parsed` makes the shapes, `named` the leaves as a parser gives them, `written` those whose
 * numbers must be as they stand in the document. `of` is 0-based; `textAt` is the text of the column of a 1-based place, which is SQL.
 */
export function leavesOf(contract: Contract): {
  readonly parsed: readonly string[];
  readonly named: readonly string[];
  readonly written: readonly (string | null)[];
  textAt(place: string): string;
  of(column: number): Leaf;
} {
  // The fields of a CSV or a text are texts.
  const isCsv = hasFlatTexts(contract.source);
  const hasNumbers = (document: string) => !isCsv || document !== '__doc';
  const inners = innerDocuments(contract);
  const places = contract.columns.map((column) => {
    const place = placeOf(column, inners);
    return {
      ...place,
      numbers: !place.isKey && hasNumbers(place.document) ? numbersOf(column) : ('any' as const),
    };
  });
  const shapes: { readonly document: string; readonly shape: Shape }[] = [];
  const cells = cellsOf(contract);
  const shapeOf = places.map((place) => {
    if (place.keys.length === 0 || place.isKey || cells !== null) return null;
    const found = shapes.findIndex(
      ({ document, shape }) => document === place.document && fits(shape, place),
    );
    const at = found < 0 ? shapes.push({ document: place.document, shape: new Map() }) - 1 : found;
    add((shapes[at] as (typeof shapes)[number]).shape, place);
    return at + 1;
  });
  const leaves = places.map((place, i) => {
    const n = i + 1;
    const name = place.isJson ? `__j${n}` : `__t${n}`;
    const { document } = place;
    const held =
      shapeOf[i] === null ? document : [`__shape${shapeOf[i]}`, ...place.keys.map(identifier)].join('.');
    const isHeld = shapeOf[i] !== null && place.rest.length === 0;
    const call = place.isJson ? 'json_extract' : 'json_extract_string';
    const sql = place.isKey
      ? '__object'
      : cells !== null
        ? `__cells[__p${n}]`
        : isHeld
          ? held
          : `${call}(${held}, ${literal(jsonPath(place.rest))})`;
    const path = literal(place.path);
    const written = {
      any: () => null,
      quoted: () => writtenJson(name, document, `json_extract(${quoted(document)}, ${path})`),
      written: () =>
        place.isJson
          ? writtenJson(
              `${name}::VARCHAR`,
              document,
              unmarked(`json_extract(${marked(document)}, ${path})::VARCHAR`),
            )
          : writtenText(name, document, `json_extract_string(${quoted(document)}, ${path})`),
    }[place.numbers]();
    const value = written === null ? name : `__w${n}`;
    return {
      sql: `${sql} AS ${name}`,
      written: written === null ? null : `${written} AS ${value}`,
      document,
      leaf: {
        document,
        path: place.path,
        levels: place.levels,
        text: place.isJson ? `json_extract_string(${value}, '$')` : value,
        json: value,
        isText: place.isKey || !hasNumbers(document),
        isBroken: place.isBroken,
      },
    };
  });
  const texts = list(
    leaves.map(({ leaf }, i) =>
      leaf.isBroken === null ? leaf.text : `coalesce(${leaf.text}, ${places[i]?.broken})`,
    ),
  );
  const paths = list(
    leaves.map(({ leaf }, i) => (places[i]?.isJson || places[i]?.isKey ? 'NULL' : literal(leaf.path))),
  );
  const documents = new Set(leaves.map(({ document }) => document));
  const documentAt = (n: string) =>
    documents.size === 1
      ? ([...documents][0] ?? '')
      : `${list(leaves.map(({ document }) => document))}[${n}]`;
  return {
    parsed: shapes.map(
      ({ document, shape }, i) =>
        `json_transform(${document}, ${literal(written(shape))}) AS __shape${i + 1}`,
    ),
    named: leaves.map(({ sql }) => sql),
    written: leaves.map(({ written }) => written),
    textAt: (n) =>
      [...documents].some(hasNumbers)
        ? `CASE WHEN ${hasOddNumber(documentAt(n))} THEN coalesce(json_extract_string(${quoted(documentAt(n))}, ${paths}[${n}]), ${texts}[${n}]) ELSE ${texts}[${n}] END`
        : `${texts}[${n}]`,
    of(column) {
      const found = leaves[column];
      if (!found) throw new RangeError(`there is no column ${column}`);
      return found.leaf;
    },
  };
}

/**
 * The notation of numbers that a column needs: any, as in the document, or as in the document and as strings. Doubles and integers do not
 * depend on the parser's notation, unless the contract uses their texts.
 */
function numbersOf({ type, formats, nullValues, extract, map }: Column): 'any' | 'written' | 'quoted' {
  const isCompared = nullValues.length > 0 || extract !== undefined || map !== undefined;
  if (type.startsWith('array<')) return isCompared || type === 'array<string>' ? 'quoted' : 'any';
  const isTime = formats?.some(
    (format) => typeof format === 'object' || ['epoch_s', 'epoch_ms', 'excel'].includes(format),
  );
  const isText = type === 'json' || type === 'string' || type.startsWith('decimal');
  return isCompared || isTime || isText ? 'written' : 'any';
}

/**
 * A text as in the document, if the parser may have changed the notation of a number. The CASEs are nested, because DuckDB evaluates both
 * sides of AND. The first condition is fast and true for few texts.
 */
const writtenText = (text: string, document: string, inFull: string): string =>
  `CASE WHEN ${text} < ':' THEN CASE WHEN regexp_full_match(${text}, ${literal('-?(?:0|\\d+\\.\\d+|\\d+(?:\\.\\d+)?e[+-]?\\d+)')})
      THEN CASE WHEN ${hasOddNumber(document)} THEN ${inFull} ELSE ${text} END ELSE ${text} END ELSE ${text} END`;

/** The same for JSON. Digits in its strings cost time but do no harm. */
const writtenJson = (json: string, document: string, inFull: string): string =>
  `CASE WHEN regexp_matches(${json}, ${literal('(?:^|[:,\\[])-?(?:0(?:$|[,}\\]])|\\d+\\.\\d|\\d+e)')})
      THEN CASE WHEN ${hasOddNumber(document)} THEN ${inFull} ELSE ${json} END ELSE ${json} END`;

/**
 * The names of the fields that the columns of a CSV read, if nothing else of its records is read; null for an object's key. Then no record is
 * made an object: each column takes its own field. Null if some column needs an object.
 */
export function cellsOf(contract: Contract): readonly (string | null)[] | null {
  const { source, drift } = contract;
  const isFlat = hasFlatTexts(source) && source.text === undefined && source.change === undefined;
  const readsRest = drift === 'rescue' || drift === 'reject';
  if (!isFlat || readsRest || innerDocuments(contract).length > 0) return null;
  const places = contract.columns.map((column) => ({
    ...placeOf(column, []),
    isKey: column.path === objectKey,
  }));
  const isField = ({ isJson, keys, rest, isKey }: (typeof places)[number]) =>
    isKey || (!isJson && keys.length === 1 && rest.length === 0);
  return places.every(isField) ? places.map(({ isKey, keys }) => (isKey ? null : (keys[0] ?? null))) : null;
}

function placeOf(column: { path: string; type: string }, inners: readonly Inner[]): Place {
  const { type } = column;
  const { parent, rest: steps } = placeOfColumn(inners, column);
  const each = steps.findIndex((step) => step.kind === 'each');
  const whole = each < 0 ? steps : steps.slice(0, each);
  const firstIndex = whole.findIndex((step) => step.kind !== 'key');
  const [keys, rest] = firstIndex < 0 ? [whole, []] : [whole.slice(0, firstIndex), whole.slice(firstIndex)];
  return {
    document: documentName(inners, parent),
    isBroken: isBroken(inners, parent),
    broken: brokenText(inners, parent),
    isKey: column.path === objectKey,
    isJson: type === 'json' || type.startsWith('array<'),
    keys: keys.flatMap((step) => (step.kind === 'key' ? [step.key] : [])),
    rest,
    path: jsonPath(whole),
    levels: each < 0 ? [] : levelsOf(steps.slice(each)),
  };
}

/** Splits steps at each `[*]`. */
function levelsOf(steps: readonly PathStep[]): string[] {
  const starts = steps.flatMap((step, i) => (step.kind === 'each' ? [i] : []));
  return starts.map((start, i) => jsonPath(steps.slice(start + 1, starts[i + 1])).slice(1));
}

/** A leaf's type in a shape. Values that are read further stay JSON. */
const typeIn = ({ isJson, rest }: Place): LeafType => (isJson || rest.length > 0 ? 'JSON' : 'VARCHAR');

/**
 * Whether a place can be added to a shape: it is free, and no key differs from another only in case, because DuckDB's struct fields are
 * case-insensitive.
 */
function fits(shape: Shape, place: Place): boolean {
  let at: Shape | LeafType = shape;
  for (const key of place.keys) {
    if (typeof at === 'string') return false;
    const next: Shape | LeafType | undefined = at.get(key);
    if (next === undefined) return ![...at.keys()].some((k) => k.toLowerCase() === key.toLowerCase());
    at = next;
  }
  return at === typeIn(place);
}

/** Adds a place that can be added. */
function add(shape: Shape, place: Place): void {
  let at = shape;
  for (const key of place.keys.slice(0, -1)) {
    const next = at.get(key) ?? new Map();
    if (typeof next === 'string') throw new TypeError(`${place.path} does not fit`);
    at.set(key, next);
    at = next;
  }
  at.set(place.keys.at(-1) ?? '', typeIn(place));
}

/** A shape as JSON for json_transform. */
const written = (shape: Shape | LeafType): string =>
  typeof shape === 'string'
    ? JSON.stringify(shape)
    : `{${[...shape].map(([key, below]) => `${JSON.stringify(key)}:${written(below)}`).join(',')}}`;
