/** Which objects may be removed: when in doubt, none. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { grace, judgeOf } from '../../../../src/lib/flow/repair/judge.ts';
import { rewrittenObject } from '../../../../src/lib/table/objectName.ts';
import { type Deps, dataset, World } from '../../../support/flowWorld.ts';

let world: World;
let deps: Deps;
let fence: number;

/** An attempt that is open, and one that is committed: it counts `b…-0`, and its own rest of the rows of `c…`. */
const [open, closed, other] = ['a', 'b', 'c'].map((letter) => letter.repeat(20)) as [string, string, string];

beforeEach(async () => {
  world = new World();
  deps = world.deps('test');
  fence = (await deps.ledger.acquireLease(dataset)) ?? 0;
  for (const batch of [other, closed]) {
    await deps.ledger.reopen(dataset, fence, { batch, fence }, { files: [], bytes: 0 });
    await deps.ledger.commit(dataset, { batch, fence });
    const objects = [{ key: keyOf(batch), bytes: 1 }];
    const rest = { key: `feed/${rewrittenObject({ batch: closed, fence }, other, 0)}`, bytes: 1 };
    await deps.store.writeText(
      places(deps.config).attempt(dataset, { batch, fence }).published,
      JSON.stringify({ objects: batch === other ? [...objects, rest] : objects, quarantine: [] }),
    );
    await deps.ledger.closePublished(dataset, fence, batch, { rows: 0, files: 0, found: {} });
  }
  await deps.ledger.reopen(dataset, fence, { batch: open, fence }, { files: [], bytes: 0 });
});
afterEach(() => {
  jest.restoreAllMocks();
});

const keyOf = (batch: string, of = fence, number = 0) => `feed/day=06/${batch}-f${of}-${number}.parquet`;
const judged = async (key: string, age = grace, by: Partial<Deps> = {}) => {
  const judge = judgeOf({ ...deps, ...by }, [dataset], ({ objects }) => objects.map((o) => o.key));
  return (await judge([{ key, modified: Date.now() - age }]))[0];
};

test('an object counts if its attempt is committed and the batch of its rows lists it', async () => {
  expect(await judged(keyOf(closed), 0)).toBe('counts');
  expect(await judged(`feed/${rewrittenObject({ batch: closed, fence }, other, 0)}`)).toBe('counts');
  expect(await judged(keyOf(closed, fence, 7))).toBe('garbage');
  expect(await judged(`feed/${rewrittenObject({ batch: closed, fence }, other, 1)}`)).toBe('garbage');
});

test('an object of another fence than that of the commit is garbage, but not in its first hour', async () => {
  for (const old of [fence - 1, fence + 1]) {
    expect(await judged(keyOf(closed, old))).toBe('garbage');
    expect(await judged(keyOf(closed, old), grace - 1000)).toBe('open');
  }
});

test('an object of an open attempt stays, however old; one of an earlier attempt at that batch does not', async () => {
  expect(await judged(keyOf(open), 100 * grace)).toBe('open');
  expect(await judged(keyOf(open, fence - 1), 100 * grace)).toBe('garbage');
  // What other datasets have open says nothing of this one's.
  const others = {
    ...deps.ledger,
    openBatches: async () => [
      { batch: closed, fence: fence + 1 },
      { batch: open, fence },
    ],
  };
  expect(await judged(keyOf(closed, fence - 1), grace, { ledger: others })).toBe('garbage');
});

test('an object whose attempt is committed while it is judged stays', async () => {
  const ledger = {
    ...deps.ledger,
    openBatches: async () => {
      await deps.ledger.commit(dataset, { batch: open, fence });
      return [];
    },
  };
  expect(await judged(keyOf(open), grace, { ledger })).toBe('open');
});

test('invariant 1: an object that a later batch has written since the first look counts, however long ago that was', async () => {
  const judge = judgeOf(deps, [dataset], ({ objects }) => objects.map((o) => o.key));
  const look = (key: string) => judge([{ key, modified: Date.now() - grace }]);
  expect(await look(keyOf(other))).toEqual(['counts']);
  expect(await look(keyOf(closed, fence, 7))).toEqual(['garbage']);
  // The process is suspended. Another batch rewrites the rows of `other`, and ends.
  const rest = `feed/${rewrittenObject({ batch: open, fence }, other, 0)}`;
  const live = places(deps.config).attempt(dataset, { batch: open, fence }).live(other);
  await deps.store.writeText(live, JSON.stringify({ objects: [{ key: rest, bytes: 1 }], quarantine: [] }));
  await deps.ledger.commit(dataset, { batch: open, fence });
  await deps.ledger.setLive(dataset, fence, [{ batch: other, live: live.key }]);
  await deps.ledger.closePublished(dataset, fence, open, { rows: 0, files: 0, found: {} });
  expect(await look(rest)).toEqual(['counts']);
  expect(await look(keyOf(other))).toEqual(['garbage']);
});

test('what nobody knows, or nobody can read, is not garbage', async () => {
  expect(await judged('feed/day=06/by-hand.parquet', 100 * grace)).toBe('open');
  expect(await judged(keyOf('d'.repeat(20)))).toBe('unknown');
  expect(await judged(keyOf('d'.repeat(20)), grace - 1000)).toBe('open');
  expect(await judged(`feed/${rewrittenObject({ batch: closed, fence }, 'd'.repeat(20), 0)}`)).toBe(
    'unknown',
  );
  const at = places(deps.config).attempt(dataset, { batch: closed, fence }).published;
  world.aws.s3.seed(at.bucket, at.key, 'not JSON');
  expect(await judged(keyOf(closed, fence, 7), 100 * grace)).toBe('open');
  for (const item of world.aws.dynamo.items('ledger'))
    if (item.sk === `BATCH#${closed}`) world.aws.dynamo.seed('ledger', { ...item, state: { not: 'known' } });
  expect(await judged(keyOf(closed, fence - 1), 100 * grace)).toBe('open');
  expect(await judged(`feed/${rewrittenObject({ batch: other, fence }, closed, 9)}`, 100 * grace)).toBe(
    'open',
  );
});

test('batches of other datasets of the table are found there, and each record is read once', async () => {
  const asked: string[] = [];
  const ledger = {
    ...deps.ledger,
    batch: async (of: string, batch: string) => {
      asked.push(`${of} ${batch[0]}`);
      return deps.ledger.batch(of, batch);
    },
  };
  const judge = judgeOf({ ...deps, ledger }, ['first', dataset], ({ objects }) => objects.map((o) => o.key));
  const objects = Array.from({ length: 150 }, () => ({ key: keyOf(closed), modified: 0 }));
  await judge(objects.slice(0, 1));
  const before = asked.length;
  expect(asked.slice(0, 2)).toEqual(['first b', `${dataset} b`]);
  expect(new Set(await judge(objects))).toEqual(new Set(['counts']));
  expect(asked.length).toBe(before);
  expect((await judge([...objects, { key: keyOf(closed, 0), modified: 0 }])).slice(-2)).toEqual([
    'counts',
    'garbage',
  ]);
});
