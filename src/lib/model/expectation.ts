/** The outcomes of a batch's expectations. */
import * as z from 'zod';

/** The outcome of one expectation. */
export const outcomeSchema = z.object({
  name: z.string(),
  severity: z.enum(['hold', 'warn']),
  passed: z.boolean(),
  /** What was found, for a person: "3 rows", "0.48 of 1200". */
  found: z.string(),
  expected: z.string(),
});

export type Outcome = z.output<typeof outcomeSchema>;
