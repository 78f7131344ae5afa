/** `npm run judges -- clients`: client libraries against the local Athena. */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { startLocalAws } from '../../../offline/localAws.ts';
import { localClient } from '../../../src/stage/localEndpoint.ts';
import { failed, judgeClients } from '../../support/clients.ts';
import { wrongAnswers } from '../../support/dbt.ts';
import { stage } from '../../support/stage.ts';

const endpoint = String(stage.endpoint);
const { workBucket } = stage.config;

test('awswrangler, PyAthena and SQLAlchemy get Athena’s answers on Trino', async () => {
  const outcomes = await judgeClients(endpoint, workBucket);
  console.log(
    `clients on Trino: ${outcomes.filter((o) => o.outcome === 'right').length} of ${outcomes.length}`,
  );
  expect(failed(outcomes, ['wrong', 'rejected'])).toEqual([]);
  expect(await wrongAnswers(endpoint)).toEqual([]);
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
    expect(await wrongAnswers(aws.endpoint)).toEqual([]);
  } finally {
    await aws.close();
  }
}, 900_000);
