/** `npm run differential`: the comparison of the two engines on many more generated cases than `npm test` runs. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { print } from '../src/stage/terminal.ts';

const help = `Usage: npm run differential -- [--cases N] [--seed N]

Generates contracts and inputs, runs each on Spark and on the embedded engine, and compares rows, quarantine and counts.
A case takes about two seconds. A difference is shown with the smallest case that has it.

  --cases N   how many (5000)
  --seed N    equal seeds give equal cases (the time of day)`;

async function main(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    cases: { type: 'string', default: '5000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    print(help);
    return 0;
  }
  for (const [name, text] of Object.entries(values))
    if (!/^\d+$/.test(String(text))) throw new UsageError(`--${name} ${text}: it is a number`);
  print(`${values.cases} cases, seed ${values.seed}`);
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
    env: { ...process.env, SLUICE_DIFFERENTIAL_CASES: values.cases, SLUICE_DIFFERENTIAL_SEED: values.seed },
  });
  return new Promise((done) => child.on('close', (code) => done(code ?? 1)));
}

await runProgram(main);
