/** `npm run judges -- clients`: client libraries against the local Athena. */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { startLocalAws } from '../../../offline/localAws.ts';
import { localClient } from '../../../src/stage/localEndpoint.ts';
import { failed, judgeClients, type Outcome } from '../../support/clients.ts';
import { score } from '../../support/scores.ts';
import { stage } from '../../support/stage.ts';

const endpoint = String(stage.endpoint);
const { workBucket } = stage.config;

test('boto3, awswrangler, PyAthena and SQLAlchemy get Athena’s answers on Trino', async () => {
  const outcomes = await judgeClients(endpoint, workBucket);
  scored('Trino', outcomes);
  expect(failed(outcomes, ['wrong', 'rejected'])).toEqual([]);
}, 900_000);

test('on DuckDB they get the same, or a rejection by name', async () => {
  const aws = await startLocalAws({ port: 0, athena: 'duckdb', report: () => {} });
  try {
    const s3 = new S3Client({ ...localClient(aws.endpoint), forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'judged' }));
    const outcomes = await judgeClients(aws.endpoint, 'judged');
    scored('DuckDB', outcomes);
    expect(failed(outcomes, ['wrong'])).toEqual([]);
  } finally {
    await aws.close();
  }
}, 900_000);

function scored(engine: string, outcomes: readonly Outcome[]): void {
  const count = (kind: Outcome['outcome']) => outcomes.filter(({ outcome }) => outcome === kind).length;
  score({
    judge: `clients on ${engine}`,
    right: count('right'),
    of: outcomes.length,
    more: `${count('rejected')} rejected by name, ${count('wrong')} wrong`,
    notes: failed(outcomes, ['rejected', 'wrong']),
  });
}
