/** A DynamoDB client for code that creates its document client itself, with DynamoDBDocumentClient.from. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { MemoryDynamo } from './dynamo.ts';
import type { Actor, Wire } from './faults.ts';

/**
 * Answers the commands of a document client before they are marshalled, but not the client's own commands (GetItemCommand).
 * It takes about 20 microseconds per call, because the SDK builds its middleware each time.
 */
export function dynamoClientOf(wire: Wire, actor: Actor, state: MemoryDynamo): DynamoDBClient {
  const client = new DynamoDBClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' }, // pragma: allowlist secret
  });
  client.middlewareStack.add(
    (_, { commandName }) =>
      async ({ input }) => {
        const operation = MemoryDynamo.operations.named(String(commandName).replace(/Command$/, ''));
        if (operation === undefined)
          throw new Error(`the in-memory dynamodb does not answer ${commandName} yet`);
        const output = await wire.call(actor, operation, state, input);
        return { response: {}, output: { $metadata: {}, ...output } };
      },
    { step: 'initialize', priority: 'high', name: 'memory', override: true },
  );
  return client;
}
