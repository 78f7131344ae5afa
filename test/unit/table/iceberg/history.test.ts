/** A tag pins a snapshot, whoever writes, compacts or expires at the same time. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CommitUnclear, TableConflict } from '../../../../src/lib/errors.ts';
import { createTable, fenceOf, requireTable } from '../../../../src/lib/table/iceberg/commit.ts';
import { historyOf } from '../../../../src/lib/table/iceberg/history.ts';
import { expireSnapshots } from '../../../../src/lib/table/iceberg/maintenance.ts';
import { publishChange } from '../../../../src/lib/table/iceberg/operations.ts';
import { liveEntries } from '../../../../src/lib/table/iceberg/snapshot.ts';
import { changing, depsOf, icebergAws, plainTable, readable, rollBackTo } from '../../../support/iceberg.ts';
import {
  everyFault,
  faultAt,
  faultsByCall,
  interleave,
  type MemoryAws,
  someChoices,
  someFaults,
} from '../../../support/memory/index.ts';

const dataset = 'feed';
const by = (batch: string, fence: number) => ({ dataset, batch, fence });
const on = (aws: MemoryAws, actor: string) => depsOf(aws.actor(actor), aws);

/** Batch one with a and b; batch two, a correction of b by c. */
async function started(): Promise<{ aws: MemoryAws; ids: string[] }> {
  const aws = icebergAws();
  const deps = on(aws, 'first');
  await createTable(deps, plainTable);
  const summary = { 'sluice.dataset': dataset, 'sluice.contract': 'v1' };
  await publishChange(deps, 't', by('one', 1), { ...changing(['a', 'b']), summary });
  aws.clock.advance(1000);
  await publishChange(deps, 't', by('two', 2), changing(['c'], ['b']));
  aws.clock.advance(1000);
  return { aws, ids: (await historyOf(deps).snapshots('t')).map(({ id }) => id) };
}

test('snapshots tell their batch, contract and rows, in the order of their commits', async () => {
  const { aws } = await started();
  expect(await historyOf(on(aws, 'reader')).snapshots('t')).toMatchObject([
    {
      operation: 'append',
      attempt: { batch: 'one', fence: 1 },
      dataset,
      contract: 'v1',
      rowsAdded: 2,
      rowsRemoved: 0,
      standing: 'earlier',
      tags: [],
    },
    {
      operation: 'overwrite',
      attempt: { batch: 'two', fence: 2 },
      rowsAdded: 1,
      rowsRemoved: 1,
      standing: 'current',
    },
  ]);
});

test('a snapshot that another tool has rolled back stands aside', async () => {
  const { aws, ids } = await started();
  const deps = on(aws, 'other');
  await rollBackTo(deps, 't', BigInt(ids[0] ?? ''));
  expect((await historyOf(deps).snapshots('t')).map((s) => s.standing)).toEqual(['current', 'aside']);
});

test('a tagged snapshot is an earlier state, although snapshots between it and the current one have expired', async () => {
  const { aws, ids } = await started();
  const deps = on(aws, 'person');
  await historyOf(deps).tag('t', 'model', ids[0] ?? '');
  await publishChange(deps, 't', by('three', 3), changing(['d']));
  await expireSnapshots(deps, 't', { olderThan: aws.clock.now(), keepLast: 1 });
  expect((await historyOf(deps).snapshots('t')).map((s) => s.standing)).toEqual(['earlier', 'current']);
});

test('a tag is made once whatever happens to its call, and the fence stays as it was', async () => {
  for (const fault of everyFault) {
    const { aws, ids } = await started();
    const [first = ''] = ids;
    aws.plan = faultAt(fault, { actor: 'person', operation: 'UpdateTable' });
    await interleave(aws, [], { person: (a) => historyOf(depsOf(a, aws)).tag('t', 'model', first) });
    aws.plan = undefined;
    expect(await historyOf(on(aws, 'again')).tag('t', 'model', first)).toMatchObject({
      id: first,
      tags: ['model'],
    });
    aws.runStalled();
    const { metadata } = await requireTable(on(aws, 'reader'), 't');
    expect(Object.keys(metadata.refs).sort()).toEqual(['main', 'model']);
    expect(fenceOf(metadata, dataset)).toBe(2);
    expect(await readable(on(aws, 'reader'))).toEqual(['a', 'c']);
  }
});

