/** `npm test`: lint, types, then unit tests, static gates, and end-to-end tests on a local AWS with real Spark. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { deploy } from '../offline/deploy.ts';
import { type LocalAws, startLocalAws } from '../offline/localAws.ts';
import { ensureSpark, SetupError } from '../offline/setup/environments.ts';

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
    if (values.long === undefined) await ensureSpark(report);
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
    // One at a time: the end-to-end tests share the datasets' leases.
    return await Promise.race([
      jest(
        [
          '--runInBand',
          '--selectProjects',
          ...projects,
          ...(patterns.length > 0 ? ['--testPathPatterns', ...patterns] : []),
        ],
        settings,
      ),
      interrupted,
    ]);
  } finally {
    await aws?.close();
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

const jest = (args: readonly string[], environment: Readonly<Record<string, string>>): Promise<number> =>
  run(
    'node',
    [
      '--disable-warning=ExperimentalWarning',
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      ...args,
    ],
    environment,
  );

function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(resolve(root, 'node_modules/.bin', program), args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environment },
    });
    process.once('exit', () => child.kill());
    child.on('error', fail);
    child.on('close', (code) => done(code ?? 1));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 2;
}
process.exit();
