/** The type of a column from the values that were seen of it: numbers, times and how they are written, what stands for no value. */
import { isJsonObject } from '../json.ts';

type Kind = 'object' | 'scalars' | 'objects' | 'string' | 'integer' | 'number' | 'boolean';

/** What was seen at one path of the records. */
export interface Seen {
  readonly kinds: Set<Kind>;
  /** Records with a value here. */
  count: number;
  readonly values: unknown[];
}

/** What a contract says of a column beside its name; `path` only where it is not that of the values. */
export interface ColumnShape {
  readonly type: string;
  readonly path?: string;
  readonly formats?: readonly unknown[];
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

/** What a value is; an array by what is in it. */
export function kindOf(v: unknown): Kind {
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

/** An object that has other fields in every record, such as prices by currency: many names, each in few records. */
export function isMap({ values }: Seen): boolean {
  const objects = values.filter(isJsonObject);
  const names = new Set(objects.flatMap(Object.keys));
  const fields = objects.reduce((sum, object) => sum + Object.keys(object).length, 0);
  return names.size > 12 && fields / objects.length < names.size / 2;
}

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
export function shapeWithoutMarkers(path: string, facts: Seen) {
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
function shapeOf(path: string, facts: Seen): ColumnShape | null {
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
