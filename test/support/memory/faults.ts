/**
 * What can go wrong with a call. Every call of every client passes through one Wire. It knows the caller, counts, asks the
 * plan for a fault, and lets a scheduler decide whose turn it is.
 */

import { awsError, isRetried, type Service, troubleOf } from './errors.ts';
import { abs, Later, min } from './globals.ts';

/** One attempt of a call, as AWS sees it: each retry of the SDK is a separate attempt. */
export interface Call {
  readonly actor: string;
  readonly service: Service;
  /** The API's name: GetItem, TransactWriteItems, CopyObject. */
  readonly operation: string;
  readonly input: object;
  /** 1 for the actor's first attempt. */
  readonly n: number;
  /** 1 for the first attempt, more for the SDK's retries. */
  readonly attempt: number;
}

export type Fault =
  /** An error before any effect. By default one that the SDK retries, if it has attempts left. */
  | { readonly mode: 'fail'; readonly error?: string | undefined }
  /** The call takes effect, and the caller gets an error. */
  | { readonly mode: 'lost'; readonly error?: string | undefined }
  /** The call takes effect twice, because the SDK lost the first answer: the caller gets the second one. */
  | { readonly mode: 'twice' }
  /**
   * A partial answer: Errors of DeleteObjects, UnprocessedKeys, FailedEntryCount, a cancelled transaction, a short page. Item
   * i fails if bit i of `mask` is set; at least one fails. A call without parts succeeds.
   */
  | { readonly mode: 'partial'; readonly mask?: number | undefined }
  /** The caller dies in the call, before or after its effect. */
  | { readonly mode: 'hang'; readonly effect?: boolean | undefined }
  /**
   * The call takes effect when the test (or the scheduler) runs it. The caller dies, waits for it, or gets an error at once,
   * as after its own timeout.
   */
  | { readonly mode: 'stall'; readonly caller?: 'dies' | 'waits' | 'timesOut' | undefined }
  /** The call takes effect at once, and the caller gets the answer when the test (or the scheduler) says so: a frozen Lambda. */
  | { readonly mode: 'freeze' };

/** The fault of a call; undefined for none. Asked once for each attempt, in order. */
export type Plan = (call: Call) => Fault | undefined;

/** What an effect knows about its call. */
export interface Attempt {
  /** Which parts fail; undefined for none. */
  readonly mask: number | undefined;
  /** The SDK's idempotency token, the same in all attempts of one call; undefined if there is only one attempt. */
  readonly token: string | undefined;
}

/** An operation of a service. `run` takes effect at once and returns the answer, or throws AWS's error. */
export interface Operation {
  readonly service: Service;
  readonly name: string;
  /** `service.name` */
  readonly key: string;
  /** Reads what the SDK would read before it sends: bodies that are streams. */
  prepare?(input: object): Promise<void> | undefined;
  run(state: object, input: object, attempt: Attempt): object;
}

/** An effect that has not happened yet, or an answer that was not delivered yet. */
export interface Stalled {
  readonly call: Call;
  /** Lets it happen or be delivered. A second call changes nothing. */
  run(): void;
}

/** The caller. A dead actor receives nothing, and none of its later calls reaches AWS. */
export class Actor {
  readonly name: string;
  isDead = false;
  /** Attempts so far. */
  calls = 0;
  /** Attempts by operation, such as `dynamodb.GetItem`. */
  readonly counts = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }
}

const noAttempt: Attempt = { mask: undefined, token: undefined };

const never = <T>(): Promise<T> => new Later(() => {});

export class Wire {
  plan: Plan | undefined;
  /** Attempts per call, like the SDK's maxAttempts. */
  maxAttempts = 1;
  /** Set by a scheduler: settles when the actor may make its call. */
  turn: ((actor: Actor, operation: Operation, input: object) => Promise<void>) | undefined;
  /** Called at each attempt: time advances. */
  onCall: () => void = () => {};
  /** Throws AWS's error if the actor may not make the call. */
  authorize: (actor: Actor, operation: Operation, input: object) => void = () => {};
  /** Called with each answer of a call without faults: what it reads and writes is counted. */
  onAnswer: ((operation: Operation, input: object, answer: object) => void) | undefined;
  /** Pending effects and undelivered answers, the oldest first. */
  readonly stalled: Stalled[] = [];
  /** Faults that hit a call. A plan that hits nothing proves nothing. */
  readonly hits: { readonly call: Call; readonly fault: Fault }[] = [];
  private tokens = 0;

  call(actor: Actor, operation: Operation, state: object, input: object): Promise<object> {
    if (actor.isDead) return never();
    const ready = operation.prepare?.(input);
    if (this.plan !== undefined || this.turn !== undefined || ready !== undefined)
      return this.watched(actor, operation, state, input, ready);
    this.count(actor, operation);
    try {
      this.authorize(actor, operation, input);
      const answer = operation.run(state, input, noAttempt);
      this.onAnswer?.(operation, input, answer);
      return Later.resolve(answer);
    } catch (error) {
      return Later.reject(error);
    }
  }

