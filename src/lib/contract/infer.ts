/** Drafts a contract from records: types, time formats, a key, a partition. What it cannot know it leaves for a person. */

import { snakeCase } from '../compiler/resolve.ts';
import { isJsonObject } from '../json.ts';
import { Fraction, isMap, kindOf, type Seen, shapeWithoutMarkers } from './inferColumn.ts';
import { formatPath, parsePath } from './path.ts';
import type { Contract } from './schema.ts';

type Draft = Record<string, unknown>;

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
  const unnamed = new Set<string>();
  for (const record of objects) look(seen, unnamed, record, '');
  const names = new Set<string>();
  const columns: (Draft & {
    name: string;
    type: string;
    nullValues?: readonly string[];
    required?: true;
  })[] = [];
  for (const [path, facts] of seen) {
    if (isCovered(seen, path)) continue;
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
  const likelyKey = required.find((c) => /^(.*_)?id$/.test(c.name) && isUnique(seen.get(String(c.path))));
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
    left: [...unnamed],
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

/** `unnamed` takes the fields that no path can lead to. */
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
    if (isJsonObject(v) && !(v instanceof Fraction)) look(seen, unnamed, v, path);
  }
}

/** Below a value that is sometimes no object, or whose fields are data, there are no columns: it is kept whole. */
const isCovered = (seen: ReadonlyMap<string, Seen>, path: string): boolean =>
  parents(path).some((parent) => {
    const facts = seen.get(parent);
    return facts !== undefined && (facts.kinds.size > 1 || isMap(facts));
  });

const parents = (path: string): string[] => {
  const steps = parsePath(path);
  return steps.slice(1).flatMap((_, i) => formatPath(steps.slice(0, i + 1)) ?? []);
};

const isUnique = (facts: Seen | undefined): boolean =>
  facts !== undefined && new Set(facts.values.map(String)).size === facts.values.length;

/** `user.screenName` -> `user_screen_name`, numbered where that is taken. */
function unused(names: ReadonlySet<string>, path: string): string {
  const base = snakeCase(path);
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}_${n}`;
  return name;
}
