/** The type of a column from the values that were seen of it: numbers, times and how they are written, what stands for no value. */
import { isJsonObject } from '../json.ts';
import type { ColumnShape } from './shape.ts';
import { type DateOrder, epochOf, mixedTimeOf, timeOfTexts, zeroDates } from './time.ts';
import { numberOfTexts, type TextShape, truthOfTexts } from './written.ts';

type Kind = 'object' | 'scalars' | 'objects' | 'string' | 'integer' | 'number' | 'boolean';

/** What was seen at one path of the records. */
export interface Seen {
  readonly kinds: Set<Kind>;
  /** Records with a value here. */
  count: number;
  readonly values: unknown[];
}

/** A shape with what a person should know of it. */
interface Guess {
  readonly shape: ColumnShape | null;
  readonly note?: string | undefined;
  readonly unclear?: DateOrder | undefined;
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
  if (/^-?(0|[1-9]\d{0,37})$/.test(text))
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

/** An object whose fields are data: other ones in every record, such as prices by currency, or more than columns can be. */
export function isMap(facts: Seen): boolean {
  const known = maps.get(facts) ?? looksLikeMap(facts.values);
  maps.set(facts, known);
  return known;
}

const maps = new WeakMap<Seen, boolean>();

function looksLikeMap(values: readonly unknown[]): boolean {
  const objects = values.filter(isJsonObject);
  const names = new Set<string>();
  let fields = 0;
  for (const object of objects)
    for (const name of Object.keys(object)) {
      fields++;
      names.add(name);
    }
  return names.size > mostFields || (names.size > 12 && fields / objects.length < names.size / 2);
}

/** An object with more fields than these is kept whole. */
export const mostFields = 200;

/** What is written where there is no value: R, spreadsheets, Python, databases. */
const nullMarkers: ReadonlySet<unknown> = new Set([
  'NA',
  'N/A',
  'n/a',
  'NULL',
  'Null',
  'null',
  '(null)',
  'None',
  'none',
  'NaN',
  'nan',
  '<NA>',
  'NaT',
  'nil',
  '\\N',
  '-',
  '--',
  '.',
  '?',
  '#N/A',
  '#DIV/0!',
  '#VALUE!',
  '#REF!',
  '#NAME?',
  '#NUM!',
  '#NULL!',
  '#N/A N/A',
  '',
  ...zeroDates,
]);

/**
 * The shape of a column. Texts that stand for no value among numbers, times and the like are no values: `count` is without
 * them. `isText`: the values are fields of a CSV, which can only be texts. `order` settles dates that are not clear.
 */
export function shapeWithoutMarkers(path: string, facts: Seen, isText: boolean, order?: DateOrder) {
  const values = facts.values.filter((v) => !nullMarkers.has(v));
  if (values.length > 0 && values.length < facts.values.length) {
    const guess = shapeOf(
      path,
      { kinds: new Set(values.map(kindOf)), count: values.length, values },
      isText,
      order,
    );
    if (guess.shape !== null && !['string', 'json'].includes(guess.shape.type)) {
      const found = new Set(facts.values.filter((v) => nullMarkers.has(v)).map(String));
      return { ...guess, nullValues: [...found].sort(), count: values.length };
    }
  }
  return { ...shapeOf(path, facts, isText, order), nullValues: [], count: facts.count };
}

/** Type and path of a column; no shape for an object, whose fields are columns. */
function shapeOf(path: string, facts: Seen, isText: boolean, order: DateOrder | undefined): Guess {
  const { kinds, values } = facts;
  const only = (...allowed: string[]) => kinds.size > 0 && [...kinds].every((kind) => allowed.includes(kind));
  if (kinds.size === 0)
    return isText
      ? as('string', 'It never has a value in the sample: its type is not known.')
      : as('json', 'It never has a value in the sample: json takes whatever comes.');
  if (only('object')) {
    if (isMap(facts)) return as('json', 'Its fields are data: it is kept whole.');
    const isEmpty = values.filter(isJsonObject).every((object) => Object.keys(object).length === 0);
    return isEmpty
      ? as('json', 'It has no fields in the sample: json takes whatever comes.')
      : { shape: null };
  }
  if (only('scalars')) return ofArrays(path, values);
  if (only('integer')) return timed(epochOf(path, values.filter(isInteger))) ?? ofIntegers(values);
  if (only('integer', 'number'))
    return values.every((v) => Number.isFinite(Number(v)))
      ? as('double')
      : as('string', 'It has numbers that no type holds.');
  if (only('boolean')) return as('boolean');
  if (only('string'))
    return (
      timed(timeOfTexts(values.map(String), order)) ??
      worded(truthOfTexts(values.map(String))) ??
      worded(numberOfTexts(values.map(String))) ??
      as('string')
    );
  // Fields of a CSV are all texts: some of them only look like numbers.
  if (isText && only('string', 'integer', 'number')) {
    const numbers = worded(numberOfTexts(values.map(String)));
    if (numbers !== null) return numbers;
  }
  if (only('string', 'integer', 'number', 'boolean')) return timed(mixedTimeOf(path, values)) ?? as('string');
  return only('objects')
    ? as('json', 'A list of objects is kept whole; explode makes a row of each.')
    : as('json', 'It is an object here and none there: it is kept whole.');
}

const as = (type: string, note?: string): Guess => ({ shape: { type }, note });

const worded = (text: TextShape | null): Guess | null =>
  text === null
    ? null
    : text.shape === null
      ? as('string', text.note)
      : { shape: text.shape, note: text.note };

const timed = (time: ReturnType<typeof timeOfTexts>): Guess | null => {
  if (time === null) return null;
  const { type, formats, note, unclear } = time;
  return { shape: formats === undefined ? { type } : { type, formats }, note, unclear };
};

function ofArrays(path: string, values: readonly unknown[]): Guess {
  const items = values.flat().filter((item) => item !== null);
  if (items.length === 0) return as('json', 'Its lists are empty in the sample: json takes whatever comes.');
  const element = [...new Set(items.map(kindOf))].sort().join(' ');
  const integers = element === 'integer' && ofIntegers(items).shape?.type === 'bigint' ? 'bigint' : undefined;
  const type =
    integers ?? { number: 'double', 'integer number': 'double', boolean: 'boolean' }[element] ?? 'string';
  return { shape: { path: `${path}[*]`, type: `array<${type}>` } };
}

/** Whole numbers: exact as far as any type is. */
function ofIntegers(values: readonly unknown[]): Guess {
  const integers = values.filter(isInteger).map(BigInt);
  const fits = (bits: number) => integers.every((n) => BigInt.asIntN(bits, n) === n);
  if (fits(64)) return as('bigint');
  const digits = Math.max(...integers.map((n) => String(n).replace('-', '').length));
  return digits <= 38
    ? as('decimal(38,0)', 'It has numbers beyond 64 bits.')
    : as('string', 'It has numbers that no type holds.');
}

const isInteger = (v: unknown): v is number | bigint => typeof v === 'number' || typeof v === 'bigint';
