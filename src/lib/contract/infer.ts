/** Drafts a contract from records: types, time formats, a key, a partition. What it cannot know it leaves for a person. */
import { isJsonObject } from '../json.ts';
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

/**
 * A contract as data, to be written as YAML; whole numbers beyond 2^53 come as bigint. `left` names what no column
 * could be made for.
 */
export function draftContract(
  dataset: string,
  source: Partial<Contract['source']>,
  records: readonly unknown[],
): { contract: Draft; left: string[] } {
  const objects = records.filter(isJsonObject);
  const seen = new Map<string, Seen>();
  for (const record of objects) look(seen, record, '');
  const left: string[] = [];
  const names = new Set<string>();
  const columns: (Draft & { name: string; type: string; required?: true })[] = [];
  for (const [path, facts] of seen) {
    if (isCovered(seen, path)) continue;
    if (!/^[^.[\]"'\\\s]+(\.[^.[\]"'\\\s]+)*$/.test(path)) {
      left.push(path);
      continue;
    }
    const shape = shapeOf(path, facts);
    if (shape === null) continue;
    const name = unused(names, path);
    names.add(name);
    columns.push({ name, path, ...shape, ...(facts.count === objects.length ? { required: true } : {}) });
  }
  const key = columns.find(
    (c) => /^(.*_)?id$/.test(c.name) && c.required && isUnique(seen.get(String(c.path))),
  );
  const time = columns.find((c) => c.type === 'timestamp' && c.required);
  const contract: Draft = {
    dataset,
    source: { prefix: `${dataset.replaceAll('_', '-')}/`, ...source },
    columns,
    ...(key ? { dedupe: { key: [key.name] } } : {}),
    partitionBy: [
      { name: unused(names, 'data_source'), constant: dataset },
      ...(time
        ? (['year', 'month', 'day'] as const).map((part) => ({
            name: unused(names, part),
            of: time.name,
            part,
          }))
        : []),
    ],
  };
  return { contract, left };
}

function look(seen: Map<string, Seen>, value: object, prefix: string): void {
  for (const [field, v] of Object.entries(value)) {
    const path = prefix === '' ? field : `${prefix}.${field}`;
    const facts = seen.get(path) ?? { kinds: new Set(), count: 0, values: [] };
    seen.set(path, facts);
    if (v === null) continue;
    facts.count++;
    facts.kinds.add(kindOf(v));
    facts.values.push(v);
    if (isJsonObject(v)) look(seen, v, path);
  }
}

function kindOf(v: unknown): 'object' | 'scalars' | 'objects' | 'string' | 'integer' | 'number' | 'boolean' {
  if (Array.isArray(v))
    return v.some((item) => typeof item === 'object' && item !== null) ? 'objects' : 'scalars';
  if (typeof v === 'object') return 'object';
  if (typeof v === 'bigint') return 'integer';
  if (typeof v === 'number') return Number.isInteger(v) ? 'integer' : 'number';
  return typeof v === 'boolean' ? 'boolean' : 'string';
}

/** Below a value that is sometimes no object there are no columns: it is kept whole. */
const isCovered = (seen: ReadonlyMap<string, Seen>, path: string): boolean =>
  parents(path).some((parent) => (seen.get(parent)?.kinds.size ?? 0) > 1);

const parents = (path: string): string[] => {
  const parts = path.split('.');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
};

/** Type and path of a column; null for an object, whose fields are columns. */
function shapeOf(path: string, { kinds, values }: Seen): (Draft & { type: string }) | null {
  const only = (...allowed: string[]) => kinds.size > 0 && [...kinds].every((kind) => allowed.includes(kind));
  if (only('object')) return null;
  if (only('scalars')) {
    const items = values.flat().filter((item) => item !== null);
    const element = new Set(items.map(kindOf));
    const type =
      element.size === 1 && element.has('integer')
        ? 'bigint'
        : element.size === 1 && element.has('boolean')
          ? 'boolean'
          : 'string';
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

/** Time formats that a text can be told to have. The compiler's own rules decide when a batch is read. */
const textForms = [
  ['iso8601', /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?(\d\d)?)?$/],
  ['twitter', /^[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [+-]\d{4} \d{4}$/],
  ['rfc2822', /^([A-Z][a-z]{2}, +)?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d ([+-]\d{4}|GMT|UTC?)$/],
  ['epoch_s', /^\d{10}(\.\d{1,6})?$/],
  ['epoch_ms', /^\d{13}$/],
] as const;

function timeOf(values: readonly string[]): { type: string; formats?: string[] } | null {
  if (values.length > 0 && values.every((v) => /^\d{4}-\d\d-\d\d$/.test(v))) return { type: 'date' };
  const forms = textForms.slice(0, 3).filter(([, pattern]) => values.some((v) => pattern.test(v)));
  const isTime = forms.length > 0 && values.every((v) => forms.some(([, pattern]) => pattern.test(v)));
  return isTime ? { type: 'timestamp', formats: forms.map(([name]) => name) } : null;
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
  const plain = path
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  const base = (/^[a-z]/.test(plain) ? plain : `f_${plain}`).slice(0, 58);
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}_${n}`;
  return name;
}
