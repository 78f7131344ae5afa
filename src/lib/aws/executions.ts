/** Executions of the state machine, in Step Functions. */
import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  InvalidArn,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';

/** Starts executions under a given name; an existing one counts as started. */
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

/** The state of an execution, or null if it does not exist. */
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
