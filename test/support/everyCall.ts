/** Shared by tests that put a fault at each call of the flow: the work, the fault, and the recovery. */
import { expectNoOrphans, expectWhole, World, type WorldOptions } from './flowWorld.ts';
import type { Call, Fault } from './memory/index.ts';

/** A stage with two files that were one batch, in two days. */
export async function published(options: WorldOptions = {}): Promise<World> {
  const world = new World(options);
  world.put('feed/a', ['a1@06', 'a2@07', 'bad']);
  world.put('feed/b', ['b1@06', 'b2@06']);
  await world.settle();
  return world;
}

export type Scenario = (world: World) => void | Promise<void>;

export const newFile: Scenario = (world) => {
  world.put('feed/c', ['c1@06', 'worse']);
};

export const correction: Scenario = (world) => {
  world.put('feed/a', ['a1@08', 'a3@06', 'a4@06', 'worst']);
};

/** For a stage that is `isDeduped`: a file whose rows replace and delete published ones, and one whose row loses. */
export const newerRows: Scenario = (world) => {
  world.put('feed/0', ['a1@06', '-b1@06', 'z1@07']);
  world.put('feed/c', ['b2@06', 'c1@07']);
};

/** Processes the waiting files with a fault at the `nth` matching call. Returns this call, or undefined if there are fewer. */
export async function runWithFault(
  world: World,
  nth: number,
  fault: Fault,
  isMeant: (call: Call) => boolean,
): Promise<Call | undefined> {
  let calls = 0;
  let hit: Call | undefined;
  world.aws.plan = (call) => {
    if (!isMeant(call) || ++calls !== nth) return undefined;
    hit = call;
    return fault;
  };
  await world.deliver();
  await world.executeAll();
  world.aws.plan = undefined;
  return hit;
}

/** Lets the flow recover from a fault, and checks that each row exists once: before late calls of the fault, and after them. */
export async function expectRecovered(world: World, { mode }: Fault): Promise<void> {
  await world.settle();
  // Unneeded objects are removed at once; only late calls leave some for the sweep.
  if (mode !== 'stall') await expectWhole(world);
  world.aws.runStalled();
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  await expectNoOrphans(world);
}

/** Resumes frozen processes, and checks that each row exists once in the end. */
export async function expectWholeOnceThawed(world: World): Promise<void> {
  await world.thaw();
  world.aws.wire.turn = undefined;
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  await expectNoOrphans(world);
}

/** Errors of `work` name the call that failed. */
export async function after(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : error}`);
  }
}
