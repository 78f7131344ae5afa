/** Athena's API as its clients use it: prepared statements, data manifests, quoted databases, and reused results. */
import {
  type AthenaClient,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  StartQueryExecutionCommand,
  type StartQueryExecutionCommandInput,
} from '@aws-sdk/client-athena';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, expect, test } from '@jest/globals';
import { waitFor } from '../../src/lib/waitFor.ts';
import { failed, judgeClients } from '../support/clients.ts';
import { athena, stage } from '../support/stage.ts';

const { database, workBucket, workgroup } = stage.config;
const stamp = Date.now();
const client: AthenaClient = stage.athena;

/** Runs a statement to its end. Gives the execution and its rows. */
async function run(QueryString: string, more: Partial<StartQueryExecutionCommandInput> = {}) {
  const { QueryExecutionId } = await client.send(
    new StartQueryExecutionCommand({
      QueryString,
      WorkGroup: workgroup,
      QueryExecutionContext: { Database: database },
      ...more,
    }),
  );
  const execution = await waitFor(
    async () => (await client.send(new GetQueryExecutionCommand({ QueryExecutionId }))).QueryExecution,
    (found) => !['QUEUED', 'RUNNING'].includes(found?.Status?.State ?? ''),
    60_000,
  );
  if (execution?.Status?.State !== 'SUCCEEDED') throw new Error(execution?.Status?.StateChangeReason);
  const { ResultSet } = await client.send(new GetQueryResultsCommand({ QueryExecutionId }));
  return {
    execution,
    rows: (ResultSet?.Rows ?? []).map((row) => (row.Data ?? []).map((cell) => cell.VarCharValue ?? null)),
  };
}

/** The addresses in the data manifest of a statement. */
async function manifestOf({ execution }: Awaited<ReturnType<typeof run>>): Promise<string[]> {
  const address = new URL(execution.Statistics?.DataManifestLocation ?? '');
  const { Body } = await stage.s3.send(
    new GetObjectCommand({ Bucket: address.hostname, Key: address.pathname.slice(1) }),
  );
  return ((await Body?.transformToString()) ?? '').trim().split('\n').filter(Boolean);
}

afterAll(async () => {
  for (const name of ['made', 'parted']) await athena(`DROP TABLE IF EXISTS ${name}_${stamp}`);
});

test('a prepared statement runs with other parameters each time, until it is deallocated', async () => {
  await run(`PREPARE sums_${stamp} FROM SELECT ? + ?, ?`);
  expect((await run(`EXECUTE sums_${stamp} USING 1, (2 + 3), 'a, b'`)).rows.at(-1)).toEqual(['6', 'a, b']);
  const ExecutionParameters = ['4', '5', "'c'"];
  expect((await run(`EXECUTE sums_${stamp}`, { ExecutionParameters })).rows.at(-1)).toEqual(['9', 'c']);
  await run(`DEALLOCATE PREPARE sums_${stamp}`);
  await expect(run(`EXECUTE sums_${stamp} USING 1, 2, 3`)).rejects.toThrow('was not found');
  await expect(run('PREPARE broken FROM SELEC 1')).rejects.toThrow("mismatched input 'SELEC'");
});

test('CTAS, INSERT and UNLOAD name the files that they wrote in a manifest', async () => {
  const made = await run(
    `CREATE TABLE made_${stamp} WITH (external_location = 's3://${workBucket}/made/${stamp}/') AS SELECT 1 AS n`,
  );
  const first = await manifestOf(made);
  expect(first).toEqual([expect.stringContaining(`s3://${workBucket}/made/${stamp}/`)]);
  const second = await manifestOf(await run(`INSERT INTO made_${stamp} VALUES (2)`));
  expect(second).toHaveLength(1);
  expect(second).not.toEqual(first);
  const unloaded = await run(
    `UNLOAD (SELECT n FROM made_${stamp}) TO 's3://${workBucket}/unloaded/${stamp}/' WITH (format = 'PARQUET')`,
  );
  for (const file of await manifestOf(unloaded))
    expect(file).toContain(`s3://${workBucket}/unloaded/${stamp}/`);
  expect(
    (await run(`SELECT n FROM made_${stamp}`)).execution.Statistics?.DataManifestLocation,
  ).toBeUndefined();
});

test('a quoted database, properties of a table, and a result that is used again', async () => {
  const quoted = { QueryExecutionContext: { Database: `\`${database}\`` } };
  await run(
    `CREATE EXTERNAL TABLE parted_${stamp} (n int) PARTITIONED BY (day string)
     STORED AS PARQUET LOCATION 's3://${workBucket}/parted/${stamp}/'`,
    quoted,
  );
  await run(`MSCK REPAIR TABLE \`parted_${stamp}\``, quoted);
  const { rows } = await run(`SHOW TBLPROPERTIES parted_${stamp}`);
  expect(rows).toContainEqual(['EXTERNAL\tTRUE']);
  const reuse = {
    ResultReuseConfiguration: { ResultReuseByAgeConfiguration: { Enabled: true, MaxAgeInMinutes: 5 } },
  };
  const query = `SELECT count(*), ${stamp} FROM parted_${stamp}`;
  const once = await run(query, reuse);
  const again = await run(query, reuse);
  const anew = await run(query);
  const isReused = ({ execution }: typeof once) =>
    execution.Statistics?.ResultReuseInformation?.ReusedPreviousResult;
  expect([once, again, anew].map(isReused)).toEqual([false, true, false]);
  expect(again.rows).toEqual(once.rows);
  expect(again.execution.Statistics?.DataScannedInBytes).toBe(0);
});

test('boto3, awswrangler, PyAthena and SQLAlchemy get right answers (npm run judges: all of them)', async () => {
  const outcomes = await judgeClients(String(stage.endpoint), workBucket, [
    'awswrangler read_sql_query, CTAS',
    'awswrangler read_sql_query, UNLOAD',
    'PyAthena Cursor',
    'SQLAlchemy Core',
    'boto3',
  ]);
  expect(outcomes.length).toBe(21);
  expect(failed(outcomes, ['wrong', 'rejected'])).toEqual([]);
});
