/**
 * The flow on an Iceberg table. The pointer swap and the ledger's commit are two steps. Whatever happens between them,
 * readers finally find what the ledger counts, and at every moment a committed state.
 */
import { CreateTableCommand, DeleteTableCommand } from '@aws-sdk/client-glue';
import { afterEach, expect, jest, test } from '@jest/globals';
import { replay, retry } from '../../../src/lib/flow/operate/again.ts';
import { reconcile } from '../../../src/lib/flow/repair/reconcile.ts';
import { requireTable } from '../../../src/lib/table/iceberg/commit.ts';
import type { Partition } from '../../../src/lib/table/iceberg/manifest.ts';
import { schemaOf, specOf } from '../../../src/lib/table/iceberg/metadata.ts';
import { evolveTable, publishChange } from '../../../src/lib/table/iceberg/operations.ts';
import { liveEntries } from '../../../src/lib/table/iceberg/snapshot.ts';
import { hiveOf } from '../../../src/lib/table/iceberg/types.ts';
import {
  after,
  correction,
  expectWholeOnceThawed,
  newFile,
  published as publishedIn,
  runWithFault,
  type Scenario,
} from '../../support/everyCall.ts';
import { dataset, expectNoOrphans, expectWhole, type World } from '../../support/flowWorld.ts';
import { depsOf, fakeObject } from '../../support/iceberg.ts';
import type { Call, Fault } from '../../support/memory/index.ts';
import { isThorough } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** A stage with two files that were one batch, in two days. */
const published = () => publishedIn({ format: 'iceberg' });

const scenarios: Record<string, Scenario> = { 'a new file': newFile, 'a correction': correction };

test.each(Object.keys(scenarios))('readers of the table find what the files say: %s', async (name) => {
  const world = await published();
  await scenarios[name]?.(world);
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  const { metadata } = await requireTable(depsOf(world.aws.actor('test'), world.aws), dataset);
  expect(metadata.snapshots.map((s) => s.summary.operation)).toEqual([
    'append',
    name === 'a correction' ? 'overwrite' : 'append',
  ]);
});

test('objects that a correction has replaced stay while a snapshot names them', async () => {
  const world = await published();
  const before = world.objects();
  await correction(world);
  await world.settle();
  await world.cleanUp();
  expect(world.aws.s3.keys('processed')).toEqual(expect.arrayContaining(before));
  expect(world.objects()).not.toEqual(expect.arrayContaining(before));
});

test('rows are staged where they stay: a correction copies none of them', async () => {
  const world = await published();
  const before = world.stored();
  let staged: string[] = [];
  world.watch('publish', async () => {
    staged = world.stored().filter((key) => !before.includes(key));
  });
  world.aws.plan = ({ operation, input }) => {
    if (operation === 'CopyObject') expect(input).not.toMatchObject({ Bucket: 'processed' });
    return undefined;
  };
  await correction(world);
  await world.settle();
  // Objects of the batch in one folder; the remaining rows of rewritten objects in another.
  expect(staged.map((key) => key.replace(/[0-9a-f]{20}/g, '*').replace(/\/[^/]*$/, '')).sort()).toEqual([
    expect.stringMatching(/^feed\/\*-f\d+-of-\*-\w+\/source=feed\/day=06$/),
    expect.stringMatching(/^feed\/\*-f\d+-\w+\/source=feed\/day=06$/),
    expect.stringMatching(/^feed\/\*-f\d+-\w+\/source=feed\/day=08$/),
  ]);
  expect(world.objects()).toEqual(staged.sort());
  await expectWhole(world);
});

test('what a batch has staged in the table goes with it, when it is not published', async () => {
  const world = await published();
  const before = world.stored();
  let staged = 0;
  world.watch('startValidation', async () => {
    staged = world.stored().length;
  });
  world.aws.plan = ({ operation }) =>
    operation === 'StartQueryExecution' ? { mode: 'fail', error: 'InvalidRequestException' } : undefined;
  world.put('feed/c', ['c1@06']);
  await world.settle();
  expect(staged).toBe(before.length + 1);
  expect(world.stored()).toEqual(before);
});

test('while the table is dropped, files wait for a person; once it is registered again as they were told, all is published', async () => {
  const world = await published();
  const { glue } = world.aws.actor('somebody');
  world.watch('repairPartitions', async () => {
    await glue.send(new DeleteTableCommand({ DatabaseName: 'db', Name: dataset }));
    world.watch('nothing', async () => {});
  });
  world.put('feed/c', ['c1@06']);
  await world.settle();
  world.put('feed/d', ['d1@06']);
  await world.settle();
  expect(world.aws.glue.tableInput('db', dataset)).toBeUndefined();
  const { ledger } = world.deps('test');
  const held = await ledger.waiting(dataset, 'held');
  expect(held.map(({ object }) => object)).toEqual(['feed/d']);
  const [waiting] = await ledger.read(dataset, held);
  const [, location = ''] = /register it again from (\S+),/.exec(waiting?.file?.reason ?? '') ?? [];
  const Parameters = { table_type: 'ICEBERG', metadata_location: location };
  await glue.send(new CreateTableCommand({ DatabaseName: 'db', TableInput: { Name: dataset, Parameters } }));
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
});

