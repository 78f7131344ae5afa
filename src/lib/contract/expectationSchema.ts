/** Expectations of a contract: their schema. */
import * as z from 'zod';
import { bound as numberBound } from './bounds.ts';
import { identifier, isNumber, isPattern } from './parts.ts';

const severity = z.enum(['hold', 'warn']).default('hold');
const tolerance = z.number().min(0).max(1).default(0).describe('The share of the rows that may fail.');
const bounds = { min: z.number().optional(), max: z.number().optional() };
export const expectation = z.discriminatedUnion('check', [
  z.strictObject({ check: z.literal('not_null'), column: identifier, tolerance, severity }),
  z.strictObject({ check: z.literal('unique'), columns: z.array(identifier).min(1), tolerance, severity }),
  z.strictObject({
    check: z.literal('range'),
    column: identifier,
    min: z.union([z.number(), z.string()]).optional(),
    max: z.union([z.number(), z.string()]).optional(),
    tolerance,
    severity,
  }),
  z.strictObject({
    check: z.literal('matched_share'),
    column: identifier.describe('The enriched column.'),
    of: identifier.describe('Only rows where this column has a value are asked for a match.'),
    min: z.number().min(0).max(1),
    severity,
  }),
  z.strictObject({
    check: z.literal('in_set'),
    column: identifier,
    values: z.array(z.string()).min(1).describe('The texts that the column may have.'),
    tolerance,
    severity,
  }),
  z.strictObject({
    check: z.literal('regex'),
    column: identifier,
    pattern: z
      .string()
      .refine(isPattern, 'is no regular expression, or has look-around or back-references')
      .describe('Found somewhere in the text; ^ and $ are its ends.'),
    tolerance,
    severity,
  }),
  z.strictObject({
    check: z.literal('null_share'),
    column: identifier,
    max: z.number().min(0).max(1),
    severity,
  }),
  z.strictObject({ check: z.literal('sum'), column: identifier, ...bounds, severity }),
  z.strictObject({
    check: z.literal('freshness'),
    column: identifier.describe('A timestamp column.'),
    max: z
      .string()
      .regex(/^[1-9]\d{0,5}[mhd]$/, 'is a number of minutes, hours or days, such as 90m, 24h or 7d')
      .describe('How old the youngest row may be when the batch is checked.'),
    severity,
  }),
  z.strictObject({
    check: z.literal('predicate'),
    expression: z
      .string()
      .min(1)
      .describe('A condition over the columns; a row for which it is false fails.'),
    tolerance,
    severity,
  }),
  z.strictObject({
    check: z.literal('row_count'),
    min: z.int().nonnegative().optional(),
    max: z.int().nonnegative().optional(),
    lastBatches: z
      .strictObject({
        count: z.int().min(1).max(20),
        min: z.number().nonnegative().optional(),
        max: z.number().nonnegative().optional(),
      })
      .refine((e) => e.min !== undefined || e.max !== undefined, 'needs min or max')
      .optional()
      .describe('Against the mean of the last published batches: min: 0.5 is at least half as many rows.'),
    severity,
  }),
]);

/** Checks a range against its column's type. */
export function checkRange(
  range: { min?: number | string | undefined; max?: number | string | undefined },
  type: string | undefined,
  issue: (message: string) => void,
) {
  if (range.min === undefined && range.max === undefined) issue('needs min or max');
  const isTime = type === 'timestamp' || type === 'date';
  if (!isNumber(type) && !isTime) issue('range is for numbers, dates and timestamps');
  for (const bound of [range.min, range.max]) {
    if (bound === undefined) continue;
    const fault = isNumber(type) ? numberBound.safeParse(bound).error?.issues[0]?.message : undefined;
    if (fault !== undefined) issue(`"${bound}" ${fault}`);
    if (isTime && !(typeof bound === 'string' && /^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$/.test(bound)))
      issue(`${bound} must be written as "YYYY-MM-DD" or "YYYY-MM-DD hh:mm:ss" (UTC)`);
  }
}
