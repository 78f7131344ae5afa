/** The cost of a sweep, a claim and a status does not grow with the history of a dataset: the gateway counts their calls. */
import { isDeepStrictEqual } from 'node:util';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  BatchWriteCommand,
  type BatchWriteCommandInput,
  DynamoDBDocumentClient,
} from '@aws-sdk/lib-dynamodb';
import { afterAll, expect, test } from '@jest/globals';
import * as z from 'zod';
import { callsPath } from '../../offline/recorder.ts';
import { statusOf } from '../../src/cli/status.ts';
import { chunksOf, parallel } from '../../src/lib/parallel.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import { dataset, someFile } from '../support/faults.ts';
import { oldBatch } from '../support/oldBatch.ts';
import { drop, stage } from '../support/stage.ts';
import { sweepNow } from '../support/sweeps.ts';

const recorded = z.array(
  z.object({ function: z.string(), service: z.string(), operation: z.string(), count: z.number() }),
);

/** Calls of a function by operation; calls of this test if no name is given. */
async function callsBy(name: string): Promise<Map<string, number>> {
  const response = await fetch(`${stage.endpoint}${callsPath}`);
  const counts = new Map<string, number>();
  for (const call of recorded.parse(await response.json())) {
    if (call.function !== name) continue;
    const operation = `${call.service}.${call.operation}`;
    counts.set(operation, (counts.get(operation) ?? 0) + call.count);
  }
  return counts;
}

/** The calls that a function makes while `work` runs. */
async function callsDuring(name: string, work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await callsBy(name);
  await work();
  const after = await callsBy(name);
  return Object.fromEntries(
    [...after]
      .map(([operation, count]) => [operation, count - (before.get(operation) ?? 0)] as const)
      .filter(([, count]) => count > 0)
      .sort(),
  );
}

async function costs() {
  const dropped = () => {
    const { key, text } = someFile();
    return drop(dataset, { [key]: text });
  };
  return {
    claimed: await callsDuring('claimBatch', dropped),
    swept: await callsDuring('sweep', sweepNow),
    status: await callsDuring('', () => statusOf(stage.ledger, dataset)),
  };
}

const db = DynamoDBDocumentClient.from(new DynamoDBClient(localClient(String(stage.endpoint))));
const history = Array.from({ length: 10_000 }, (_, i) => oldBatch(dataset, i, 'social-media-feed/')).flat();

type Requests = NonNullable<NonNullable<BatchWriteCommandInput['RequestItems']>[string]>;

const write = (items: typeof history, request: (item: (typeof history)[number]) => Requests[number]) =>
  parallel(chunksOf(items, 25), 8, (chunk) =>
    db.send(new BatchWriteCommand({ RequestItems: { [stage.config.ledgerTable]: chunk.map(request) } })),
  );

const remove = () => write(history, ({ pk, sk }) => ({ DeleteRequest: { Key: { pk, sk } } }));

// Later tests expect batches that have objects.
afterAll(remove, 240_000);

/** The costs once they repeat: what other tests have left is work that happens once. */
async function settledCosts(): ReturnType<typeof costs> {
  let last = await costs();
  for (let i = 0; i < 4; i++) {
    const next = await costs();
    if (isDeepStrictEqual(next, last)) break;
    last = next;
  }
  return last;
}

test('with 10,000 batches of the dataset in the ledger they make the calls that they make without', async () => {
  const before = await settledCosts();
  await write(history, (Item) => ({ PutRequest: { Item } }));
  const during = await settledCosts();
  if (isDeepStrictEqual(during, before)) return;
  // An attempt of another test may have come to its end in the meantime.
  await remove();
  expect(during).toEqual(await settledCosts());
}, 900_000);
