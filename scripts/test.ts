/** `npm test`: lint, types, then unit tests, static gates, and end-to-end tests on a local AWS with real Spark. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, setPriority, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { deploy } from '../offline/deploy.ts';
import { type LocalAws, startLocalAws } from '../offline/localAws.ts';
import { ensureGates, ensureSpark, SetupError } from '../offline/setup/environments.ts';
import { lineOf } from '../test/support/closingLine.mjs';

const help = `Usage: npm test [-- [options] [PATTERN…]]

  PATTERN…    only test files whose path matches, such as test/e2e/glue
  --unit      lint, types and unit tests only, in seconds: npm run check
  --long soak [--minutes N] [--seed N]   random files and faults: npm run soak -- --minutes 20 --seed 1
  --long load [--files N]                a burst of 10,000 files: npm run test:load
  --long reconcile [--files N]           a table of 100,000 partitions
  -h, --help  this text

What is missing (Python environments, Maven artefacts) is installed into the cache first.
Exit status: 0 all passed; 1 a check or a test failed; 2 it could not be set up; 130 interrupted.`;

const root = resolve(import.meta.dirname, '..');
const report = (message: string) => console.log(`  ${message}`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      unit: { type: 'boolean', default: false },
      long: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      files: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (values.long !== undefined && !['soak', 'load', 'reconcile'].includes(values.long)) {
    console.error(`--long ${values.long}: it is soak, load or reconcile`);
    return 2;
  }
  if (values.long === undefined && !(await isClean())) return 1;
  if (values.unit)
    return jest(
      ['--selectProjects', 'unit', ...(positionals.length > 0 ? ['--testPathPatterns', ...positionals] : [])],
      {},
    );

  let aws: LocalAws | undefined;
  const interrupted = new Promise<number>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done(130));
  });
  try {
    console.log('local AWS');
    if (values.long === undefined) {
      await ensureSpark(report);
      await ensureGates(report);
    }
    aws = await startLocalAws({ port: 0, athena: 'trino', report });
    await deploy({ endpoint: aws.endpoint, params: {}, report });
    const projects = values.long === undefined ? ['unit', 'static', 'differential', 'e2e'] : ['long'];
    const patterns = values.long === undefined ? positionals : [`test/long/${values.long}`];
    const settings = {
      SLUICE_TEST_ENDPOINT: aws.endpoint,
      // Whether all tests run: then what is granted and not used is a fault.
      ...(patterns.length === 0 ? { SLUICE_TEST_WHOLE: '1' } : {}),
      ...(values.minutes === undefined ? {} : { SLUICE_SOAK_MINUTES: values.minutes }),
      ...(values.seed === undefined ? {} : { SLUICE_SOAK_SEED: values.seed }),
      ...(values.files === undefined ? {} : { SLUICE_LOAD_FILES: values.files }),
    };
    const selected = (names: readonly string[]) => [
      // One file at a time: the end-to-end tests share the datasets' leases.
      '--runInBand',
      '--selectProjects',
      ...names,
      ...(patterns.length > 0 ? ['--testPathPatterns', ...patterns] : []),
    ];
    const isWhole = values.long === undefined && patterns.length === 0;
    return await Promise.race([
      isWhole ? sideBySide(projects, selected, settings) : jest(selected(projects), settings),
      interrupted,
    ]);
  } finally {
    await aws?.close();
  }
}

/**
 * End-to-end tests mostly wait: the others run beside them, in the time that they leave, and are shown when they are over.
 * The last line counts both.
 */
async function sideBySide(
  projects: readonly string[],
  selected: (names: readonly string[]) => string[],
  settings: Readonly<Record<string, string>>,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  try {
    const start = async (names: readonly string[], output: 'inherit' | 'pipe') => {
      const counts = join(folder, names.join('-'));
      const code = await jest(selected(names), { ...settings, SLUICE_COUNTS: counts }, output);
      const text = await readFile(counts, 'utf8').catch(() => '{"passed":0,"failed":1,"skipped":0}');
      return { code, ...(JSON.parse(text) as Record<'passed' | 'failed' | 'skipped', number>) };
    };
    const results = await Promise.all([
      start(
        projects.filter((name) => name !== 'e2e'),
        'pipe',
      ),
      start(['e2e'], 'inherit'),
    ]);
    const sum = (key: 'passed' | 'failed' | 'skipped') => results.reduce((n, result) => n + result[key], 0);
    const line = lineOf({ passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') });
    process.once('exit', () => console.log(line));
    return Math.max(...results.map(({ code }) => code));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function isClean(): Promise<boolean> {
  console.log('lint and types');
  const checks = await Promise.all([
    run('biome', ['check', '--error-on-warnings', '.']),
    run('tsc', ['--noEmit']),
    run('tsc', ['--noEmit', '-p', 'src/watch/page']),
  ]);
  return checks.every((code) => code === 0);
}

const jest = (
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  output: 'inherit' | 'pipe' = 'inherit',
): Promise<number> =>
  run(
    'node',
    [
      '--disable-warning=ExperimentalWarning',
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      ...args,
    ],
    environment,
    output,
  );

function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  output: 'inherit' | 'pipe' = 'inherit',
): Promise<number> {
  return new Promise((done, fail) => {
    const said: Buffer[] = [];
    const child = spawn(resolve(root, 'node_modules/.bin', program), args, {
      cwd: root,
      stdio: ['ignore', output, output],
      env: { ...process.env, ...environment },
    });
    if (output === 'pipe' && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    process.once('exit', () => child.kill());
    child.on('error', fail);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => said.push(chunk));
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(said));
      done(code ?? 1);
    });
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 2;
}
process.exit();
