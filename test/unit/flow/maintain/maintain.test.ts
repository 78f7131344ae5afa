/** The maintenance of a table changes what is stored, and never what the files say. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { maintenanceOf } from '../../../../src/lib/contract/contract.ts';
import { readPlan } from '../../../../src/lib/flow/batch/manifest.ts';
import { goldenTable } from '../../../../src/lib/flow/batch/tables.ts';
import { maintain } from '../../../../src/lib/flow/maintain/maintain.ts';
import { removeOrphans } from '../../../../src/lib/flow/maintain/orphans.ts';
import type { TableFormat } from '../../../../src/lib/table/format.ts';
import { requireTable } from '../../../../src/lib/table/iceberg/commit.ts';
import { publishChange, tagSnapshot } from '../../../../src/lib/table/iceberg/operations.ts';
import { after, correction, expectWholeOnceThawed, newFile, published } from '../../../support/everyCall.ts';
import { dataset, expectNoOrphans, expectWhole, mergeRows, type World } from '../../../support/flowWorld.ts';
import { depsOf } from '../../../support/iceberg.ts';
import { isThorough } from '../../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const day = 86_400_000;
const run = (world: World, isDryRun = false) =>
  world.call('maintain', (deps) => maintain(deps, mergeRows, dataset, { isDryRun }));
const tableOf = async (world: World) =>
  (await requireTable(depsOf(world.aws.actor('test'), world.aws), dataset)).metadata;
const keepFew = (world: World) =>
  world.changeContract(
    (contract) => ({
      ...contract,
      table: {
        format: world.format,
        maintenance: {
          ...maintenanceOf({ table: undefined }),
          keepDays: 2,
          keepSnapshots: 1,
          metadataVersions: 3,
        },
      },
    }),
    'maintain',
  );

/** A file, its correction, and another one; days later. */
async function aged(): Promise<World> {
  const world = await published({ format: 'iceberg' });
  await correction(world);
  await world.settle();
  world.aws.clock.advance(1.5 * day);
  await newFile(world);
  await world.settle();
  world.aws.clock.advance(day);
  keepFew(world);
  return world;
}

test('old states expire, and what only they named is removed a day later at the most', async () => {
  const world = await aged();
  const before = await tableOf(world);
  const dry = await run(world, true);
  expect(dry).toMatchObject({ table: dataset, snapshots: 1, orphans: 0 });
  expect(await tableOf(world)).toEqual(before);
  expect(world.metrics.has('SnapshotsExpired')).toBe(false);
  const keys = world.aws.s3.keys('processed');
  // The objects that the correction has replaced are older than a day.
  const done = await run(world);
  expect(done).toMatchObject({ table: dataset, snapshots: 1 });
  expect(done?.orphans).toBeGreaterThan(2);
  const measured = ['SnapshotsExpired', 'OrphansRemoved', 'ObjectsCompacted'].map((name) =>
    world.metrics.get(name),
  );
  expect(measured).toEqual([1, done?.orphans, 0]);
  // The expiry has written one metadata file.
  expect(keys.length + 1 - world.aws.s3.keys('processed').length).toBe(done?.orphans);
  expect((await tableOf(world)).snapshots).toHaveLength(2);
  await expectWhole(world);
  await expectNoOrphans(world);
  expect(await run(world)).toMatchObject({ snapshots: 0, orphans: 0 });
});

test('what another dataset of the table wants to keep stays, also when the contract names another table by now', async () => {
  const world = await aged();
  const snapshots = async () => (await tableOf(world)).snapshots?.length ?? 0;
  const before = await snapshots();
  const result = await world.call('maintain', (deps) => {
    const contract = deps.contracts.get(dataset);
    if (contract === undefined) throw new Error('no contract');
    const { format } = world;
    const maintenance = { ...maintenanceOf(contract), keepDays: 365 };
    const contracts = new Map([
      [dataset, { ...contract, table: { name: 'other', format, maintenance: maintenanceOf(contract) } }],
      ['neighbour', { ...contract, dataset: 'neighbour', table: { name: dataset, format, maintenance } }],
    ]);
    return maintain({ ...deps, contracts }, mergeRows, dataset);
  });
  expect(result).toMatchObject({ table: dataset, snapshots: 0 });
  expect(await snapshots()).toBe(before);
  expect(await run(world)).toMatchObject({ snapshots: 1 });
});

test('a tag keeps its snapshot, and all objects of it', async () => {
  const world = await aged();
  const deps = depsOf(world.aws.actor('person'), world.aws);
  const [first] = (await tableOf(world)).snapshots;
  await tagSnapshot(deps, dataset, { name: 'model', snapshotId: first?.['snapshot-id'] ?? 0n });
  const objects = world.aws.s3.keys('processed').filter((key) => key.endsWith('.parquet'));
  expect(await run(world)).toMatchObject({ snapshots: 0 });
  expect(world.aws.s3.keys('processed')).toEqual(expect.arrayContaining(objects));
});

