/** One column of one record: from the leaf to a value, or to the reason for none. */
import type { Column } from '../../src/lib/contract/columnSchema.ts';
import { type PathStep, parsePath } from '../../src/lib/contract/path.ts';
import { field, type Json, writeJson } from './json.ts';
import { plainNumber, readDecimal, readDouble, readWhole } from './numbers.ts';
import { lower, upper, withoutSpace } from './texts.ts';
import { dayOfMoment, readDay, readMoment } from './times.ts';
import { Decimal, type Moment, type Value } from './value.ts';

export type Reason = 'bad_type' | 'unmapped' | 'out_of_range' | 'missing_required';

/** `refused`: the reason; the value is then null. */
export interface Cell {
  readonly value: Value;
  readonly refused: Reason | null;
}

const value = (v: Value): Cell => ({ value: v, refused: null });
const refused = (reason: Reason): Cell => ({ value: null, refused: reason });

/** The value at these steps; undefined if there is none. */
export function at(json: Json | undefined, steps: readonly PathStep[]): Json | undefined {
  let found = json;
  for (const step of steps) {
    if (step.kind === 'key') found = field(found, step.key);
    else if (step.kind === 'index') found = found?.kind === 'array' ? found.items[step.index] : undefined;
  }
  return found;
}

/** The value of a column in a record, or in an element of an exploded array. */
export function readColumn(
  column: Column,
  document: Json,
  steps: readonly PathStep[] = parsePath(column.path),
): Cell {
  const cell = column.type.startsWith('array<')
    ? readArray(column, document, steps)
    : readLeaf(column, at(document, steps));
  return inRange(column, cell);
}

// "`required`: a row without a value goes to quarantine"
// "`onError`: `quarantine` (default), or `null`: the row stays, the value becomes null and is counted"
export function judge(column: Column, cell: Cell): { reason: Reason | null; isNulled: boolean } {
  const isNulled = column.onError === 'null' && cell.refused !== null;
  const isMissing = column.required && cell.value === null && (cell.refused === null || isNulled);
  return {
    reason: isNulled
      ? isMissing
        ? 'missing_required'
        : null
      : (cell.refused ?? (isMissing ? 'missing_required' : null)),
    isNulled,
  };
}

// "A leaf is taken as text and converted by these rules, never by an engine's own cast. A JSON text is itself, a JSON number is the
// text that stands in the file, `true` and `false` are these words, and null and a missing field are no value. An object or an array where
// a scalar is read is refused."
function readLeaf(column: Column, leaf: Json | undefined): Cell {
  if (leaf === undefined || leaf.kind === 'null') return value(null);
  if (column.type === 'json') return value(writeJson(leaf));
  if (leaf.kind === 'object' || leaf.kind === 'array') return refused('bad_type');
  return readText(column, textOf(leaf), leaf.kind === 'number');
}

const textOf = (leaf: Json): string => {
  switch (leaf.kind) {
    case 'string':
      return leaf.value;
    case 'number':
      return leaf.text;
    case 'boolean':
      return String(leaf.value);
    default:
      throw new TypeError(`${leaf.kind} is no leaf`);
  }
};

// "Texts are cleaned in the order `trim`, `normalize`, `nullValues`, `extract`, `case`, `map`, then converted."
function readText(column: Column, raw: string, isNumber: boolean): Cell {
  // "`normalize` also applies to the texts of `nullValues`, to the synonyms and to the standard values that a text is compared with."
  const normal = (t: string) => (column.normalize ? t.normalize('NFC') : t);
  let text = normal(column.trim ? withoutSpace(raw) : raw);
  // "`nullValues` are compared without white space around either text."
  if (column.nullValues.some((name) => withoutSpace(normal(name)) === withoutSpace(text))) return value(null);
  if (column.extract !== undefined) {
    // "a text without a match is refused"
    const match = asRe2(column.extract).exec(text);
    if (!match) return refused('bad_type');
    // "A group that took no part in the match, or matched nothing, gives no value."
    if (match[1] === undefined || match[1] === '') return value(null);
    text = match[1];
  }
  if (column.case) text = column.case === 'lower' ? lower(text) : upper(text);
  if (column.map) {
    // "`map` compares the text and the names in lower case. A text equal to a standard value is that value, too."
    const wanted = lower(text);
    const found = Object.entries(column.map).find(([standard, synonyms]) =>
      [standard, ...synonyms].some((name) => lower(normal(name)) === wanted),
    );
    // "`mapDefault`: a value that is no synonym: `keep` (the default), `null` or `reject`"
    if (found) [text] = found;
    else if (column.mapDefault === 'null') return value(null);
    else if (column.mapDefault === 'reject') return refused('unmapped');
  }
  // "A number of JSON is not written by people: its point is a point."
  const plain = column.number && !isNumber ? plainNumber(text, column.number) : text;
  const converted = plain === undefined ? undefined : convert(column.type, plain, column);
  return converted === undefined ? refused('bad_type') : value(converted);
}

