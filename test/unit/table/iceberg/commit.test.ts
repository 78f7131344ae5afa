/** One commit per batch, under every fault at every call: the table is always readable, and no object is lost or duplicated. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LeaseLost, TableConflict } from '../../../../src/lib/errors.ts';
import {
  committedBy,
  createTable,
  raiseFence,
  requireTable,
} from '../../../../src/lib/table/iceberg/commit.ts';
import { publishChange, revertBatch } from '../../../../src/lib/table/iceberg/operations.ts';
import { changing, depsOf, icebergAws, plainTable, readable } from '../../../support/iceberg.ts';
import {
  everyFault,
  type Fault,
  faultAt,
  faultsByCall,
  interleave,
  type MemoryAws,
  someChoices,
  someFaults,
} from '../../../support/memory/index.ts';

const dataset = 'feed';
const by = (batch: string, fence: number) => ({ dataset, batch, fence });

/** A table with the files a and b. */
async function started(): Promise<MemoryAws> {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('first'), aws);
  await createTable(deps, plainTable);
  await publishChange(deps, 't', by('one', 1), changing(['a', 'b']));
  return aws;
}
const on = (aws: MemoryAws, actor: string) => depsOf(aws.actor(actor), aws);
const seen = (aws: MemoryAws) => readable(on(aws, 'reader'));
/** A call's result or error; undefined if its caller died or still waits. */
const settled = async (aws: MemoryAws, actor: string, call: Promise<unknown>): Promise<unknown> => {
  let result: unknown;
  const done = call.then(
    (value) => {
      result = value;
    },
    (error: unknown) => {
      result = error;
    },
  );
  await Promise.race([done, new Promise<void>((stuck) => setImmediate(() => setImmediate(stuck)))]);
  // Work such as compression takes more than a turn: it continues unless it waits for an answer.
  while (result === undefined && !aws.actor(actor).isDead && aws.stalled.length === 0)
    await new Promise<void>((turn) => setImmediate(turn));
  return result;
};

/** All faults at all calls are thousands of commits. The daily run covers the calls around the swap, and the first one. */
const isThorough = process.env.SLUICE_THOROUGH !== undefined;
const places = (calls: number): number[] =>
  isThorough ? Array.from({ length: calls }, (_, i) => i + 1) : [1, calls - 1, calls];

/** A correction: b is replaced by c. */
const correction = changing(['c'], ['b']);

async function callsOf(run: (aws: MemoryAws) => Promise<unknown>): Promise<number> {
  const aws = await started();
  await run(aws);
  return aws.actor('writer').calls();
}

test('a commit is made once, whatever happens to any of its calls, when it is asked for again', async () => {
  const publish = (aws: MemoryAws, actor: string) =>
    publishChange(on(aws, actor), 't', by('two', 2), correction);
  const calls = await callsOf((aws) => publish(aws, 'writer'));
  expect(calls).toBeGreaterThanOrEqual(6);
  for (const n of places(calls))
    for (const fault of everyFault) {
      const aws = await started();
      aws.plan = faultsByCall([{ actor: 'writer', n, fault }]);
      await settled(aws, 'writer', publish(aws, 'writer'));
      expect(aws.hits).not.toHaveLength(0);
      aws.plan = undefined;
      expect([
        ['a', 'b'],
        ['a', 'c'],
      ]).toContainEqual(await seen(aws));
      await publish(aws, 'second');
      aws.runStalled();
      expect({ n, fault, files: await seen(aws) }).toEqual({ n, fault, files: ['a', 'c'] });
    }
});

test('a commit whose answer is lost is known to be made, and its metadata stay', async () => {
  const aws = await started();
  aws.plan = faultAt({ mode: 'lost' }, { actor: 'writer', operation: 'UpdateTable' });
  const outcome = await publishChange(on(aws, 'writer'), 't', by('two', 2), correction);
  expect(aws.hits).toHaveLength(1);
  expect(outcome.how).toBe('committed');
  expect(await seen(aws)).toEqual(['a', 'c']);
});

test('an answer that says conflict for a commit that was made is not believed', async () => {
  const aws = await started();
  const conflict: Fault = { mode: 'lost', error: 'ConcurrentModificationException' };
  aws.plan = faultAt(conflict, { actor: 'writer', operation: 'UpdateTable' });
  expect((await publishChange(on(aws, 'writer'), 't', by('two', 2), correction)).how).toBe('committed');
  expect(await seen(aws)).toEqual(['a', 'c']);
});