test('what a try has staged that was not gone on with is removed by reconcile, and by nobody before', async () => {
  const world = await published();
  const [object = ''] = world.objects();
  const abandoned = object.replace(/-\w+\/source/, '-other/source');
  expect(abandoned).not.toBe(object);
  world.aws.s3.seed('processed', abandoned, '[]');
  await world.call('reconcile', (deps) => reconcile(deps, dataset));
  expect(world.stored()).toContain(abandoned);
  await world.cleanUp();
  expect(world.stored()).not.toContain(abandoned);
  await expectWhole(world);
});

test('a batch whose columns were to get ids that others have taken is planned anew', async () => {
  const world = await published();
  const deps = depsOf(world.aws.actor('person'), world.aws);
  const { metadata } = await requireTable(deps, dataset);
  const columns = schemaOf(metadata).fields.map(({ name, type }) => ({ name, type: hiveOf(type) }));
  let taken = 0;
  world.changeContract(
    (contract) => ({ ...contract, derive: [{ name: 'n', type: 'int', expression: '1' }] }),
    'claimBatch',
  );
  world.watch('publish', async () => {
    if (taken++ > 0) return;
    const wanted = {
      name: dataset,
      location: metadata.location,
      columns: [...columns, { name: 'theirs', type: 'int' }],
    };
    await evolveTable(
      deps,
      { ...wanted, partitionBy: partitionBy(['source', 'day']) },
      { dataset: 'a person', fence: 1 },
    );
  });
  world.put('feed/c', ['c1@06']);
  await world.settle();
  await expectWhole(world);
  expect(taken).toBe(2);
  expect(world.errors).toContainEqual(expect.stringMatching(/TableConflict.*planned again/));
});

test('a renamed column is one column of new rows and of old ones, when these are corrected and replayed, too', async () => {
  const world = await published();
  const rename = (name: string, was: string) => {
    world.changeContract(
      (contract) => ({
        ...contract,
        columns: contract.columns.map((column) => (column.name === 'id' ? { ...column, name, was } : column)),
      }),
      'claimBatch',
    );
  };
  rename('key', 'id');
  await correction(world);
  await world.settle();
  rename('number', 'key');
  world.put('feed/c', ['c1@06']);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  await expectWhole(world);
  const { metadata, pointer } = await requireTable(depsOf(world.aws.actor('test'), world.aws), dataset);
  expect(schemaOf(metadata).fields[0]).toMatchObject({ id: 1, name: 'number' });
  expect(schemaOf(metadata).fields.map(({ name }) => name)).not.toContain('id');
  expect(pointer.table.StorageDescriptor?.Columns?.[0]).toMatchObject({ Name: 'number' });
  // The second correction under one name changes nothing more.
  expect(metadata.schemas).toHaveLength(3);
  // Rows are sorted by the time of their partition.
  expect(metadata['sort-orders'].map((order) => order.fields.map((f) => f['source-id']))).toContainEqual([2]);
});

