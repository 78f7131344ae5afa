/** Executions of a stage's state machine, for people and tools. */
import {
  DescribeExecutionCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  paginateGetExecutionHistory,
} from '@aws-sdk/client-sfn';
import type { Stage } from './connect.ts';
import { type ExecutionSummary, type Visit, type VisitData, visitsOf } from './history.ts';

/** The latest executions, the newest first; at most 1,000. */
export async function listExecutions({ sfn, config }: Stage, maxResults = 50): Promise<ExecutionSummary[]> {
  const { executions = [] } = await sfn.send(
    new ListExecutionsCommand({ stateMachineArn: config.stateMachineArn, maxResults }),
  );
  return executions
    .map((e) => ({
      arn: e.executionArn ?? '',
      name: e.name ?? '',
      // Named by dataset and fence: see src/lib/flow/batch/execution.ts.
      dataset: (e.name ?? '').replace(/-\d+$/, ''),
      status: e.status ?? '',
      startedAt: e.startDate?.getTime() ?? 0,
      endedAt: e.stopDate?.getTime() ?? null,
    }))
    .sort((a, b) => b.startedAt - a.startedAt);
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
