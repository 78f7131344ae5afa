/** Puts rows into the serving table. A row of a later batch stays: events may arrive in any order, and a failed one arrives again minutes later. */
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { parallel } from '../../src/lib/parallel.ts';
import type { Item } from './load.ts';

/** Requests at a time. */
const atOnce = 50;

export async function putItems(
  db: { readonly send: (command: PutCommand) => Promise<unknown> },
  table: string,
  items: readonly Item[],
): Promise<void> {
  await parallel(items, atOnce, async (item) => {
    const command = new PutCommand({
      TableName: table,
      Item: item,
      ConditionExpression: 'attribute_not_exists(#fence) OR #fence <= :fence',
      ExpressionAttributeNames: { '#fence': '_fence' },
      ExpressionAttributeValues: { ':fence': item._fence },
    });
    try {
      await db.send(command);
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  });
}
