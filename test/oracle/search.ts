/** Any number of generated cases, in runs of many cases. A seed repeats all of them. */
import type { RunEngine } from '../support/embedded.ts';
import { compareColumns } from './compareColumns.ts';
import { compareGenerated } from './compareExpressions.ts';
import { compareFiles } from './compareFiles.ts';
import type { Difference } from './difference.ts';

export interface Found {
  readonly cases: number;
  readonly differences: readonly Difference[];
  /** Of this run alone. */
  readonly seed: number;
}

/** Kinds of runs, in turn; each of the first two gives some thousands of cases. */
const runs = [
  (seed: number, engine?: RunEngine) => compareColumns(seed, { columns: 60, rows: 80 }, engine),
  (seed: number, engine?: RunEngine) => compareGenerated(seed, { expressions: 120, rows: 40 }, engine),
  (seed: number, engine?: RunEngine) => compareFiles(seed, 100, engine),
] as const;

/** Runs until this many cases are compared. Returns what each run found. */
export async function* search(seed: number, cases: number, engine?: RunEngine): AsyncGenerator<Found> {
  for (let done = 0, i = 0; done < cases; i++) {
    // Far apart, so neighbouring seeds have no run in common.
    const own = (Math.imul(seed, 0x9e3779b1) + i) >>> 0;
    const run = runs[i % runs.length];
    if (!run) return;
    const found = await run(own, engine);
    done += found.cases;
    yield { ...found, seed: own };
  }
}