  private count(actor: Actor, { key }: Operation): void {
    this.onCall();
    actor.calls++;
    actor.counts.set(key, (actor.counts.get(key) ?? 0) + 1);
  }

  private async watched(
    actor: Actor,
    operation: Operation,
    state: object,
    input: object,
    ready: Promise<void> | undefined,
  ): Promise<object> {
    if (ready !== undefined) await ready;
    const token = String(++this.tokens);
    for (let attempt = 1; ; attempt++) {
      if (this.turn !== undefined) await this.turn(actor, operation, input);
      if (actor.isDead) return never();
      this.count(actor, operation);
      const call: Call = {
        actor: actor.name,
        service: operation.service,
        operation: operation.name,
        input,
        n: actor.calls,
        attempt,
      };
      const fault = this.plan?.(call);
      if (fault !== undefined) this.hits.push({ call, fault });
      try {
        return await this.answer(actor, operation, state, call, fault, token);
      } catch (error) {
        if (attempt >= this.maxAttempts || !isRetried(error)) throw error;
      }
    }
  }

  private answer(
    actor: Actor,
    operation: Operation,
    state: object,
    call: Call,
    fault: Fault | undefined,
    token: string,
  ): object | Promise<object> {
    const run = (mask?: number) => {
      this.authorize(actor, operation, call.input);
      return operation.run(state, call.input, { mask, token });
    };
    switch (fault?.mode) {
      case undefined: {
        const answer = run();
        this.onAnswer?.(operation, call.input, answer);
        return answer;
      }
      case 'partial':
        return run(fault.mask ?? 0);
      case 'fail':
        throw awsError(operation.service, fault.error ?? troubleOf[operation.service], 'the call failed');
      case 'lost':
        ignoringErrors(run);
        throw awsError(operation.service, fault.error ?? 'TimeoutError', 'the answer was lost');
      case 'twice':
        ignoringErrors(run);
        return run();
      case 'hang':
        if (fault.effect === true) ignoringErrors(run);
        actor.isDead = true;
        return never();
      case 'stall':
        return this.stall(actor, operation, call, fault.caller ?? 'dies', run);
      case 'freeze':
        return this.stall(actor, operation, call, 'waits', settled(run));
    }
  }

  private stall(
    actor: Actor,
    operation: Operation,
    call: Call,
    caller: 'dies' | 'waits' | 'timesOut',
    run: () => object,
  ): Promise<object> {
    const answer = new Later<object>((resolve, reject) => {
      const stalled: Stalled = {
        call,
        run: () => {
          const at = this.stalled.indexOf(stalled);
          if (at < 0) return;
          this.stalled.splice(at, 1);
          try {
            resolve(run());
          } catch (error) {
            reject(error);
          }
        },
      };
      this.stalled.push(stalled);
    });
    if (caller === 'waits') return answer.finally(() => (actor.isDead ? never() : undefined));
    answer.catch(() => {});
    if (caller === 'timesOut')
      throw awsError(operation.service, 'TimeoutError', 'the call took longer than the client waits');
    actor.isDead = true;
    return never();
  }
}

/** Runs it now, and returns its result whenever asked. */
function settled(run: () => object): () => object {
  try {
    const answer = run();
    return () => answer;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function ignoringErrors(run: () => unknown): void {
  try {
    run();
  } catch {
    // The caller never gets an answer.
  }
}

/** Whether part `index` of `count` fails under a mask: at least one does. */
export function isHit(mask: number | undefined, index: number, count: number): boolean {
  if (mask === undefined) return false;
  const size = min(count, 31);
  const bits = mask & (size === 31 ? 0x7fffffff : (1 << size) - 1);
  if (bits === 0) return index === abs(mask) % count;
  return index < 31 && ((bits >> index) & 1) === 1;
}

// ---- plans

/** The calls that a fault applies to. */
export interface Match {
  readonly actor?: string;
  readonly service?: Service;
  readonly operation?: string;
  readonly where?: (call: Call) => boolean;
  /** 1 for the first call that matches. */
  readonly nth?: number;
  /** How many calls are hit, starting with the nth. */
  readonly times?: number;
}

/** A fault for the nth call that matches. */
export function faultAt(fault: Fault, match: Match): Plan {
  const { nth = 1, times = 1 } = match;
  let seen = 0;
  return (call) => {
    if (match.actor !== undefined && match.actor !== call.actor) return undefined;
    if (match.service !== undefined && match.service !== call.service) return undefined;
    if (match.operation !== undefined && match.operation !== call.operation) return undefined;
    if (match.where && !match.where(call)) return undefined;
    seen++;
    return seen >= nth && seen < nth + times ? fault : undefined;
  };
}

/** Faults by the number of an actor's call, as fast-check generates them. */
export function faultsByCall(
  faults: readonly { readonly actor?: string; readonly n: number; readonly fault: Fault }[],
): Plan {
  return (call) =>
    faults.find((f) => f.n === call.n && (f.actor === undefined || f.actor === call.actor))?.fault;
}

/** The first plan with a fault decides; all plans see every call. */
export function allOf(...plans: readonly Plan[]): Plan {
  return (call) => plans.map((plan) => plan(call)).find((fault) => fault !== undefined);
}
