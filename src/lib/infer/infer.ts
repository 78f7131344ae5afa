/** Drafts a contract from records: types, time formats, a key, a partition. It leaves open questions to a person. */

import { firstKey, formatPath, type PathStep, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import { isJsonObject } from '../json.ts';
import { Fraction, isMap, kindOf, mostFields, type Seen, shapeWithoutMarkers } from './column.ts';
import { columnName } from './names.ts';
import { parseExactly, type Sample } from './source.ts';
import { type DateOrder, provenOrder } from './time.ts';

type Draft = Record<string, unknown>;

/** A person's answers to open questions. Without an answer, the draft uses the likely one. */
export interface Choices {
  readonly prefix?: string;
  /** Columns with a value in every record; empty: no deduplication. */
  readonly key?: readonly string[];
  /** A timestamp or date with a value in every record; null: no partitions by time. */
  readonly time?: string | null;
  /** The order of day and month in ambiguous dates. */
  readonly order?: DateOrder;
}

/** A draft and its alternatives. */
export interface Drafted {
  /** The contract as data for YAML. Integers beyond 2^53 are bigint. */
  readonly contract: Draft;
  /** Fields without a column. */
  readonly left: readonly string[];
  /** Notes on guesses: for the whole draft, and by column. */
  readonly notes: readonly string[];
  readonly columnNotes: ReadonlyMap<string, string>;
  readonly chosen: { readonly prefix: string; readonly key: readonly string[]; readonly time: string | null };
  /** Columns with a value in every record. */
  readonly required: readonly string[];
  /** The timestamps and dates among them. */
  readonly times: readonly string[];
  /** Columns with ambiguous dates, and the likely order of day and month. */
  readonly unclear: { readonly columns: readonly string[]; readonly likely: DateOrder } | null;
}

interface DraftColumn extends Draft {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly nullValues?: readonly string[];
  readonly trim?: true;
  readonly required?: true;
}

/** With more columns, objects are kept whole: a contract may declare 1,000, including partition keys. */
const mostColumns = 900;

/** Drafts a contract from records. `choices` use the column names of the draft without choices. */
export function draftContract(
  dataset: string,
  sample: Pick<Sample, 'source' | 'records' | 'quotedMarkers' | 'declared' | 'key'>,
  choices: Choices = {},
): Drafted {
  const { source, records, quotedMarkers, declared, key: keyOfFeed } = sample;
  const { objects, texts } = unfolded(records.filter(isJsonObject));
  const isCsv = source.formats?.includes('csv') === true;
  // A log has lines without a request, an answer or a target. Each has its time.
  const isLog = source.text?.log !== undefined;
  const isFlat = source.formats?.some((format) => ['csv', 'text', 'xlsx', 'xml'].includes(format)) === true;
  const seen = new Map<string, Seen>();
  const unnamed = new Set<string>();
  for (const record of objects) look(seen, unnamed, record, '');
  const maps = [...(declared ?? [])].flatMap(([path, type]) => (type === 'json' ? [path] : []));
  const { whole, hasRest } = gathered(seen, maps);
  const order = choices.order ?? provenOrderOf(seen);
  const names = new Set<string>();
  const notes = new Map<string, string>();
  const columns: DraftColumn[] = [];
  const unclear: { name: string; order: DateOrder }[] = [];
  for (const [path, facts] of seen) {
    if (columns.length >= mostColumns) break;
    if (isCovered(seen, whole, path)) continue;
    const type = declared?.get(path);
    const guess =
      type !== undefined
        ? { shape: { type }, note: undefined, unclear: undefined, nullValues: [], count: facts.count }
        : whole.has(path)
          ? { ...keptWhole, count: facts.count }
          : shapeWithoutMarkers(path, facts, isFlat, order);
    const { shape, nullValues, count } = guess;
    if (shape === null) continue;
    const name = unused(names, columnName(path, columns.length + 1));
    names.add(name);
    if (guess.note !== undefined && guess.unclear === undefined) notes.set(name, guess.note);
    if (guess.unclear !== undefined && choices.order === undefined) {
      notes.set(name, guess.note ?? '');
      unclear.push({ name, order: guess.unclear });
    }
    columns.push({
      name,
      path,
      ...shape,
      ...(nullValues.length > 0 ? { nullValues } : {}),
      ...(count === objects.length && (!isLog || isTime(shape.type)) ? { required: true } : {}),
    });
  }
  const [marker, ...otherMarkers] = new Set(columns.flatMap((c) => c.nullValues ?? []));
  const hasEmptyFields = [...seen.values()].some(({ count }) => count < objects.length);
  const isOnlyMarker = marker !== undefined && otherMarkers.length === 0 && !hasEmptyFields;
  // In quotes, or beside white space, nullText would be a text. An empty field has no value in any case.
  const isWhole = marker !== '' && !quotedMarkers?.has(marker ?? '') && !columns.some((c) => c.trim);
  if (isCsv && isOnlyMarker && isWhole)
    return draftContract(
      dataset,
      {
        ...sample,
        source: { ...source, csv: { ...source.csv, nullText: marker } as Contract['source']['csv'] },
        records: objects.map((record) =>
          Object.fromEntries(Object.entries(record).map(([field, v]) => [field, v === marker ? null : v])),
        ),
      },
      choices,
    );
  const required = columns.filter((c) => c.required);
  const keys = likelyKeys(columns, seen);
  const times = [
    ...required.filter((c) => c.type === 'timestamp'),
    ...required.filter((c) => c.type === 'date'),
  ].map((c) => c.name);
  const prefix = choices.prefix ?? `${dataset.replaceAll('_', '-')}/`;
  const ofFeed = columns
    .filter(({ path }) => keyOfFeed?.includes(firstKey(path) ?? ''))
    .map(({ name }) => name);
  const key = choices.key ?? (keyOfFeed ? ofFeed : keys.isCertain ? keys.names : []);
  const time = choices.time === undefined ? (times[0] ?? null) : choices.time;
  const timePath = columns.find((c) => c.name === time)?.path ?? '';
  const contract: Draft = {
    dataset,
    source: { prefix, ...source },
    ...(texts.length > 0 ? { parse: Object.fromEntries(texts.map((path) => [path, 'json'])) } : {}),
    columns,
    ...(hasRest ? { drift: 'rescue' } : {}),
    ...(key.length > 0 ? { dedupe: { key: [...key] } } : {}),
    partitionBy:
      time === null
        ? []
        : [
            { name: unused(names, 'data_source'), constant: dataset },
            ...partsFor(seen.get(timePath)).map((part) => ({
              name: unused(names, names.has(part) ? `${time.slice(0, 50)}_${part}` : part),
              of: time,
              part,
            })),
          ],
  };
  return {
    contract,
    left: [...unnamed],
    notes: [
      ...texts.map((path) => `The texts of ${path} are JSON: parse reads it.`),
      ...(keyOfFeed ? [] : keyNotes(choices.key, key, keys.names)),
      ...(choices.time === undefined && time !== null
        ? [
            `Partitions follow ${time}${times.length > 1 ? `; other times that every record has: ${times.slice(1, 6).join(', ')}` : ''}.`,
          ]
        : []),
      ...(choices.time === undefined && time === null
        ? ['No partitions: no time has a value in every record. A large table needs some: see partitionBy.']
        : []),
      ...(hasRest
        ? [
            `The sample has more fields than a contract may declare: what no column reads is kept as JSON in _rescued.`,
          ]
        : []),
    ],
    columnNotes: notes,
    chosen: { prefix, key, time },
    required: required.map((c) => c.name),
    times,
    unclear:
      unclear[0] === undefined
        ? null
        : { columns: unclear.map(({ name }) => name), likely: unclear[0].order },
  };
}

const isTime = (type: string): boolean => type === 'timestamp' || type === 'date';

const keptWhole = {
  shape: { type: 'json' },
  note: 'It is kept whole: its fields would be more columns than a contract may declare.',
  unclear: undefined,
  nullValues: [],
};

/** The records with texts replaced by the objects in them, and the paths at which every text contains an object. */
function unfolded(records: readonly object[]): { objects: readonly object[]; texts: readonly string[] } {
  const texts = new Map<string, boolean>();
  const visit = (
    value: object,
    steps: readonly PathStep[],
    found: (path: string, v: unknown) => unknown,
  ): object =>
    Object.fromEntries(
      Object.entries(value).map(([key, v]) => {
        const at: readonly PathStep[] = [...steps, { kind: 'key', key }];
        const path = formatPath(at);
        if (path === null || at.length > deepestText) return [key, v];
        const made = found(path, v);
        return [key, isJsonObject(made) && !(made instanceof Fraction) ? visit(made, at, found) : made];
      }),
    );
  const read = (v: unknown): object | null => {
    const parsed = typeof v === 'string' && /^\s*\{/.test(v) ? parseExactly(v) : undefined;
    return isJsonObject(parsed) ? parsed : null;
  };
  // A text is parsed if every value at its path contains an object.
  for (const record of records)
    visit(record, [], (path, v) => {
      if (v === null) return v;
      const inside = read(v);
      if (typeof v === 'string' || texts.has(path))
        texts.set(path, texts.get(path) !== false && inside !== null);
      return inside ?? v;
    });
  const paths = [...texts].filter(([, isJson]) => isJson).map(([path]) => path);
  if (paths.length === 0) return { objects: records, texts: [] };
  const objects = records.map((record) =>
    visit(record, [], (path, v) => (paths.includes(path) ? (read(v) ?? v) : v)),
  );
  return { objects, texts: paths };
}

/** The maximum depth at which texts inside texts are parsed. */
const deepestText = 6;

/** The note on keys: no draft can know whether equal keys are duplicates or two events. */
function keyNotes(
  chosen: readonly string[] | undefined,
  key: readonly string[],
  candidates: readonly string[],
): string[] {
  if (chosen !== undefined) return [];
  if (key.length > 0)
    return [
      `Of rows with an equal ${key.join(', ')} in a batch one is kept: remove dedupe if the feed repeats them.`,
    ];
  const [first] = candidates;
  return first === undefined
    ? []
    : [
        `No key: ${candidates.slice(0, 3).join(', ')} does not repeat in the sample. If it identifies a row, add dedupe: { key: [${first}] }.`,
      ];
}

/** Names of columns that identify a row. */
const keyName = /^_?id$|^(uuid|guid)$|^(event|message|transaction|tweet)_?(id|uuid)$/;
const likeKeyName = /(^|_)(id|uuid|guid|key|code|no|number|nr)$/;
/** A feed with such a column reports changes, so its keys repeat by design. */
const changeName = /(^|_)(updated?|modified|changed?|version|deleted|op|operation)(_(at|on|time|date|ts))?$/;
/** With fewer values, differences may be accidental. */
const fewestKeys = 20;

/** Columns with unique values. `isCertain`: a duplicate would be an error in any feed of this kind. */
function likelyKeys(
  columns: readonly DraftColumn[],
  seen: ReadonlyMap<string, Seen>,
): { names: string[]; isCertain: boolean } {
  const found = columns.filter(
    (c) =>
      c.required &&
      ['string', 'bigint'].includes(c.type) &&
      likeKeyName.test(c.name) &&
      isUnique(seen.get(c.path)),
  );
  const certain = found.find((c) => keyName.test(c.name));
  const size = certain === undefined ? 0 : (seen.get(certain.path)?.values.length ?? 0);
  if (certain !== undefined && size >= fewestKeys && !columns.some((c) => changeName.test(c.name)))
    return { names: [certain.name], isCertain: true };
  return { names: found.map((c) => c.name), isCertain: false };
}

/** The order of day and month that unambiguous columns agree on, because one program writes a file. */
function provenOrderOf(seen: ReadonlyMap<string, Seen>): DateOrder | undefined {
  const proven = new Set<DateOrder>();
  for (const { kinds, values } of seen.values()) {
    if (kinds.size !== 1 || !kinds.has('string')) continue;
    const order = provenOrder(values.map(String));
    if (order !== null) proven.add(order);
  }
  const [order, ...others] = proven;
  return others.length === 0 ? order : undefined;
}

/** The objects to keep whole: `maps`, and the largest ones, so that the columns are not too many; and whether that is not enough. */
function gathered(
  seen: ReadonlyMap<string, Seen>,
  maps: readonly string[],
): { whole: ReadonlySet<string>; hasRest: boolean } {
  const whole = new Set(maps);
  if (seen.size <= mostColumns) return { whole, hasRest: false };
  const leaves = new Map(
    [...seen.keys()].filter((path) => !isCovered(seen, whole, path)).map((path) => [path, parents(path)]),
  );
  /** The leaves below each object. */
  const below = new Map<string, Set<string>>();
  for (const [path, above] of leaves)
    for (const parent of above) below.set(parent, (below.get(parent) ?? new Set()).add(path));
  while (leaves.size > mostColumns) {
    let [largest, paths]: [string | undefined, ReadonlySet<string>] = [undefined, new Set()];
    for (const [parent, own] of below) if (own.size > paths.size) [largest, paths] = [parent, own];
    if (largest === undefined) return { whole, hasRest: true };
    whole.add(largest);
    for (const path of [...paths]) {
      for (const parent of leaves.get(path) ?? []) below.get(parent)?.delete(path);
      leaves.delete(path);
    }
  }
  return { whole, hasRest: false };
}

/** Partitions by day, or by month or year if days would have few rows each. */
function partsFor(facts: Seen | undefined): readonly ('year' | 'month' | 'day')[] {
  const texts = (facts?.values ?? []).map(String);
  const rows = (length: number) => texts.length / new Set(texts.map((text) => text.slice(0, length))).size;
  // Only dates with the year first are unambiguous.
  if (!texts.every((text) => /^\d{4}-\d\d-\d\d/.test(text)) || rows(10) >= 10)
    return ['year', 'month', 'day'];
  return rows(7) >= 10 ? ['year', 'month'] : ['year'];
}

/** `unnamed` collects the fields that no path can reach. */
function look(seen: Map<string, Seen>, unnamed: Set<string>, value: object, prefix: string): void {
  for (const [field, v] of Object.entries(value)) {
    const key = formatPath([{ kind: 'key', key: field }]);
    const path = prefix === '' ? (key ?? field) : `${prefix}.${key ?? field}`;
    if (key === null) {
      unnamed.add(path);
      continue;
    }
    const facts = seen.get(path) ?? { kinds: new Set(), count: 0, values: [] };
    seen.set(path, facts);
    if (v === null) continue;
    facts.count++;
    facts.kinds.add(kindOf(v));
    facts.values.push(v);
    // The fields of an object that is kept whole are not read: there may be 100,000.
    if (isJsonObject(v) && !(v instanceof Fraction) && Object.keys(v).length <= mostFields)
      look(seen, unnamed, v, path);
  }
}

/** A value is kept whole, without columns for its fields, if it is sometimes not an object or its fields are data. */
const isCovered = (seen: ReadonlyMap<string, Seen>, whole: ReadonlySet<string>, path: string): boolean =>
  parents(path).some((parent) => {
    const facts = seen.get(parent);
    return whole.has(parent) || (facts !== undefined && (facts.kinds.size > 1 || isMap(facts)));
  });

const parents = (path: string): string[] => {
  const steps = parsePath(path);
  return steps.slice(1).flatMap((_, i) => formatPath(steps.slice(0, i + 1)) ?? []);
};

const isUnique = (facts: Seen | undefined): boolean =>
  facts !== undefined && new Set(facts.values.map(String)).size === facts.values.length;

/** A free name: a taken name gets a number. */
function unused(names: ReadonlySet<string>, base: string): string {
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}_${n}`;
  return name;
}
