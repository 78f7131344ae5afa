/** How the judges of `npm run judges` tell their scores and their progress to scripts/judges.ts. */
import { appendFileSync } from 'node:fs';
import * as z from 'zod';

export const scoreSchema = z.object({
  /** Such as "clients on Trino". */
  judge: z.string(),
  right: z.int().nonnegative(),
  of: z.int().nonnegative(),
  /** What else to know, such as "21 rejected by name". */
  more: z.string().optional(),
  /** One line for each case that was not right. */
  notes: z.array(z.string()).default([]),
});
export type Score = z.input<typeof scoreSchema>;

/** Call it before the test can fail. Does nothing in `npm test`. */
export function score(one: Score): void {
  const file = process.env.SLUICE_SCORES;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(one)}\n`);
}

/** Shows a line at once; Jest keeps what a test prints until the test ends. Does nothing in `npm test`. */
export function progress(line: string): void {
  if (process.env.SLUICE_SCORES !== undefined) process.stderr.write(`  ${line}\n`);
}
