/** Which files are read again because the file that had won against them has changed. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { readLosersAgain, writeLost } from '../../../../src/lib/flow/batch/lost.ts';
import type { Manifest } from '../../../../src/lib/flow/batch/manifest.ts';
import { type Deps, dataset, plan, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

let versions: Map<string, string>;
let batches: Map<string, string>;
let contract: string;
const own = 'a'.repeat(20);

/** A stage where the files x and y have lost rows to the file `won`. */
async function lost(): Promise<{ world: World; deps: Deps }> {
  const world = new World();
  versions = new Map(['won', 'x', 'y', 'z'].map((name) => [name, world.put(`feed/${name}`, [`${name}@06`])]));
  await world.settle();
  const deps = world.deps('completeBatch');
  const records = await Array.fromAsync(world.deps('test').ledger.files(dataset));
  batches = new Map(records.map((record) => [record.object, record.batch ?? '']));
  const [batch] = await deps.ledger.batches(dataset);
  contract = batch?.contract ?? '';
  await note(deps, 'won', 'b'.repeat(20), ['feed/x', 'feed/y', 'feed/x', 'feed/never']);
  return { world, deps };
}
const note = (deps: Deps, winner: string, batch: string, losers: readonly string[]) => {
  const { bucket, key } = places(deps.config).lost(dataset, `feed/${winner}`);
  return deps.store.writeText({ bucket, key: `${key}${batch}-f1-.json` }, JSON.stringify(losers));
};

/** A batch that has published these files, in place of the published version of `won`. */
const manifestOf = (names: readonly string[], more: Partial<Manifest> = {}, version = 'new'): Manifest => ({
  dataset,
  batch: own,
  files: names.map((name) => ({
    object: `feed/${name}`,
    version,
    etag: 'e',
    size: 1,
    sequencer: '1',
    sk: 'PENDING#1',
  })),
  published: [
    {
      object: 'feed/won',
      version: versions.get('won') ?? '',
      batch: batches.get('feed/won') ?? '',
      published: 1,
    },
  ],
  decision: null,
  ...more,
});
/** `quarantined`: rows of the winner. `isCompared`: whether the contract compares a batch with published rows. */
const changing = (
  manifest: Manifest,
  { version = contract, quarantined = 0, isCompared = true } = {},
): Parameters<typeof readLosersAgain>[1] => ({
  manifest,
  plan: {
    ...plan,
    contract: version,
    set: { ...plan.set, dedupe: { key: ['id'], order: [], published: isCompared } },
  },
  summary: {
    rowsRead: 1,
    published: 1,
    quarantined,
    duplicates: 0,
    reasons: {},
    nulled: {},
    partitions: [],
    files: manifest.files.map(({ object, version: of }) => ({
      object,
      version: of,
      rowsRead: 1,
      published: 1 - quarantined,
      quarantined,
      duplicates: 0,
    })),
  },
});
const again = async (world: World) =>
  (await world.deps('test').ledger.pending(dataset)).map(({ object, group }) => [object, group]).sort();

test('a corrected winner’s losers wait, once each, behind replays of a person', async () => {
  const { world, deps } = await lost();
  const manifest = manifestOf(['won']);
  expect(await readLosersAgain(deps, changing(manifest))).toBe(2);
  const group = `replay-~lost-${own}`;
  expect(await again(world)).toEqual([
    ['feed/x', group],
    ['feed/y', group],
  ]);
  expect(await readLosersAgain(deps, changing(manifest))).toBe(0);
});

const asItWas = (manifest: Manifest): Manifest => ({
  ...manifest,
  files: manifest.files.map((file) => ({ ...file, version: versions.get('won') ?? '' })),
});

type Case = [string, (manifest: Manifest) => Manifest, Parameters<typeof changing>[1]];