test('objects of other writers that no state names go; what the ledger may still count stays', async () => {
  const world = await aged();
  world.aws.s3.seed('processed', `${dataset}/data/theirs.parquet`, '[]');
  world.aws.s3.seed('processed', `${dataset}/notes.txt`, 'mine');
  const unknown = `${dataset}/${'0'.repeat(20)}-f1-r/source=feed/day=06/0.parquet`;
  world.aws.s3.seed('processed', unknown, '[]');
  // Counted, although another writer has dropped it from the table.
  const [lost = ''] = world.objects();
  await publishChange(
    depsOf(world.aws.actor('person'), world.aws),
    dataset,
    { dataset: 'other', batch: 'theirs', fence: 1 },
    { add: [], drop: [{ path: `s3://processed/${lost}` }], dropped: 'gone', summary: {} },
  );
  world.aws.clock.advance(3 * day);
  await run(world);
  const keys = world.aws.s3.keys('processed');
  expect(keys).not.toContain(`${dataset}/data/theirs.parquet`);
  expect(keys).toEqual(expect.arrayContaining([`${dataset}/notes.txt`, unknown, lost]));
});

test('thousands of orphans are removed in steps; a dry run counts them', async () => {
  const world = await aged();
  const deps = world.deps('maintain');
  const keys = Array.from({ length: 2500 }, (_, i) => `${dataset}/data/${i}.parquet`);
  for (const key of keys) world.aws.s3.seed('processed', key, '[]');
  const { ledger } = deps;
  const [batch] = await ledger.batches(dataset);
  const counted = world.objects();
  const plan = await readPlan(deps, { dataset, batch: batch?.batch ?? '', fence: batch?.committed ?? 0 });
  const format = { ...deps.formats.iceberg, orphans: async () => new Set([...keys, ...counted]) };
  const shape = goldenTable(plan, deps.config);
  const remove = (isDryRun: boolean, of: TableFormat = format) =>
    removeOrphans(deps, { dataset, sharing: [dataset], plan, shape, format: of, isDryRun });
  const left = () => world.aws.s3.keys('processed', `${dataset}/data/`).length;
  expect([await remove(true), left()]).toEqual([2500, 2500]);
  expect([await remove(false), left()]).toEqual([2500, 0]);
  // The ledger counts these, whatever the table says.
  expect(world.stored()).toEqual(expect.arrayContaining(counted));
  expect(await remove(false, { ...format, orphans: async () => null })).toBe(0);
});

test('while an old batch is open, nothing expires: its commit must be found', async () => {
  const world = await aged();
  world.put('feed/d', ['d1@06']);
  world.aws.plan = ({ actor }) =>
    /^(?:completeBatch|failBatch|sweep|recover)/.test(actor)
      ? { mode: 'fail', error: 'AccessDenied' }
      : undefined;
  await world.deliver();
  await world.executeAll();
  world.aws.plan = undefined;
  // So young a batch matters to nothing that could expire.
  expect(await run(world)).not.toHaveProperty('waitsFor');
  world.aws.clock.advance(4 * day);
  expect(await run(world)).toMatchObject({ snapshots: 0, waitsFor: expect.stringContaining('to end') });
  await world.settle();
  await world.cleanUp();
  expect(await run(world)).not.toHaveProperty('waitsFor');
  await expectWhole(world);
});

test('a Hive table has no old states, and an unknown dataset is an error', async () => {
  const world = await published({ format: 'hive' });
  expect(await run(world)).toMatchObject({ table: dataset, snapshots: 0, orphans: 0, metadataBytes: 0 });
  expect(
    await world
      .call('maintain', (deps) => maintain({ ...deps, contracts: new Map() }, mergeRows, dataset))
      .catch((e: Error) => e.name),
  ).toBe('InvalidInput');
});

test('invariant 2: maintenance that fails, dies or stands still at whatever call harms nothing, beside a batch', async () => {
  const stride = isThorough ? 5 : 67;
  const start = Number(process.env.SLUICE_SEED ?? 0) % stride;
  for (const mode of ['fail', 'hang', 'lost', 'twice', 'stall', 'frozen'] as const)
    for (let n = 1 + start; ; n += stride) {
      const world = await aged();
      let calls = 0;
      let hit = '';
      const isMeant = (actor: string) => actor.startsWith('maintain');
      const frozen = mode === 'frozen' ? world.freeze(n, isMeant) : undefined;
      if (mode !== 'frozen')
        world.aws.plan = ({ actor, operation }) => {
          if (!isMeant(actor) || ++calls !== n) return undefined;
          hit = operation;
          return mode === 'fail' ? { mode, error: 'AccessDenied' } : { mode };
        };
      await run(world).catch(() => {});
      world.aws.plan = undefined;
      hit ||= frozen?.hit ?? '';
      if (hit === '') break;
      await after(`call ${n}, ${hit} ${mode}`, async () => {
        world.put('feed/a', ['a9@06']);
        await world.settle();
        world.aws.runStalled();
        await expectWholeOnceThawed(world);
        expect(await run(world)).not.toBeNull();
        await expectWhole(world);
      });
    }
}, 300_000);
