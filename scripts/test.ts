/** `npm test`: lint, types, then unit tests, static gates, and end-to-end tests on a local AWS with real Spark. */
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { deploy } from '../offline/deploy.ts';
import { type LocalAws, startLocalAws } from '../offline/localAws.ts';
import {
  ensureClients,
  ensureGates,
  ensureIceberg,
  ensurePythonChecks,
  ensureSpark,
} from '../offline/setup/environments.ts';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { type TableFormatName, tableFormats } from '../src/lib/model/plan.ts';
import { changesText } from '../test/support/changes.ts';
import { copyCheckout } from '../test/support/checkout.ts';
import { lineOf } from '../test/support/closingLine.mjs';
import { stagedFeeds } from '../test/support/stagedFeeds.ts';
import { stageParameters } from '../test/support/stageParameters.ts';
import { jest, type Manner, run, selected, untilInterrupted } from './jest.ts';

const help = `Usage: npm test [-- [options] [PATTERN…]]

  PATTERN…    only test files whose path matches, such as test/e2e/glue
  --format iceberg   the end-to-end tests only, with Iceberg tables where contracts name no format
  --unit      lint, types and unit tests only, in seconds: npm run check
  --long soak [--minutes N] [--seed N]   random files and faults: npm run soak -- --minutes 20 --seed 1
  --long load [--files N]                a burst of 10,000 files: npm run test:load
  --long reconcile [--files N]           a table of 100,000 partitions
  --long changes [--changes N] [--seed N] [--engine glue]   feeds of 100,000 changes, in memory, or on a local stage with Spark:
                                         npm run test:changes
  --long drill                           ten incidents, named by status and mended: npm run drill
  --long readers                         readers in a loop beside 70 batches and their compactions: npm run readers
  -h, --help  this text

What is missing (Python environments, Maven artefacts) is installed into the cache first.
Exit status: 0 all passed; 1 a check or a test failed; 2 it could not be set up; 130 interrupted.`;

const longRuns = ['soak', 'load', 'reconcile', 'changes', 'stagedChanges', 'drill', 'readers'];
const engines = ['embedded', 'glue'];

const root = resolve(import.meta.dirname, '..');
const report = (message: string) => console.log(`  ${message}`);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    unit: { type: 'boolean', default: false },
    long: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    files: { type: 'string' },
    changes: { type: 'string' },
    engine: { type: 'string', default: 'embedded' },
    format: { type: 'string', default: 'hive' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (values.long !== undefined && !longRuns.includes(values.long))
    throw new UsageError(`--long ${values.long}: must be one of ${longRuns.join(', ')}`);
  const tableFormat = tableFormats.find((name) => name === values.format);
  if (tableFormat === undefined)
    throw new UsageError(`--format ${values.format}: must be one of ${tableFormats.join(', ')}`);
  if (!engines.includes(values.engine))
    throw new UsageError(`--engine ${values.engine}: must be one of ${engines.join(', ')}`);
  if (values.long === undefined && !(await isClean())) return 1;
  if (values.unit)
    return jest(
      [
        // With its default, Jest leaves one core free: on two cores, half of them.
        `--maxWorkers=${availableParallelism()}`,
        '--selectProjects',
        'check',
        ...(positionals.length > 0 ? ['--testPathPatterns', ...positionals] : []),
      ],
      {},
    );

  const sizes = {
    ...(values.changes === undefined ? {} : { SLUICE_CHANGES: values.changes }),
    ...(values.seed === undefined ? {} : { SLUICE_SOAK_SEED: values.seed }),
  };
  if (values.long === 'changes' && values.engine === 'glue') return stagedChanges(sizes);
  // It needs no AWS.
  if (values.long === 'changes') return jest(selected(['long'], ['test/long/changes']), sizes);

  // Each Spark here lives for seconds, too short for optimizing compilers and parallel garbage collectors to pay off.
  if (values.long === undefined)
    process.env.JAVA_TOOL_OPTIONS ??=
      '-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC';
  const notes = await mkdtemp(join(tmpdir(), 'sluice-answers-'));
  // Each local AWS that a test starts adds to it, too: permissions.test.ts reads it.
  process.env.SLUICE_WRONG_ANSWERS = join(notes, 'wrong');
  const started: Promise<LocalAws>[] = [];
  /** A local AWS with the stage deployed. */
  const deployed = async (athena: 'trino' | 'duckdb'): Promise<LocalAws> => {
    const start = startLocalAws({ port: 0, athena, report });
    started.push(start);
    const aws = await start;
    const engine = values.long === 'stagedChanges' ? { engine: 'glue' } : {};
    const params = { ...stageParameters(tableFormat), ...engine };
    await deploy({ endpoint: aws.endpoint, params, report });
    return aws;
  };
  const tests = async (): Promise<number> => {
    console.log('local AWS');
    const needed = values.long === undefined ? [ensureSpark, ensureGates, ensureIceberg, ensureClients] : [];
    // Mostly downloads.
    await Promise.all(needed.map((ensure) => ensure(report)));
    // The readers have a Trino of their own.
    const aws = await deployed(values.long === 'readers' ? 'duckdb' : 'trino');
    if (values.long === undefined && positionals.length === 0)
      return wholeRun(aws, () => deployed('duckdb'), tableFormat);
    const projects =
      values.long === undefined ? ['unit', 'iceberg', 'program', 'static', 'differential', 'e2e'] : ['long'];
    const patterns = values.long === undefined ? positionals : [`test/long/${values.long}`];
    const settings = {
      SLUICE_TEST_ENDPOINT: aws.endpoint,
      ...(values.minutes === undefined ? {} : { SLUICE_SOAK_MINUTES: values.minutes }),
      ...sizes,
      ...(values.files === undefined ? {} : { SLUICE_LOAD_FILES: values.files }),
    };
    return jest(selected(projects, patterns), settings);
  };
  try {
    return await Promise.race([tests(), untilInterrupted()]);
  } finally {
    // One that is being started is ended as well.
    await Promise.allSettled(started.map(async (aws) => (await aws).close()));
    await rm(notes, { recursive: true, force: true });
  }
}

