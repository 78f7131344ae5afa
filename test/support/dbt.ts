/** Runs the functional tests of dbt's adapter for Athena against a local AWS. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseXML } from '@aws-sdk/xml-builder';
import * as z from 'zod';
import { ensureDbt } from '../../offline/setup/environments.ts';
import type { WrongAnswer } from '../../offline/strict/answers.ts';
import { strictPath } from '../../offline/strict/check.ts';
import { localEnvironment } from '../../src/stage/localEndpoint.ts';

interface Ended {
  readonly code: number;
  readonly output: string;
}

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>>,
): Promise<Ended> {
  const env = { ...process.env, ...localEnvironment, ...environment, DO_NOT_TRACK: '1' };
  return new Promise((done) => {
    execFile(program, args, { cwd, env, maxBuffer: 64_000_000 }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code ?? 1), output: `${stdout}${stderr}` }),
    );
  });
}

/** Runs a command of dbt in a project with its own profile. `target` is a folder for what dbt writes. */
export async function dbt(
  command: readonly string[],
  project: string,
  target: string,
  environment: Readonly<Record<string, string>>,
): Promise<Ended> {
  const { bin } = await ensureDbt(() => {});
  const places = ['--profiles-dir', project, '--target-path', target, '--log-path', target];
  return run(join(bin, 'dbt'), [...command, ...places, '--no-use-colors'], project, environment);
}

/** The answers of a local AWS that its services' models do not allow. */
export async function wrongAnswers(endpoint: string): Promise<readonly WrongAnswer[]> {
  const { wrong } = (await (await fetch(`${endpoint}${strictPath}`)).json()) as { wrong: WrongAnswer[] };
  return wrong;
}

export interface AdapterTest {
  /** Such as test_basic_iceberg::TestEmptyIceberg::test_empty. */
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** The first line of the failure. */
  readonly why: string;
}

const one = z.looseObject({ message: z.string().optional() }).or(z.string());
const caseSchema = z.looseObject({
  classname: z.string(),
  name: z.string(),
  failure: one.optional(),
  error: one.optional(),
  skipped: one.optional(),
});
const reportSchema = z.object({
  testsuites: z.looseObject({ testsuite: z.looseObject({ testcase: z.array(caseSchema) }) }),
});

/** Runs the adapter's own tests in these files. `bucket` takes data and results. */
export async function adapterTests(
  endpoint: string,
  bucket: string,
  files: readonly string[],
): Promise<AdapterTest[]> {
  const { bin, tests } = await ensureDbt(() => {});
  const source = join(tests, '../..');
  const folder = await mkdtemp(join(tmpdir(), 'sluice-dbt-'));
  try {
    const report = join(folder, 'report.xml');
    const { output } = await run(
      join(bin, 'python'),
      [
        ...[
          '-m',
          'pytest',
          '-q',
          '--tb=line',
          '-p',
          'no:cacheprovider',
          '-o',
          'addopts=',
          `--junitxml=${report}`,
        ],
        ...files.map((file) => `tests/functional/adapter/${file}.py`),
      ],
      source,
      {
        AWS_ENDPOINT_URL: endpoint,
        PYTHONPATH: source,
        DBT_SEND_ANONYMOUS_USAGE_STATS: 'false',
        DBT_TEST_ATHENA_S3_STAGING_DIR: `s3://${bucket}/dbt/`,
        DBT_TEST_ATHENA_S3_TMP_TABLE_DIR: `s3://${bucket}/dbt-tmp/`,
        DBT_TEST_ATHENA_REGION_NAME: localEnvironment.AWS_REGION,
        DBT_TEST_ATHENA_DATABASE: 'awsdatacatalog',
        DBT_TEST_ATHENA_SCHEMA: 'judged',
        DBT_TEST_ATHENA_WORK_GROUP: 'primary',
        DBT_TEST_ATHENA_POLL_INTERVAL: '0.1',
        DBT_TEST_ATHENA_NUM_RETRIES: '0',
      },
    );
    const text = await readFile(report, 'utf8').catch(() => {
      throw new Error(`pytest wrote no report: ${output.slice(-2000)}`);
    });
    return reportSchema.parse(parseXML(text)).testsuites.testsuite.testcase.map((test) => {
      const failure = test.failure ?? test.error;
      const message = typeof failure === 'string' ? failure : (failure?.message ?? '');
      return {
        name: `${test.classname.replace('tests.functional.adapter.', '').replaceAll('.', '::')}::${test.name}`,
        outcome: failure !== undefined ? 'failed' : test.skipped !== undefined ? 'skipped' : 'passed',
        why: message.split('\n')[0] ?? '',
      };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
