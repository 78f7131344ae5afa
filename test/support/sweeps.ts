/**
 * The sweep is a second safety net: whatever it finds, another part has missed. A find therefore fails the test file in which
 * it happens, unless the test expects it.
 */
import { paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { DynamoDBDocumentClient, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { expect } from '@jest/globals';
import * as z from 'zod';
import { tryParseJson } from '../../src/lib/json.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import { stage } from './stage.ts';

const lambda = new LambdaClient(localClient(String(stage.endpoint)));
const ledger = DynamoDBDocumentClient.from(new DynamoDBClient(localClient(String(stage.endpoint))));

/** The results of one sweep for one dataset. */
const sweptSchema = z.looseObject({
  dataset: z.string(),
  leaseRecovered: z.boolean(),
  batchesRecovered: z.number(),
  filesFound: z.number(),
  started: z.boolean(),
});
export type Swept = z.output<typeof sweptSchema>;

const isFind = ({ leaseRecovered, batchesRecovered, filesFound }: Swept): boolean =>
  leaseRecovered || batchesRecovered > 0 || filesFound > 0;

/** Runs the deployed sweep as its schedule does, including the comparison with the raw bucket. Throws what the function throws. */
export async function sweepNow(): Promise<Swept[]> {
  for (const dataset of stage.contracts.keys()) await stage.ledger.noteSwept(dataset, '');
  return z.array(sweptSchema).parse(await invoke('sweep'));
}

/** The same for the daily comparison: its results for the table. */
export async function reconcileNow(table: string): Promise<unknown> {
  const done = z.array(z.looseObject({ table: z.string() }).nullable()).parse(await invoke('reconcile'));
  return done.find((result) => result?.table === table);
}

async function invoke(name: 'sweep' | 'reconcile'): Promise<unknown> {
  const { FunctionError, Payload } = await lambda.send(
    new InvokeCommand({ FunctionName: `${stage.functionPrefix}${name}` }),
  );
  const text = Buffer.from(Payload ?? []).toString('utf8');
  if (FunctionError !== undefined) throw new Error(`the ${name} failed: ${text}`);
  return JSON.parse(text);
}

/**
 * Lets half an hour pass for leftovers of attempts, and sweeps: then none of their calls can be in flight, and objects that
 * do not count are removed.
 */
export async function sweepGarbage(dataset: string): Promise<void> {
  const keys = ledger.send(
    new QueryCommand({
      TableName: stage.config.ledgerTable,
      KeyConditionExpression: 'pk = :dataset AND begins_with(sk, :garbage)',
      ExpressionAttributeValues: { ':dataset': dataset, ':garbage': 'GARBAGE#' },
      ConsistentRead: true,
    }),
  );
  for (const { pk, sk } of (await keys).Items ?? [])
    await ledger.send(
      new UpdateCommand({
        TableName: stage.config.ledgerTable,
        Key: { pk, sk },
        UpdateExpression: 'SET due = :now',
        ExpressionAttributeValues: { ':now': new Date(0).toISOString() },
      }),
    );
  await sweepNow();
}

/** Earlier finds are expected. */
let since = Date.now();

/** Accepts what sweeps, including scheduled ones, have found. */
export async function takeFinds(): Promise<Swept[]> {
  const finds = await findsSince(since);
  since = Date.now();
  return finds;
}

/** At the end of a test: nothing waits, nothing is left over, and no sweep has found anything. */
export async function expectNothingToSweep(): Promise<void> {
  const swept = await sweepNow();
  expect(swept.filter((s) => isFind(s) || s.started)).toEqual([]);
  expect(await takeFinds()).toEqual([]);
}

/** From the function's log. */
async function findsSince(startTime: number): Promise<Swept[]> {
  const logGroupName = `/aws/lambda/${stage.functionPrefix}sweep`;
  const finds: Swept[] = [];
  for await (const { events = [] } of paginateFilterLogEvents(
    { client: stage.logs },
    { logGroupName, startTime },
  ))
    for (const { message = '' } of events) {
      const line = z
        .object({ message: z.literal('swept'), result: sweptSchema })
        .safeParse(tryParseJson(message));
      if (line.success && isFind(line.data.result)) finds.push(line.data.result);
    }
  return finds;
}
