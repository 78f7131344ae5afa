/** Invariant 8 in an outage of AWS: it costs no file its tries, and an object that AWS fails on each time blocks no other. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { statusOf } from '../../../src/cli/status.ts';
import { retry } from '../../../src/lib/flow/operate/again.ts';
import { resume } from '../../../src/lib/flow/operate/pause.ts';
import { dataset, expectWhole, World } from '../../support/flowWorld.ts';
import type { Call } from '../../support/memory/faults.ts';
import { isThorough } from '../../support/thorough.ts';

jest.setTimeout(30_000);
afterEach(() => {
  jest.restoreAllMocks();
});

const minute = 60_000;
const executionsOf = (world: World) => world.aws.sfn.executions.size;
const stateOf = async (world: World, key: string) => (await world.statesOf(key)).join();

/** Lets time pass in steps of five minutes, as the sweep does. */
async function pass(world: World, minutes: number, each: (n: number) => void = () => {}): Promise<void> {
  for (let n = 0; n < minutes / 5; n++) {
    each(n);
    await world.deliver();
    await world.executeAll();
    world.aws.clock.advance(5 * minute);
    await world.sweep();
    await world.executeAll();
  }
}

/** Every call that `isHit` fails until the outage is over. */
function outage(world: World, isHit: (call: Call) => boolean): { end: () => void } {
  let isOver = false;
  world.aws.plan = (call) => (!isOver && isHit(call) ? { mode: 'fail' } : undefined);
  return {
    end: () => {
      isOver = true;
    },
  };
}

const services = isThorough
  ? (['athena', 'glue', 's3', 'dynamodb', 'events', 'states'] as const)
  : (['athena'] as const);
test.each(services)(
  'files that come in hours without %s are published after them, without a person',
  async (service) => {
    const world = new World();
    world.put('feed/before', ['0@06']);
    await world.settle();
    const before = executionsOf(world);
    const { end } = outage(world, (call) => call.service === service && !call.actor.startsWith('test'));
    await pass(world, 180, (n) => {
      if (n % 6 === 0) world.put(`feed/${n}`, [`x${n}@07`, `y${n}@08`]);
    });
    // A long outage costs few executions, and no file has failed.
    expect(executionsOf(world) - before).toBeLessThan(60);
    expect(await stateOf(world, 'feed/0')).not.toMatch(/failed|held/);
    end();
    await world.settle();
    await expectWhole(world);
  },
);

test('files whose queries Athena breaks off for hours are published after that', async () => {
  const world = new World();
  const { answerOf } = world.aws.athena;
  world.aws.athena.answerOf = () => ({
    state: 'FAILED',
    reason: 'Internal service error',
    isRetryable: true,
  });
  world.put('feed/a', ['1@06']);
  world.put('feed/b', ['2@06']);
  await pass(world, 180);
  expect([await stateOf(world, 'feed/a'), await stateOf(world, 'feed/b')]).toEqual(['pending', 'pending']);
  world.aws.athena.answerOf = answerOf;
  await world.settle();
  await expectWhole(world);
});

test('an object on which AWS fails each time stands alone in the end, and the others of its batch are published', async () => {
  const world = new World();
  world.put('feed/bad', ['1@06']);
  world.put('feed/good', ['2@06']);
  world.put('feed/fine', ['3@07']);
  outage(world, (call) => call.operation === 'GetObject' && JSON.stringify(call.input).includes('feed/bad'));
  await pass(world, 60);
  // Others succeed, so AWS is not the cause.
  let n = 0;
  while ((await stateOf(world, 'feed/bad')) !== 'failed' && n++ < 40)
    await pass(world, 5, () => world.put(`feed/later${n}`, [`z${n}@08`]));
  expect(n).toBeLessThan(20);
  await world.settle();
  expect(await stateOf(world, 'feed/good')).toBe('published');
  expect(await stateOf(world, 'feed/fine')).toBe('published');
  expect(world.linesOf(`feed/later${n}`)).toEqual([`z${n}@08`]);
});

test('a file of its own tries fails after three of them, whatever outages were between', async () => {
  const world = new World();
  world.put('feed/bad', ['1@06']);
  let isAws = true;
  world.aws.plan = (call) =>
    call.actor.startsWith('transform') &&
    call.operation === 'GetObject' &&
    JSON.stringify(call.input).includes('feed/bad')
      ? { mode: 'fail', error: isAws ? undefined : 'AccessDenied' }
      : undefined;
  await pass(world, 60);
  expect(await stateOf(world, 'feed/bad')).toBe('pending');
  isAws = false;
  await pass(world, 60);
  expect(await stateOf(world, 'feed/bad')).toBe('failed');
  const [last] = (await world.deps('test').ledger.batches(dataset)).slice(-1);
  expect((last?.attempts ?? 0) - (last?.outages ?? 0)).toBe(3);
  // A person tries it again when the cause is gone.
  world.aws.plan = () => undefined;
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  await expectWhole(world);
});

test('a person ends the rest of a dataset', async () => {
  const world = new World();
  world.put('feed/a', ['1@06']);
  const { end } = outage(world, ({ service }) => service === 'athena');
  await pass(world, 30);
  end();
  const { ledger } = world.deps('test');
  const lease = await ledger.lease(dataset);
  expect([lease?.restsUntil, lease && ledger.isResting(lease)]).toEqual([expect.any(String), true]);
  expect(await statusOf(ledger, dataset)).toMatchObject({ pending: 1, restsUntil: lease?.restsUntil });
  await world.sweep();
  expect(await stateOf(world, 'feed/a')).toBe('pending');
  await world.operate((deps) => resume(deps, dataset));
  await world.executeAll();
  await expectWhole(world);
  expect(await statusOf(ledger, dataset)).toMatchObject({ pending: 0, restsUntil: null });
});
