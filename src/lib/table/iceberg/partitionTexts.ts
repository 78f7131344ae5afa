/** Partition values as the texts that name folders, as src/lib/dialect/duckdbTransforms.ts makes them. */
import type { Transform } from './transforms.ts';
import type { PrimitiveType } from './types.ts';
import type { Value } from './values.ts';

const day = 86_400_000;

/** Throws TypeError for a text that is none of the transform's. */
export function valueOfText(transform: Transform, source: PrimitiveType, text: string): Value {
  if (transform === 'identity') return text;
  if (transform.startsWith('bucket')) return Number(text);
  if (transform.startsWith('truncate')) {
    if (source === 'string') return text.startsWith('~') ? text.slice(1) : text;
    return source === 'long' ? BigInt(text) : Number(text);
  }
  const [, year, month = '01', date = '01', hour = '00'] =
    /^(-?\d+)(?:-(\d\d))?(?:-(\d\d))?(?:-(\d\d))?$/.exec(text) ?? [];
  if (year === undefined)
    throw new TypeError(`the text ${text} is no partition of the transform ${transform}`);
  if (transform === 'year') return Number(year) - 1970;
  if (transform === 'month') return (Number(year) - 1970) * 12 + Number(month) - 1;
  // Date.UTC would take a year below 100 for one of the last century.
  const days = new Date(0).setUTCFullYear(Number(year), Number(month) - 1, Number(date)) / day;
  return transform === 'hour' ? days * 24 + Number(hour) : days;
}

export function textOfValue(transform: Transform, source: PrimitiveType, value: Value): string {
  if (transform.startsWith('truncate') && source === 'string')
    return /^(?:~|__|$)/.test(String(value)) ? `~${value}` : String(value);
  const number = Number(value);
  switch (transform) {
    case 'year':
      return yearText(1970 + number);
    case 'month':
      return `${yearText(1970 + Math.floor(number / 12))}-${twoDigits((((number % 12) + 12) % 12) + 1)}`;
    case 'day':
      return dayText(number);
    case 'hour':
      return `${dayText(Math.floor(number / 24))}-${twoDigits(((number % 24) + 24) % 24)}`;
    default:
      return String(value);
  }
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');
const yearText = (year: number): string =>
  year >= 0 && year <= 9999 ? String(year).padStart(4, '0') : String(year);

function dayText(days: number): string {
  const date = new Date(days * day);
  return `${yearText(date.getUTCFullYear())}-${twoDigits(date.getUTCMonth() + 1)}-${twoDigits(date.getUTCDate())}`;
}
