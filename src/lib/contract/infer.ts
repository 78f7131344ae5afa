/** Drafts a contract from records: types, time formats, a key, a partition. What it cannot know it leaves for a person. */

import { snakeCase } from '../compiler/resolve.ts';
import { isJsonObject } from '../json.ts';
import { formatPath, parsePath, pathPattern } from './path.ts';
import type { Contract } from './schema.ts';

type Draft = Record<string, unknown>;

/** What was seen at one path of the records. */
interface Seen {
  readonly kinds: Set<'object' | 'scalars' | 'objects' | 'string' | 'integer' | 'number' | 'boolean'>;
  /** Records with a value here. */
  count: number;
  readonly values: unknown[];
}

/** Where the records of a document stand, and what form it has. */
export function findRecords(
  document: unknown,
): { source: Partial<Contract['source']>; records: unknown[] } | null {
  if (Array.isArray(document)) return { source: { formats: ['json_array'] }, records: document };
  if (!isJsonObject(document)) return null;
  const arrays = Object.entries(document).filter(([, v]) => Array.isArray(v) && v.some(isJsonObject)) as [
    string,
    unknown[],
  ][];
  const largest = arrays.sort(([, a], [, b]) => b.length - a.length)[0];
  return largest
    ? { source: { formats: ['json_document'], records: largest[0] }, records: largest[1] }
    : null;
}

/** What a draft cannot know. Where nothing is chosen, it takes what is likely. */
export interface Choices {
  readonly prefix?: string;
  /** Columns that every record has; none: rows are not deduplicated. */
  readonly key?: readonly string[];
  /** A timestamp or date that every record has; null: no partitions by time. */
  readonly time?: string | null;
}

/** A draft, and what it was chosen from. */
export interface Drafted {
  /** As data, to be written as YAML; whole numbers beyond 2^53 come as bigint. */
  readonly contract: Draft;
  /** What no column could be made for. */
  readonly left: readonly string[];
  readonly chosen: { readonly prefix: string; readonly key: readonly string[]; readonly time: string | null };
  /** Columns that every record has. */
  readonly required: readonly string[];
  /** Of these the timestamps and dates. */
  readonly times: readonly string[];
}

/** Drafts a contract from records. `choices` name columns as the draft without them calls them. */
export function draftContract(
  dataset: string,
  source: Partial<Contract['source']>,
  records: readonly unknown[],
  choices: Choices = {},
): Drafted {
  const objects = records.filter(isJsonObject);
  const seen = new Map<string, Seen>();
  for (const record of objects) look(seen, record, '');
  const left: string[] = [];
  const names = new Set<string>();
  const columns: (Draft & {
    name: string;
    type: string;
    nullValues?: readonly string[];
    required?: true;
  })[] = [];
  for (const [path, facts] of seen) {
    if (isCovered(seen, path)) continue;
    if (!pathPattern.test(path)) {
      left.push(path);
      continue;
    }
    const { shape, nullValues, count } = shapeWithoutMarkers(path, facts);
    if (shape === null) continue;
    const name = unused(names, path);
    names.add(name);
    columns.push({
      name,
      path,
      ...shape,
      ...(nullValues.length > 0 ? { nullValues } : {}),
      ...(count === objects.length ? { required: true } : {}),
    });
  }
  const [marker, ...otherMarkers] = new Set(columns.flatMap((c) => c.nullValues ?? []));
  const hasEmptyFields = [...seen.values()].some(({ count }) => count < objects.length);
  if (source.formats?.includes('csv') && marker !== undefined && otherMarkers.length === 0 && !hasEmptyFields)
    return draftContract(
      dataset,
      { ...source, csv: { ...source.csv, nullText: marker } as Contract['source']['csv'] },
      objects.map((record) =>
        Object.fromEntries(Object.entries(record).map(([field, v]) => [field, v === marker ? null : v])),
      ),
      choices,
    );
  const required = columns.filter((c) => c.required);
  const likelyKey = required.filter(
    (c) => /^(.*_)?id$/.test(c.name) && isUnique(seen.get(String(c.path))),
  )[0];
  const times = [
    ...required.filter((c) => c.type === 'timestamp'),
    ...required.filter((c) => c.type === 'date'),
  ].map((c) => c.name);
  const prefix = choices.prefix ?? `${dataset.replaceAll('_', '-')}/`;
  const key = choices.key ?? (likelyKey ? [likelyKey.name] : []);
  const time = choices.time === undefined ? (times[0] ?? null) : choices.time;
  const timePath = String(columns.find((c) => c.name === time)?.path);
  const contract: Draft = {
    dataset,
    source: { prefix, ...source },
    columns,
    ...(key.length > 0 ? { dedupe: { key: [...key] } } : {}),
    partitionBy: [
      { name: unused(names, 'data_source'), constant: dataset },
      ...(time === null
        ? []
        : partsFor(seen.get(timePath)).map((part) => ({
            name: unused(names, names.has(part) ? `${time}_${part}` : part),
            of: time,
            part,
          }))),
    ],
  };
  return {
    contract,
    left,
    chosen: { prefix, key, time },
    required: required.map((c) => c.name),
    times,
  };
}

