/**
 * `npm run differential`: the comparison of the two engines, or of the embedded engine and the reference interpreter, on many
 * more generated cases than `npm test` runs.
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { print } from '../src/stage/terminal.ts';
import { report } from '../test/oracle/difference.ts';
import { search } from '../test/oracle/search.ts';

const help = `Usage: npm run differential -- [--oracle] [--cases N] [--seed N]

Generates contracts and inputs, runs each on Spark and on the embedded engine, and compares rows, quarantine and counts.
A case takes about two seconds. A difference is shown with the smallest case that has it.

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
  const root = resolve(import.meta.dirname, '..');
  const jest = [
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    '--selectProjects',
    'differential',
  ];
  const child = spawn(resolve(root, 'node_modules/.bin/node'), jest, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, SLUICE_DIFFERENTIAL_CASES: cases, SLUICE_DIFFERENTIAL_SEED: seed },
  });
  return new Promise((done) => child.on('close', (code) => done(code ?? 1)));
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
