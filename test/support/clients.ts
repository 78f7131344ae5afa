/** Runs test/judges/clients.py: calls of awswrangler, PyAthena and SQLAlchemy against a local AWS. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { ensureClients } from '../../offline/setup/environments.ts';
import { localEnvironment } from '../../src/stage/localEndpoint.ts';

const run = promisify(execFile);

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
  const { stdout } = await run(python, [script, bucket, ...only], {
    env: { ...process.env, ...localEnvironment, AWS_ENDPOINT_URL: endpoint },
    maxBuffer: 16_000_000,
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => outcomeSchema.parse(JSON.parse(line)));
}

/** One line for each call that was not right. */
export const failed = (outcomes: readonly Outcome[], kinds: readonly Outcome['outcome'][]): string[] =>
  outcomes
    .filter(({ outcome }) => kinds.includes(outcome))
    .map(({ call, outcome, why }) => `${call}: ${outcome}: ${why}`);
