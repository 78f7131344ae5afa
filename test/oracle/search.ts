/** Any number of generated cases, in runs that take many at once. A seed repeats all of them. */
import type { RunEngine } from '../support/embedded.ts';
import { compareColumns } from './compareColumns.ts';
import { compareGenerated } from './compareExpressions.ts';
import { compareFiles } from './compareFiles.ts';
import { type Difference, unknown } from './difference.ts';
import { knownInColumns, knownInExpressions, knownInFiles } from './knownFaults.ts';

export interface Found {
  readonly cases: number;
  /** The seed of the run that has them, and what is not known of. */
  readonly differences: readonly Difference[];
  readonly seed: number;
}

/** Kinds of runs, in turn: each gives some thousands of cases. */
const runs = [
  async (seed: number, engine?: RunEngine) => {
    const { cases, differences } = await compareColumns(seed, { columns: 60, rows: 80 }, engine);
    return { cases, differences: unknown(differences, knownInColumns) };
  },
  async (seed: number, engine?: RunEngine) => {
    const { cases, differences } = await compareGenerated(seed, { expressions: 120, rows: 40 }, engine);
    return { cases, differences: unknown(differences, knownInExpressions) };
  },
  async (seed: number, engine?: RunEngine) => {
    const { cases, differences } = await compareFiles(seed, 100, engine);
    return { cases, differences: unknown(differences, knownInFiles) };
  },
] as const;

/** Runs until so many cases are compared; gives what each run found. */
export async function* search(seed: number, cases: number, engine?: RunEngine): AsyncGenerator<Found> {
  for (let done = 0, i = 0; done < cases; i++) {
    // Far apart, so that neighbouring seeds share no run.
    const own = (Math.imul(seed, 0x9e3779b1) + i) >>> 0;
    const run = runs[i % runs.length];
    if (!run) return;
    const found = await run(own, engine);
    done += found.cases;
    yield { ...found, seed: own };
  }
}
