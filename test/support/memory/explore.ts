/**
 * Runs every order in which actors can make their calls. Two orders that differ only in neighbouring calls without a common
 * object end alike, so only one of them runs (sleep sets: Godefroid, Partial-Order Methods for the Verification of Concurrent
 * Systems, 1996).
 */

import { Later, nextTick } from './globals.ts';
import type { MemoryAws } from './index.ts';
import { patience } from './schedule.ts';

/** A separate stage, and the programs that run on it at once. */
export interface Stage {
  readonly aws: MemoryAws;
  /** By the name of the actor whose calls are ordered. All others make their calls at once. */
  readonly programs: Readonly<Record<string, () => Promise<unknown>>>;
  /** Checks the stage when all programs have ended, in whatever way. */
  readonly check: () => Promise<void>;
}

export interface Explored {
  /** Runs: one of each kind of order. */
  readonly runs: number;
  /** The orders that these represent. */
  readonly orders: number;
}

/** A point of a run at which somebody is next. */
interface Choice {
  readonly options: readonly string[];
  /** Choices already tried from an equivalent point. */
  readonly asleep: ReadonlySet<string>;
  readonly tried: Set<string>;
  next: string;
}

interface Parked {
  readonly actor: string;
  readonly what: string;
  readonly touches: readonly Touch[];
  readonly go: () => void;
}

/** Makes a stage for each run, at most `limit` times. Throws what `check` throws, with the order of calls that led to it. */
export async function explore(makeStage: () => Promise<Stage>, limit = Infinity): Promise<Explored> {
  const path: Choice[] = [];
  let runs = 0;
  let orders = 0;
  do {
    const made = await run(await makeStage(), path);
    if (made === null) continue;
    runs++;
    orders += ordersLike(made);
  } while (runs < limit && turnBack(path));
  return { runs, orders };
}

/** Follows the path and continues after its end. Returns the calls in order, or null if only sleeping actors could continue. */
async function run({ aws, programs, check }: Stage, path: Choice[]): Promise<Parked[] | null> {
  const parked = new Map<string, Parked>();
  const counts = new Map<string, number>();
  aws.wire.turn = ({ name }, operation, input) => {
    if (!(name in programs)) return Later.resolve();
    const n = (counts.get(name) ?? 0) + 1;
    counts.set(name, n);
    return new Later<void>((go) => {
      const touches = touchesOf(operation.service, operation.name, input);
      parked.set(`${name} ${n}`, { actor: name, what: operation.key, touches, go });
    });
  };
  const ended = new Set<string>();
  for (const [name, start] of Object.entries(programs))
    start().then(
      () => ended.add(name),
      () => ended.add(name),
    );
  const made: Parked[] = [];
  let idleSince: number | undefined;
  for (let depth = 0; ; ) {
    await new Later((done) => nextTick(done));
    if (Object.keys(programs).every((name) => ended.has(name) || aws.actor(name).isDead)) break;
    if (parked.size === 0) {
      idleSince ??= performance.now();
      if (performance.now() - idleSince > patience) throw new Error('nobody makes a call, and nobody ends');
      await new Later((done) => setImmediate(done));
      continue;
    }
    idleSince = undefined;
    const choice = path[depth] ?? choiceBehind(path.at(-1), made.at(-1), parked);
    if (choice === null) return null;
    path[depth++] = choice;
    const next = parked.get(choice.next);
    if (next === undefined)
      throw new Error(`${choice.next} is not there this time: the programs differ by run`);
    parked.delete(choice.next);
    made.push(next);
    next.go();
  }
  aws.wire.turn = undefined;
  try {
    await check();
  } catch (error) {
    const order = made.map(({ actor, what }) => `${actor} ${what}`).join('\n  ');
    throw new Error(`${error instanceof Error ? error.message : error}\nafter\n  ${order}`);
  }
  return made;
}

/** Choices already tried next to the last one need no other try, unless the last one touches the same object. */
function choiceBehind(
  before: Choice | undefined,
  made: Parked | undefined,
  parked: ReadonlyMap<string, Parked>,
): Choice | null {
  const asleep = new Set(
    [...(before?.asleep ?? []), ...(before?.tried ?? [])].filter((id) => {
      const other = parked.get(id);
      return other !== undefined && made !== undefined && !isDependent(other, made);
    }),
  );
  const options = nextOf(parked).sort();
  const next = options.find((id) => !asleep.has(id));
  return next === undefined ? null : { options, asleep, tried: new Set(), next };
}

