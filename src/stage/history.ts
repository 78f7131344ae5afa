/** Visits of states, from the history of an execution. https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html */
import type { HistoryEvent } from '@aws-sdk/client-sfn';

export interface ExecutionSummary {
  readonly arn: string;
  readonly name: string;
  readonly dataset: string;
  /** RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED. */
  readonly status: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt: number | null;
}

/** One visit of a state; a state in a loop has several. */
export interface Visit {
  readonly state: string;
  readonly type: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly status: 'running' | 'done' | 'failed';
  /** Tries beyond the first. */
  readonly retries: number;
  readonly error: string | null;
  readonly cause: string | null;
}

/** Input and output of a visit, as JSON text. */
export interface VisitData {
  readonly input: string | null;
  readonly output: string | null;
}

type Draft = { -readonly [K in keyof (Visit & VisitData)]: (Visit & VisitData)[K] };

/** In the order of their start. The error of an execution belongs to its last state. */
export function visitsOf(events: readonly HistoryEvent[]): (Visit & VisitData)[] {
  const visits: Draft[] = [];
  let open: Draft | undefined;
  for (const event of events) {
    const at = event.timestamp?.getTime() ?? 0;
    const type = event.type ?? '';
    if (type.endsWith('StateEntered')) {
      const { name = '', input } = event.stateEnteredEventDetails ?? {};
      open = {
        state: name,
        type: type.slice(0, -'StateEntered'.length),
        startedAt: at,
        endedAt: null,
        status: 'running',
        retries: 0,
        error: null,
        cause: null,
        input: input ?? null,
        output: null,
      };
      visits.push(open);
      continue;
    }
    if (!open) continue;
    const failure = failureOf(event);
    if (failure && !type.startsWith('Execution')) {
      // A new try: the error of the previous one no longer matters.
      if (open.error !== null) open.retries++;
      open.error = failure.error ?? 'Unknown';
      open.cause = failure.cause ?? null;
    } else if (/^(Task|LambdaFunction)Succeeded$/.test(type)) {
      if (open.error !== null) open.retries++;
      open.error = null;
      open.cause = null;
    } else if (type.endsWith('StateExited')) {
      open.endedAt = at;
      open.status = open.error === null ? 'done' : 'failed';
      open.output = event.stateExitedEventDetails?.output ?? null;
      open = undefined;
    } else if (/^Execution(Failed|TimedOut|Aborted)$/.test(type)) {
      open.endedAt = at;
      open.status = 'failed';
      open.error ??= failure?.error ?? type.slice('Execution'.length);
      open.cause ??= failure?.cause ?? null;
      open = undefined;
    }
  }
  return visits;
}

const failureOf = (
  event: HistoryEvent,
): { error?: string | undefined; cause?: string | undefined } | undefined =>
  event.taskFailedEventDetails ??
  event.taskTimedOutEventDetails ??
  event.lambdaFunctionFailedEventDetails ??
  event.lambdaFunctionTimedOutEventDetails ??
  event.executionFailedEventDetails ??
  event.executionTimedOutEventDetails ??
  event.executionAbortedEventDetails;
