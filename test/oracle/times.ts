/** How times are written, and the moments that they name. All arithmetic uses whole microseconds. */
import type { TimestampFormat } from '../../src/lib/contract/columnSchema.ts';
import { Day, Moment } from './value.ts';

const second = 1_000_000n;
const minute = 60n * second;
const hour = 60n * minute;
const day = 24n * hour;

export const floorDiv = (a: bigint, b: bigint): bigint => (a - (((a % b) + b) % b)) / b;

const lengthOfMonth = (year: number, month: number): number =>
  month === 2
    ? year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
      ? 29
      : 28
    : [4, 6, 9, 11].includes(month)
      ? 30
      : 31;

// "Impossible dates, leap seconds and years before 1 or beyond 9999 are refused."
function daysOf(year: number, month: number, date: number): bigint | undefined {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || date < 1 || date > lengthOfMonth(year, month))
    return undefined;
  // Days before a year, by its leap years (the Gregorian calendar, also for earlier years).
  const y = BigInt(year - 1);
  let days = y * 365n + y / 4n - y / 100n + y / 400n - 719_162n;
  for (let m = 1; m < month; m++) days += BigInt(lengthOfMonth(year, m));
  return days + BigInt(date - 1);
}

/** The inverse of `daysOf`. */
export function dateOf(days: bigint): { year: number; month: number; date: number } {
  const at = new Date(Number(days) * 86_400_000);
  return { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, date: at.getUTCDate() };
}

const first = (daysOf(1, 1, 1) ?? 0n) * day;
const beyond = ((daysOf(9999, 12, 31) ?? 0n) + 1n) * day;
const moment = (micros: bigint | undefined): Moment | undefined =>
  micros === undefined || micros < first || micros >= beyond ? undefined : new Moment(micros);

// "`date`: `2025-10-06`. Refused: `2025-02-30`, the year 0"
export function readDay(text: string): Day | undefined {
  const [whole, y, m, d] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? [];
  const days = whole === undefined ? undefined : daysOf(Number(y), Number(m), Number(d));
  return days === undefined ? undefined : new Day(days);
}

/** The day of a moment in UTC. */
export const dayOfMoment = ({ micros }: Moment): Day => new Day(floorDiv(micros, day));

const months = 'January February March April May June July August September October November December'.split(
  ' ',
);
const shortMonths = months.map((m) => m.slice(0, 3));

/** Time of day in microseconds; undefined for one that no clock shows. */
function clock(h: number, m: number, s: number, fraction = ''): bigint | undefined {
  if (h > 23 || m > 59 || s > 59) return undefined;
  return (
    BigInt(h) * hour + BigInt(m) * minute + BigInt(s) * second + BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  );
}

// "An offset is `+` or `-` and `hh:mm`, `hhmm` or `hh`, from -14:59 to +14:59."
function offset(text: string): bigint | undefined {
  const [whole, sign, h, m = '00'] = /^([+-])(\d\d)(?::?(\d\d))?$/.exec(text) ?? [];
  if (whole === undefined || Number(h) > 14 || Number(m) > 59) return undefined;
  const size = BigInt(Number(h)) * hour + BigInt(Number(m)) * minute;
  return sign === '-' ? -size : size;
}

const formatters = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, bigint>();

/** A zone's offset from UTC at a moment. No zone had rules before 1800, so the offset of that year holds for all earlier ones. */
function zoneOffset(zone: string, utc: bigint): bigint {
  const earliest = BigInt(Date.UTC(1800, 0, 1)) * 1000n;
  const at = floorDiv(utc < earliest ? earliest : utc, second);
  const known = `${zone} ${at}`;
  const found = offsets.get(known);
  if (found !== undefined) return found;
  let formatter = formatters.get(zone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-u-hc-h23', {
      timeZone: zone,
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formatters.set(zone, formatter);
  }
  const part = Object.fromEntries(
    formatter.formatToParts(Number(at) * 1000).map(({ type, value }) => [type, Number(value)]),
  );
  const local =
    Date.UTC(part.year ?? 0, (part.month ?? 0) - 1, part.day, part.hour, part.minute, part.second) / 1000;
  const result = (BigInt(local) - at) * second;
  offsets.set(known, result);
  return result;
}

