/** DuckDB's SQL for all time formats. A regular expression decides what is valid, because DuckDB's parsers accept more. */
import type { TimestampFormat } from '../contract/columnSchema.ts';
import { patternParts } from '../contract/timePattern.ts';
import { list, literal, whenWritten } from './duckdbNames.ts';

/**
 * Converts a text in one timestamp format to a UTC TIMESTAMP with microseconds, or NULL. A time without a zone is in `zone`. In the gap of a
 * change to summer time, the offset before it applies. In the fold of the change back, the later of the two times applies.
 */
export function timestampSql(format: TimestampFormat, text: string, zone: string): string {
  const when = (pattern: string, value: string) => whenWritten(text, pattern, value);
  const inZone = (local: string) =>
    zone === 'UTC' ? local : `timezone('UTC', timezone(${literal(zone)}, ${local}))`;
  if (typeof format === 'object') return patternSql(format.pattern, text, inZone);
  switch (format) {
    case 'iso8601': {
      const local = "TRY_CAST(m.day || ' ' || m.clock AS TIMESTAMP)";
      const utc = `CASE WHEN m.day = '' THEN NULL WHEN m.zone = '' THEN ${inZone(local)}
          WHEN m.zone IN ('Z', 'z') THEN ${local}
          ELSE ${utcOf(local, 'm.zone')} END`;
      // A list with one element names the match, so that it is computed once.
      const match = `regexp_extract(${text}, ${literal(`^(?:${isoPattern})$`)}, ['day', 'clock', 'zone'])`;
      const usual = literal(`${isoUsual}${zone === 'UTC' ? 'Z?' : 'Z'}`);
      const withOffset = literal(`${isoUsual}[+-](?:0\\d|1[0-4]):[0-5]\\d`);
      return `CASE WHEN regexp_full_match(${text}, ${usual}) THEN TRY_CAST(${text} AS TIMESTAMP)
          WHEN regexp_full_match(${text}, ${withOffset}) THEN make_timestamp(epoch_us(TRY_CAST(${text} AS TIMESTAMPTZ)))
          WHEN ${text}[5] = '-' THEN list_transform([${match}], lambda m : ${utc})[1] END`;
    }
    case 'iso8601_date':
      return when(isoDate, firstMoment(`TRY_CAST(${text} AS DATE)::TIMESTAMP`, zone, inZone));
    case 'epoch_s':
      // Decimals of this width are twenty times slower than integers.
      return `coalesce(${when('-?\\d{1,11}', `make_timestamp(${text}::BIGINT * 1000000)`)},
          ${when('-?\\d{1,11}\\.\\d{1,9}', `make_timestamp(floor(${text}::DECIMAL(38, 9) * 1000000)::BIGINT)`)})`;
    case 'epoch_ms':
      return `coalesce(${when('-?\\d{12,14}', `make_timestamp(${text}::BIGINT * 1000)`)},
          ${when('-?\\d{12,14}\\.\\d{1,6}', `make_timestamp(floor(${text}::DECIMAL(38, 6) * 1000)::BIGINT)`)})`;
    case 'epoch_us':
      return when('-?\\d{15,17}', `make_timestamp(${text}::BIGINT)`);
    case 'epoch_ns': {
      // Digits below a microsecond are cut off, towards the past. This works on digits, because 19 of them may exceed a BIGINT.
      const isCut = `(starts_with(${text}, '-') AND NOT ends_with(${text}, '000'))`;
      return when('-?\\d{18,19}', `make_timestamp(left(${text}, -3)::BIGINT - ${isCut}::BIGINT)`);
    }
    case 'excel': {
      const day = `split_part(${text}, '.', 1)::INTEGER`;
      const millis = `round(('0.' || split_part(${text}, '.', 2))::DECIMAL(38, 17) * 86400000)::BIGINT`;
      // Excel counts 29 February 1900 as day 60, so days before it have another base.
      const local = `CASE WHEN ${day} BETWEEN 1 AND 2958465 AND ${day} <> 60
        THEN make_timestamp(((${day} - CASE WHEN ${day} < 60 THEN 25568 ELSE 25569 END) * 86400000::BIGINT + ${millis}) * 1000) END`;
      return when('\\d{1,7}(?:\\.\\d{1,17})?', inZone(local));
    }
    case 'twitter': {
      const local = (format: string, of: string) =>
        `try_strptime(${of}, ${literal(`%a %b %d %H:%M:%S${format} %Y`)})`;
      const others = utcOf(local('', `left(${text}, 19) || right(${text}, 5)`), `${text}[21:25]`);
      return when(
        `(?:${days.join('|')}) (?:${months}) ${twoDigits.d} ${clock} ${offset} ${year}`,
        `CASE WHEN ${text}[21:25] = '+0000' THEN ${local(' +0000', text)} ELSE ${others} END`,
      );
    }
    case 'rfc2822': {
      const bare = `regexp_replace(${text}, ${literal(`(?i)^(?:${days.join('|')}), *`)}, '')`;
      const local = `regexp_replace(regexp_replace(${bare}, ' +[^ ]+$', ''), ' +', ' ', 'g')`;
      return when(
        `(?i)(?:(?:${days.join('|')}), *)?${oneOrTwo.d} +(?:${months}) +${year} +${hour}:[0-5]\\d(?::[0-5]\\d)? +(?:${offset}|GMT|UTC?)`,
        utcOf(
          `try_strptime(${local}, ['%d %b %Y %H:%M:%S', '%d %b %Y %H:%M'])`,
          `regexp_extract(${text}, '[+-].*$')`,
        ),
      );
    }
  }
}

