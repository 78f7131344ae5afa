/**
 * The gateway's fault switch for tests. A call that matches a fault gets the answer of a service in trouble, or waits until a
 * test releases it. Set faults with PUT and read them with GET under /_sluice/faults. By default there are none.
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
  /** The calling function, such as publish. */
  function: z.string().optional(),
  /** Part of the address or, for JSON services, of nothing: S3 keys. */
  path: z.string().optional(),
  /**
   * throttle, error: the call fails with a throttling error or with 5xx. lost: the call takes effect, and its answer is an
   * error. hold: the call waits until the faults are set again. twice: the call takes effect twice, as if the network had
   * repeated it. stall: the caller gets an error, and the call takes effect later. partial: a part of the call takes effect,
   * and the answer is a success that says so; this does not match calls that succeed or fail as a whole.
   */
  mode: z.enum(['throttle', 'error', 'lost', 'hold', 'twice', 'stall', 'partial']),
  /**
   * Seconds until a stalled call takes effect. By default it does when the faults are set again, before that request is
   * answered.
   */
  after: z.number().nonnegative().optional(),
  /** The caller of a stalled call gets no answer until the call takes effect: the connection stays open. */
  silent: z.boolean().default(false),
  /** The name of an error that replaces the mode's own. It is a client error (4xx). */
  name: z.string().optional(),
  /** The number of matching calls that pass before the first fault. */
  skip: z.int().nonnegative().default(0),
  /** The number of calls that get the fault. */
  times: z.int().positive().default(1_000_000),
});
export type Fault = z.input<typeof faultSchema>;

/** The answer of a service in trouble. */
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
  /** Answers requests to the switch's own address. */
  control(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /**
   * Applies a matching fault to a call, and returns whether the call was answered. Waits while a call is held. `pass` sends a
   * request. `watch` is called before an answer of the switch's own, which has to look like AWS's. Throws the error of reading the request if the
   * caller hangs up.
   */
  intercept(
    request: IncomingMessage,
    response: ServerResponse,
    pass: Pass,
    watch: () => void,
  ): Promise<boolean>;
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
  /** Runs once: after some seconds, or when the faults are set again. */
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
    async intercept(request, response, pass, watch) {
      const call = describeCall(request);
      const fault = active.find((f) => matches(f, call) && f.hits < f.times);
      if (!fault || fault.seen++ < fault.skip) return false;
      fault.hits++;
      const answer = () => {
        // An error that a test names may be one that AWS would not give.
        if (fault.name === undefined) watch();
        answerFault(call, response, fault);
      };
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
            // Nobody waits for its result any more.
            await pass(asked).catch(() => {});
            if (fault.silent) response.destroy();
          }, fault.after);
          if (!fault.silent) answer();
          break;
        }
        case 'partial':
          watch();
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

/** Answers in the form of the service. */
function answerFault(
  { service, operation }: Call,
  response: ServerResponse,
  { mode, name: own }: Trouble,
): void {
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
    athena: !isThrottle
      ? 'InternalServerException'
      : countsRequests.includes(operation)
        ? 'TooManyRequestsException'
        : 'ThrottlingException',
    glue: isThrottle
      ? 'ThrottlingException'
      : operation.includes('Crawler')
        ? 'InternalFailure'
        : 'InternalServiceException',
  };
  const name = own ?? names[service] ?? (isThrottle ? 'ThrottlingException' : 'InternalServerError');
  response.writeHead(isThrottle || own ? 400 : 500, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify({ __type: name, message: 'a fault was set', Message: 'a fault was set' }));
}

/** Athena's operations with an error of their own for too many requests, in the API's reference. */
const countsRequests = ['StartQueryExecution', 'GetQueryResults'];