test('a tag whose answers are all lost is unclear, and shows when it is asked for again', async () => {
  const { aws, ids } = await started();
  const [first = ''] = ids;
  aws.plan = faultAt(
    { mode: 'fail', error: 'InternalServiceException' },
    { operation: 'UpdateTable', times: 100 },
  );
  const history = historyOf(on(aws, 'person'));
  await expect(history.tag('t', 'model', first)).rejects.toThrow(CommitUnclear);
  await expect(history.dropTag('t', 'none')).resolves.toBe(false);
  aws.plan = undefined;
  await history.tag('t', 'model', first);
  expect(await history.dropTag('t', 'model')).toBe(true);
  expect(await history.dropTag('t', 'model')).toBe(false);
});

test('a tag beside a batch and an expiry pins the snapshot, or fails because it has expired', async () => {
  await fc.assert(
    fc.asyncProperty(
      someChoices(60),
      someFaults(['batch', 'expiry', 'person'], 12, 1),
      async (choices, faults) => {
        const { aws, ids } = await started();
        const [first = ''] = ids;
        aws.plan = faultsByCall(faults);
        const retention = { olderThan: aws.clock.now(), keepLast: 1 };
        const { outcomes } = await interleave(aws, choices, {
          batch: (a) => publishChange(depsOf(a, aws), 't', by('three', 3), changing(['d'])),
          expiry: (a) => expireSnapshots(depsOf(a, aws), 't', retention),
          person: (a) => historyOf(depsOf(a, aws)).tag('t', 'model', first),
        });
        aws.plan = undefined;
        aws.runStalled();
        const deps = on(aws, 'reader');
        await publishChange(deps, 't', by('three', 3), changing(['d']));
        await expireSnapshots(deps, 't', retention);
        const { metadata } = await requireTable(deps, 't');
        const tagged = metadata.refs.model?.['snapshot-id'];
        if (outcomes.person.status === 'done') expect(tagged).toBe(BigInt(first));
        if (outcomes.person.status === 'failed' && outcomes.person.error instanceof TableConflict)
          expect(tagged).toBeUndefined();
        if (tagged !== undefined) {
          const snapshot = metadata.snapshots.find((s) => s['snapshot-id'] === tagged);
          const files = (await liveEntries(deps.files, metadata, snapshot)).map(({ file }) => file.path);
          expect(files.map((path) => path.replace(/^.*\/t\//, '')).sort()).toEqual([
            'a.parquet',
            'b.parquet',
          ]);
        }
        expect(await readable(deps)).toEqual(['a', 'c', 'd']);
      },
    ),
    { numRuns: Number(process.env.SLUICE_HISTORIES ?? 20) },
  );
});

test('a name that every object has is a tag as any other, and one that is taken stays', async () => {
  const { aws, ids } = await started();
  const [first = '', second = ''] = ids;
  const history = historyOf(on(aws, 'person'));
  expect(await history.dropTag('t', 'constructor')).toBe(false);
  await history.tag('t', 'constructor', first);
  await expect(history.tag('t', 'constructor', second)).rejects.toThrow(
    /there is a tag constructor already, of the snapshot/,
  );
  await expect(history.tag('t', 'main', first)).rejects.toThrow('there is a branch main already');
  expect(await history.dropTag('t', 'main')).toBe(false);
  for (const id of ['7', '-1', '1e3', '', '99999999999999999999'])
    await expect(history.tag('t', 'x', id)).rejects.toThrow(TableConflict);
});
