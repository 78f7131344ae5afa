/** Finds the records in a JSON sample: lines, an array, consecutive objects, or a place in a document. */

import { formatPath, type PathStep, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import { counted } from '../counted.ts';
import { isJsonObject, ownValue, spansInBraces, tryParseJson } from '../json.ts';
import { Fraction } from './column.ts';

/** The records of a sample, and the options for reading them. */
export interface Sample {
  readonly source: Partial<Contract['source']>;
  readonly records: readonly unknown[];
  /** Texts for missing values that are in quotes somewhere in a CSV. */
  readonly quotedMarkers?: ReadonlySet<string>;
  /** Types that the file's own schema declares, by path. */
  readonly declared?: ReadonlyMap<string, string>;
  /** Of the rows of a change feed: the fields of their key. */
  readonly key?: readonly string[];
  /** Notes on guesses. */
  readonly notes: readonly string[];
  /** Open questions. */
  readonly question?: Question;
}

/** Two or more ways to read a sample. The first is the likely one. */
export interface Question {
  readonly text: string;
  readonly options: readonly { readonly name: string; readonly sample: Sample }[];
}

/** A sample, and those between which its question decides, all changed in the same way. */
export function changedSample(sample: Sample, change: (sample: Sample) => Sample): Sample {
  const { question } = sample;
  if (question === undefined) return change(sample);
  const options = question.options.map((o) => ({ ...o, sample: changedSample(o.sample, change) }));
  return { ...change(sample), question: { ...question, options } };
}

/** The records of a JSON text; null if there are none. `isCut`: the text is truncated. */
export function sampleOfJson(text: string, isCut: boolean): Sample | null {
  const finite = withoutNonFinite(text);
  if (finite !== text) {
    const sample = sampleOfJson(finite, isCut);
    return sample && changedSample(sample, withNonFinite);
  }
  const whole = parseExactly(text);
  if (Array.isArray(whole)) return sampleOfArray(whole);
  if (isJsonObject(whole)) return sampleOfDocument(whole, text);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (isCut) lines.pop();
  const records = lines.map(parseExactly).filter(isRecord).filter(isText);
  // If objects span several lines, few lines are whole objects.
  const likeObjects = lines.filter((line) => /^\s*\{.*\}\s*$/.test(line)).length;
  if (records.length > 0 && likeObjects >= lines.length / 2)
    return {
      source: { formats: ['ndjson'] },
      records,
      notes: inQuarantine(lines.length, records.length, 'line'),
    };
  return sampleOfObjects(text, isCut);
}

/** The elements of an array. */
function sampleOfArray(elements: readonly unknown[]): Sample {
  const records = elements.filter(isRecord);
  const notes = inQuarantine(elements.length, records.length, 'element');
  return { source: { formats: ['json_array'] }, records, notes };
}

/** Objects one after the other, with white space, a comma or a record separator between them; null for a text with other beginnings, such as a log with objects in its lines. */
function sampleOfObjects(text: string, isCut: boolean): Sample | null {
  if (!/^[\s\p{Cc}]*[{[]/u.test(text)) return null;
  const isArray = /^\s*\[/.test(text);
  // An array that is whole is JSON, or its file is rejected.
  if (isArray && !isCut) return null;
  const spans = [...spansInBraces(text)];
  const records = spans
    .map(([start, end]) => parseExactly(text.slice(start, end)))
    .filter(isRecord)
    .filter(isText);
  if (records.length === 0) return null;
  if (isArray) return { source: { formats: ['json_array'] }, records, notes: [] };
  const between = spans.map(([start], i) => text.slice(spans[i - 1]?.[1] ?? 0, start));
  const behind = isCut ? '' : text.slice(spans.at(-1)?.[1]);
  const others = [...between, behind].filter((part) => !/^[\s,\p{Cc}]*$/u.test(part)).length;
  const notes = inQuarantine(spans.length + others, records.length, 'piece');
  return { source: { formats: ['json_concatenated'] }, records, notes };
}

/** The note on parts that are not records. */
const inQuarantine = (all: number, records: number, part: string): string[] =>
  all === records
    ? []
    : [
        `${all - records} of ${counted(all, part)} ${all - records === 1 ? 'is not a JSON object: it goes' : 'are not JSON objects: they go'} to quarantine.`,
      ];

/** Whether a value can be written as UTF-8: a lone surrogate cannot. */
const isText = (value: unknown): boolean => {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null || value instanceof Fraction) return true;
  return Object.entries(value).every(([key, item]) => key.isWellFormed() && isText(item));
};

/** A text with null in place of each NaN and Infinity outside strings. */
const withoutNonFinite = (text: string): string =>
  /NaN|Infinity/.test(text)
    ? text.replaceAll(
        /("(?:\\.|[^"\\\n])*")|(?<=[[:,]\s*)-?(?:NaN|Infinity)(?=\s*[,}\]])/g,
        (_, string?: string) => string ?? 'null',
      )
    : text;

/** A sample in which some values were NaN or Infinity. */
const withNonFinite = (sample: Sample): Sample => ({
  ...sample,
  source: { ...sample.source, json: { nonFinite: 'null' } },
  notes: [...sample.notes, 'NaN and Infinity, which are no JSON, are read as null.'],
});

/** Parses JSON and keeps numbers exact: integers beyond 2^53 stay exact, and numbers with a fraction are distinguished from integers. */
export const parseExactly = (text: string): unknown => tryParseJson(text, exact);

const exact: Parameters<typeof JSON.parse>[1] = (
  _key: string,
  value: unknown,
  context?: { source: string },
) => {
  if (typeof value !== 'number' || context === undefined) return value;
  if (!/^-?\d+$/.test(context.source)) return new Fraction(context.source);
  return Number.isSafeInteger(value) ? value : BigInt(context.source);
};

/** A place in a document, with its possible records. */
interface Place {
  readonly steps: readonly PathStep[];
  readonly isMap: boolean;
  readonly records: readonly object[];
}

/**
 * Decides whether a document is one record (an event with its line items) or the envelope of records (a page of an API's answer). Names and
 * fields next to the records decide. Otherwise a person is asked.
 */
function sampleOfDocument(document: object, text: string): Sample {
  // A one-line file is probably a feed of lines, of which the sample has one record.
  const format = text.trim().includes('\n') ? 'json_concatenated' : 'ndjson';
  const one = (notes: string[]): Sample => ({ source: { formats: [format] }, records: [document], notes });
  const [best] = placesIn(document, []).sort((a, b) => scoreOf(b) - scoreOf(a));
  if (best === undefined) return one([]);
  const path = pathOf(best);
  if (path === null) return one([]);
  const many: Sample = {
    source: { formats: ['json_document'], records: path },
    records: best.records,
    notes: [
      `The records are read under ${path}; the rest of the document is left out.`,
      ...(best.isMap ? ['Each key of the map is the field _key of its record.'] : []),
    ],
  };
  const what = `${best.records.length} records under ${path}, or the whole document as one record`;
  const asOne = one([
    `The document is read as one record. It holds ${best.records.length} objects under ${path}${best.isMap ? '' : `: explode: ${path} makes a row of each`}.`,
  ]);
  const isEvent =
    hasIdentity(document) ||
    (!isContainer(best) &&
      best.records.length < fewestRecords &&
      !best.isMap &&
      Object.keys(document).length > 1);
  const options = [
    { name: 'records', sample: many },
    { name: 'one', sample: asOne },
  ];
  const [likely] = isEvent ? options.reverse() : options;
  const sample = likely?.sample ?? many;
  const isClear = !isEvent && isContainer(best);
  return isClear ? sample : { ...sample, question: { text: `is the file ${what} (records, one)`, options } };
}

/** More objects than this are unlikely to be parts of one record. */
const fewestRecords = 20;

/** Common names of fields with records. */
const containers =
  /^(data|records?|items|results?|rows|values?|features|statuses|hits|entries|list|docs|documents|elements|edges|nodes|content|objects|events|Records|logEvents)$/i;

/** Whether an object has its own identity in a field. */
const hasIdentity = (value: object): boolean =>
  Object.entries(value).some(
    ([name, v]) =>
      /^(_?id|uuid|guid|event_?id|message_?id)$/i.test(name) && v !== null && typeof v !== 'object',
  );

const isContainer = ({ steps, isMap, records }: Place): boolean => {
  const last = steps.findLast((step) => step.kind === 'key');
  return isMap ? records.length >= fewestRecords : last?.kind === 'key' && containers.test(last.key);
};

const scoreOf = (place: Place): number => place.records.length * (isContainer(place) ? 100 : 1);

/** Arrays and maps of objects, down to the fourth level. */
function placesIn(value: object, steps: readonly PathStep[]): Place[] {
  const places: Place[] = [];
  const own = mapEntries(value);
  if (own !== null) places.push({ steps, isMap: true, records: own });
  if (steps.length >= 4 || own !== null) return places;
  for (const [key, child] of Object.entries(value)) {
    const at: PathStep[] = [...steps, { kind: 'key', key }];
    if (Array.isArray(child)) {
      const records = child.filter(isRecord);
      if (records.length === 0) continue;
      const nodes = records.flatMap((record) =>
        'node' in record && isRecord(record.node) ? [record.node] : [],
      );
      // GraphQL's connections: each edge contains a node and a cursor, which is useless later.
      if (key === 'edges' && nodes.length === records.length)
        places.push({
          steps: [...at, { kind: 'each' }, { kind: 'key', key: 'node' }],
          isMap: false,
          records: nodes,
        });
      else places.push({ steps: at, isMap: false, records });
    } else if (isRecord(child)) places.push(...placesIn(child, at));
  }
  return places;
}

const isRecord = (value: unknown): value is object => isJsonObject(value) && !(value instanceof Fraction);

/** The values of a map with their keys: equal shapes under keys that are data. Null for an object with fields. */
function mapEntries(value: object): object[] | null {
  const entries = Object.entries(value);
  if (entries.length < 3) return null;
  const records: object[] = [];
  for (const [key, record] of entries) {
    if (!isRecord(record)) return null;
    records.push({ _key: key, ...record });
  }
  const names = new Set(records.flatMap(Object.keys));
  const fields = records.reduce((sum, record) => sum + Object.keys(record).length - 1, 0);
  const isFull = fields / records.length >= (names.size - 1) / 2;
  // Fields that are mostly absent, under many keys: few names stand in all records together.
  const isShared = records.length >= fewestRecords && names.size - 1 <= records.length / 10;
  return names.size > 1 && (isFull || isShared) ? records : null;
}

function pathOf({ steps, isMap }: Place): string | null {
  if (!isMap) return formatPath(steps);
  if (steps.length === 0) return '*';
  const path = formatPath(steps);
  return path === null ? null : `${path}.*`;
}

/**
 * The samples of one feed with the records of every document at one place: a page with few records, or with none, may look like a
 * record of its own.
 */
export function atOnePlace(samples: readonly Sample[]): readonly Sample[] {
  const page = samples.find(({ source }) => source.records !== undefined && !source.records.includes('*'));
  const place = page?.source.records;
  if (page === undefined || place === undefined) return samples;
  return samples.map((sample) => {
    const [document, ...others] = sample.records;
    if (sample.source.records !== undefined || others.length > 0) return sample;
    const found = parsePath(place).reduce(
      (value: unknown, step) =>
        step.kind === 'key' && isRecord(value)
          ? ownValue(value as Readonly<Record<string, unknown>>, step.key)
          : undefined,
      document,
    );
    return Array.isArray(found)
      ? { source: page.source, records: found.filter(isRecord), notes: [] }
      : sample;
  });
}
