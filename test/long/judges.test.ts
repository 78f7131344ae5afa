/** `npm run judges`: what others wrote against the local Athena: client libraries and dbt-athena's own tests. */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { startLocalAws } from '../../offline/localAws.ts';
import type { WrongAnswer } from '../../offline/strict/answers.ts';
import { strictPath } from '../../offline/strict/check.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import { files, knownFailures } from '../judges/dbtAdapter.ts';
import { failed, judgeClients } from '../support/clients.ts';
import { adapterTests } from '../support/dbt.ts';
import { stage } from '../support/stage.ts';

const endpoint = String(stage.endpoint);
const { workBucket } = stage.config;

test('awswrangler, PyAthena and SQLAlchemy get Athena’s answers on Trino', async () => {
  const outcomes = await judgeClients(endpoint, workBucket);
  console.log(
    `clients on Trino: ${outcomes.filter((o) => o.outcome === 'right').length} of ${outcomes.length}`,
  );
  expect(failed(outcomes, ['wrong', 'rejected'])).toEqual([]);
}, 900_000);

test('on DuckDB they get the same, or a rejection by name', async () => {
  const aws = await startLocalAws({ port: 0, athena: 'duckdb', report: () => {} });
  try {
    const s3 = new S3Client({ ...localClient(aws.endpoint), forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'judged' }));
    const outcomes = await judgeClients(aws.endpoint, 'judged');
    const right = outcomes.filter((o) => o.outcome === 'right').length;
    console.log(
      [`clients on DuckDB: ${right} of ${outcomes.length}`, ...failed(outcomes, ['rejected'])].join('\n'),
    );
    expect(failed(outcomes, ['wrong'])).toEqual([]);
  } finally {
    await aws.close();
  }
}, 900_000);

test('dbt-athena passes its own functional tests, but for failures with a known reason', async () => {
  const tests = await adapterTests(endpoint, workBucket, files);
  const ran = tests.filter(({ outcome }) => outcome !== 'skipped');
  const failures = ran.filter(({ outcome }) => outcome === 'failed');
  console.log(
    [
      `dbt-athena: ${ran.length - failures.length} of ${ran.length}, ${tests.length - ran.length} skipped by dbt-athena`,
      ...failures.map(({ name, why }) => `${name}: ${knownFailures[name] ?? why}`),
    ].join('\n'),
  );
  expect(failures.filter(({ name }) => knownFailures[name] === undefined)).toEqual([]);
  expect(failures.length / ran.length).toBeLessThanOrEqual(0.1);
}, 3_600_000);

test('no answer to them differs from the model of its service', async () => {
  const { wrong } = (await (await fetch(`${endpoint}${strictPath}`)).json()) as { wrong: WrongAnswer[] };
  expect(wrong).toEqual([]);
});
