/** The interpreter's values: exact values of the contract's types. */

/** A decimal number: `unscaled` divided by ten to the power of `scale`. */
export class Decimal {
  readonly unscaled: bigint;
  readonly scale: number;
  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }
}

/** A day, counted from 1970-01-01. */
export class Day {
  readonly days: bigint;
  constructor(days: bigint) {
    this.days = days;
  }
}

/** A time in UTC, in microseconds from 1970-01-01. */
export class Moment {
  readonly micros: bigint;
  constructor(micros: bigint) {
    this.micros = micros;
  }
}

/** Whole numbers are bigint, doubles are number. */
export type Value = null | string | boolean | bigint | number | Decimal | Day | Moment | readonly Value[];

/** A value as text: equal values have equal texts, and the sign of a zero is visible. */
export function shown(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return Object.is(value, -0) ? '-0.0' : `double ${value}`;
  if (value instanceof Decimal) return `decimal ${value.unscaled}e-${value.scale}`;
  if (value instanceof Day) return `day ${value.days}`;
  if (value instanceof Moment) return `micros ${value.micros}`;
  if (typeof value === 'object') return `[${value.map(shown).join(', ')}]`;
  return String(value);
}
