/** Executions of a stage's state machine, for people and tools. */
import {
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  ExecutionDoesNotExist,
  type ExecutionListItem,
  type HistoryEvent,
  ListExecutionsCommand,
  paginateGetExecutionHistory,
} from '@aws-sdk/client-sfn';
import * as z from 'zod';
import { InvalidInput } from '../lib/errors.ts';
import { oneLine } from '../lib/visible.ts';
import type { Stage } from './connect.ts';
import { type ExecutionSummary, type Visit, type VisitData, visitsOf } from './history.ts';

/** The latest executions, the newest first; at most 1,000. */
export async function listExecutions({ sfn, config }: Stage, maxResults = 50): Promise<ExecutionSummary[]> {
  const { executions = [] } = await sfn.send(
    new ListExecutionsCommand({ stateMachineArn: config.stateMachineArn, maxResults }),
  );
  return executions.map(summaryOf).sort((a, b) => b.startedAt - a.startedAt);
}

const summaryOf = (e: Partial<ExecutionListItem>): ExecutionSummary => ({
  arn: e.executionArn ?? '',
  name: e.name ?? '',
  // Named by dataset and fence: see src/lib/flow/batch/execution.ts.
  dataset: (e.name ?? '').replace(/-\d+$/, ''),
  status: e.status ?? '',
  startedAt: e.startDate?.getTime() ?? 0,
  endedAt: e.stopDate?.getTime() ?? null,
});

/** An execution by its name. Throws InvalidInput if there is none; Step Functions keeps them for 90 days. */
export async function findExecution({ sfn, config }: Stage, name: string): Promise<ExecutionSummary> {
  const executionArn = `${config.stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
  // AWS rejects what cannot be a name.
  if (/^[\w-]{1,80}$/.test(name))
    try {
      const found = await sfn.send(new DescribeExecutionCommand({ executionArn }));
      return summaryOf({ ...found, executionArn, name });
    } catch (error) {
      if (!(error instanceof ExecutionDoesNotExist)) throw error;
    }
  throw new InvalidInput(`there is no execution ${oneLine(name, 80)}; the command executions lists them`);
}

/** The functions of all steps, as the deployed state machine has them. */
export async function stepFunctions({ sfn, config }: Stage): Promise<string[]> {
  const { definition = '{}' } = await sfn.send(
    new DescribeStateMachineCommand({ stateMachineArn: config.stateMachineArn }),
  );
  const { States } = z
    .object({ States: z.record(z.string(), z.looseObject({ Type: z.string() })) })
    .parse(JSON.parse(definition));
  return Object.entries(States).flatMap(([name, { Type }]) => (Type === 'Task' ? [functionOf(name)] : []));
}

/** Every visit of an execution, in the order in which they began. */
export async function visitsWithData({ sfn }: Stage, executionArn: string): Promise<(Visit & VisitData)[]> {
  const events: HistoryEvent[] = [];
  const pages = paginateGetExecutionHistory({ client: sfn }, { executionArn, maxResults: 1000 });
  for await (const page of pages) events.push(...(page.events ?? []));
  return visitsOf(events);
}

/** The error of a failed execution; nothing if it succeeded or still runs. */
export async function failureOf(
  { sfn }: Stage,
  executionArn: string,
): Promise<{ error?: string; cause?: string }> {
  const { error, cause } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
  return { ...(error ? { error } : {}), ...(cause ? { cause } : {}) };
}

/** The function of a state, which has the same name: ClaimBatch is claimBatch. */
export const functionOf = (state: string): string => state.charAt(0).toLowerCase() + state.slice(1);