test('who has lost the lease commits nothing once the next holder has closed the table, whichever call was under way', async () => {
  const publish = (aws: MemoryAws) => publishChange(on(aws, 'writer'), 't', by('two', 2), correction);
  const calls = await callsOf(publish);
  for (const n of places(calls))
    for (const fault of everyFault) {
      const aws = await started();
      aws.plan = faultsByCall([{ actor: 'writer', n, fault }]);
      await settled(aws, 'writer', publish(aws));
      aws.plan = undefined;
      const next = on(aws, 'next');
      const { metadata } = await raiseFence(next, 't', { dataset, fence: 3 });
      const isCommitted = committedBy(metadata, { batch: 'two', fence: 2 }) !== undefined;
      aws.runStalled();
      await new Promise<void>((turn) => setImmediate(turn));
      expect({ n, fault, files: await seen(aws) }).toEqual({
        n,
        fault,
        files: isCommitted ? ['a', 'c'] : ['a', 'b'],
      });
      const late = publishChange(on(aws, 'late'), 't', by('four', 2), changing(['d']));
      await expect(late).rejects.toThrow(LeaseLost);
    }
});

test('writers of several datasets all commit, in any order of their calls and under faults', async () => {
  await fc.assert(
    fc.asyncProperty(someChoices(60), someFaults(['x', 'y'], 12, 1), async (choices, faults) => {
      const aws = await started();
      aws.plan = faultsByCall(faults);
      const publish = (actor: string) =>
        publishChange(
          on(aws, actor),
          't',
          { dataset: actor[0] ?? '', batch: `of ${actor[0]}`, fence: 1 },
          {
            ...changing([actor[0] ?? '']),
          },
        );
      await interleave(aws, choices, { x: () => publish('x'), y: () => publish('y') });
      aws.plan = undefined;
      await publish('x again');
      await publish('y again');
      aws.runStalled();
      expect(await seen(aws)).toEqual(['a', 'b', 'x', 'y']);
    }),
    { numRuns: Number(process.env.SLUICE_HISTORIES ?? 20) },
  );
});

test('of two corrections of one object one wins, and the other gets a conflict by name', async () => {
  const aws = await started();
  const { outcomes } = await interleave(aws, [0, 0, 1, 1, 1, 1, 0, 1], {
    x: (a) =>
      publishChange(depsOf(a, aws), 't', { dataset: 'x', batch: 'x', fence: 1 }, changing(['x'], ['b'])),
    y: (a) =>
      publishChange(depsOf(a, aws), 't', { dataset: 'y', batch: 'y', fence: 1 }, changing(['y'], ['b'])),
  });
  const statuses = [outcomes.x, outcomes.y].map((outcome) =>
    outcome.status === 'failed' ? outcome.error : outcome.status,
  );
  expect(statuses).toContain('done');
  expect(statuses).toContainEqual(expect.any(TableConflict));
  const files = await seen(aws);
  expect([
    ['a', 'x'],
    ['a', 'y'],
  ]).toContainEqual(files);
});

test('a batch is taken back with what it had replaced, once', async () => {
  const aws = await started();
  const deps = on(aws, 'writer');
  await publishChange(deps, 't', by('two', 2), correction);
  await publishChange(deps, 't', by('three', 3), changing(['d']));
  const revert = () => revertBatch(deps, 't', { dataset, fence: 4 }, { batch: 'two', fence: 2 });
  await revert();
  expect(await seen(aws)).toEqual(['a', 'b', 'd']);
  expect((await revert()).how).toBe('done before');
  expect(await seen(aws)).toEqual(['a', 'b', 'd']);
});

test('a batch whose objects were replaced since cannot be taken back', async () => {
  const aws = await started();
  const deps = on(aws, 'writer');
  await publishChange(deps, 't', by('two', 2), correction);
  await publishChange(deps, 't', by('three', 3), changing(['d'], ['c']));
  await expect(revertBatch(deps, 't', { dataset, fence: 4 }, by('two', 2))).rejects.toThrow(TableConflict);
  expect(await seen(aws)).toEqual(['a', 'd']);
});

test('the table that is made at once by two is made once', async () => {
  for (const fault of everyFault) {
    const aws = icebergAws();
    aws.plan = faultAt(fault, { actor: 'x', operation: 'CreateTable' });
    await settled(aws, 'x', createTable(on(aws, 'x'), plainTable));
    aws.plan = undefined;
    const { metadata } = await createTable(on(aws, 'y'), plainTable);
    aws.runStalled();
    expect((await requireTable(on(aws, 'reader'), 't')).metadata['table-uuid']).toBe(metadata['table-uuid']);
  }
});