test('a contract with other partitions leaves published objects in theirs, when they are corrected, too', async () => {
  const world = await published();
  world.changeContract(
    (contract) => ({
      ...contract,
      partitionBy: [
        { name: 'source', constant: 'feed' },
        { name: 'at_day', of: 'at', transform: 'day', width: 0 },
      ],
    }),
    'claimBatch',
  );
  await correction(world);
  await world.settle();
  await expectWhole(world);
  const foldersOf = () =>
    [
      ...new Set(world.objects().map((key) => key.replace(/^feed\/[^/]*\//, '').replace(/\/[^/]*$/, ''))),
    ].sort();
  expect(foldersOf()).toEqual([
    'source=feed/at_day=2025-01-06',
    'source=feed/at_day=2025-01-08',
    'source=feed/day=06',
  ]);
  const deps = depsOf(world.aws.actor('test'), world.aws);
  const { metadata } = await requireTable(deps, dataset);
  const entries = await liveEntries(deps.files, metadata);
  expect(entries.map(({ specId, file }) => [specId, ...file.partition.values()]).sort()).toEqual([
    [1, 'feed', '06'],
    [2, 'feed', 20_094],
    [2, 'feed', 20_096],
  ]);
  await world.operate((d) => replay(d, dataset, { prefix: 'feed/' }));
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  expect(foldersOf()).toEqual(['source=feed/at_day=2025-01-06', 'source=feed/at_day=2025-01-08']);
  // The contract of before finds its partitions again.
  world.changeContract((contract) => contract, 'claimBatch');
  world.put('feed/a', ['a1@07']);
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  expect((await requireTable(deps, dataset)).metadata['partition-specs']).toHaveLength(2);
});

test('what an attempt has left in partitions of an earlier contract is removed', async () => {
  const world = await published();
  const [object = ''] = world.objects();
  const abandoned = object.replace(/-\w+\/source/, '-other/source');
  world.aws.s3.seed('processed', abandoned, '[]');
  world.changeContract(
    (contract) => ({ ...contract, partitionBy: contract.partitionBy.slice(0, 1) }),
    'claimBatch',
  );
  await world.cleanUp();
  expect(world.stored()).not.toContain(abandoned);
  await expectWhole(world);
});

const partitionBy = (columns: readonly string[]) =>
  columns.map((column) => ({ column, transform: 'identity' }));

test('the event of a batch carries the snapshot that it has made', async () => {
  const world = await published();
  await correction(world);
  await world.settle();
  const { metadata } = await requireTable(depsOf(world.aws.actor('test'), world.aws), dataset);
  const told = world.aws.bus.entries.map(({ Detail }) => JSON.parse(Detail ?? '').snapshot);
  expect(told).toEqual(metadata.snapshots.map((s) => String(s['snapshot-id'])));
});

test('Publish writes as many objects for many partitions as for one', async () => {
  const world = await published();
  const writes: string[] = [];
  world.aws.plan = ({ actor, operation, input }) => {
    const isWrite = operation === 'PutObject' || operation === 'CopyObject';
    if (isWrite && actor.startsWith('publish'))
      writes.push(String(Object.getOwnPropertyDescriptor(input, 'Key')?.value));
    return undefined;
  };
  world.put(
    'feed/c',
    Array.from({ length: 28 }, (_, i) => `c@${String(i + 1).padStart(2, '0')}`),
  );
  await world.settle();
  await expectWhole(world);
  // Counts, mark, record; manifest, list of manifests, metadata.
  expect(writes).toHaveLength(6);
});

/** States that readers may find: of each file all old rows or all new ones. */
function watchReaders(world: World): string[] {
  const missed: string[] = [];
  const good = (lines: readonly string[]) => lines.filter((line) => line.includes('@')).sort();
  const before = new Map([...world.wanted].map(([key, lines]) => [key, good(lines)]));
  const { wire } = world.aws;
  const tick = wire.onCall;
  let looked: string | undefined;
  wire.onCall = () => {
    tick();
    // Only the pointer changes what readers see.
    const file = world.aws.glue.tableInput('db', dataset)?.Parameters?.metadata_location;
    if (file === looked) return;
    looked = file;
    const rows = Map.groupBy(world.rows(), ({ object }) => object);
    for (const key of new Set([...before.keys(), ...world.wanted.keys()])) {
      const seen = JSON.stringify((rows.get(key) ?? []).map(({ id, day }) => `${id}@${day}`).sort());
      const committed = [before.get(key) ?? [], good(world.wanted.get(key) ?? [])];
      if (!committed.some((lines) => JSON.stringify(lines) === seen)) missed.push(`${key}: ${seen}`);
    }
  };
  return missed;
}

/** The calls around the swap; everyCall.test.ts has all calls under all faults. */
const isMeant = ({ actor, service, operation, input }: Call): boolean =>
  /^(?:publish|failBatch|recover)/.test(actor) &&
  ((service === 'glue' && operation !== 'GetTable') ||
    (actor.startsWith('publish') && operation === 'TransactWriteItems') ||
    (operation === 'PutObject' && JSON.stringify(input).includes('metadata.json')));
const faults: readonly Fault[] = [
  { mode: 'lost' },
  // What Glue answers when the SDK sends a swap again that was made.
  { mode: 'lost', error: 'ConcurrentModificationException' },
  { mode: 'hang', effect: true },
  ...(isThorough
    ? ([
        { mode: 'fail', error: 'AccessDeniedException' },
        { mode: 'twice' },
        { mode: 'hang', effect: false },
        { mode: 'stall', caller: 'dies' },
        { mode: 'stall', caller: 'timesOut' },
      ] satisfies Fault[])
    : []),
];

test.each(isThorough ? Object.keys(scenarios) : ['a correction'])(
  'whatever happens to a call, readers find committed states only, and what the files say in the end: %s',
  async (name) => {
    for (const fault of faults)
      for (let n = 1; ; n++) {
        const world = await published();
        const missed = watchReaders(world);
        await scenarios[name]?.(world);
        const hit = await runWithFault(world, n, fault, isMeant);
        if (!hit) break;
        await after(
          `call ${n}, ${hit.actor} ${hit.service}.${hit.operation} ${JSON.stringify(fault)}`,
          async () => {
            await world.settle();
            world.aws.runStalled();
            await world.settle();
            await world.cleanUp();
            await expectWhole(world);
            expect(missed).toEqual([]);
          },
        );
      }
  },
  300_000,
);

test.each(isThorough ? Object.keys(scenarios) : ['a correction'])(
  'a function that stands still around the swap, and goes on when others have done its work, harms nothing: %s',
  async (name) => {
    for (let n = 1; ; n++) {
      const world = await published();
      await scenarios[name]?.(world);
      const frozen = world.freeze(
        n,
        (actor, operation) => actor.startsWith('publish') && operation.startsWith('glue'),
      );
      await world.deliver();
      await world.executeAll();
      if (frozen.hit === '') break;
      await after(`frozen at call ${n}, ${frozen.hit}`, async () => {
        await world.settle();
        world.put('feed/a', ['a9@06']);
        await world.settle();
        await expectWholeOnceThawed(world);
      });
    }
  },
  300_000,
);

const isWrite = ({ actor, operation }: Call): boolean =>
  !actor.startsWith('test') && !/^(?:Get|Head|List|Query|BatchGet|Describe)/.test(operation);

test.each(Object.keys(scenarios))(
  'a kill between any two writes leaves a table that can be read, and no row is lost or doubled: %s',
  async (name) => {
    // `npm test` kills after each write, `npm run check` after every seventh.
    for (let n = isThorough ? 1 : 4; ; n += isThorough ? 1 : 7) {
      const world = await published();
      const missed = watchReaders(world);
      await scenarios[name]?.(world);
      const hit = await runWithFault(world, n, { mode: 'hang', effect: true }, isWrite);
      if (!hit) {
        expect(n).toBeGreaterThan(30);
        break;
      }
      await after(`killed after write ${n}, ${hit.actor} ${hit.service}.${hit.operation}`, async () => {
        await world.settle();
        await expectWhole(world);
        await world.cleanUp();
        await expectWhole(world);
        await expectNoOrphans(world);
        expect(missed).toEqual([]);
      });
    }
  },
  300_000,
);

test.each([
  ['once', 1],
  ['again and again', 4],
])(
  'another writer that commits before a swap, %s, keeps its rows, and the batch its own',
  async (_, times) => {
    const world = await published();
    const person = depsOf(world.aws.actor('person'), world.aws);
    const added = world.put('feed/a', ['a1@08', 'a3@06']);
    const theirs: string[] = [];
    const conflicts: string[] = [];
    world.aws.wire.turn = async ({ name }, { key }) => {
      if (name === 'person' || !key.endsWith('UpdateTable')) return;
      conflicts.push(name);
      if (theirs.length === times) return;
      const path = `feed/theirs-${theirs.length}.parquet`;
      theirs.push(path);
      world.aws.s3.seed('processed', path, '[]');
      const { metadata } = await requireTable(person, dataset);
      const partition: Partition = new Map(specOf(metadata).fields.map((field) => [field['field-id'], 'x']));
      const file = fakeObject(`s3://processed/${path}`, { partition });
      const what = { add: [{ file, specId: metadata['default-spec-id'] }], drop: [], summary: {} };
      await publishChange(
        person,
        dataset,
        { dataset: 'a person', batch: path, fence: 1 },
        { ...what, dropped: 'gone' },
      );
    };
    await world.settle();
    world.aws.wire.turn = undefined;
    await world.cleanUp();
    // Each of their commits made one of ours stale.
    expect(conflicts.length).toBeGreaterThan(times);
    expect(world.errors).toEqual([]);
    expect(world.linesOf('feed/a')).toEqual(['a1@08', 'a3@06']);
    expect(world.linesOf('feed/b')).toEqual(['b1@06', 'b2@06']);
    expect(world.rows().filter(({ version }) => version === added)).toHaveLength(2);
    expect(world.objects()).toEqual(expect.arrayContaining(theirs));
    expect(await world.counted()).toEqual(world.objects().filter((key) => !theirs.includes(key)));
  },
);

test('reconcile tells of objects that readers do not find, and of those that the ledger does not count', async () => {
  const world = await published();
  const [lost = '', kept = ''] = world.objects();
  const deps = depsOf(world.aws.actor('person'), world.aws);
  await publishChange(
    deps,
    dataset,
    { dataset: 'a person', batch: 'x', fence: 1 },
    { add: [], drop: [{ path: `s3://processed/${lost}` }], dropped: 'gone', summary: {} },
  );
  const found = await world.call('reconcile', (d) => reconcile(d, dataset));
  expect(found?.missing).toEqual([`s3://processed/${lost}`]);
  expect(found?.removed).toBe(0);
  expect(world.aws.s3.keys('processed')).toEqual(expect.arrayContaining([lost, kept]));
});
