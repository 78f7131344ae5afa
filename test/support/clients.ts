/** Runs test/judges/clients.py: calls of boto3, awswrangler, PyAthena and SQLAlchemy against a local AWS. */
import { join } from 'node:path';
import * as z from 'zod';
import { ensureClients } from '../../offline/setup/environments.ts';
import { runLines } from './runLines.ts';
import { progress } from './scores.ts';

const outcomeSchema = z.object({
  call: z.string(),
  outcome: z.enum(['right', 'rejected', 'wrong']),
  why: z.string().optional(),
});
export type Outcome = z.output<typeof outcomeSchema>;

/** `bucket` takes data and results. `only` selects calls by a part of their names; all by default. */
export async function judgeClients(
  endpoint: string,
  bucket: string,
  only: readonly string[] = [],
): Promise<Outcome[]> {
  const python = await ensureClients(() => {});
  const script = join(import.meta.dirname, '../judges/clients.py');
  const outcomes: Outcome[] = [];
  const { code, output } = await runLines(
    python,
    [script, bucket, ...only],
    { environment: { AWS_ENDPOINT_URL: endpoint } },
    (line) => {
      const outcome = outcomeSchema.parse(JSON.parse(line));
      outcomes.push(outcome);
      progress(`${outcome.outcome.padEnd(9)}${outcome.call}`);
    },
  );
  if (code !== 0) throw new Error(`clients.py ended with ${code}: ${output.slice(-2000)}`);
  return outcomes;
}

/** One line for each call that was not right. */
export const failed = (outcomes: readonly Outcome[], kinds: readonly Outcome['outcome'][]): string[] =>
  outcomes
    .filter(({ outcome }) => kinds.includes(outcome))
    .map(({ call, outcome, why }) => `${call}: ${outcome}: ${why}`);
