/** How times are written, and which moments they are. All arithmetic is of whole microseconds. */
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
export function daysOf(year: number, month: number, date: number): bigint | undefined {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || date < 1 || date > lengthOfMonth(year, month))
    return undefined;
  // Days before a year, counted by its leap years (the Gregorian calendar, also before it was).
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

/** `+02:00`, `-0530`, `+02`: what is added to UTC, in microseconds. */
function offset(text: string): bigint | undefined {
  const [whole, sign, h, m = '00'] = /^([+-])(\d\d):?(\d\d)?$/.exec(text) ?? [];
  if (whole === undefined || Number(h) > 14 || Number(m) > 59) return undefined;
  const size = BigInt(Number(h)) * hour + BigInt(Number(m)) * minute;
  return sign === '-' ? -size : size;
}

const formatters = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, bigint>();

/** What a zone adds to UTC at a moment. No zone had a rule before 1800: what holds there holds since ever. */
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

// "A time without an offset is read in `zone`: in the gap of a change to summer time with the offset before it, in the fold of
// the change back as the later of the two."
export function inZone(local: bigint, zone: string): bigint {
  if (zone === 'UTC') return local;
  const around = [-26n, -13n, -3n, 3n, 13n, 26n].map((h) => zoneOffset(zone, local + h * hour));
  const fitting = around.map((o) => local - o).filter((utc) => local - zoneOffset(zone, utc) === utc);
  const [latest = local - (around[0] ?? 0n)] = fitting.sort((a, b) => (a > b ? -1 : 1));
  return latest;
}

/** The moment that a text names in one format; undefined where it is not written so. */
export function readMoment(text: string, format: TimestampFormat, zone: string): Moment | undefined {
  if (typeof format === 'object') return readPattern(text, format.pattern, zone);
  switch (format) {
    // "`2025-10-06T05:40:00.5Z`, `2025-10-06 05:40`, `2025-10-06T05:40:00+02:00`"
    case 'iso8601': {
      const [whole, date, h, m, s = '0', fraction = '', z = ''] =
        /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?$/.exec(
          text,
        ) ?? [];
      if (whole === undefined) return undefined;
      return together(
        readDay(date ?? ''),
        clock(Number(h), Number(m), Number(s), fraction),
        z.toUpperCase(),
        zone,
      );
    }
    // "`2025-10-06`, which is its first moment"
    case 'iso8601_date':
      return together(readDay(text), 0n, '', zone);
    // "told apart by their number of digits: to 11, 12 to 14, 15 to 17, 18 and 19; a nanosecond is cut off, not rounded"
    case 'epoch_s': {
      const [whole, sign, seconds, fraction = ''] = /^(-?)(\d{1,11})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
      if (whole === undefined) return undefined;
      const size = BigInt(seconds ?? 0) * second + BigInt(fraction.padEnd(6, '0'));
      return moment(sign === '-' ? -size : size);
    }
    case 'epoch_ms':
      return /^-?\d{12,14}$/.test(text) ? moment(BigInt(text) * 1000n) : undefined;
    case 'epoch_us':
      return /^-?\d{15,17}$/.test(text) ? moment(BigInt(text)) : undefined;
    case 'epoch_ns':
      return /^-?\d{18,19}$/.test(text) ? moment(floorDiv(BigInt(text), 1000n)) : undefined;
    // "`Sun Aug 31 00:29:15 +0000 2014`"
    case 'twitter': {
      const [whole, , name, date, h, m, s, z, year] =
        /^([A-Z][a-z]{2}) ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) ([+-]\d{4}) (\d{4})$/.exec(text) ?? [];
      if (whole === undefined) return undefined;
      const days = daysOf(Number(year), shortMonths.indexOf(name ?? '') + 1, Number(date));
      return together(dayOf(days), clock(Number(h), Number(m), Number(s)), z ?? '', zone);
    }
    // "`Mon, 06 Oct 2025 05:40:00 GMT`"
    case 'rfc2822': {
      const [whole, , date, name, year, h, m, s = '0', z] =
        /^(?:([A-Z][a-z]{2}), +)?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? ([+-]\d{4}|GMT|UT|UTC)$/.exec(
          text,
        ) ?? [];
      if (whole === undefined) return undefined;
      const days = daysOf(Number(year), shortMonths.indexOf(name ?? '') + 1, Number(date));
      return together(
        dayOf(days),
        clock(Number(h), Number(m), Number(s)),
        /[A-Z]/.test(z ?? '') ? 'Z' : (z ?? ''),
        zone,
      );
    }
  }
}

const dayOf = (days: bigint | undefined): Day | undefined => (days === undefined ? undefined : new Day(days));

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

const specifiers: Readonly<Record<string, string>> = {
  Y: '\\d{4}',
  y: '\\d\\d',
  m: '\\d\\d',
  d: '\\d\\d',
  H: '\\d\\d',
  I: '\\d\\d',
  p: '[AaPp][Mm]',
  M: '\\d\\d',
  S: '\\d\\d',
  f: '\\d{1,6}',
  b: '[A-Za-z]{3}',
  B: '[A-Za-z]+',
  z: '[Zz]|[+-]\\d\\d(?::?\\d\\d)?',
};

// "of `%Y` `%y` (00 to 68 are 20xx) `%m` `%d` `%H` `%I` `%p` `%M` `%S` `%f` `%b` `%B` `%z` and plain characters"
function readPattern(text: string, pattern: string, zone: string): Moment | undefined {
  const names: string[] = [];
  const source = pattern.replaceAll(/%(.)|([^%]+)/g, (_, name: string | undefined, plain: string) => {
    if (name === undefined) return RegExp.escape(plain);
    names.push(name);
    return `(${specifiers[name]})`;
  });
  const found = new RegExp(`^${source}$`).exec(text);
  if (!found) return undefined;
  const part = new Map(names.map((name, i) => [name, found[i + 1] ?? '']));
  const number = (name: string, otherwise: number) => Number(part.get(name) ?? otherwise);
  const named = (name: string, list: readonly string[]) => {
    const word = part.get(name)?.toLowerCase();
    return word === undefined ? undefined : list.findIndex((m) => m.toLowerCase() === word) + 1;
  };
  const short = part.has('y') ? number('y', 0) + (number('y', 0) <= 68 ? 2000 : 1900) : 1900;
  const month = named('b', shortMonths) ?? named('B', months) ?? number('m', 1);
  const days = daysOf(number('Y', short), month, number('d', 1));
  const hours = part.has('I') ? halfDay(number('I', 0), part.get('p') ?? 'am') : number('H', 0);
  const time = hours === undefined ? undefined : clock(hours, number('M', 0), number('S', 0), part.get('f'));
  return together(dayOf(days), time, (part.get('z') ?? '').toUpperCase(), zone);
}

function halfDay(hours: number, half: string): number | undefined {
  if (hours < 1 || hours > 12) return undefined;
  return (hours % 12) + (half.toLowerCase() === 'pm' ? 12 : 0);
}
