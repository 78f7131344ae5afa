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

const hour = '(?:[01]\\d|2[0-3])';
const clock = `${hour}:[0-5]\\d(?::[0-5]\\d(?:\\.\\d+)?)?`;
const offset = '[+-](?:0\\d|1[0-4])(?::?[0-5]\\d)?';
const signed = '[+-](?:0\\d|1[0-4])[0-5]\\d';

/** Time formats that are recognized by their text. The compiler's own rules decide when a batch is read. */
const textForms: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['iso8601', new RegExp(`^\\d{4}-\\d\\d-\\d\\d[Tt ]${clock}(?:[Zz]|${offset})?$`)],
  ['twitter', new RegExp(`^[A-Z][a-z]{2} [A-Z][a-z]{2} \\d\\d ${hour}:[0-5]\\d:[0-5]\\d ${signed} \\d{4}$`)],
  [
    'rfc2822',
    new RegExp(
      `^(?:[A-Z][a-z]{2}, *)?\\d{1,2} +[A-Z][a-z]{2} +\\d{4} +${hour}:[0-5]\\d(?::[0-5]\\d)? +(?:${signed}|GMT|UTC?)$`,
    ),
  ],
  ['epoch_s', /^\d{10}(\.\d{1,6})?$/],
  ['epoch_ms', /^\d{13}$/],
];
const writtenForms = textForms.slice(0, 3);
const isIsoDate = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text);

/** The notation of texts that are all times; null for other texts. `order` decides ambiguous dates. */
export function timeOfTexts(values: readonly string[], order: DateOrder | undefined): TimeShape | null {
  if (values.length === 0) return null;
  if (values.every((v) => isIsoDate(v) && isDay(v))) return { type: 'date' };
  const forms = writtenForms.filter(([, pattern]) => values.some((v) => pattern.test(v)));
  const isTime = (v: string) => (isIsoDate(v) || forms.some(([, pattern]) => pattern.test(v))) && isDay(v);
  if (forms.length > 0 && values.every(isTime)) {
    const isLocal = values.some((v) => /^\d{4}-/.test(v) && !/([Zz]|[+-]\d\d:?(\d\d)?)$/.test(v.slice(10)));
    return {
      type: 'timestamp',
      formats: [...forms.map(([name]) => name), ...(values.some(isIsoDate) ? ['iso8601_date'] : [])],
      ...(isLocal ? { note: 'Times without an offset are read in UTC; zone names another.' } : {}),
    };
  }
  return patternOf(values, order) ?? knownPatternsOf(values);
}

/** Patterns in which times are often written, apart from those that `patternOf` finds. */
const dayPatterns = ['%b %-d, %Y', '%B %-d, %Y'];
const clockPatterns = ['%H:%M', '%H:%M:%S', '%-I:%M %p', '%-I:%M:%S %p'];
const knownPatterns: readonly string[] = [
  ...dayPatterns,
  ...dayPatterns.flatMap((day) => clockPatterns.flatMap((time) => [`${day} ${time}`, `${day}, ${time}`])),
  '%Y-%m-%d %H:%M:%S UTC',
  '%Y-%m-%d %H:%M:%S.%f UTC',
  '%Y-%m-%d %H:%M:%S,%f',
  '%Y%m%dT%H%M%S%z',
  '%Y%m%dT%H%M%S',
  '%d-%b-%y %I.%M.%S.%f %p',
];

/** At most this many notations of one column are taken for times. */
const mostNotations = 3;

function knownPatternsOf(values: readonly string[]): TimeShape | null {
  const used = knownPatterns.filter((pattern) => values.some((v) => regexOf(pattern).test(v)));
  if (used.length === 0 || used.length > mostNotations) return null;
  const isTime = (v: string) =>
    used.some((pattern) => {
      const { y, yy, m, b, d } = regexOf(pattern).exec(v)?.groups ?? {};
      const year = y ?? (yy === undefined ? undefined : `20${yy}`);
      const month = m ?? months.indexOf((b ?? '').slice(0, 3).toLowerCase()) + 1;
      return year !== undefined && isDate(Number(year), Number(month), Number(d));
    });
  if (!values.every(isTime)) return null;
  const isLocal = used.some((pattern) => /%-?[HI]/.test(pattern) && !/%z|UTC/.test(pattern));
  return {
    type: used.some((pattern) => /%-?[HI]/.test(pattern)) ? 'timestamp' : 'date',
    formats: used.map((pattern) => ({ pattern })),
    ...(isLocal ? { note: 'Read in UTC; zone names another.' } : {}),
  };
}

/** What a pattern of the contract language matches, with year, month and day as groups. */
function regexOf(pattern: string): RegExp {
  const known = regexes.get(pattern);
  if (known !== undefined) return known;
  const made = new RegExp(
    `^${pattern.replaceAll(/%-?[A-Za-z]|[^%]/g, (part) => codes[part] ?? RegExp.escape(part))}$`,
    'i',
  );
  regexes.set(pattern, made);
  return made;
}

