/**
 * The gateway's fault switch, for tests: calls that match a fault are answered as a service in trouble answers, or are
 * held until a test lets them go. Set with PUT, read with GET, under /_sluice/faults; nothing is set by default.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { type Call, describeCall } from './calls.ts';

const faultSchema = z.strictObject({
  /** As in the credential scope: s3, glue, athena, dynamodb, states, sqs, events. */
  service: z.string(),
  /** Such as StartQueryExecution or PutObject. All by default. */
  operation: z.string().optional(),
  /** The function that calls, such as publish. */
  function: z.string().optional(),
  /** Part of the address or, for JSON services, of nothing: S3 keys. */
  path: z.string().optional(),
  /**
   * throttle, error: the call is refused, as by throttling or with 5xx. lost: it has its effect, and the answer is an
   * error. hold: it waits until the faults are set anew.
   */
  mode: z.enum(['throttle', 'error', 'lost', 'hold']),
  /** Another error than the mode's own, which is the caller's fault (4xx). */
  name: z.string().optional(),
  /** So many matching calls go through before the first that does not. */
  skip: z.int().nonnegative().default(0),
  /** So many calls are hit. */
  times: z.int().positive().default(1_000_000),
});
export type Fault = z.input<typeof faultSchema>;

/** How a call is answered in place of the service. */
export interface Answer {
  readonly mode: 'throttle' | 'error' | 'lost';
  readonly name?: string | undefined;
}

interface Active extends z.output<typeof faultSchema> {
  seen: number;
  hits: number;
}

export const faultsPath = '/_sluice/faults';

export interface Faults {
  /** Answers the switch's own address. */
  control(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** What is to become of a call; undefined for one that no fault is for. Settles when a held call may go on. */
  intercept(request: IncomingMessage): Promise<Answer | undefined>;
}

export function createFaults(): Faults {
  let active: Active[] = [];
  let letGo: (() => void)[] = [];
  return {
    async control(request, response) {
      if (request.method === 'PUT') {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const faults = z.array(faultSchema).parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        active = faults.map((fault) => ({ ...fault, seen: 0, hits: 0 }));
        for (const go of letGo) go();
        letGo = [];
      }
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(active));
    },
    async intercept(request) {
      const call = describeCall(request);
      const fault = active.find((f) => matches(f, call) && f.hits < f.times);
      if (!fault || fault.seen++ < fault.skip) return undefined;
      fault.hits++;
      if (fault.mode !== 'hold') return { mode: fault.mode, name: fault.name };
      await new Promise<void>((go) => letGo.push(go));
      return undefined;
    },
  };
}

const matches = (fault: Active, call: Call): boolean =>
  fault.service === call.service &&
  (fault.operation === undefined || fault.operation === call.operation) &&
  (fault.function === undefined || fault.function === call.function) &&
  (fault.path === undefined || call.path.includes(fault.path));

/** Answers as the service would. */
export function answerFault(
  request: IncomingMessage,
  response: ServerResponse,
  { mode, name: own }: Answer,
): void {
  const { service } = describeCall(request);
  const isThrottle = mode === 'throttle';
  if (service === 's3') {
    const code = own ?? (isThrottle ? 'SlowDown' : 'InternalError');
    response.writeHead(own ? 403 : isThrottle ? 503 : 500, { 'content-type': 'application/xml' });
    response.end(
      `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>a fault was set</Message></Error>`,
    );
    return;
  }
  const names: Readonly<Record<string, string>> = {
    dynamodb: isThrottle ? 'ProvisionedThroughputExceededException' : 'InternalServerError',
    athena: isThrottle ? 'TooManyRequestsException' : 'InternalServerException',
    glue: isThrottle ? 'ThrottlingException' : 'InternalServiceException',
  };
  const name = own ?? names[service] ?? (isThrottle ? 'ThrottlingException' : 'InternalServerError');
  response.writeHead(isThrottle || own ? 400 : 500, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify({ __type: name, message: 'a fault was set', Message: 'a fault was set' }));
}
