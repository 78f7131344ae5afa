/** `npm run differential`: the comparison of the two engines on many more generated cases than `npm test` runs. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

const help = `Usage: npm run differential -- [--cases N] [--seed N]

Generates contracts and inputs, runs each on Spark and on the embedded engine, and compares rows, quarantine and counts.
A case takes about two seconds. A difference is shown with the smallest case that has it.

  --cases N   how many (5000)
  --seed N    equal seeds give equal cases (the time of day)`;

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '5000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) console.log(help);
else {
  console.log(`${values.cases} cases, seed ${values.seed}`);
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
  child.on('close', (code) => process.exit(code ?? 1));
}