test.each<Case>([
  ['it is replayed under another contract', asItWas, { version: 'another' }],
  ['a replay finds other rows of it good', asItWas, { quarantined: 1 }],
  ['it is rolled back', (manifest) => ({ ...asItWas(manifest), decision: 'rollback' }), {}],
  [
    'nobody knows its batch any more',
    (manifest) => ({
      ...manifest,
      published: manifest.published.map((of) => ({ ...of, batch: 'f'.repeat(20) })),
    }),
    {},
  ],
])('when %s, its losers are read again', async (_, change, by) => {
  const { deps } = await lost();
  expect(await readLosersAgain(deps, changing(change(manifestOf(['won'])), by))).toBe(2);
});

test('when nothing has changed for them, losers are not read again', async () => {
  const { deps } = await lost();
  const unchanged: readonly Case[] = [
    ['it is replayed as it was', asItWas, {}],
    ['its correction is rejected', (manifest) => ({ ...manifest, decision: 'reject' }), {}],
    [
      'it had no rows',
      (manifest) => ({
        ...manifest,
        published: manifest.published.map((of) => ({ ...of, isRejected: true })),
      }),
      {},
    ],
    ['nothing of it was published', (manifest) => ({ ...manifest, published: [] }), {}],
    [
      'neither contract compares published rows',
      (manifest) => manifest,
      { version: 'another', isCompared: false },
    ],
  ];
  for (const [why, change, by] of unchanged) {
    const count = await readLosersAgain(deps, changing(change(manifestOf(['won'])), by));
    expect([why, count]).toEqual([why, 0]);
  }
});

test('when nobody knows whether an earlier contract compared published rows, they are read again', async () => {
  const { world, deps } = await lost();
  for (const key of world.aws.s3.keys('work').filter((name) => name.endsWith('/plan.json')))
    world.aws.s3.seed('work', key, 'not JSON');
  const by = { version: 'another', isCompared: false };
  expect(await readLosersAgain(deps, changing(manifestOf(['won']), by))).toBe(2);
});

test('files of the batch itself are not read once more, nor those that only it has beaten, nor rejected ones', async () => {
  const { world, deps } = await lost();
  await note(deps, 'won', own, ['feed/z']);
  expect(await readLosersAgain(deps, changing(manifestOf(['won', 'x'])))).toBe(1);
  expect((await again(world)).map(([object]) => object)).toEqual(['feed/y']);
  const other = await lost();
  for (const item of other.world.aws.dynamo.items('ledger'))
    if (item.sk === 'OBJECT' && item.object === 'feed/x')
      other.world.aws.dynamo.seed('ledger', {
        ...item,
        rows: { ...(item.rows as object), isRejected: true },
      });
  expect(await readLosersAgain(other.deps, changing(manifestOf(['won'])))).toBe(1);
});

test('the pairs that a run has staged are noted for each winner, under the name of the attempt', async () => {
  const world = new World();
  const deps = world.deps('publish');
  const at = places(deps.config);
  const attempt = { batch: own, fence: 7 };
  const { bucket, key } = at.run(dataset, own, 'r').lost;
  const pairs = (winner: string, ...losers: string[]) => JSON.stringify({ winner, losers });
  world.aws.s3.seed(
    bucket,
    `${key}0.json`,
    `${pairs('feed/won', 'feed/x')}\n\n${pairs('feed/other', 'feed/y')}\n`,
  );
  world.aws.s3.seed(bucket, `${key}1.json`, pairs('feed/third', 'feed/x', 'feed/y'));
  world.aws.s3.seed(bucket, `${key}_SUCCESS`, 'no pairs');
  // A call that is repeated writes the same.
  for (let n = 0; n < 2; n++) await writeLost(deps, dataset, attempt, 'r');
  const noted = (winner: string) => {
    const folder = at.lost(dataset, winner);
    return world.aws.s3
      .keys(folder.bucket, folder.key)
      .map((name) => [name.slice(folder.key.length), JSON.parse(world.text(folder.bucket, name))]);
  };
  expect(noted('feed/won')).toEqual([[`${own}-f7-.json`, ['feed/x']]]);
  expect(noted('feed/other')).toEqual([[`${own}-f7-.json`, ['feed/y']]]);
  expect(noted('feed/third')).toEqual([[`${own}-f7-.json`, ['feed/x', 'feed/y']]]);
});
