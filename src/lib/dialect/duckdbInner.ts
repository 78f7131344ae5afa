/** DuckDB's SQL for documents inside a record: a row for each exploded element, and the JSON in texts. */
import { type Inner, innerDocuments } from '../contract/documents.ts';
import type { Contract } from '../contract/schema.ts';
import { isJson, itemsOf, jsonOf, jsonPath, mapItems } from './duckdbDocuments.ts';
import { literal } from './duckdbNames.ts';
import { hasOddNumber, marked, unmarked } from './duckdbNumbers.ts';
import { layer, type Step } from './steps.ts';

export interface Documents {
  /** From `objects`, which has the record as `__doc`, to rows that have all documents. */
  readonly steps: readonly Step[];
  /** The last of these steps, or `objects`. */
  readonly last: string;
  /** For exploded values: whether the value is of another kind, and the value. */
  readonly arrays: readonly { readonly isOther: string; readonly value: string }[];
  /** The row's position among the rows of its record. */
  readonly place: string;
}

/** The names of a document and of its properties. */
interface Names {
  readonly document: string;
  readonly type: string;
  readonly items: string;
  readonly place: string;
  /** Of parsed texts. */
  readonly text: string;
}

/** A number for each but the first of its kind. */
function namesOf(inners: readonly Inner[], at: number): Names {
  const isJsonText = inners[at]?.kind === 'json';
  const place = inners.slice(0, at).filter(({ kind }) => (kind === 'json') === isJsonText).length + 1;
  const n = place === 1 ? '' : String(place);
  return {
    document: isJsonText ? `__inner${n}` : `__item${n}`,
    type: `__array_type${n}`,
    items: `__items${n}`,
    place: `__place${n}`,
    text: `__string${n}`,
  };
}

/** The name of a document; null is the record. */
export const documentName = (inners: readonly Inner[], at: number | null): string =>
  at === null ? '__doc' : namesOf(inners, at).document;

/** The texts on the path to a document, the innermost first, each with whether it is not JSON. */
function textsAbove(inners: readonly Inner[], at: number | null): { text: string; isBroken: string }[] {
  const found: { text: string; isBroken: string }[] = [];
  for (let i = at; i !== null; i = inners[i]?.parent ?? null)
    if (inners[i]?.kind === 'json') {
      const { text, document } = namesOf(inners, i);
      found.push({ text, isBroken: `${text} IS NOT NULL AND ${document} IS NULL` });
    }
  return found;
}

/** Whether a text on the path to a document is not JSON; null if there is no text on the path. */
export function isBroken(inners: readonly Inner[], at: number | null): string | null {
  const texts = textsAbove(inners, at);
  return texts.length === 0 ? null : texts.map((t) => `(${t.isBroken})`).join(' OR ');
}

/** The shown part of the outermost text on the path to a document that is not JSON. */
export function brokenText(inners: readonly Inner[], at: number | null): string {
  const cases = textsAbove(inners, at).map((t) => `WHEN ${t.isBroken} THEN left(${t.text}, 2000)`);
  return `CASE ${cases.reverse().join(' ')} END`;
}

export function documentsOf(contract: Contract): Documents {
  const inners = innerDocuments(contract);
  const steps: Step[] = [];
  const arrays: { isOther: string; value: string }[] = [];
  const places: string[] = [];
  for (const [i, { kind, parent, rest }] of inners.entries()) {
    const names = namesOf(inners, i);
    const from = steps.at(-1)?.[0] ?? 'objects';
    const within = documentName(inners, parent);
    if (kind === 'json') {
      steps.push(...textSteps(names, within, jsonPath(rest), contract.source.json, from));
      continue;
    }
    const path = jsonPath(rest);
    // A refused row is not multiplied.
    const isRefused = arrays.map(({ isOther }) => isOther).join(' OR ');
    steps.push(...elementSteps(names, within, { path, kind, isRefused }, from));
    arrays.push({
      isOther: `coalesce(${names.type} NOT IN ('${kind === 'map' ? 'OBJECT' : 'ARRAY'}', 'NULL'), false)`,
      value: `json_extract_string(${within}, ${literal(path)})`,
    });
    places.push(names.place);
  }
  return { steps, last: steps.at(-1)?.[0] ?? 'objects', arrays, place: placeOf(places) };
}

/**
 * One number for several positions, so that ties between rows of one record have one winner. A record of 16 MiB has fewer than 2^24
 * elements. With three arrays, inner positions are distinct up to two million elements.
 */
function placeOf(places: readonly string[]): string {
  const [first = '0::BIGINT', ...others] = places;
  const size = others.length > 1 ? 2 ** 21 : 2 ** 24;
  return others.reduce((sum, place) => `((${sum}) * ${size} + ${place})`, first);
}

/** One row for each element. A document with an empty or missing array keeps one row without an element. */
function elementSteps(
  names: Names,
  within: string,
  { path, kind, isRefused }: { path: string; kind: 'array' | 'map'; isRefused: string },
  from: string,
): Step[] {
  const n = names.document.slice('__item'.length);
  const type = `json_type(${within}, ${literal(path)})`;
  const items = itemsOf(within, (document) =>
    kind === 'map'
      ? mapItems(`json_extract(${document}, ${literal(path)})`)
      : `json_extract(${document}, ${literal(`${path}[*]`)})`,
  );
  return [
    layer(
      `arrays${n}`,
      [
        `${type} AS ${names.type}`,
        `CASE WHEN ${type} = '${kind === 'map' ? 'OBJECT' : 'ARRAY'}'${isRefused === '' ? '' : ` AND NOT (${isRefused})`} THEN ${items} END AS ${names.items}`,
      ],
      from,
    ),
    layer(
      `elements${n}`,
      [
        `unnest(CASE WHEN len(${names.items}) > 0 THEN ${names.items} ELSE [NULL] END)::VARCHAR AS ${names.document}`,
        `unnest(generate_series(0, greatest(coalesce(len(${names.items}), 0), 1) - 1))::BIGINT AS ${names.place}`,
      ],
      `arrays${n}`,
    ),
  ];
}

/** The JSON in a text. An object or array is used unchanged. A blank text contains nothing. */
function textSteps(
  names: Names,
  within: string,
  path: string,
  json: Contract['source']['json'],
  from: string,
): Step[] {
  const n = names.document.slice('__inner'.length);
  const found = `CASE WHEN ${hasOddNumber(within)} THEN ${unmarked(`json_extract(${marked(within)}, ${literal(path)})::VARCHAR`)}
      ELSE json_extract(${within}, ${literal(path)})::VARCHAR END`;
  const text = `list_transform([${found}], lambda f : CASE WHEN f[1] = '"' THEN nullif(trim(json_extract_string(f, '$'), ${literal(' \t\r\n')}), '') ELSE nullif(f, 'null') END)[1]`;
  return [
    layer(`strings${n}`, [`${text} AS ${names.text}`], from),
    layer(
      `inners${n}`,
      [
        `list_transform([${jsonOf(names.text, json)}], lambda t : CASE WHEN ${isJson('t')} THEN t END)[1] AS ${names.document}`,
      ],
      `strings${n}`,
    ),
  ];
}
