/**
 * The gateway's fault switch, for tests: calls that match a fault are answered as a service in trouble answers, or are
 * held until a test lets them go. Set with PUT, read with GET, under /_sluice/faults; nothing is set by default.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { type Call, describeCall } from './calls.ts';
import { type Pass, readRequest, sendBack } from './exchange.ts';
import { partialOf } from './partial.ts';
import { answerSwitch } from './switch.ts';

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
   * error. hold: it waits until the faults are set anew. twice: it has its effect twice, as if it had been repeated on
   * its way. stall: its caller hears of an error, and it takes effect later. partial: a part of it is done, and the
   * answer, a success, says so; a call that is done or fails as a whole is not hit.
   */
  mode: z.enum(['throttle', 'error', 'lost', 'hold', 'twice', 'stall', 'partial']),
  /** When a stalled call takes effect, in seconds; by default when the faults are set anew, before that is answered. */
  after: z.number().nonnegative().optional(),
  /** A stalled call's caller hears nothing: its connection stays open, without an answer, until the call takes effect. */
  silent: z.boolean().default(false),
  /** Another error than the mode's own, which is the caller's fault (4xx). */
  name: z.string().optional(),
  /** So many matching calls go through before the first that does not. */
  skip: z.int().nonnegative().default(0),
  /** So many calls are hit. */
  times: z.int().positive().default(1_000_000),
});
export type Fault = z.input<typeof faultSchema>;

/** How a service in trouble answers. */
interface Trouble {
  readonly mode: Fault['mode'];
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
  /**
   * Does to a call what a fault says, and tells whether it is answered. Settles when a held call may go on. `pass`
   * carries out a request. Throws what reading the request throws when its caller hangs up.
   */
  intercept(request: IncomingMessage, response: ServerResponse, pass: Pass): Promise<boolean>;
}

export function createFaults(): Faults {
  let active: Active[] = [];
  let letGo: (() => void)[] = [];
  const stalled = new Set<() => Promise<void>>();
  const setAnew = async (body: Buffer) => {
    const faults = z.array(faultSchema).parse(JSON.parse(body.toString('utf8')));
    active = faults.map((fault) => ({ ...fault, seen: 0, hits: 0 }));
    for (const go of letGo) go();
    letGo = [];
    await Promise.all([...stalled].map((takeEffect) => takeEffect()));
  };
  /** Once: after some seconds, or when the faults are set anew. */
  const later = (effect: () => Promise<void>, after: number | undefined) => {
    const takeEffect = async () => {
      if (stalled.delete(takeEffect)) await effect();
    };
    stalled.add(takeEffect);
    if (after !== undefined) setTimeout(() => void takeEffect(), after * 1000).unref();
  };
  return {
    async control(request, response) {
      await answerSwitch(request, response, { PUT: setAnew }, () => active);
    },
    async intercept(request, response, pass) {
      const call = describeCall(request);
      const fault = active.find((f) => matches(f, call) && f.hits < f.times);
      if (!fault || fault.seen++ < fault.skip) return false;
      fault.hits++;
      const answer = () => answerFault(call.service, response, fault);
      switch (fault.mode) {
        case 'hold':
          await new Promise<void>((go) => letGo.push(go));
          return false;
        case 'throttle':
        case 'error':
          request.resume();
          answer();
          break;
        case 'lost':
          await pass(await readRequest(request)).catch(() => {});
          answer();
          break;
        case 'twice': {
          const asked = await readRequest(request);
          await pass(asked);
          sendBack(response, await pass(asked));
          break;
        }
        case 'stall': {
          const asked = await readRequest(request);
          later(async () => {
            // Whether it succeeds is nobody's business any more.
            await pass(asked).catch(() => {});
            if (fault.silent) response.destroy();
          }, fault.after);
          if (!fault.silent) answer();
          break;
        }
        case 'partial':
          sendBack(response, (await partialOf(call)?.(await readRequest(request), pass)) ?? unanswered);
      }
      return true;
    },
  };
}

const unanswered = { status: 500, headers: {}, body: Buffer.alloc(0) };

const matches = (fault: Active, call: Call): boolean =>
  fault.service === call.service &&
  (fault.operation === undefined || fault.operation === call.operation) &&
  (fault.function === undefined || fault.function === call.function) &&
  (fault.path === undefined || call.path.includes(fault.path)) &&
  (fault.mode !== 'partial' || partialOf(call) !== undefined);

/** Answers as the service would. */
function answerFault(service: string, response: ServerResponse, { mode, name: own }: Trouble): void {
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