/** Who may be next. Reads that an actor sends at once are made in the order of sending; others may still come in between. */
function nextOf(parked: ReadonlyMap<string, Parked>): string[] {
  const reading = new Set<string>();
  return [...parked].flatMap(([id, { actor, touches }]) => {
    if (touches.some((touch) => touch.isWritten)) return [id];
    if (reading.has(actor)) return [];
    reading.add(actor);
    return [id];
  });
}

/** Back to the last point with another choice. False if there is none. */
function turnBack(path: Choice[]): boolean {
  for (let last = path.at(-1); last !== undefined; path.pop(), last = path.at(-1)) {
    const { options, asleep, tried } = last;
    tried.add(last.next);
    const next = options.find((id) => !asleep.has(id) && !tried.has(id));
    if (next === undefined) continue;
    last.next = next;
    return true;
  }
  return false;
}

/** The number of orders of two actors' calls that keep the order of calls with a common object. */
function ordersLike(made: readonly Parked[]): number {
  const first = made[0]?.actor;
  const [own, others] = [made.filter((c) => c.actor === first), made.filter((c) => c.actor !== first)];
  if (new Set(others.map((c) => c.actor)).size > 1) return 1;
  const at = new Map(made.map((call, i) => [call, i]));
  const isBefore = (a: Parked, b: Parked) => (at.get(a) ?? 0) < (at.get(b) ?? 0) && isDependent(a, b);
  /** For each call, how many of the other actor's calls must precede it. */
  const needs = (calls: readonly Parked[], before: readonly Parked[]) =>
    calls.map((call) => before.findLastIndex((b) => isBefore(b, call)) + 1);
  const ownNeed = needs(own, others);
  const othersNeed = needs(others, own);
  // ways[j]: orders of the first i calls of one actor and the first j of the other.
  let ways = others.map(() => 0).concat(0);
  for (let i = 0; i <= own.length; i++) {
    const next: number[] = [];
    for (let j = 0; j <= others.length; j++) {
      const byOwn = i > 0 && (ownNeed[i - 1] ?? 0) <= j ? (ways[j] ?? 0) : 0;
      const byOther = j > 0 && (othersNeed[j - 1] ?? 0) <= i ? (next[j - 1] ?? 0) : 0;
      next.push(i === 0 && j === 0 ? 1 : byOwn + byOther);
    }
    ways = next;
  }
  return ways.at(-1) ?? 0;
}

/** Something that a call reads or writes: an item, an object, or everything with this prefix. */
interface Touch {
  readonly name: string;
  readonly isPrefix: boolean;
  readonly isWritten: boolean;
}

const isDependent = (a: Parked, b: Parked): boolean =>
  a.actor === b.actor || a.touches.some((x) => b.touches.some((y) => isShared(x, y)));

const isShared = (a: Touch, b: Touch): boolean =>
  (a.isWritten || b.isWritten) &&
  (a.name === b.name ||
    (a.isPrefix && b.name.startsWith(a.name)) ||
    (b.isPrefix && a.name.startsWith(b.name)));

const reads = /^(Get|List|Head|Describe|BatchGet|Query|Scan)/;

function touchesOf(service: string, operation: string, input: object): Touch[] {
  const isWritten = !reads.test(operation);
  const all = [{ name: `${service}/`, isPrefix: true, isWritten }];
  if (service === 's3') {
    const name = `s3/${get(input, 'Bucket')}/`;
    if (operation.startsWith('List'))
      return [{ name: name + (get(input, 'Prefix') ?? ''), isPrefix: true, isWritten }];
    const key = get(input, 'Key');
    if (typeof key !== 'string' || operation === 'CopyObject') return all;
    return [{ name: name + key, isPrefix: false, isWritten }];
  }
  if (service === 'dynamodb') {
    const values = get(input, 'ExpressionAttributeValues');
    const [pk, prefix] = [get(values, ':pk'), get(values, ':prefix')];
    if (operation === 'Query' && typeof pk === 'string' && typeof prefix === 'string')
      return [{ name: `dynamodb/${pk}/${prefix}`, isPrefix: true, isWritten }];
    const writes = get(input, 'TransactItems');
    const items: [string, unknown][] = Array.isArray(writes)
      ? writes.flatMap((item: object) => Object.entries(item))
      : [[operation, input]];
    const touches = items.map(([kind, of]) => ({
      key: get(of, 'Key') ?? get(of, 'Item'),
      isWritten: isWritten && kind !== 'ConditionCheck',
    }));
    if (touches.some(({ key }) => key === undefined)) return all;
    return touches.map(({ key, isWritten }) => ({
      name: `dynamodb/${get(key, 'pk')}/${get(key, 'sk')}`,
      isPrefix: false,
      isWritten,
    }));
  }
  return all;
}

const get = (of: unknown, name: string): unknown =>
  typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined;
