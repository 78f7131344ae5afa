/** What Sluice sets off elsewhere: executions of its state machine, and events for whoever listens. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  InvalidArn,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { SluiceError } from '../errors.ts';

/** Starts executions under a given name; one that is there already counts as started. */
export function createStarter(
  stateMachineArn: string,
  client: SFNClient = new SFNClient({ maxAttempts: 6 }),
) {
  return async (name: string, input: unknown): Promise<void> => {
    try {
      await client.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }));
    } catch (error) {
      if (!(error instanceof ExecutionAlreadyExists)) throw error;
    }
  };
}

/** Both ways in which a batch that ends is heard of. */
export const createSignals = (stateMachineArn: string) => ({
  start: createStarter(stateMachineArn),
  announce: createAnnouncer(),
});

/** The state of an execution, or null for one that is not there. */
export function createExecutionStatus(client: SFNClient = new SFNClient({ maxAttempts: 6 })) {
  return async (executionArn: string): Promise<string | null> => {
    try {
      return (await client.send(new DescribeExecutionCommand({ executionArn }))).status ?? null;
    } catch (error) {
      if (error instanceof ExecutionDoesNotExist || error instanceof InvalidArn) return null;
      throw error;
    }
  };
}

/** Puts an event of the source `sluice` on the default bus. Throws SluiceError when the bus refuses it. */
export function createAnnouncer(client: EventBridgeClient = new EventBridgeClient({ maxAttempts: 6 })) {
  return async (detailType: string, detail: unknown): Promise<void> => {
    const { Entries } = await client.send(
      new PutEventsCommand({
        Entries: [{ Source: 'sluice', DetailType: detailType, Detail: JSON.stringify(detail) }],
      }),
    );
    const refused = Entries?.find((entry) => entry.ErrorCode);
    if (refused)
      throw new SluiceError(
        `EventBridge refused ${detailType}: ${refused.ErrorCode} ${refused.ErrorMessage}`,
      );
  };
}
