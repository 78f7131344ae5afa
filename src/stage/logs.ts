/** Log lines of a stage's functions, and which of them belong to what a person asks for. */
import {
  FilterLogEventsCommand,
  type FilterLogEventsCommandOutput,
  ResourceNotFoundException,
} from '@aws-sdk/client-cloudwatch-logs';
import { isJsonObject, tryParseJson } from '../lib/json.ts';
import { parallel } from '../lib/parallel.ts';
import type { Stage } from './connect.ts';

export interface LogEvent {
  /** Identifies the line, also if it is read again. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The function's own name, such as claimBatch. */
  readonly function: string;
  readonly message: string;
}

/** CloudWatch answers few calls per second. */
const functionsAtOnce = 4;

/** The most lines of one read. */
export const mostLines = 10_000;

/** Lines of these functions from `from` to `to` (milliseconds), the oldest first; at most `most`. */
export async function readLogs(
  { logs, functionPrefix }: Pick<Stage, 'logs' | 'functionPrefix'>,
  functions: readonly string[],
  { from, to }: { readonly from: number; readonly to: number },
  most = mostLines,
): Promise<LogEvent[]> {
  const found = await parallel(functions, functionsAtOnce, async (name) => {
    const events: LogEvent[] = [];
    let nextToken: string | undefined;
    do {
      const page: FilterLogEventsCommandOutput | null = await logs
        .send(
          new FilterLogEventsCommand({
            logGroupName: `/aws/lambda/${functionPrefix}${name}`,
            startTime: from,
            endTime: to,
            ...(nextToken === undefined ? {} : { nextToken }),
          }),
        )
        // A function that was never called has no log.
        .catch((error: unknown) => {
          if (error instanceof ResourceNotFoundException) return null;
          throw error;
        });
      for (const { eventId, logStreamName, timestamp = 0, message = '' } of page?.events ?? [])
        events.push({
          id: `${eventId} ${logStreamName} ${timestamp} ${message}`,
          at: timestamp,
          function: name,
          message: message.trimEnd(),
        });
      nextToken = page?.nextToken;
    } while (nextToken !== undefined && events.length < most);
    return events;
  });
  return found
    .flat()
    .sort((a, b) => a.at - b.at)
    .slice(0, most);
}

/** A line that a function wrote as JSON: Lambda's own lines, and those of a crash, are plain text. */
export const fieldsOf = ({
  message,
}: Pick<LogEvent, 'message'>): Readonly<Record<string, unknown>> | undefined => {
  const parsed = tryParseJson(message);
  return isJsonObject(parsed) ? { ...parsed } : undefined;
};

/** ClaimBatch has a batch only as its result. */
const batchOf = ({ batch, result }: Readonly<Record<string, unknown>>): unknown =>
  batch ?? (isJsonObject(result) && 'batch' in result ? result.batch : undefined);

/** What a line must be about. Plain lines belong to a dataset or a batch if their invocation does. */
export interface About {
  readonly dataset?: string | undefined;
  readonly batch?: string | undefined;
}

/** The lines about a dataset or a batch, with the plain lines of the same invocations. */
export function linesAbout(events: readonly LogEvent[], { dataset, batch }: About): LogEvent[] {
  if (dataset === undefined && batch === undefined) return [...events];
  const isMeant = (fields: Readonly<Record<string, unknown>>) =>
    (dataset === undefined || fields.dataset === dataset) &&
    (batch === undefined || batchOf(fields) === batch);
  const invocations = new Set<unknown>();
  for (const event of events) {
    const fields = fieldsOf(event);
    if (fields && isMeant(fields) && fields.function_request_id !== undefined)
      invocations.add(fields.function_request_id);
  }
  return events.filter((event) => {
    const fields = fieldsOf(event);
    if (fields) return isMeant(fields);
    const [, id] = /RequestId: ([0-9a-f-]{36})/.exec(event.message) ?? [];
    return id !== undefined && invocations.has(id);
  });
}
