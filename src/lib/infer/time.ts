/** Infers the notation of times in a sample, and its ambiguities. */

/** The order of day and month in a date such as 01/02/2024. */
export type DateOrder = 'day' | 'month';

/** The likely notation of a column's times. */
export interface TimeShape {
  readonly type: 'date' | 'timestamp';
  readonly formats?: readonly unknown[];
  /** Notes for a person. */
  readonly note?: string;
  /** The assumed order, if no value distinguishes day and month. */
  readonly unclear?: DateOrder;
}

/** Dates that databases write for unknown dates. */
export const zeroDates: readonly string[] = [
  '0000-00-00',
  '0000-00-00 00:00:00',
  '0000-00-00T00:00:00Z',
  '00/00/0000',
  '00.00.0000',
];

/** Time formats that are recognized by their text. The compiler's own rules decide when a batch is read. */
const textForms = [
  ['iso8601', /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?(\d\d)?)?$/],
  ['twitter', /^[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [+-]\d{4} \d{4}$/],
  ['rfc2822', /^([A-Z][a-z]{2}, +)?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d ([+-]\d{4}|GMT|UTC?)$/],
  ['epoch_s', /^\d{10}(\.\d{1,6})?$/],
  ['epoch_ms', /^\d{13}$/],
] as const;

/** The notation of texts that are all times; null for other texts. `order` decides ambiguous dates. */
export function timeOfTexts(values: readonly string[], order: DateOrder | undefined): TimeShape | null {
  if (values.length === 0) return null;
  if (values.every((v) => /^\d{4}-\d\d-\d\d$/.test(v) && isDay(v))) return { type: 'date' };
  const forms = textForms.slice(0, 3).filter(([, pattern]) => values.some((v) => pattern.test(v)));
  if (forms.length > 0 && values.every((v) => forms.some(([, pattern]) => pattern.test(v)) && isDay(v))) {
    const isLocal = values.some(
      (v) => textForms[0][1].test(v) && !/([Zz]|[+-]\d\d:?(\d\d)?)$/.test(v.slice(10)),
    );
    return {
      type: 'timestamp',
      formats: forms.map(([name]) => name),
      ...(isLocal ? { note: 'Times without an offset are read in UTC; zone names another.' } : {}),
    };
  }
  return patternOf(values, order);
}

/** Whether the ISO date at the beginning of a text exists; true for texts without one. */
function isDay(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)/.exec(text) ?? [];
  if (year === undefined) return true;
  return isDate(Number(year), Number(month), Number(day));
}

function isDate(year: number, month: number, day: number): boolean {
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return day <= date.getUTCDate();
}

const written =
  /^(\d{1,4})([/. -])(\d{1,2}|[A-Za-z]{3,9})\2(\d{4}|\d\d?)(?:([ T:\t])(\d{1,2}):(\d\d)(:\d\d)?(\.\d{1,6})?( ?[AaPp][Mm])?( [+-]\d{4})?)?$/;
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const longMonths = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

/** `1/8/2025 0:00`, `08.01.2025`, `1/2/2023 3:04 PM`, `01/May/2024:10:00:00 +0000`: one pattern for all values. */
function patternOf(values: readonly string[], order: DateOrder | undefined): TimeShape | null {
  const parts = values.map((v) => written.exec(v));
  const [first] = parts;
  if (!first) return null;
  const [, , mark = '', , , gap, , , seconds, fraction, half, offset] = first;
  const isSame = (p: RegExpExecArray | null): p is RegExpExecArray =>
    p !== null &&
    p[2] === mark &&
    p[5] === gap &&
    [8, 9, 10, 11].every((i) => (p[i] === undefined) === (first[i] === undefined)) &&
    (p[1]?.length === 4) === (first[1]?.length === 4) &&
    (first[1]?.length === 4 || p[4]?.length === first[4]?.length);
  if (!parts.every(isSame)) return null;
  // `%-d` matches one digit or two.
  const digits = (i: number, letter: string) =>
    `%${parts.some((p) => p[i]?.length === 1) ? '-' : ''}${letter}`;
  const clock =
    gap === undefined
      ? ''
      : `${gap}${digits(6, half ? 'I' : 'H')}:%M${seconds ? ':%S' : ''}${fraction ? '.%f' : ''}${half ? `${half.startsWith(' ') ? ' ' : ''}%p` : ''}${offset ? ' %z' : ''}`;
  const hours = parts.map((p) => Number(p[6] ?? 0));
  if (hours.some((h) => h > (half ? 12 : 23) || (half !== undefined && h === 0))) return null;
  const as = (date: string): TimeShape => ({
    type: gap === undefined ? 'date' : 'timestamp',
    formats: [{ pattern: `${date}${clock}` }],
    ...(gap !== undefined && !offset ? { note: 'Read in UTC; zone names another.' } : {}),
  });
  const numbers = (i: 1 | 3 | 4) => parts.map((p) => Number(p[i]));
  const fits = (year: number[], month: number[], day: number[]) =>
    year.every((y, i) => isDate(y, month[i] ?? 0, day[i] ?? 0));
  if (fraction !== undefined && seconds === undefined) return null;
  if (first[1]?.length === 4 && mark !== ' ')
    return fits(numbers(1), numbers(3), numbers(4))
      ? as(`%Y${mark}${digits(3, 'm')}${mark}${digits(4, 'd')}`)
      : null;
  if (first[4]?.length === 1) return null;
  const yearFormat = first[4]?.length === 4 ? '%Y' : '%y';
  const years = numbers(4).map((y) => (yearFormat === '%Y' ? y : y + (y <= 68 ? 2000 : 1900)));
  const named = parts.map((p) => p[3]?.toLowerCase() ?? '');
  if (named.some((name) => /[a-z]/.test(name))) {
    const names = named.every((name) => months.includes(name)) ? months : longMonths;
    const format = names === months ? '%b' : '%B';
    const numbersOfMonths = named.map((name) => names.indexOf(name) + 1);
    return fits(years, numbersOfMonths, numbers(1))
      ? as(`${digits(1, 'd')}${mark}${format}${mark}${yearFormat}`)
      : null;
  }
  // Numbers between spaces may be anything.
  if (mark === ' ') return null;
  const monthFirst = fits(years, numbers(1), numbers(3));
  const dayFirst = fits(years, numbers(3), numbers(1));
  if (!monthFirst && !dayFirst) return null;
  const formatOf = {
    month: `${digits(1, 'm')}${mark}${digits(3, 'd')}${mark}${yearFormat}`,
    day: `${digits(1, 'd')}${mark}${digits(3, 'm')}${mark}${yearFormat}`,
  };
  if (!(monthFirst && dayFirst)) return as(formatOf[monthFirst ? 'month' : 'day']);
  if (order !== undefined) return as(formatOf[order]);
  const chosen = likelyOrder(mark, numbers(1), numbers(3));
  const note = `Day and month cannot be told apart in the sample: ${chosen} first is a guess; the other is "${formatOf[chosen === 'day' ? 'month' : 'day']}${clock}".`;
  return { ...as(formatOf[chosen]), note, unclear: chosen };
}