/** Converts a local time with an offset (`+hh`, `+hhmm` or `+hh:mm`; an empty text is none) to UTC. strptime's %z would accept 31 February. */
const utcOf = (local: string, zone: string): string =>
  `CASE WHEN ${zone} = '' THEN ${local} WHEN ${zone}[1] = '-' THEN ${local} + ${minutesOf(zone)} ELSE ${local} - ${minutesOf(zone)} END`;

const minutesOf = (zone: string): string => {
  const digits = `replace(${zone}, ':', '')`;
  return `to_minutes(${digits}[2:3]::INTEGER * 60 + coalesce(nullif(${digits}[4:5], '')::INTEGER, 0))`;
};

/**
 * A condition that is true if the weekday does not match the date; none for formats without weekdays. `value` is the time from the text.
 */
export function weekdayFault(formats: readonly TimestampFormat[], text: string, value: string): string[] {
  const found = formats.filter((f) => f === 'twitter' || f === 'rfc2822');
  if (found.length === 0) return [];
  const offset =
    found.length > 1
      ? `CASE WHEN ${text}[4] = ',' THEN right(${text}, 5) ELSE ${text}[21:25] END`
      : found[0] === 'twitter'
        ? `${text}[21:25]`
        : `right(${text}, 5)`;
  const weekday = (wall: string) =>
    `${list(days.map((day) => literal(day.toLowerCase())))}[dayofweek(${wall}) + 1]`;
  const begins = `lower(left(${text}, 3))`;
  // Most times have no offset from UTC and need a short condition only.
  const isUsual =
    found[0] === 'twitter' && formats.every((format) => typeof format === 'string' && format !== 'rfc2822');
  const usual = isUsual
    ? `CASE WHEN contains(${text}, ' +0000 ') THEN NOT starts_with(${text}, ${list(days.map(literal))}[dayofweek(${value}) + 1]) ELSE `
    : '';
  // Only these formats begin with a letter. A time without a numeric offset is in UTC.
  return [
    `CASE WHEN ${text} >= 'A' THEN ${usual}CASE WHEN ${value} IS NOT NULL AND list_contains(${list(days.map((day) => literal(day.toLowerCase())))}, ${begins})
      THEN CASE WHEN ${offset} = '+0000' THEN ${weekday(value)}
        WHEN regexp_full_match(${offset}, '[+-]\\d{4}')
          THEN ${weekday(`CASE WHEN ${offset}[1] = '-' THEN ${value} - ${minutesOf(offset)} ELSE ${value} + ${minutesOf(offset)} END`)}
        ELSE ${weekday(value)} END <> ${begins} ELSE false END${isUsual ? ' END' : ''} ELSE false END`,
  ];
}

