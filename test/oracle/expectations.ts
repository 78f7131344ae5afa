/** Whether the expectations of a contract pass on the rows of a batch. */
import type { Contract, Expectation } from '../../src/lib/contract/schema.ts';
import { compareValues, evaluate, parse } from './expression.ts';
import { readDay } from './times.ts';
import { Moment, shown, type Value } from './value.ts';

export type Rows = readonly ReadonlyMap<string, Value>[];

/** When the batch is checked, in microseconds since 1970, and the rows of the last published batches. */
export interface Circumstances {
  readonly now: bigint;
  readonly lastBatches: readonly number[];
}

export function passes(
  e: Expectation,
  contract: Contract,
  rows: Rows,
  circumstances: Circumstances,
): boolean {
  const types = new Map(contract.columns.map((c) => [c.name, c.type]));
  // "`tolerance` is the share of the rows that may fail, by default none."
  const fewFail = (tolerance: number, fails: (row: ReadonlyMap<string, Value>) => boolean) =>
    rows.filter(fails).length <= tolerance * rows.length;
  const has = (row: ReadonlyMap<string, Value>, name: string) => (row.get(name) ?? null) !== null;
  const within = (n: number, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY) =>
    n >= min && n <= max;
  switch (e.check) {
    // "every row has a value"
    case 'not_null':
      return fewFail(e.tolerance, (row) => !has(row, e.column));
    // "no row repeats a key"; "A row without a value fails only `not_null`."
    case 'unique': {
      const seen = new Set<string>();
      return fewFail(e.tolerance, (row) => {
        if (!e.columns.every((name) => has(row, name))) return false;
        const key = e.columns.map((name) => shown(row.get(name) ?? null)).join('\0');
        const isRepeated = seen.has(key);
        seen.add(key);
        return isRepeated;
      });
    }
    // "every text is one of these"
    case 'in_set':
      return fewFail(
        e.tolerance,
        (row) => has(row, e.column) && !e.values.includes(String(row.get(e.column))),
      );
    // "every number, date or time is within"
    case 'range':
      return fewFail(e.tolerance, (row) => {
        const value = row.get(e.column) ?? null;
        const compare = (bound: number | string) =>
          compareValues(
            value,
            typeof bound === 'string' ? (readDay(bound) ?? null) : bound,
            typeof bound === 'number',
          );
        return (
          value !== null &&
          ((e.min !== undefined && compare(e.min) < 0) || (e.max !== undefined && compare(e.max) > 0))
        );
      });
    // "the pattern is found in every text"
    case 'regex':
      return fewFail(
        e.tolerance,
        (row) => has(row, e.column) && !new RegExp(e.pattern, 'u').test(String(row.get(e.column))),
      );
    // "the condition is false for no row"
    case 'predicate':
      return fewFail(e.tolerance, (row) => evaluate(parse(e.expression), row, types) === false);
    // "at most this share has no value"
    case 'null_share':
      return rows.filter((row) => !has(row, e.column)).length <= e.max * rows.length;
    // "at least this share of the rows with a value in `of` has one in `column`"
    case 'matched_share': {
      const asked = rows.filter((row) => has(row, e.of));
      return asked.filter((row) => has(row, e.column)).length >= e.min * asked.length;
    }
    // "the sum is within"
    case 'sum':
      return within(
        rows.reduce((sum, row) => sum + Number(row.get(e.column) ?? 0), 0),
        e.min,
        e.max,
      );
    // "the youngest time is at most so old when the batch is checked"
    case 'freshness': {
      const times = rows.flatMap((row) => {
        const time = row.get(e.column);
        return time instanceof Moment ? [time.micros] : [];
      });
      const [first, ...others] = times;
      if (first === undefined) return true;
      const [youngest = first] = [first, ...others].sort((a, b) => (a > b ? -1 : 1));
      const unit = { m: 60n, h: 3600n, d: 86_400n }[e.max.slice(-1)] ?? 0n;
      return circumstances.now - youngest <= BigInt(e.max.slice(0, -1)) * unit * 1_000_000n;
    }
    // "so many rows; `lastBatches`: times the mean of the last published batches"
    case 'row_count': {
      const { count = 0, min, max } = e.lastBatches ?? {};
      const before = count === 0 ? [] : circumstances.lastBatches.slice(-count);
      const mean = before.reduce((a, b) => a + b, 0) / before.length;
      const times = (factor: number | undefined) => (factor === undefined ? undefined : factor * mean);
      return (
        within(rows.length, e.min, e.max) &&
        (before.length === 0 || within(rows.length, times(min), times(max)))
      );
    }
  }
}