const regexes = new Map<string, RegExp>();

/** Whether the date in a text exists, and has the weekday that the text gives; true for texts without a date. */
function isDay(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)/.exec(text) ?? [];
  if (year !== undefined) return isDate(Number(year), Number(month), Number(day));
  const { week, d, b, y } =
    /^(?<week>[A-Z][a-z]{2}) (?<b>[A-Z][a-z]{2}) (?<d>\d\d) .* (?<y>\d{4})$/.exec(text)?.groups ??
    /^(?:(?<week>[A-Z][a-z]{2}), *)?(?<d>\d\d?) +(?<b>[A-Z][a-z]{2}) +(?<y>\d{4}) /.exec(text)?.groups ??
    {};
  if (y === undefined) return true;
  const at = months.indexOf((b ?? '').toLowerCase());
  return (
    isDate(Number(y), at + 1, Number(d)) &&
    (week === undefined || weekdays[new Date(Date.UTC(Number(y), at, Number(d))).getUTCDay()] === week)
  );
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

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

/** The texts of the codes in patterns. */
const codes: Readonly<Record<string, string>> = {
  '%Y': '(?<y>\\d{4})',
  '%y': '(?<yy>\\d\\d)',
  '%m': '(?<m>\\d\\d)',
  '%b': `(?<b>${months.join('|')})`,
  '%B': `(?<b>${longMonths.join('|')})`,
  '%d': '(?<d>\\d\\d)',
  '%-d': '(?<d>\\d\\d?)',
  '%H': hour,
  '%I': '(?:0[1-9]|1[0-2])',
  '%-I': '(?:0?[1-9]|1[0-2])',
  '%M': '[0-5]\\d',
  '%S': '[0-5]\\d',
  '%f': '\\d{1,6}',
  '%p': '[AP]M',
  '%z': `(?:Z|${offset})`,
};

/** `1/8/2025 0:00`, `08.01.2025`, `1/2/2023 3:04 PM`, `01/May/2024:10:00:00 +0000`: one pattern for all values. */
function patternOf(values: readonly string[], order: DateOrder | undefined): TimeShape | null {
  const parts = values.map((v) => written.exec(v)).filter((part) => part !== null);
  if (parts.length < values.length) return null;
  const notations = [...Map.groupBy(parts, notationOf).values()].map(datePatternsOf);
  if (notations.length > mostNotations || !notations.every((notation) => notation !== null)) return null;
  const possible = (['month', 'day'] as const).filter((first) =>
    notations.every((notation) => notation.patterns[first] !== undefined),
  );
  const [likely, other] = possible;
  if (likely === undefined) return null;
  const isTime = notations.some(({ hasClock }) => hasClock);
  const isLocal = isTime && notations.some(({ hasOffset }) => !hasOffset);
  const patternsBy = (first: DateOrder) => notations.map(({ patterns }) => patterns[first] ?? '');
  const as = (first: DateOrder): TimeShape => ({
    type: isTime ? 'timestamp' : 'date',
    formats: patternsBy(first).map((pattern) => ({ pattern })),
    ...(isLocal ? { note: 'Read in UTC; zone names another.' } : {}),
  });
  const isClear = other === undefined || patternsBy('day').every((p, i) => p === patternsBy('month')[i]);
  if (isClear) return as(likely);
  if (order !== undefined) return as(order);
  const [{ mark }] = notations as [Notation];
  const numbers = (i: 1 | 3) => parts.map((p) => Number(p[i]));
  const chosen = likelyOrder(mark, numbers(1), numbers(3));
  const rest = patternsBy(chosen === 'day' ? 'month' : 'day').map((p) => `"${p}"`);
  const note = `Day and month cannot be told apart in the sample: ${chosen} first is a guess; the other is ${rest.join(', ')}.`;
  return { ...as(chosen), note, unclear: chosen };
}

/** What differs between patterns: marks, the parts that are present, and the place and length of the year. */
const notationOf = (p: RegExpExecArray): string =>
  [
    p[2],
    p[5],
    ...[8, 9, 10, 11].map((i) => p[i] === undefined),
    p[1]?.length === 4,
    p[1]?.length === 4 || p[4]?.length,
    /[A-Za-z]/.test(p[3] ?? ''),
  ].join();

interface Notation {
  /** By the order of day and month, if the dates exist in it. */
  readonly patterns: Readonly<Record<DateOrder, string | undefined>>;
  readonly mark: string;
  readonly hasClock: boolean;
  readonly hasOffset: boolean;
}