// "A time without an offset is read in `zone`. In the gap of a change to summer time it is read with the offset before it. In the
// fold of the change back it is the later of the two; for `iso8601_date` the earlier."
export function inZone(local: bigint, zone: string, inFold: 'earlier' | 'later' = 'later'): bigint {
  if (zone === 'UTC') return local;
  const around = [-26n, -13n, -3n, 3n, 13n, 26n].map((h) => zoneOffset(zone, local + h * hour));
  const fitting = around
    .map((o) => local - o)
    .filter((utc) => local - zoneOffset(zone, utc) === utc)
    .sort((x, y) => (x < y ? -1 : 1));
  return fitting.at(inFold === 'later' ? -1 : 0) ?? local - (around[0] ?? 0n);
}

/** The moment that a text names in one format; undefined if the text does not have the format. */
export function readMoment(text: string, format: TimestampFormat, zone: string): Moment | undefined {
  if (typeof format === 'object') return readPattern(text, format.pattern, zone);
  switch (format) {
    // "`YYYY-MM-DD`, then `T`, `t` or a space, then `hh:mm`, `hh:mm:ss` or `hh:mm:ss.f` with one or more digits `f`, then nothing,
    // `Z`, `z`, or an offset"
    case 'iso8601': {
      const [whole, date, h, m, s = '0', fraction = '', z = ''] =
        /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?$/.exec(
          text,
        ) ?? [];
      if (whole === undefined) return undefined;
      const time = clock(Number(h), Number(m), Number(s), fraction);
      return together(readDay(date ?? ''), time, z.toUpperCase(), zone);
    }
    // "`YYYY-MM-DD`: the first moment of that day in `zone`"
    case 'iso8601_date': {
      const date = readDay(text);
      return date && moment(inZone(date.days * day, zone, 'earlier'));
    }
    // "`-?` and 1 to 11 digits, then nothing or a point and 1 to 9 digits"; "Digits below a microsecond are cut off, towards the past."
    case 'epoch_s': {
      const [whole, sign, seconds = '0', fraction = ''] = /^(-?)(\d{1,11})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
      if (whole === undefined) return undefined;
      const nanos = BigInt(seconds + fraction.padEnd(9, '0'));
      return moment(floorDiv(sign === '-' ? -nanos : nanos, 1000n));
    }
    // "`-?` and 12 to 14 digits, then nothing or a point and 1 to 6 digits"
    case 'epoch_ms': {
      const [whole, sign, millis = '0', fraction = ''] = /^(-?)(\d{12,14})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
      if (whole === undefined) return undefined;
      const nanos = BigInt(millis + fraction.padEnd(6, '0'));
      return moment(floorDiv(sign === '-' ? -nanos : nanos, 1000n));
    }
    // "the days since the end of 1899, 1 to 2958465, as Excel counts them, and a part of a day, rounded to milliseconds"
    case 'excel': {
      const [whole, days = '', fraction = ''] = /^(\d{1,7})(?:\.(\d{1,17}))?$/.exec(text) ?? [];
      const serial = BigInt(days === '' ? 0 : days);
      if (whole === undefined || serial < 1n || serial > 2_958_465n || serial === 60n) return undefined;
      const first1900 = daysOf(1900, 1, 1) ?? 0n;
      const scale = 10n ** 17n;
      const millis = (BigInt(fraction.padEnd(17, '0')) * 86_400_000n * 2n + scale) / (2n * scale);
      return moment(inZone((first1900 + serial - (serial < 60n ? 1n : 2n)) * day + millis * 1000n, zone));
    }
    // "`-?` and 15 to 17 digits"
    case 'epoch_us':
      return /^-?\d{15,17}$/.test(text) ? moment(BigInt(text)) : undefined;
    // "`-?` and 18 or 19 digits"
    case 'epoch_ns':
      return /^-?\d{18,19}$/.test(text) ? moment(floorDiv(BigInt(text), 1000n)) : undefined;
    // "`Sun Aug 31 00:29:15 +0000 2014`: weekday, month, two digits of a day, `hh:mm:ss`, `+hhmm` or `-hhmm`, `YYYY`, with one space
    // between them"
    case 'twitter': {
      const [whole, weekday, name, date, h, m, s, z = '', year] =
        /^([A-Z][a-z]{2}) ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) ([+-]\d{4}) (\d{4})$/.exec(text) ?? [];
      if (whole === undefined) return undefined;
      const on = daysOf(Number(year), shortMonths.indexOf(name ?? '') + 1, Number(date));
      return together(onWeekday(on, weekday), clock(Number(h), Number(m), Number(s)), z, zone);
    }
    // "`Mon, 06 Oct 2025 05:40:00 GMT`: a weekday and a comma (or neither), one or two digits of a day, month, `YYYY`, `hh:mm` or
    // `hh:mm:ss`, then `+hhmm`, `-hhmm`, `GMT`, `UT` or `UTC`; one or more spaces between them, none or more behind the comma"
    case 'rfc2822': {
      const [whole, weekday, date, name, year, h, m, s = '0', z = ''] =
        /^(?:([A-Za-z]{3}), *)?(\d{1,2}) +([A-Za-z]{3}) +(\d{4}) +(\d\d):(\d\d)(?::(\d\d))? +([+-]\d{4}|GMT|UT|UTC)$/i.exec(
          text,
        ) ?? [];
      if (whole === undefined) return undefined;
      const on = daysOf(Number(year), shortMonths.indexOf(capital(name)) + 1, Number(date));
      const time = clock(Number(h), Number(m), Number(s));
      return together(onWeekday(on, capital(weekday)), time, /[A-Z]/i.test(z) ? 'Z' : z, zone);
    }
  }
}