/** Guesses the order: days change more often than months, and points and dashes are European. */
function likelyOrder(mark: string, first: readonly number[], second: readonly number[]): DateOrder {
  const [left, right] = [new Set(first).size, new Set(second).size];
  if (left !== right) return left > right ? 'day' : 'month';
  return mark === '/' ? 'month' : 'day';
}

/** The order that a column's values prove; null if they prove none. */
export function provenOrder(values: readonly string[]): DateOrder | null {
  const shape = timeOfTexts(values, undefined);
  const [format] = shape?.formats ?? [];
  if (shape?.unclear !== undefined || typeof format !== 'object' || format === null) return null;
  const pattern = 'pattern' in format ? String(format.pattern) : '';
  if (/^%-?m.%-?d/.test(pattern)) return 'month';
  return /^%-?d.%-?m/.test(pattern) ? 'day' : null;
}

/** Numbers are times only if the name says so and they are within some decades of now. */
const timeName =
  /(^|[._])(at|ts|time|timestamp|date|created|updated)$|(_at|_ts|_ts_ms|ts_ms|time|timestamp|date)$/i;

/** Words of a name: `order_date` and `orderDate`, but not `candidate`. */
const dayName = /(?:^|[._ -])(?:[Dd]ay|[Dd]ate|[Dd]atum|DAY|DATE|DATUM|dt)$|[a-z](?:Day|Date|Datum)$/;

/** Days as numbers, under a name that says so: 20251006, or Excel's days. */
function dayOf(path: string, values: readonly (number | bigint)[]): TimeShape | null {
  if (!dayName.test(path)) return null;
  const as = (format: unknown, what: string): TimeShape => ({
    type: 'date',
    formats: [format],
    note: `Numbers under such a name are taken for ${what}.`,
  });
  const isWritten = (text: string) =>
    /^(19|20)\d{6}$/.test(text) &&
    isDate(Number(text.slice(0, 4)), Number(text.slice(4, 6)), Number(text.slice(6)));
  if (values.every((v) => isWritten(String(v)))) return as({ pattern: '%Y%m%d' }, 'year, month and day');
  // From 1954 to 2119.
  return values.every((v) => v >= 20_000 && v < 80_000) ? as('excel', "Excel's days") : null;
}

/** The notation of integers that are times. */
export function epochOf(path: string, values: readonly (number | bigint)[]): TimeShape | null {
  const day = dayOf(path, values);
  if (day !== null || !timeName.test(path)) return day;
  const within = (unit: number) => values.every((v) => v >= 3e8 * unit && v < 4e9 * unit);
  const as = (format: string, unit: string): TimeShape => ({
    type: 'timestamp',
    formats: [format],
    note: `Numbers under such a name are taken for ${unit} since 1970.`,
  });
  if (within(1)) return as('epoch_s', 'seconds');
  if (within(1000)) return as('epoch_ms', 'milliseconds');
  if (within(1e6)) return as('epoch_us', 'microseconds');
  return within(1e9) ? as('epoch_ns', 'nanoseconds') : null;
}

/** The notation of values that are times, with exceptions. */
export function mixedTimeOf(path: string, values: readonly unknown[]): TimeShape | null {
  if (!timeName.test(path)) return null;
  const texts = values.map(String);
  const forms = textForms.filter(([, pattern]) => texts.some((v) => pattern.test(v)));
  // A few wrong values are quarantined later. Many mean that the column is not a time.
  const fitting = texts.filter((v) => forms.some(([, pattern]) => pattern.test(v)) && isDay(v));
  if (fitting.length < texts.length * 0.9) return null;
  const odd = texts.length - fitting.length;
  return {
    type: 'timestamp',
    formats: forms.map(([name]) => name),
    ...(odd > 0
      ? { note: `${odd} of ${texts.length} values are no times: their rows go to quarantine.` }
      : {}),
  };
}