/** Days, or months or years where days would make a partition each of a few rows. */
function partsFor(facts: Seen | undefined): readonly ('year' | 'month' | 'day')[] {
  const texts = (facts?.values ?? []).map(String);
  const rows = (length: number) => texts.length / new Set(texts.map((text) => text.slice(0, length))).size;
  // Only of dates written year first is it known what stands where.
  if (!texts.every((text) => /^\d{4}-\d\d-\d\d/.test(text)) || rows(10) >= 10)
    return ['year', 'month', 'day'];
  return rows(7) >= 10 ? ['year', 'month'] : ['year'];
}

function look(seen: Map<string, Seen>, value: object, prefix: string): void {
  for (const [field, v] of Object.entries(value)) {
    const key = formatPath([{ kind: 'key', key: field }]) ?? field;
    const path = prefix === '' ? key : `${prefix}.${key}`;
    const facts = seen.get(path) ?? { kinds: new Set(), count: 0, values: [] };
    seen.set(path, facts);
    if (v === null) continue;
    facts.count++;
    facts.kinds.add(kindOf(v));
    facts.values.push(v);
    if (isJsonObject(v) && !(v instanceof Fraction)) look(seen, v, path);
  }
}

function kindOf(v: unknown): 'object' | 'scalars' | 'objects' | 'string' | 'integer' | 'number' | 'boolean' {
  if (Array.isArray(v))
    return v.some((item) => typeof item === 'object' && item !== null && !(item instanceof Fraction))
      ? 'objects'
      : 'scalars';
  if (v instanceof Fraction) return 'number';
  if (typeof v === 'object') return 'object';
  if (typeof v === 'bigint') return 'integer';
  if (typeof v === 'number') return Number.isInteger(v) ? 'integer' : 'number';
  return typeof v === 'boolean' ? 'boolean' : 'string';
}

/** Below a value that is sometimes no object, or whose fields are data, there are no columns: it is kept whole. */
const isCovered = (seen: ReadonlyMap<string, Seen>, path: string): boolean =>
  parents(path).some((parent) => {
    const facts = seen.get(parent);
    return facts !== undefined && (facts.kinds.size > 1 || isMap(facts));
  });

/** An object that has other fields in every record, such as prices by currency: many names, each in few records. */
function isMap({ values }: Seen): boolean {
  const objects = values.filter(isJsonObject);
  const names = new Set(objects.flatMap(Object.keys));
  const fields = objects.reduce((sum, object) => sum + Object.keys(object).length, 0);
  return names.size > 12 && fields / objects.length < names.size / 2;
}

const parents = (path: string): string[] => {
  const steps = parsePath(path);
  return steps.slice(1).flatMap((_, i) => formatPath(steps.slice(0, i + 1)) ?? []);
};

/** What is written where there is no value: R, spreadsheets, Python, databases. */
const nullMarkers: readonly unknown[] = [
  'NA',
  'N/A',
  'n/a',
  'NULL',
  'null',
  'None',
  'NaN',
  'nan',
  '\\N',
  '-',
];

/** The shape of a column. Texts that stand for no value among numbers, times and the like are no values: `count` is without them. */
function shapeWithoutMarkers(path: string, facts: Seen) {
  const values = facts.values.filter((v) => !nullMarkers.includes(v));
  if (values.length > 0 && values.length < facts.values.length) {
    const shape = shapeOf(path, { kinds: new Set(values.map(kindOf)), count: values.length, values });
    if (shape !== null && !['string', 'json'].includes(shape.type)) {
      const seenMarkers = nullMarkers.filter((marker) => facts.values.includes(marker));
      return { shape, nullValues: seenMarkers.map(String).sort(), count: values.length };
    }
  }
  return { shape: shapeOf(path, facts), nullValues: [], count: facts.count };
}

/** Type and path of a column; null for an object, whose fields are columns. */
function shapeOf(path: string, facts: Seen): (Draft & { type: string }) | null {
  const { kinds, values } = facts;
  const only = (...allowed: string[]) => kinds.size > 0 && [...kinds].every((kind) => allowed.includes(kind));
  if (only('object')) return isMap(facts) ? { type: 'json' } : null;
  if (only('scalars')) {
    const items = values.flat().filter((item) => item !== null);
    const element = [...new Set(items.map(kindOf))].sort().join(' ');
    const type =
      { integer: 'bigint', number: 'double', 'integer number': 'double', boolean: 'boolean' }[element] ??
      'string';
    return { path: `${path}[*]`, type: `array<${type}>` };
  }
  if (only('integer')) return epochOf(path, values as number[]) ?? { type: 'bigint' };
  if (only('integer', 'number')) return { type: 'double' };
  if (only('boolean')) return { type: 'boolean' };
  if (only('string')) return timeOf(values as string[]) ?? { type: 'string' };
  if (only('string', 'integer', 'number', 'boolean')) return mixedTimeOf(path, values) ?? { type: 'string' };
  // Never a value, or now an object and now none.
  return kinds.size === 0 ? { type: 'string' } : { type: 'json' };
}