/** The patterns for dates in one notation; null if there are none. */
function datePatternsOf(parts: readonly RegExpExecArray[]): Notation | null {
  const [first] = parts;
  if (!first) return null;
  const [, , mark = '', , , gap, , , seconds, fraction, half, zone] = first;
  // `%-d` matches one digit or two.
  const digits = (i: number, letter: string) =>
    `%${parts.some((p) => p[i]?.length === 1) ? '-' : ''}${letter}`;
  const time =
    gap === undefined
      ? ''
      : `${gap}${digits(6, half ? 'I' : 'H')}:%M${seconds ? ':%S' : ''}${fraction ? '.%f' : ''}${half ? `${half.startsWith(' ') ? ' ' : ''}%p` : ''}${zone ? ' %z' : ''}`;
  const isClock = ([, , , , , , hours = '0', minutes = '0', second = ':0']: RegExpExecArray) =>
    Number(hours) <= (half ? 12 : 23) &&
    (half === undefined || Number(hours) > 0) &&
    Number(minutes) < 60 &&
    Number(second.slice(1)) < 60;
  if (!parts.every(isClock) || (fraction !== undefined && seconds === undefined)) return null;
  const as = (month: string | undefined, day: string | undefined): Notation | null =>
    month === undefined && day === undefined
      ? null
      : {
          patterns: { month: month && `${month}${time}`, day: day && `${day}${time}` },
          mark,
          hasClock: gap !== undefined,
          hasOffset: zone !== undefined,
        };
  const numbers = (i: 1 | 3 | 4) => parts.map((p) => Number(p[i]));
  const fits = (year: number[], month: number[], day: number[]) =>
    year.every((y, i) => isDate(y, month[i] ?? 0, day[i] ?? 0));
  if (first[1]?.length === 4 && mark !== ' ') {
    const pattern = `%Y${mark}${digits(3, 'm')}${mark}${digits(4, 'd')}`;
    return fits(numbers(1), numbers(3), numbers(4)) ? as(pattern, pattern) : null;
  }
  if (first[4]?.length === 1) return null;
  const yearFormat = first[4]?.length === 4 ? '%Y' : '%y';
  const years = numbers(4).map((y) => (yearFormat === '%Y' ? y : y + (y <= 68 ? 2000 : 1900)));
  const named = parts.map((p) => p[3]?.toLowerCase() ?? '');
  if (named.some((name) => /[a-z]/.test(name))) {
    const names = named.every((name) => months.includes(name)) ? months : longMonths;
    const numbersOfMonths = named.map((name) => names.indexOf(name) + 1);
    const pattern = `${digits(1, 'd')}${mark}${names === months ? '%b' : '%B'}${mark}${yearFormat}`;
    return fits(years, numbersOfMonths, numbers(1)) ? as(pattern, pattern) : null;
  }
  // Numbers between spaces may be anything.
  if (mark === ' ') return null;
  return as(
    fits(years, numbers(1), numbers(3))
      ? `${digits(1, 'm')}${mark}${digits(3, 'd')}${mark}${yearFormat}`
      : undefined,
    fits(years, numbers(3), numbers(1))
      ? `${digits(1, 'd')}${mark}${digits(3, 'm')}${mark}${yearFormat}`
      : undefined,
  );
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
  if (!dayName.test(path) && !timeName.test(path)) return null;
  const as = (format: unknown, what: string): TimeShape => ({
    type: 'date',
    formats: [format],
    note: `Numbers under such a name are taken for ${what}.`,
  });
  const isWritten = (text: string) =>
    /^(19|20)\d{6}$/.test(text) &&
    isDate(Number(text.slice(0, 4)), Number(text.slice(4, 6)), Number(text.slice(6)));
  if (dayName.test(path)) {
    if (values.every((v) => isWritten(String(v)))) return as({ pattern: '%Y%m%d' }, 'year, month and day');
    // From 1954 to 2119.
    if (values.every((v) => v >= 20_000 && v < 80_000)) return as('excel', "Excel's days");
  }
  const isWithClock = (text: string) =>
    /^\d{8}([01]\d|2[0-3])[0-5]\d[0-5]\d$/.test(text) && isWritten(text.slice(0, 8));
  return values.every((v) => isWithClock(String(v)))
    ? { ...as({ pattern: '%Y%m%d%H%M%S' }, 'year to second in UTC'), type: 'timestamp' }
    : null;
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

/** The notation of numbers with fractions that are times. */
export function fractionalEpochOf(path: string, values: readonly unknown[]): TimeShape | null {
  if (!timeName.test(path)) return null;
  const is = (digits: RegExp, unit: number) =>
    values.every((v) => digits.test(String(v)) && Number(v) >= 3e8 * unit && Number(v) < 4e9 * unit);
  const as = (format: string, unit: string): TimeShape => ({
    type: 'timestamp',
    formats: [format],
    note: `Numbers under such a name are taken for ${unit} since 1970.`,
  });
  if (is(/^\d+(\.\d{1,9})?$/, 1)) return as('epoch_s', 'seconds');
  return is(/^\d+(\.\d{1,6})?$/, 1000) ? as('epoch_ms', 'milliseconds') : null;
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