const weekdays = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'];

/** `aUG` -> `Aug`. */
const capital = (word = ''): string => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase();

const dayOf = (days: bigint | undefined): Day | undefined => (days === undefined ? undefined : new Day(days));

// "A weekday must be that of the date as it is written: `Mon Aug 31 … 2014` is refused."
function onWeekday(days: bigint | undefined, weekday: string | undefined): Day | undefined {
  if (days === undefined) return undefined;
  const place = Number(days - floorDiv(days, 7n) * 7n);
  return weekday === undefined || weekday === '' || weekdays[place] === weekday ? new Day(days) : undefined;
}

/** `z` is Z, an offset, or '' for a time without one. */
function together(
  date: Day | undefined,
  time: bigint | undefined,
  z: string,
  zone: string,
): Moment | undefined {
  if (date === undefined || time === undefined) return undefined;
  const local = date.days * day + time;
  if (z === 'Z') return moment(local);
  if (z === '') return moment(inZone(local, zone));
  const east = offset(z);
  return east === undefined ? undefined : moment(local - east);
}

// The table of a pattern's parts.
const parts: Readonly<Record<string, string>> = {
  Y: '\\d{4}',
  y: '\\d\\d',
  m: '\\d\\d',
  d: '\\d\\d',
  H: '\\d\\d',
  I: '\\d\\d',
  '-m': '\\d\\d?',
  '-d': '\\d\\d?',
  '-H': '\\d\\d?',
  '-I': '\\d\\d?',
  p: '[AaPp][Mm]',
  M: '\\d\\d',
  S: '\\d\\d',
  f: '\\d{1,6}',
  b: '[A-Za-z]{3}',
  B: '[A-Za-z]+',
  z: 'Z|[+-]\\d\\d(?::?\\d\\d)?',
};

// "A pattern is made of plain characters, which stand for themselves, and" these parts
function readPattern(text: string, pattern: string, zone: string): Moment | undefined {
  const names: string[] = [];
  const source = pattern.replaceAll(/%(-?.)|([^%]+)/gs, (_, name: string | undefined, plain: string) => {
    if (name === undefined) return RegExp.escape(plain);
    names.push(name.replace('-', ''));
    return `(${parts[name]})`;
  });
  const found = new RegExp(`^${source}$`).exec(text);
  if (!found) return undefined;
  const part = new Map(names.map((name, i) => [name, found[i + 1] ?? '']));
  // "A month or a day that it does not name is the first, a part of the time is 0."
  const number = (name: string, otherwise: number) => Number(part.get(name) ?? otherwise);
  const month = part.has('b')
    ? shortMonths.indexOf(capital(part.get('b'))) + 1
    : part.has('B')
      ? months.indexOf(capital(part.get('B'))) + 1
      : number('m', 1);
  // "two digits: 00 to 68 are 20xx, 69 to 99 are 19xx"
  const year = part.has('y') ? number('y', 0) + (number('y', 0) <= 68 ? 2000 : 1900) : number('Y', 0);
  const hours = part.has('I') ? halfDay(number('I', 0), part.get('p') ?? '') : number('H', 0);
  const time = hours === undefined ? undefined : clock(hours, number('M', 0), number('S', 0), part.get('f'));
  return together(dayOf(daysOf(year, month, number('d', 1))), time, part.get('z') ?? '', zone);
}

// "01 to 12, with `%p`"
function halfDay(hours: number, half: string): number | undefined {
  if (hours < 1 || hours > 12) return undefined;
  return (hours % 12) + (half.toLowerCase() === 'pm' ? 12 : 0);
}
