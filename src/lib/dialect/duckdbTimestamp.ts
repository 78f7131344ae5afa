/** DuckDB's SQL for every way to write a time. */
import type { TimestampFormat } from '../contract/columnSchema.ts';
import { literal, whenWritten } from './duckdbNames.ts';

/**
 * One timestamp format to a UTC TIMESTAMP with microseconds, or NULL. A time without a zone is read in `zone`: in the gap
 * of a change to summer time with the offset before it, in the fold of the change back as the later of the two.
 */
export function timestampSql(format: TimestampFormat, text: string, zone: string): string {
  const when = (pattern: string, value: string) => whenWritten(text, pattern, value);
  const inZone = (local: string) =>
    zone === 'UTC' ? local : `timezone('UTC', timezone(${literal(zone)}, ${local}))`;
  if (typeof format === 'object') {
    const parsed = `try_strptime(${text}, ${literal(format.pattern)})`;
    return format.pattern.includes('%z') ? `${parsed}::TIMESTAMP` : inZone(parsed);
  }
  switch (format) {
    case 'iso8601': {
      const local = "TRY_CAST(m.day || ' ' || m.clock AS TIMESTAMP)";
      const digits = "replace(m.zone[2:], ':', '')";
      const minutes = `(${digits}[1:2]::INTEGER * 60 + coalesce(nullif(${digits}[3:4], '')::INTEGER, 0))`;
      const utc = `CASE WHEN m.day < '0001' THEN NULL WHEN m.zone = '' THEN ${inZone(local)}
          WHEN m.zone IN ('Z', 'z') THEN ${local}
          WHEN m.zone[1] = '-' THEN ${local} + to_minutes(${minutes})
          ELSE ${local} - to_minutes(${minutes}) END`;
      // A list of one gives the match a name, so that it is looked for once.
      const match = `regexp_extract(${text}, ${literal(`^(?:${isoPattern})$`)}, ['day', 'clock', 'zone'])`;
      const usual = literal(`${isoUsual}${zone === 'UTC' ? 'Z?' : 'Z'}`);
      const withOffset = literal(`${isoUsual}[+-](?:0\\d|1[0-4]):[0-5]\\d`);
      return `CASE WHEN regexp_full_match(${text}, ${usual}) THEN TRY_CAST(${text} AS TIMESTAMP)
          WHEN regexp_full_match(${text}, ${withOffset}) THEN make_timestamp(epoch_us(TRY_CAST(${text} AS TIMESTAMPTZ)))
          WHEN ${text}[5] = '-' THEN list_transform([${match}], lambda m : ${utc})[1] END`;
    }
    case 'iso8601_date':
      return when(isoDate, inZone(`TRY_CAST(${text} AS DATE)::TIMESTAMP`));
    case 'epoch_s':
      // Decimals of this width cost twenty times what whole numbers do.
      return `coalesce(${when('-?\\d{1,11}', `make_timestamp(${text}::BIGINT * 1000000)`)},
          ${when('-?\\d{1,11}\\.\\d{1,6}', `make_timestamp((${text}::DECIMAL(38, 6) * 1000000)::BIGINT)`)})`;
    case 'epoch_ms':
      return when('-?\\d{12,14}', `make_timestamp(${text}::BIGINT * 1000)`);
    case 'epoch_us':
      return when('-?\\d{15,17}', `make_timestamp(${text}::BIGINT)`);
    case 'epoch_ns':
      // What is below a microsecond is cut off, towards the past.
      return when(
        '-?\\d{18}|-?[1-8]\\d{18}',
        `make_timestamp(floor(${text}::BIGINT::DECIMAL(38, 3) / 1000)::BIGINT)`,
      );
    case 'twitter':
      return when(
        '[A-Z][a-z]{2} [A-Z][a-z]{2} \\d\\d \\d\\d:\\d\\d:\\d\\d [+-]\\d{4} \\d{4}',
        `try_strptime(${text}, '%a %b %d %H:%M:%S %z %Y')::TIMESTAMP`,
      );
    case 'rfc2822': {
      const withoutDay = `regexp_replace(regexp_replace(${text}, '^[A-Z][a-z]{2}, +', ''), ' (GMT|UT|UTC)$', ' +0000')`;
      return when(
        '(?:[A-Z][a-z]{2}, +)?\\d{1,2} [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d (?:[+-]\\d{4}|GMT|UT|UTC)',
        `try_strptime(${withoutDay}, '%d %b %Y %H:%M:%S %z')::TIMESTAMP`,
      );
    }
  }
}

/** A day of the years 1 to 9999. */
export const isoDate = '(?:[1-9]\\d{3}|0[1-9]\\d\\d|00[1-9]\\d|000[1-9])-\\d\\d-\\d\\d';

/** How most feeds write it, up to the zone: DuckDB's casts read it as the pattern below would, and faster. */
const isoUsual = `${isoDate}T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,18})?`;

const isoPattern =
  '(\\d{4}-\\d\\d-\\d\\d)[Tt ]((?:[01]\\d|2[0-3]):[0-5]\\d(?::[0-5]\\d(?:\\.\\d{1,6})?)?)\\d*([Zz]|[+-](?:0\\d|1[0-4]):?(?:[0-5]\\d)|[+-](?:0\\d|1[0-4]))?';
