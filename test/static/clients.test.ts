/**
 * Some calls of awswrangler, PyAthena and SQLAlchemy on a local AWS whose Athena is DuckDB. test/e2e/athenaApi.test.ts has some on Trino,
 * and npm run judges all on both.
 */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { startLocalAws } from '../../offline/localAws.ts';
import type { WrongAnswer } from '../../offline/strict/answers.ts';
import { strictPath } from '../../offline/strict/check.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import { failed, judgeClients } from '../support/clients.ts';

test('on DuckDB a call of a client gets its right answer or is rejected by name', async () => {
  const aws = await startLocalAws({ port: 0, athena: 'duckdb', report: () => {} });
  try {
    const s3 = new S3Client({ ...localClient(aws.endpoint), forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'judged' }));
    const outcomes = await judgeClients(aws.endpoint, 'judged', [
      'read_sql_query, CTAS',
      'read_sql_query, neither',
      'named parameters',
      'statistics',
      'prepared statements',
      'list_query_executions',
      'to_iceberg, append',
      'PyAthena Cursor',
      'PyAthena ArrowCursor',
      'pandas.util.to_sql',
      'SQLAlchemy Core',
      'SQLAlchemy and views',
    ]);
    expect(failed(outcomes, ['wrong'])).toEqual([]);
    expect(failed(outcomes, ['rejected'])).toEqual(
      [
        'awswrangler read_sql_query, CTAS',
        'awswrangler to_iceberg, append',
        'PyAthena ArrowCursor, UNLOAD',
        'PyAthena pandas.util.to_sql',
        'SQLAlchemy and views',
      ].map((call) => expect.stringMatching(new RegExp(`^${RegExp.escape(call)}: rejected: NOT_SUPPORTED`))),
    );
    const { wrong } = (await (await fetch(`${aws.endpoint}${strictPath}`)).json()) as {
      wrong: WrongAnswer[];
    };
    expect(wrong).toEqual([]);
  } finally {
    await aws.close();
  }
}, 600_000);