/** These take half of the time of all end-to-end tests, and mostly wait. They do not depend on the engine behind Athena. */
const slow = ['faults', 'interrupted'];
const last = 'permissions';

/**
 * Runs everything in parallel lanes: end-to-end tests, then programs and comparisons of engines; the slow end-to-end tests, on
 * a second local AWS, then static tests; and the unit tests. The test that inspects all AWS calls runs last. On a stage with
 * Iceberg tables only the end-to-end tests run: the others ask for their format. The output of the first lane is shown as it
 * runs, that of the others when they end. The last line counts all tests.
 */
async function wholeRun(
  aws: LocalAws,
  another: () => Promise<LocalAws>,
  tableFormat: TableFormatName,
): Promise<number> {
  const hasAll = tableFormat === 'hive';
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  const files = (names: readonly string[]) => [`test/e2e/(${names.join('|')})\\.test`];
  const others = readdirSync(join(root, 'test/e2e'))
    .map((name) => name.replace('.test.ts', ''))
    .filter((name) => !slow.includes(name) && name !== last);
  let lanes = 0;
  const lane = async (args: string[], settings: Readonly<Record<string, string>>, how: Manner) => {
    const counts = join(folder, String(lanes++));
    const code = await jest(args, { ...settings, SLUICE_COUNTS: counts }, how);
    const text = await readFile(counts, 'utf8').catch(() => '{"passed":0,"failed":1,"skipped":0}');
    return { code, ...(JSON.parse(text) as Record<'passed' | 'failed' | 'skipped', number>) };
  };
  const thorough = { SLUICE_THOROUGH: '1' };
  const endToEnd = async () => {
    const endpoint = { SLUICE_TEST_ENDPOINT: aws.endpoint };
    const [most, second] = await Promise.all([
      lane(selected(['e2e'], files(others)), endpoint, 'shown').then(async (first) => [
        first,
        // This lane is over early, too.
        ...(hasAll
          ? [
              await lane(
                selected(['program', 'differential'], []),
                { ...endpoint, ...thorough },
                'shown after',
              ),
            ]
          : []),
      ]),
      another().then(async ({ endpoint: own }) => ({
        endpoint: own,
        results: [
          await lane(selected(['e2e'], files(slow)), { SLUICE_TEST_ENDPOINT: own }, 'shown after'),
          // The static tests fill this lane's remaining time.
          ...(hasAll ? [await lane(selected(['static'], []), endpoint, 'shown after')] : []),
        ],
      })),
    ]);
    const settings = { ...endpoint, SLUICE_TEST_OTHER_ENDPOINT: second.endpoint };
    return [...most, ...second.results, await lane(selected(['e2e'], files([last])), settings, 'shown')];
  };
  /** Unit tests, in plain Node; those of the flow on both formats. */
  const unitTests = async () => {
    const onIceberg = { ...thorough, SLUICE_TEST_FORMAT: 'iceberg' };
    const flow = [...selected(['check'], ['test/unit/flow/']), '--testPathIgnorePatterns', 'flow/iceberg'];
    return [
      await lane(selected(['check'], []), thorough, 'in the background'),
      await lane(flow, onIceberg, 'in the background'),
    ];
  };
  try {
    const results = (await Promise.all([endToEnd(), hasAll ? unitTests() : []])).flat();
    const sum = (key: 'passed' | 'failed' | 'skipped') => results.reduce((n, result) => n + result[key], 0);
    const line = lineOf({ passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') });
    process.once('exit', () => console.log(line));
    return Math.max(...results.map(({ code }) => code));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The stage of this run has datasets that the project has not, so it runs in a copy of the project. */
async function stagedChanges(sizes: Readonly<Record<string, string>>): Promise<number> {
  const checkout = copyCheckout();
  try {
    for (const { dataset, feed, format, hasHistory } of stagedFeeds)
      await writeFile(
        join(checkout, 'datasets', `${dataset}.yml`),
        changesText(feed, format, { dataset, hasHistory }),
      );
    return await run('node', [join(checkout, 'scripts/test.ts'), '--long', 'stagedChanges'], sizes);
  } finally {
    await rm(checkout, { recursive: true, force: true });
  }
}

async function isClean(): Promise<boolean> {
  console.log('lint and types');
  const checks = await Promise.all([
    run('biome', ['check', '--error-on-warnings', '.']),
    run('tsc', ['--noEmit']),
    run('tsc', ['--noEmit', '-p', 'src/watch/page']),
    ensurePythonChecks(report).then(async (folder) => {
      const ruff = join(folder, 'ruff');
      const codes = [await run(ruff, ['check', '--quiet', 'glue', 'test/glue'])];
      return Math.max(...codes, await run(ruff, ['format', '--check', '--quiet', 'glue', 'test/glue']));
    }),
  ]);
  return checks.every((code) => code === 0);
}

await runProgram(main);
process.exit();