/** The first moment of a day. If its midnight occurs twice, the earlier one. */
function firstMoment(midnight: string, zone: string, inZone: (local: string) => string): string {
  if (zone === 'UTC') return midnight;
  const wall = (utc: string) => `timezone(${literal(zone)}, timezone('UTC', ${utc}))`;
  const before = `t.local - (${wall('t.later - INTERVAL 1 DAY')} - (t.later - INTERVAL 1 DAY))`;
  // A list with one element names values, so that they are computed once.
  const both = `list_transform([${midnight}], lambda d : {'local': d, 'later': ${inZone('d')}})`;
  return `list_transform(${both}, lambda t : CASE WHEN ${wall(before)} = t.local THEN least(${before}, t.later) ELSE t.later END)[1]`;
}

/** A pattern of the contract's own. */
function patternSql(pattern: string, text: string, inZone: (local: string) => string): string {
  const written = (zone: string) =>
    patternParts(pattern)
      .map((part) => {
        if ('plain' in part) return quoted(part.plain);
        return part.conversion === '%z' ? zone : (conversions[part.conversion] ?? '');
      })
      .join('');
  const parsed = (of: string) =>
    `try_strptime(${of}, ${literal(pattern.replaceAll('%-', '%').replace('%z', 'Z'))})`;
  if (!pattern.includes('%z')) return whenWritten(text, written(''), inZone(parsed(text)));
  const numeric = '[+-](?:0\\d|1[0-4])(?::?[0-5]\\d)?';
  const [before = '', after = ''] = written('%z').split('%z');
  const inUtc = `regexp_replace(${text}, ${literal(`^(${before})${numeric}(${after})$`)}, '\\1Z\\2')`;
  const zone = `regexp_extract(${text}, ${literal(`^${before}(${numeric})${after}$`)}, 1)`;
  return `coalesce(${whenWritten(text, written('Z'), parsed(text))}, ${whenWritten(text, written(numeric), utcOf(parsed(inUtc), zone))})`;
}

/** Escapes plain characters for a regular expression. */
const quoted = (plain: string): string =>
  [...plain].map((c) => (/[A-Za-z0-9]/.test(c) ? c : `\\x{${c.codePointAt(0)?.toString(16)}}`)).join('');

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';
const fullMonths = 'January|February|March|April|May|June|July|August|September|October|November|December';
const year = '(?:[1-9]\\d{3}|0[1-9]\\d\\d|00[1-9]\\d|000[1-9])';
const hour = '(?:[01]\\d|2[0-3])';
const clock = `${hour}:[0-5]\\d:[0-5]\\d`;
/** From -1459 to +1459. */
const offset = '[+-](?:0\\d|1[0-4])[0-5]\\d';
const twoDigits = {
  m: '(?:0[1-9]|1[0-2])',
  d: '(?:0[1-9]|[12]\\d|3[01])',
  H: hour,
  I: '(?:0[1-9]|1[0-2])',
};
const oneOrTwo = {
  m: '(?:0?[1-9]|1[0-2])',
  d: '(?:0?[1-9]|[12]\\d|3[01])',
  H: '(?:[01]?\\d|2[0-3])',
  I: '(?:0?[1-9]|1[0-2])',
};
const conversions: Readonly<Record<string, string>> = {
  '%Y': year,
  '%y': '\\d\\d',
  ...Object.fromEntries(Object.entries(twoDigits).map(([letter, digits]) => [`%${letter}`, digits])),
  ...Object.fromEntries(Object.entries(oneOrTwo).map(([letter, digits]) => [`%-${letter}`, digits])),
  '%M': '[0-5]\\d',
  '%S': '[0-5]\\d',
  '%f': '\\d{1,6}',
  '%b': `(?i:${months})`,
  '%B': `(?i:${fullMonths})`,
  '%p': '(?i:AM|PM)',
};

/** A day of the years 1 to 9999. */
export const isoDate = `${year}-\\d\\d-\\d\\d`;

/** The most common notation, without the zone. DuckDB's casts read it like the pattern below, but faster. */
const isoUsual = `${isoDate}[T ]${clock}(?:\\.\\d+)?`;

const isoPattern = `(${isoDate})[Tt ](${hour}:[0-5]\\d(?::[0-5]\\d(?:\\.\\d+)?)?)([Zz]|[+-](?:0\\d|1[0-4])(?::?[0-5]\\d)?)?`;
