/**
 * `npm run differential`: the comparison of the two engines, or of the embedded engine and the reference interpreter, on many
 * more generated cases than `npm test` runs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ensureSpark } from '../offline/setup/environments.ts';
import { startSparkSession } from '../offline/spark.ts';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { parallel } from '../src/lib/parallel.ts';
import { print } from '../src/stage/terminal.ts';
import { cases as generated } from '../test/differential/cases.ts';
import { difference, together } from '../test/differential/compareEngines.ts';
import { report } from '../test/oracle/difference.ts';
import { search } from '../test/oracle/search.ts';

const help = `Usage: npm run differential -- [--oracle] [--cases N] [--seed N]

Generates contracts and inputs, runs each on Spark and on the embedded engine, and compares rows, quarantine and counts.
A difference is shown with its case and the seed of its run.

  --oracle    compares the embedded engine with the reference interpreter (test/oracle) instead: thousands of cases a second
  --cases N   how many (5000; with --oracle 100000)
  --seed N    equal seeds give equal cases (the time of day)`;

async function main(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    oracle: { type: 'boolean', default: false },
    cases: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    print(help);
    return 0;
  }
  const { seed, cases = values.oracle ? '100000' : '5000' } = values;
  for (const [name, text] of Object.entries({ seed, cases }))
    if (!/^\d+$/.test(text)) throw new UsageError(`--${name} ${text}: must be a number`);
  print(`${cases} cases, seed ${seed}`);
  if (values.oracle) return askOracle(Number(seed), Number(cases));
  return compareEngines(Number(seed), Number(cases));
}

/** Cases of one seed. */
const inRun = 25;

async function compareEngines(seed: number, cases: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-differential-'));
  const spark = await startSparkSession(await ensureSpark(print), folder);
  let differing = 0;
  try {
    for (let done = 0, run = seed; done < cases; run++) {
      const some = fc.sample(generated, { numRuns: Math.min(inRun, cases - done), seed: run });
      await parallel(some, together, async (each) => {
        const told = await difference({ folder, run: spark.run }, each);
        if (told === null) return;
        differing++;
        print(`seed ${run}: ${told}`);
      });
      done += some.length;
      print(`${done} cases compared, ${differing} differ`);
    }
  } finally {
    spark.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return differing > 0 ? 1 : 0;
}

async function askOracle(seed: number, cases: number): Promise<number> {
  let [compared, differing] = [0, 0];
  for await (const found of search(seed, cases)) {
    compared += found.cases;
    differing += found.differences.length;
    if (found.differences.length > 0) print(`run ${found.seed}\n${report(found.differences)}`);
  }
  print(`${compared} cases compared, ${differing} differ`);
  return differing > 0 ? 1 : 0;
}

await runProgram(main);
