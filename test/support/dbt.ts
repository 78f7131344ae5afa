/** Runs the functional tests of dbt's adapter for Athena against a local AWS. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseXML } from '@aws-sdk/xml-builder';
import * as z from 'zod';
import { ensureDbt } from '../../offline/setup/environments.ts';
import { localEnvironment } from '../../src/stage/localEndpoint.ts';
import { type Ended, runLines } from './runLines.ts';
import { progress } from './scores.ts';

/** Runs a command of dbt in a project with its own profile. `target` is a folder for what dbt writes. */
export async function dbt(
  command: readonly string[],
  project: string,
  target: string,
  environment: Readonly<Record<string, string>>,
): Promise<Ended> {
  const { bin } = await ensureDbt(() => {});
  const places = ['--profiles-dir', project, '--target-path', target, '--log-path', target];
  return runLines(
    join(bin, 'dbt'),
    [...command, ...places, '--no-use-colors'],
    { cwd: project, environment: { ...environment, DO_NOT_TRACK: '1' } },
    // The line of a model or test that has ended, such as "12:00:01  2 of 17 PASS not_null_posts_id … [PASS in 0.31s]".
    (line) => {
      if (/ of \d+ (?!START)/.test(line)) progress(line);
    },
  );
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
    const options = ['-v', '--tb=line', '-p', 'no:cacheprovider', '-o', 'addopts='];
    const environment = {
      AWS_ENDPOINT_URL: endpoint,
      PYTHONPATH: source,
      DO_NOT_TRACK: '1',
      DBT_SEND_ANONYMOUS_USAGE_STATS: 'false',
      DBT_TEST_ATHENA_S3_STAGING_DIR: `s3://${bucket}/dbt/`,
      DBT_TEST_ATHENA_S3_TMP_TABLE_DIR: `s3://${bucket}/dbt-tmp/`,
      DBT_TEST_ATHENA_REGION_NAME: localEnvironment.AWS_REGION,
      DBT_TEST_ATHENA_DATABASE: 'awsdatacatalog',
      DBT_TEST_ATHENA_SCHEMA: 'judged',
      DBT_TEST_ATHENA_WORK_GROUP: 'primary',
      DBT_TEST_ATHENA_POLL_INTERVAL: '0.1',
      DBT_TEST_ATHENA_NUM_RETRIES: '0',
    };
    const { output } = await runLines(
      join(bin, 'python'),
      [
        ...['-m', 'pytest', ...options, `--junitxml=${report}`],
        ...files.map((file) => `tests/functional/adapter/${file}.py`),
      ],
      { cwd: source, environment },
      (line) => {
        const [, name, outcome] =
          /^tests\/functional\/adapter\/(.*) (PASSED|FAILED|ERROR|SKIPPED)/.exec(line) ?? [];
        if (name !== undefined) progress(`${String(outcome).toLowerCase().padEnd(8)}${name}`);
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
