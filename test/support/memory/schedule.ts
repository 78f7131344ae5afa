/** Actors that take turns call by call. A list of integers decides the order. */

import type { Stalled } from './faults.ts';
import { abs, Later, nextTick } from './globals.ts';
import type { MemoryActor, MemoryAws } from './index.ts';

export type Outcome<T> =
  | { readonly status: 'done'; readonly value: T }
  | { readonly status: 'failed'; readonly error: unknown }
  /** It died, or waits for an effect that the test has not run. */
  | { readonly status: 'hung' };

export type Programs = Readonly<Record<string, (actor: MemoryActor) => Promise<unknown>>>;

export interface Interleaving<P extends Programs> {
  readonly outcomes: { readonly [Name in keyof P]: Outcome<Awaited<ReturnType<P[Name]>>> };
  /** All calls in order: `actor service.operation`. */
  readonly trace: readonly string[];
  /** Calls that living actors had in flight when their programs ended: work that nobody waits for. */
  readonly leftovers: readonly { readonly what: string; readonly go: () => void }[];
}

/** Something that may happen next. */
interface Option {
  /** Null for a stalled effect, and for a sleeper. */
  readonly actor: string | null;
  readonly what: string;
  readonly isDead: () => boolean;
  readonly go: () => void;
}

const neverDead = (): boolean => false;

/** A program without a call for this long (real milliseconds) waits for something that never comes. */
export const patience = 5000;

/**
 * Runs each program as the actor of its name. Whenever all of them wait at a call, the next choice decides which call is made
 * (0: the actor of the last call continues), which stalled effect happens, or that the next sleeper wakes. After the last
 * choice all are 0. Ends when every program has ended or its actor is dead; stalled effects are then left to the test.
 */
export async function interleave<P extends Programs>(
  aws: MemoryAws,
  choices: readonly number[],
  programs: P,
): Promise<Interleaving<P>> {
  const { wire, clock } = aws;
  const parked: Option[] = [];
  const sleepers: { until: number; wake: () => void }[] = [];
  const trace: string[] = [];
  wire.turn = (actor, { key }) =>
    new Later<void>((go) => parked.push({ actor: actor.name, what: key, isDead: () => actor.isDead, go }));
  clock.onSleep = (until) => new Later<void>((wake) => sleepers.push({ until, wake }));

  const names = Object.keys(programs);
  const outcomes = new Map<string, Outcome<unknown>>();
  try {
    for (const name of names)
      programs[name]?.(aws.actor(name)).then(
        (value) => outcomes.set(name, { status: 'done', value }),
        (error: unknown) => outcomes.set(name, { status: 'failed', error }),
      );
    let last: string | null = null;
    let at = 0;
    let idleSince: number | undefined;
    for (;;) {
      await microtasks();
      for (let i = parked.length - 1; i >= 0; i--) if (parked[i]?.isDead()) parked.splice(i, 1);
      const alive = names.filter((name) => !outcomes.has(name) && !aws.actor(name).isDead);
      if (alive.length === 0) break;
      const options = optionsOf(parked, last, aws.stalled, sleepers);
      if (options.length === 0) {
        // It waits for something other than a call, such as a stream or a file, and will continue.
        idleSince ??= performance.now();
        if (performance.now() - idleSince > patience)
          throw new Error(`${alive.join(' and ')} made no call for ${patience} ms and did not end`);
        await new Later((done) => setImmediate(done));
        continue;
      }
      idleSince = undefined;
      const option: Option | undefined = options[abs(choices[at++] ?? 0) % options.length];
      if (option === undefined) continue;
      trace.push(option.actor === null ? option.what : `${option.actor} ${option.what}`);
      last = option.actor ?? last;
      const index = parked.indexOf(option);
      if (index >= 0) parked.splice(index, 1);
      option.go();
    }
  } finally {
    wire.turn = undefined;
    clock.onSleep = undefined;
  }
  const all = names.map((name) => [name, outcomes.get(name) ?? { status: 'hung' }]);
  const leftovers = parked.map(({ actor, what, go }) => ({ what: `${actor} ${what}`, go }));
  return { outcomes: Object.fromEntries(all), trace, leftovers };
}

/** What may happen next; the first option is that the actor of the last call continues. */
function optionsOf(
  parked: readonly Option[],
  last: string | null,
  stalled: readonly Stalled[],
  sleepers: { until: number; wake: () => void }[],
): Option[] {
  const options: Option[] = [
    ...parked.filter((p) => p.actor === last),
    ...parked.filter((p) => p.actor !== last),
  ];
  for (const { call, run } of stalled)
    options.push({
      actor: null,
      what: `late ${call.actor} ${call.service}.${call.operation}`,
      isDead: neverDead,
      go: run,
    });
  const next = sleepers.reduce(
    (a, b) => (b.until < a.until ? b : a),
    sleepers[0] ?? { until: 0, wake: () => {} },
  );
  if (sleepers.length > 0)
    options.push({
      actor: null,
      what: 'time passes',
      isDead: neverDead,
      go: () => {
        sleepers.splice(sleepers.indexOf(next), 1);
        next.wake();
      },
    });
  return options;
}

/** Settles when all promises that can settle have settled: a tick runs when no microtask is left. */
const microtasks = (): Promise<void> => new Later((done) => nextTick(done));