/** A number that is not written as a whole one: `1.0` has the value of 1, and is no integer to the compiler. */
export class Fraction {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/**
 * A CSV's field as the value it is written like: a number, true or false, nothing, else the text. A number that would
 * lose its zeros in front is none.
 */
export function valueOfField(text: string): unknown {
  if (text === '') return null;
  if (/^-?(0|[1-9]\d{0,17})$/.test(text))
    return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  if (/^-?(0|[1-9]\d*)\.\d+([eE][+-]?\d+)?$/.test(text)) return new Fraction(text);
  return text === 'true' || text === 'false' ? text === 'true' : text;
}

/** Time formats that a text can be told to have. The compiler's own rules decide when a batch is read. */
const textForms = [
  ['iso8601', /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?(\d\d)?)?$/],
  ['twitter', /^[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [+-]\d{4} \d{4}$/],
  ['rfc2822', /^([A-Z][a-z]{2}, +)?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d ([+-]\d{4}|GMT|UTC?)$/],
  ['epoch_s', /^\d{10}(\.\d{1,6})?$/],
  ['epoch_ms', /^\d{13}$/],
] as const;

function timeOf(values: readonly string[]): { type: string; formats?: unknown[] } | null {
  if (values.length > 0 && values.every((v) => /^\d{4}-\d\d-\d\d$/.test(v))) return { type: 'date' };
  const forms = textForms.slice(0, 3).filter(([, pattern]) => values.some((v) => pattern.test(v)));
  const isTime = forms.length > 0 && values.every((v) => forms.some(([, pattern]) => pattern.test(v)));
  if (isTime) return { type: 'timestamp', formats: forms.map(([name]) => name) };
  const pattern = slashedPattern(values);
  return pattern === null ? null : { type: 'timestamp', formats: [{ pattern }] };
}

/** `1/8/2025 0:00`, `2025/01/08`: which part is the month is told by the values, else it comes first, as in the US. */
function slashedPattern(values: readonly string[]): string | null {
  const form = /^(\d{1,4})\/(\d\d?)\/(\d{4}|\d\d?)( \d\d?:\d\d(:\d\d)?)?$/;
  const parts = values.map((v) => form.exec(v));
  const [first] = parts;
  if (!first || parts.some((p) => !p || p[4]?.split(':').length !== first[4]?.split(':').length)) return null;
  const most = (i: number) => Math.max(...parts.map((p) => Number(p?.[i])));
  const clock = first[4] === undefined ? '' : first[5] === undefined ? ' %H:%M' : ' %H:%M:%S';
  if (first[1]?.length === 4) return most(2) <= 12 && most(3) <= 31 ? `%Y/%m/%d${clock}` : null;
  const year = first[3]?.length === 4 ? '%Y' : '%y';
  if (most(1) <= 12 && most(2) <= 31) return `%m/%d/${year}${clock}`;
  return most(1) <= 31 && most(2) <= 12 ? `%d/%m/${year}${clock}` : null;
}

/** Numbers are times only under a name that says so, and within some decades of now. */
const timeName = /(^|[._])(at|time|timestamp|date|created|updated)$|(_at|time|timestamp|date)$/i;

function epochOf(path: string, values: readonly number[]): { type: string; formats: string[] } | null {
  if (!timeName.test(path)) return null;
  const within = (unit: number) => values.every((v) => v >= 3e8 * unit && v < 4e9 * unit);
  if (within(1)) return { type: 'timestamp', formats: ['epoch_s'] };
  return within(1000) ? { type: 'timestamp', formats: ['epoch_ms'] } : null;
}

function mixedTimeOf(path: string, values: readonly unknown[]): { type: string; formats: string[] } | null {
  if (!timeName.test(path)) return null;
  const texts = values.map(String);
  const forms = textForms.filter(([, pattern]) => texts.some((v) => pattern.test(v)));
  // Some wrong values are dirt, which the compiled contract will quarantine; many mean that it is no time.
  const fitting = texts.filter((v) => forms.some(([, pattern]) => pattern.test(v)));
  return fitting.length >= texts.length * 0.9
    ? { type: 'timestamp', formats: forms.map(([name]) => name) }
    : null;
}

const isUnique = (facts: Seen | undefined): boolean =>
  facts !== undefined && new Set(facts.values.map(String)).size === facts.values.length;

/** `user.screenName` -> `user_screen_name`, numbered where that is taken. */
function unused(names: ReadonlySet<string>, path: string): string {
  const base = snakeCase(path);
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}_${n}`;
  return name;
}
