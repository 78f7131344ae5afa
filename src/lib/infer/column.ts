/** Infers the type of a column from its values: numbers, times and their notation, and texts that mean no value. */
import { isJsonObject } from '../json.ts';
import type { ColumnShape } from './shape.ts';
import { type DateOrder, epochOf, fractionalEpochOf, mixedTimeOf, timeOfTexts, zeroDates } from './time.ts';
import { numberOfTexts, type TextShape, truthOfTexts } from './written.ts';

type Kind = 'object' | 'scalars' | 'objects' | 'string' | 'integer' | 'number' | 'boolean';

/** The values at one path of the records. */
export interface Seen {
  readonly kinds: Set<Kind>;
  /** The number of records with a value here. */
  count: number;
  readonly values: unknown[];
}

/** A shape with notes for a person. */
interface Guess {
  readonly shape: ColumnShape | null;
  readonly note?: string | undefined;
  readonly unclear?: DateOrder | undefined;
}

/** A number with a fraction in its notation: `1.0` equals 1 but is not an integer for the compiler. */
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
 * Converts a CSV field to a number, boolean or null by its notation; otherwise it stays a text. A number with leading zeros stays a text,
 * because it would lose them.
 */
export function valueOfField(text: string): unknown {
  if (text === '') return null;
  if (/^-?(0|[1-9]\d{0,37})$/.test(text))
    return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  // Without a fraction, only a signed exponent is one for sure: 12e4 may be a code.
  if (/^-?(0|[1-9]\d*)?\.\d+([eE][+-]?\d+)?$|^-?(0|[1-9]\d*)[eE][+-]\d+$/.test(text))
    return new Fraction(text);
  return text === 'true' || text === 'false' ? text === 'true' : text;
}

/** The kind of a value. An array has the kind of its elements. */
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

/** Whether the fields of an object are data: they differ in every record, such as prices by currency, or are too many for columns. */
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

/** An object with more fields stays one column. */
export const mostFields = 200;

/** Texts for missing values in R, spreadsheets, Python and databases. */
export const nullMarkers: ReadonlySet<unknown> = new Set([
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
  // German: keine Angabe.
  'k.A.',
  'k. A.',
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
 * The shape of a column. Texts for missing values among numbers, times and the like do not count. `isText`: the values are fields of a CSV,
 * which are always texts. `order` decides ambiguous dates.
 */
export function shapeWithoutMarkers(path: string, facts: Seen, isText: boolean, order?: DateOrder) {
  const trimmed = withoutSpaces(facts, isText);
  if (trimmed === null) return normalized(ofMarked(path, facts, isText, order), facts);
  const guess = ofMarked(path, trimmed, isText, order);
  // A text keeps its white space.
  if (guess.shape === null || ['string', 'json'].includes(guess.shape.type))
    return normalized(ofMarked(path, facts, isText, order), facts);
  const shape: ColumnShape = { ...guess.shape, trim: true };
  return { ...guess, shape };
}

/** The values without white space around them; null if none has some. */
function withoutSpaces(facts: Seen, isText: boolean): Seen | null {
  if (!facts.values.some((v) => typeof v === 'string' && v !== v.trim())) return null;
  const values = facts.values.map((v) => {
    if (typeof v !== 'string') return v;
    const text = v.trim();
    return isText && text !== '' ? valueOfField(text) : text;
  });
  return { ...facts, kinds: new Set(values.map(kindOf)), values };
}

/** A column of texts with characters that are not composed, which look like others and are not equal to them. */
function normalized<G extends Guess>(guess: G, { values }: Seen): G {
  const isOdd =
    guess.shape?.type === 'string' && values.some((v) => typeof v === 'string' && v !== v.normalize('NFC'));
  const shape: ColumnShape = { ...guess.shape, type: 'string', normalize: true };
  return isOdd ? { ...guess, shape } : guess;
}

function ofMarked(path: string, facts: Seen, isText: boolean, order?: DateOrder) {
  const values = facts.values.filter((v) => !nullMarkers.has(v));
  const isNothing = (v: unknown) => nullMarkers.has(v) && !/^([-.?]*|NA|none|nil)$/.test(String(v));
  if (facts.values.length > 0 && facts.values.every(isNothing)) {
    const found = [...new Set(facts.values.map(String))].sort();
    const note = `It has only ${found.map((text) => JSON.stringify(text)).join(', ')} in the sample, taken for no value: its type is not known.`;
    return { shape: { type: 'string' }, note, nullValues: found, count: 0 };
  }
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
  // Databases write it for NULL, and nothing else looks like it.
  const count = facts.values.filter((v) => v !== '\\N').length;
  const nullValues = count < facts.values.length ? ['\\N'] : [];
  return { ...shapeOf(path, facts, isText, order), nullValues, count };
}

/** Type and path of a column; no shape for an object, because its fields are columns. */
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
  if (isText && only('integer', 'number') && labelName.test(path))
    return as('string', 'Numbers under such a name are labels, whose zeros count: it is read as a text.');
  if (only('integer')) return timed(epochOf(path, values.filter(isInteger))) ?? ofIntegers(values);
  if (only('integer', 'number')) {
    const time = timed(fractionalEpochOf(path, values));
    if (time !== null) return time;
    return values.every((v) => Number.isFinite(Number(v)))
      ? as('double', values.some(isLong) ? 'It has numbers with more digits than a double keeps.' : undefined)
      : as('string', 'It has numbers that no type holds.');
  }
  if (only('boolean')) return as('boolean');
  if (only('string'))
    return (
      timed(timeOfTexts(values.map(String), order)) ??
      worded(truthOfTexts(values.map(String))) ??
      worded(numberOfTexts(values.map(String))) ??
      as('string')
    );
  // All fields of a CSV are texts, even if some look like numbers or booleans.
  if (isText && only('string', 'boolean')) return worded(truthOfTexts(values.map(String))) ?? as('string');
  if (isText && only('string', 'integer', 'number')) {
    const numbers = worded(numberOfTexts(values.map(String)));
    if (numbers !== null) return numbers;
  }
  if (only('string', 'integer', 'number', 'boolean')) return timed(mixedTimeOf(path, values)) ?? as('string');
  return only('objects')
    ? as('json', 'A list of objects or lists is kept whole; explode makes a row of each.')
    : as('json', 'It is an object or a list here and none there: it is kept whole.');
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

/** Integers, in the range of the exact types. */
function ofIntegers(values: readonly unknown[]): Guess {
  const integers = values.filter(isInteger).map(BigInt);
  const fits = (bits: number) => integers.every((n) => BigInt.asIntN(bits, n) === n);
  if (fits(64)) return as('bigint');
  const digits = Math.max(...integers.map((n) => String(n).replace('-', '').length));
  return digits <= 38
    ? as('decimal(38,0)', 'It has numbers beyond 64 bits.')
    : as('string', 'It has numbers that no type holds.');
}

/** Whether a number has more digits than a double keeps. */
const isLong = (v: unknown): boolean =>
  String(v)
    .replace(/[eE].*$/, '')
    .replace(/^-?0*\.?0*|\./g, '')
    .replace(/0+$/, '').length > 17;

/** Names of labels that are written with digits. */
const labelName =
  /(?:^|[._ -])(?:zip|plz|phone|mobile|tel|telephone|fax|iban|ean|gtin|upc|isbn|ssn|version)(?:[._ -]?(?:code|no|nr|number))?$|(?:^|[._ -])post(?:al)?[._ -]?code$/i;

const isInteger = (v: unknown): v is number | bigint => typeof v === 'number' || typeof v === 'bigint';
