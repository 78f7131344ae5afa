/** The sweep: what it takes back, and what it leaves alone. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { sweep } from '../../../../src/lib/flow/repair/sweep.ts';
import { maintaining } from '../../../../src/lib/ledger/leases.ts';
import { type Deps, dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test.each<[string, string, string, number]>([
  ['an execution that was only just started may not be there yet', 'after two minutes', 'starting', 120_000],
  ['maintenance has no execution', 'after five', `${maintaining}1`, 300_000],
])('%s: its lease is taken back %s', async (_, __, holder, patience) => {
  const world = new World();
  const { ledger } = world.deps('test');
  const fence = await ledger.acquireLease(dataset, holder);
  const look = () => world.call('sweep', (deps) => sweep(deps, dataset));
  for (const wait of [0, patience - 1000]) {
    world.aws.clock.advance(wait);
    expect(await look()).toMatchObject({ leaseRecovered: false });
    expect(await ledger.lease(dataset)).toMatchObject({ fence, execution: holder });
  }
  world.aws.clock.advance(2000);
  expect(await look()).toMatchObject({ leaseRecovered: true });
  expect((await ledger.lease(dataset))?.execution).toBeUndefined();
});

const hour = 3_600_000;
const sweepOf = (world: World, change: (deps: Deps) => Partial<Deps> = () => ({}), isListingDue = false) =>
  world.call('sweep', (deps) => sweep({ ...deps, ...change(deps) }, dataset, { isListingDue }));

test('objects without an event are found once an hour, or when somebody asks', async () => {
  const world = new World();
  const lists = () => world.aws.calls('s3.ListObjectVersions');
  for (const key of ['feed/a', 'feed/a', 'feed/b', 'feed/', 'other/c'])
    world.aws.s3.seed('raw', key, key.endsWith('/') ? '' : '{}');
  expect(await sweepOf(world)).toEqual({
    dataset,
    leaseRecovered: false,
    batchesRecovered: 0,
    filesFound: 2,
    filesFailed: 0,
    attemptsChecked: 0,
    isTableMissing: false,
    partitionsMissing: 0,
    started: true,
  });
  expect([world.metrics.get('FilesFound'), world.metrics.has('FilesNotNoted')]).toEqual([2, false]);
  expect(world.metrics.get('OldestPendingAge')).toBeLessThan(1);
  world.metrics.clear();
  world.aws.s3.seed('raw', 'feed/late', '{}');
  world.aws.clock.advance(hour - 60_000);
  const before = lists();
  expect(await sweepOf(world)).toMatchObject({ filesFound: 0, started: false });
  expect([lists() - before, world.metrics.has('FilesFound')]).toEqual([0, false]);
  expect(world.metrics.get('OldestPendingAge')).toBeGreaterThan(3500);
  expect(await sweepOf(world, undefined, true)).toMatchObject({ filesFound: 1 });
  world.aws.s3.seed('raw', 'feed/later', '{}');
  world.aws.clock.advance(hour + 1000);
  expect(await sweepOf(world)).toMatchObject({ filesFound: 1 });
});

test('a bucket that one sweep does not come through is gone on with by the next, at once', async () => {
  const world = new World();
  const asked: (string | undefined)[] = [];
  const inParts = ({ store }: Deps): Partial<Deps> => ({
    store: {
      ...store,
      listVersions: async (bucket, prefix, after, limit) => {
        expect([bucket, prefix, limit]).toEqual(['raw', 'feed/', 20_000]);
        asked.push(after);
        const next = { '': 'feed/m', 'feed/m': 'feed/t' }[after ?? ''];
        return { ...(await store.listVersions(bucket, prefix, after, limit)), next };
      },
    },
  });
  for (let n = 0; n < 4; n++) await sweepOf(world, inParts);
  // The fourth sweep comes within the hour after a whole pass.
  expect(asked).toEqual([undefined, 'feed/m', 'feed/t']);
});

test('a file that cannot be noted is counted, and keeps no other from being found', async () => {
  const world = new World();
  for (const key of ['feed/a', 'feed/b']) world.aws.s3.seed('raw', key, '{}');
  const found = await sweepOf(world, ({ ledger }) => ({
    ledger: {
      ...ledger,
      notePending: async (of, files, order) =>
        (
          await ledger.notePending(
            of,
            files.filter(({ object }) => object !== 'feed/a'),
            order,
          )
        ).concat(new Error('no')),
    },
  }));
  expect(found).toMatchObject({ filesFound: 1, filesFailed: 1 });
  expect([world.metrics.get('FilesFound'), world.metrics.get('FilesNotNoted')]).toEqual([1, 1]);
});

test('what attempts have left behind is removed when it is due, and one that cannot be removed stops neither another one nor the rest', async () => {
  const world = new World();
  world.put('feed/z', ['1@06']);
  await world.settle();
  const { ledger } = world.deps('test');
  const now = world.aws.clock.now();
  const note = (letter: string, due: number) => {
    const at = new Date(due).toISOString();
    const batch = letter.repeat(20);
    world.aws.dynamo.seed('ledger', {
      pk: dataset,
      sk: `GARBAGE#${at}#${batch}#3`,
      batch,
      fence: 3,
      due: at,
    });
  };
  for (const letter of ['a', 'b']) note(letter, now - 60_000);
  note('c', now + hour);
  world.aws.s3.seed('raw', 'feed/new', '{}');
  world.aws.plan = ({ operation, input }) =>
    operation === 'GetObject' && JSON.stringify(input).includes('a'.repeat(20))
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  await expect(sweepOf(world, undefined, true)).rejects.toMatchObject({ name: 'AccessDenied' });
  world.aws.plan = undefined;
  const left = async () => (await ledger.garbage(dataset)).map(({ batch }) => batch[0]).sort();
  expect(await left()).toEqual(['a', 'c']);
  // The other parts had their turn: the new file is found, and its batch begun.
  expect(world.metrics.get('FilesFound')).toBe(1);
  expect((await ledger.lease(dataset))?.execution).toBe('starting');
  expect(await sweepOf(world)).toMatchObject({ attemptsChecked: 1 });
  expect(await left()).toEqual(['c']);
});

test('a batch without an owner is ended; while somebody holds the lease, it is theirs', async () => {
  const world = new World();
  world.put('feed/a', ['1@06']);
  await world.until('transform');
  const { ledger } = world.deps('test');
  const { fence = 0, execution = '' } = (await ledger.lease(dataset)) ?? {};
  expect(await sweepOf(world)).toMatchObject({ leaseRecovered: false, batchesRecovered: 0, started: false });
  expect(await ledger.lease(dataset)).toMatchObject({ fence, execution });
  expect(world.metrics.has('LeasesTakenBack')).toBe(false);
  await ledger.releaseLease(dataset, fence);
  expect(await sweepOf(world)).toMatchObject({ leaseRecovered: false, batchesRecovered: 1, started: true });
  expect((await ledger.lease(dataset))?.fence).toBeGreaterThan(fence);
  expect(await world.statesOf('feed/a')).toEqual(['pending']);
});

test.each(['FAILED', null])(
  'the lease of an execution that is %s is taken back, and counted',
  async (status) => {
    const world = new World();
    world.put('feed/a', ['1@06']);
    await world.until('transform');
    const { ledger } = world.deps('test');
    const [open] = await ledger.openBatches(dataset);
    const found = await sweepOf(world, () => ({ executionStatus: async () => status }));
    expect(found).toMatchObject({ leaseRecovered: true, batchesRecovered: 0 });
    expect(world.metrics.get('LeasesTakenBack')).toBe(1);
    expect((await ledger.batch(dataset, open?.batch ?? ''))?.reason).toMatch(
      status === null
        ? /^ExecutionGone: the execution arn:.* held the lease and does not exist$/
        : /^ExecutionGone: the execution arn:.* held the lease and is FAILED$/,
    );
  },
);

test('a version whose successor was deleted unread comes back, but not one that a person has rejected', async () => {
  for (const kind of [undefined, 'reject', 'rollback'] as const) {
    const world = new World();
    const first = world.put('feed/a', ['1@06']);
    const second = world.put('feed/a', ['2@06']);
    await world.deliver();
    // The first was replaced before it was read, and the second is gone before it is.
    await world.executeAll();
    const { ledger } = world.deps('test');
    expect(await world.statesOf('feed/a')).toEqual(['published', 'replaced']);
    const item = (sk: (text: string) => boolean) =>
      world.aws.dynamo.items('ledger').find((found) => sk(String(found.sk))) ?? {};
    const object = item((sk) => sk.startsWith('OBJECT'));
    world.aws.dynamo.seed('ledger', { ...object, etag: '' });
    const file =
      world.aws.dynamo
        .items('ledger')
        .find((found) => found.version === first && found.state === 'replaced') ?? {};
    if (kind !== undefined)
      world.aws.dynamo.seed('ledger', {
        ...file,
        decision: { kind, reason: 'r', at: '2026-01-01T00:00:00Z' },
      });
    world.aws.s3.expire('raw', 'feed/a', second);
    const { filesFound } = await sweepOf(world, undefined, true);
    expect([
      kind,
      filesFound,
      (await ledger.file(dataset, { object: 'feed/a', version: first }))?.state,
    ]).toEqual(kind === undefined ? [kind, 1, 'pending'] : [kind, 0, 'replaced']);
  }
});
