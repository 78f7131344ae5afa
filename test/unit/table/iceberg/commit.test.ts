/** One commit per batch, under every fault at every call: the table is always readable, and no object is lost or duplicated. */
import { DeleteTableCommand } from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CommitUnclear, LeaseLost, TableConflict, TableMismatch } from '../../../../src/lib/errors.ts';
import {
  attemptOf,
  committedBy,
  createTable,
  fenceOf,
  loadTable,
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
  const unknown = { batch: 'never', fence: 2 };
  expect((await revertBatch(deps, 't', { dataset, fence: 4 }, unknown)).how).toBe('nothing to do');
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

test('a table that is there after all is taken, whatever the answer to its creation was', async () => {
  for (const fault of [{ mode: 'lost' }, { mode: 'lost', error: 'AlreadyExistsException' }] as const) {
    const aws = icebergAws();
    aws.plan = faultAt(fault, { actor: 'x', operation: 'CreateTable' });
    const made = await createTable(on(aws, 'x'), plainTable);
    expect(aws.hits).toHaveLength(1);
    // It is found again without another file.
    expect(await createTable(on(aws, 'y'), plainTable)).toMatchObject({ metadata: made.metadata });
    expect(aws.s3.keys('processed')).toHaveLength(1);
  }
});

test('a change whose answer was lost is told as made, though nothing is left to do', async () => {
  const aws = await started();
  aws.plan = faultAt({ mode: 'lost' }, { actor: 'writer', operation: 'UpdateTable' });
  expect((await raiseFence(on(aws, 'writer'), 't', { dataset, fence: 5 })).how).toBe('committed');
  expect(aws.hits).toHaveLength(1);
});

const one = (aws: MemoryAws, actor = 'writer') =>
  publishChange(on(aws, actor), 't', by('two', 2), changing(['c'], ['b']));
const swaps = { actor: 'writer', operation: 'UpdateTable', times: 100 };

test('a refused commit is asked for once, and its error is that of Glue', async () => {
  const aws = await started();
  aws.plan = faultAt({ mode: 'fail', error: 'AccessDeniedException' }, swaps);
  await expect(one(aws)).rejects.toMatchObject({ name: 'AccessDeniedException' });
  expect(aws.hits).toHaveLength(1);
  expect(await seen(aws)).toEqual(['a', 'b']);
});

test('a commit that always loses to others says so, and one without answers is unclear', async () => {
  const aws = await started();
  aws.plan = faultAt({ mode: 'fail', error: 'ConcurrentModificationException' }, swaps);
  await expect(one(aws)).rejects.toMatchObject({ name: 'ConcurrentModificationException' });
  expect(aws.hits).toHaveLength(6);
  // One answer that was lost is enough: that call may still take effect.
  aws.plan = (call) =>
    call.operation !== 'UpdateTable'
      ? undefined
      : {
          mode: 'fail',
          error: aws.hits.length === 6 ? 'InternalServiceException' : 'ConcurrentModificationException',
        };
  const unclear = one(aws);
  await expect(unclear).rejects.toThrow(CommitUnclear);
  await expect(unclear).rejects.toMatchObject({ cause: { name: 'ConcurrentModificationException' } });
  expect(aws.hits).toHaveLength(12);
  expect(await seen(aws)).toEqual(['a', 'b']);
});

test('a commit that took effect at its last try is made, also if others have committed on top, or a twin has made it', async () => {
  for (const by6th of ['own', 'followed', 'twin'] as const) {
    const aws = await started();
    let tries = 0;
    aws.plan = ({ actor, operation }) => {
      if (actor !== 'writer' || operation !== 'UpdateTable') return undefined;
      return ++tries < 6 || by6th === 'twin'
        ? { mode: 'fail', error: 'InternalServiceException' }
        : { mode: 'lost' };
    };
    const deps = on(aws, 'writer');
    const read = deps.pointers.read;
    const pointers = {
      ...deps.pointers,
      async read(name: string) {
        if (tries === 6) {
          tries++;
          if (by6th === 'twin') await publishChange(on(aws, 'twin'), 't', by('two', 2), correction);
          if (by6th === 'followed')
            await publishChange(
              on(aws, 'other'),
              't',
              { dataset: 'other', batch: 'x', fence: 1 },
              changing(['x']),
            );
        }
        return read(name);
      },
    };
    const outcome = await publishChange({ ...deps, pointers }, 't', by('two', 2), correction);
    expect(outcome.how).toBe('committed');
    expect(await seen(aws)).toEqual(by6th === 'followed' ? ['a', 'c', 'x'] : ['a', 'c']);
    // A change that nobody else can have made is known by its metadata file alone.
    tries = 0;
    const raised = raiseFence({ ...deps, pointers }, 't', { dataset, fence: 9 });
    if (by6th === 'twin') await expect(raised).rejects.toThrow(CommitUnclear);
    else expect((await raised).how).toBe('committed');
  }
});

test('a commit does not go to another table that has got the name in the meantime', async () => {
  const aws = await started();
  const deps = on(aws, 'writer');
  let isReplaced = false;
  const pointers = {
    ...deps.pointers,
    async swap(...[from, target]: Parameters<typeof deps.pointers.swap>) {
      if (!isReplaced) {
        isReplaced = true;
        await aws.actor('person').glue.send(new DeleteTableCommand({ DatabaseName: 'db', Name: 't' }));
        await createTable(on(aws, 'person'), plainTable);
      }
      return deps.pointers.swap(from, target);
    },
  };
  await expect(publishChange({ ...deps, pointers }, 't', by('two', 2), correction)).rejects.toThrow(
    /somebody has dropped it and created another one/,
  );
  expect(await seen(aws)).toEqual([]);
});

test('a table that is gone is told by name', async () => {
  const aws = icebergAws();
  const deps = on(aws, 'writer');
  expect(await loadTable(deps, 't')).toBeUndefined();
  await expect(one(aws)).rejects.toThrow(TableMismatch);
  // Nobody else has created it either.
  aws.plan = faultAt({ mode: 'fail', error: 'InternalServiceException' }, { operation: 'CreateTable' });
  await expect(createTable(deps, plainTable)).rejects.toMatchObject({ name: 'InternalServiceException' });
});

test('metadata files are numbered, and a comment of the table fits into one of Glue', async () => {
  const aws = icebergAws();
  const deps = on(aws, 'writer');
  const doc = `two\n\tlines ${'x'.repeat(244)}🦊`;
  await createTable(deps, { ...plainTable, columns: [{ name: 'id', type: 'bigint', doc }] });
  await raiseFence(deps, 't', { dataset, fence: 1 });
  await raiseFence(deps, 't', { dataset, fence: 2 });
  const { pointer, metadata } = await requireTable(deps, 't');
  const numbers = [...metadata['metadata-log'].map((entry) => entry['metadata-file']), pointer.file].map(
    (file) => /\/metadata\/(\d+)-[0-9a-f-]{36}\.metadata\.json$/.exec(file)?.[1],
  );
  expect(numbers).toEqual(['00000', '00001', '00002']);
  expect(pointer.table.StorageDescriptor?.Columns).toEqual([
    {
      Name: 'id',
      Type: 'bigint',
      Comment: `two lines ${'x'.repeat(244)}\ufffd`.slice(0, 255),
      Parameters: {
        'iceberg.field.current': 'true',
        'iceberg.field.id': '1',
        'iceberg.field.optional': 'true',
      },
    },
  ]);
});

test('a holder closes the table to earlier ones once, and never to later ones', async () => {
  const aws = await started();
  const deps = on(aws, 'writer');
  expect((await raiseFence(deps, 't', { dataset, fence: 5 })).how).toBe('committed');
  expect((await raiseFence(deps, 't', { dataset, fence: 5 })).how).toBe('nothing to do');
  const lower = await raiseFence(deps, 't', { dataset, fence: 4 });
  expect([lower.how, fenceOf(lower.metadata, dataset), fenceOf(lower.metadata, 'other')]).toEqual([
    'done before',
    5,
    0,
  ]);
  await publishChange(deps, 't', by('five', 5), changing(['e']));
  expect((await requireTable(deps, 't')).metadata.snapshots.map(attemptOf)).toEqual([
    { batch: 'one', fence: 1 },
    { batch: 'five', fence: 5 },
  ]);
  const of = { ...(await requireTable(deps, 't')).metadata.snapshots[0], summary: { 'sluice.batch': 'x' } };
  expect(
    attemptOf({ 'snapshot-id': 1n, 'sequence-number': 1n, 'timestamp-ms': 1, 'manifest-list': '', ...of }),
  ).toBeUndefined();
});