/** "A regular expression (RE2)": its dot is every character but a line feed. */
// "`(?i)` at its beginning ignores case."
const asRe2 = (written: string): RegExp => {
  const pattern = written.replace(/^\(\?i\)/, '');
  return new RegExp(
    pattern.replaceAll(/\\.|\[(?:\\.|[^\]])*\]|\./gs, (part) => (part === '.' ? '[^\\n]' : part)),
    pattern === written ? 'u' : 'iu',
  );
};

/** Undefined for a text that is not written as the type asks. */
function convert(type: string, text: string, column: Column): Value | undefined {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (precision !== undefined) return readDecimal(text, Number(precision), Number(scale));
  switch (type) {
    case 'string':
      return text;
    case 'int':
      return readWhole(text, 32);
    case 'bigint':
      return readWhole(text, 64);
    case 'double':
      return readDouble(text);
    // "`true`, `false`. Refused: `yes`, `1`"
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'date': {
      if (column.formats === undefined) return readDay(text);
      // "A date is the day, in UTC, of the time that its formats read."
      const found = readTime(text, column.formats, 'UTC');
      return found && dayOfMoment(found);
    }
    case 'timestamp':
      return readTime(text, column.formats ?? [], column.zone);
    default:
      throw new TypeError(`no conversion for ${type}`);
  }
}

// "tried in order"
function readTime(text: string, formats: NonNullable<Column['formats']>, zone: string): Moment | undefined {
  for (const format of formats) {
    const found = readMoment(text, format, zone);
    if (found) return found;
  }
  return undefined;
}

// "The elements of an `array<…>` are converted one by one by the rules of their type. `b[*].x` has an element for each element of `b`:
// null where that is null, is not an object, or lacks `x`. One element that cannot be converted refuses the value; where the path leads to
// something else than an array, too."
function readArray(column: Column, document: Json, steps: readonly PathStep[]): Cell {
  const starts = steps.flatMap((step, i) => (step.kind === 'each' ? [i] : []));
  const list = at(document, steps.slice(0, starts[0]));
  if (list === undefined || list.kind === 'null') return value(null);
  if (list.kind !== 'array') return refused('bad_type');
  let items: readonly Json[] = list.items;
  // "Of several `[*]` the lists are made one list."
  for (const [i, start] of starts.slice(0, -1).entries()) {
    const inner = items.map((item) => at(item, steps.slice(start + 1, starts[i + 1])));
    if (inner.some((one) => one !== undefined && !['null', 'array'].includes(one.kind)))
      return refused('bad_type');
    items = inner.flatMap((one) => (one?.kind === 'array' ? one.items : []));
  }
  const type = column.type.slice('array<'.length, -1);
  const cells = items.map((item) =>
    readLeaf({ ...column, type }, at(item, steps.slice((starts.at(-1) ?? 0) + 1))),
  );
  const fault = cells.find((cell) => cell.refused !== null);
  return fault ?? value(cells.map((cell) => cell.value));
}

// "`range` compares exact values; with a double, the double that is nearest to the bound."
function inRange(column: Column, cell: Cell): Cell {
  const { range } = column;
  if (!range || cell.value === null) return cell;
  const isOutside =
    (range.min !== undefined && compareNumber(cell.value, range.min) < 0) ||
    (range.max !== undefined && compareNumber(cell.value, range.max) > 0);
  return isOutside ? refused('out_of_range') : cell;
}

/** Both as fractions of whole numbers. What stands in the contract is a decimal text. */
function compareNumber(a: Value, b: number | string): number {
  if (typeof a === 'number') return a - Number(b);
  const [left, right] = [fractionOf(a), decimalFraction(String(b))];
  const difference = left.over * right.under - right.over * left.under;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

function fractionOf(a: Value): Fraction {
  if (a instanceof Decimal) return { over: a.unscaled, under: 10n ** BigInt(a.scale) };
  if (typeof a === 'bigint') return { over: a, under: 1n };
  throw new TypeError(`${String(a)} is no number`);
}

/** A double is a whole number of times a power of two. */
export function exactly(double: number): Fraction {
  let [size, under] = [double, 1n];
  while (!Number.isInteger(size)) {
    size *= 2;
    under *= 2n;
  }
  return { over: BigInt(size), under };
}

function decimalFraction(text: string): Fraction {
  const [digits = '0', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '0', fraction = ''] = digits.split('.');
  const places = fraction.length - Number(exponent);
  const size = BigInt(whole + fraction);
  return places < 0
    ? { over: size * 10n ** BigInt(-places), under: 1n }
    : { over: size, under: 10n ** BigInt(places) };
}
