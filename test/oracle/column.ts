/** One column of one record: from the leaf to a value, or to the reason why there is none. */
import type { Column } from '../../src/lib/contract/columnSchema.ts';
import { type PathStep, parsePath } from '../../src/lib/contract/path.ts';
import { field, type Json, writeJson } from './json.ts';
import { readDecimal, readDouble, readWhole } from './numbers.ts';
import { lower, trim, upper } from './texts.ts';
import { readDay, readMoment } from './times.ts';
import { Decimal, type Value } from './value.ts';

export type Reason = 'bad_type' | 'unmapped' | 'out_of_range' | 'missing_required';

/** `refused`: why the value cannot be had; the value is then null. */
export interface Cell {
  readonly value: Value;
  readonly refused: Reason | null;
}

const value = (v: Value): Cell => ({ value: v, refused: null });
const refused = (reason: Reason): Cell => ({ value: null, refused: reason });

/** What stands at the steps; undefined where nothing does. */
export function at(json: Json | undefined, steps: readonly PathStep[]): Json | undefined {
  let found = json;
  for (const step of steps) {
    if (step.kind === 'key') found = field(found, step.key);
    else if (step.kind === 'index') found = found?.kind === 'array' ? found.items[step.index] : undefined;
  }
  return found;
}

/** The value of a column in a record, or in an element of an exploded array. */
export function readColumn(column: Column, document: Json, steps = parsePath(column.path)): Cell {
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

// "A leaf is taken as text and converted by these rules, never by an engine's own cast"
function readLeaf(column: Column, leaf: Json | undefined): Cell {
  if (leaf === undefined || leaf.kind === 'null') return value(null);
  // "a subtree as JSON text"
  if (column.type === 'json') return value(writeJson(leaf));
  if (leaf.kind === 'object' || leaf.kind === 'array') return refused('bad_type');
  // "a JSON number with a fraction and more than 15 digits (no parser has kept it exact: write it as a text)"
  if (column.type.startsWith('decimal') && leaf.kind === 'number' && isInexact(leaf.text))
    return refused('bad_type');
  return readText(column, textOf(leaf), leaf.kind === 'number');
}

const isInexact = (number: string): boolean =>
  /[.eE]/.test(number) &&
  number
    .replace(/[eE].*/, '')
    .replace(/^-?[0.]*/, '')
    .replace('.', '').length > 15;

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
  let text = column.trim ? trim(raw) : raw;
  if (column.normalize) text = text.normalize('NFC');
  // "texts that mean nothing, compared after trimming"
  if (column.nullValues.includes(trim(text))) return value(null);
  // "the one group of a regular expression is the value; a text without a match is refused"
  if (column.extract !== undefined) {
    const match = asRe2(column.extract).exec(text);
    if (!match) return refused('bad_type');
    if (match[1] === undefined) return value(null);
    text = match[1];
  }
  if (column.case) text = column.case === 'lower' ? lower(text) : upper(text);
  if (column.map) {
    // "standard values with their synonyms, compared without case"
    const wanted = lower(text);
    const found = Object.entries(column.map).find(([standard, synonyms]) =>
      [standard, ...synonyms].some((name) => lower(name) === wanted),
    );
    // "`mapDefault`: a value that is no synonym: `keep` (the default), `null` or `reject`"
    if (found) [text] = found;
    else if (column.mapDefault === 'null') return value(null);
    else if (column.mapDefault === 'reject') return refused('unmapped');
  }
  const converted = convert(column.type, text, column);
  if (converted === undefined) return refused('bad_type');
  // "the JSON number `-0` is 0"
  return value(isNumber && Object.is(converted, -0) ? 0 : converted);
}

/** "A regular expression (RE2)": its dot is every character but a line feed. */
const asRe2 = (pattern: string): RegExp =>
  new RegExp(
    pattern.replaceAll(/\\.|\[(?:\\.|[^\]])*\]|\./gs, (part) => (part === '.' ? '[^\\n]' : part)),
    'u',
  );

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
    case 'date':
      return readDay(text);
    case 'timestamp': {
      // "for timestamps: tried in order"
      for (const format of column.formats ?? []) {
        const found = readMoment(text, format, column.zone);
        if (found) return found;
      }
      return undefined;
    }
    default:
      throw new TypeError(`no conversion for ${type}`);
  }
}

// "`entities.hashtags[*].text` takes every element"
function readArray(column: Column, document: Json, steps: readonly PathStep[]): Cell {
  const each = steps.findIndex((step) => step.kind === 'each');
  const list = at(document, steps.slice(0, each));
  if (list === undefined || list.kind === 'null') return value(null);
  if (list.kind !== 'array') return refused('bad_type');
  const type = column.type.slice('array<'.length, -1);
  const cells = list.items.map((item) => readLeaf({ ...column, type }, at(item, steps.slice(each + 1))));
  const fault = cells.find((cell) => cell.refused !== null);
  return fault ?? value(cells.map((cell) => cell.value));
}

// "`{ min, max }` for numbers"
function inRange(column: Column, cell: Cell): Cell {
  const { range } = column;
  if (!range || cell.value === null) return cell;
  const isOutside =
    (range.min !== undefined && compareNumber(cell.value, range.min) < 0) ||
    (range.max !== undefined && compareNumber(cell.value, range.max) > 0);
  return isOutside ? refused('out_of_range') : cell;
}

/** Exactly: a double is a fraction with a power of two below it. */
function compareNumber(a: Value, b: number): number {
  if (typeof a === 'number') return a - b;
  const [unscaled, scale] = a instanceof Decimal ? [a.unscaled, a.scale] : [a, 0];
  if (typeof unscaled !== 'bigint') throw new TypeError(`${String(a)} is no number`);
  // What stands in the contract is a decimal text.
  const [digits = '0', exponent = '0'] = String(b).toLowerCase().split('e');
  const [whole = '0', fraction = ''] = digits.split('.');
  const places = fraction.length - Number(exponent);
  const size = BigInt(whole + fraction);
  const left = unscaled * 10n ** BigInt(Math.max(0, places));
  const right = size * 10n ** BigInt(Math.max(0, -places));
  const difference = left * 1n - right * 10n ** BigInt(scale) * 1n;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
