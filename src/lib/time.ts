/** Times that a person gives. */

/** A day, or a time with its zone (ISO 8601). */
const dayOrTime = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/**
 * The milliseconds of a day of UTC, or of a time with its zone: `2025-10-06`, `2025-10-06T05:00:00Z`. Undefined for another text: JavaScript would
 * read it in the zone of this machine, and 30 February as 2 March.
 */
export function timeOf(text: string): number | undefined {
  const [, day] = dayOrTime.exec(text) ?? [];
  const [time, midnight] = [Date.parse(text), Date.parse(day ?? '')];
  if (day === undefined || Number.isNaN(time) || Number.isNaN(midnight)) return undefined;
  return new Date(midnight).toISOString().startsWith(day) ? time : undefined;
}
